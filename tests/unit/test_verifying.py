"""A snapshot is compared with what the store says, whatever else happens to the store meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pytest

from index.errors import StoreError
from index.fake_source import FakeSource
from index.opening import build_catalogue
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind
from index.verifying import verify_snapshot

MODEL = "model@1"


class BusySource(FakeSource):
    """A registry to which somebody adds a reference each time that it is read, as long as there are `writes` left."""

    writes = 0

    def add(self, name: str, scale: float = 1.0) -> None:
        """Add a reference, whose vector has the norm `scale`."""
        reference = Reference(reference_id=name, brand_id="acme", kind=ReferenceKind.LOGO, image_sha256="0" * 64)
        vector = scale * np.eye(1, 8, dtype=np.float32)[0]
        self.put_reference(
            reference, [ReferenceEmbedding(reference_id=name, variant=0, fingerprint=MODEL, vector=vector)]
        )

    def iter_references(self, fingerprint: str) -> Iterator[tuple[Reference, tuple[ReferenceEmbedding, ...]]]:
        """Stream references; one that is written meanwhile is not among them."""
        yield from list(super().iter_references(fingerprint))
        self._write()

    def brand_names_of(self, brand_ids: Collection[str]) -> dict[str, str]:
        """Give names, which is the last that a renewal reads."""
        names = super().brand_names_of(brand_ids)
        self._write()
        return names

    def _write(self) -> None:
        if self.writes:
            self.writes -= 1
            self.add(f"meanwhile {self.writes}")


@pytest.fixture
def source(tmp_path: Path) -> BusySource:
    """Make a registry of one brand with one reference, and its snapshot."""
    registry = BusySource()
    registry.put_brand(Brand(brand_id="acme", name="Acme"))
    registry.add("r0")
    build_catalogue(registry, tmp_path, MODEL, "exact")
    return registry


def test_what_is_written_meanwhile_is_no_fault(source: BusySource, tmp_path: Path) -> None:
    """The store is read piece by piece, and goes on meanwhile: both sides are compared as of one state."""
    source.writes = 4

    found = verify_snapshot(source, tmp_path, MODEL)

    assert found is not None
    assert (source.writes, found.references, found.behind) == (0, 5, 4)
    assert found.sound


def test_a_store_that_never_stands_still_is_told(source: BusySource, tmp_path: Path) -> None:
    """Verifying ends, with what to do, even when there is no moment at which both are of one state."""
    source.writes = 1_000

    with pytest.raises(StoreError, match="while less is written"):
        verify_snapshot(source, tmp_path, MODEL)


def test_what_cannot_be_searched_is_reported(source: BusySource, tmp_path: Path) -> None:
    """An embedding that was left out is missing from the snapshot and the store's catalogue alike, and is named."""
    source.add("bad", scale=2.0)
    build_catalogue(source, tmp_path, MODEL, "exact")

    found = verify_snapshot(source, tmp_path, MODEL)

    assert found is not None
    assert (found.same, found.sound) == (True, False)
    assert (found.missing, found.differing, found.unusable) == ((), (), ("bad",))
