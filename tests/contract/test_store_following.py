"""What a replica reads of what has changed, by id: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.catalogue import ReferenceCatalogue
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind, ReferenceState
from index.store.store import Store

MODEL = "model@1"


class FollowingContract:
    """Inherit it and say where the store is."""

    @pytest.fixture
    def store(self, location: str) -> Iterator[Store]:
        """Open a store of one brand with three references, the last without an embedding."""
        with Store.open(location) as store:
            store.put_brands([Brand(brand_id="acme", name="Acme"), Brand(brand_id="zoe", name="Zoë")])
            store.add_references([_reference("r1", 0, 1), _reference("r2", 2), _reference("r3")])
            yield store

    def test_references_are_read_by_id_in_whatever_state(self, store: Store) -> None:
        """Those asked for are given with all their views in order; one that is not there is left out."""
        store.set_reference_state("r2", ReferenceState.RETIRED)

        found = {one.reference_id: (one.state, len(views)) for one, views in store.references_by_id(
            ["r1", "r2", "r3", "r9"], MODEL)}  # fmt: skip

        assert found == {
            "r1": (ReferenceState.ACTIVE, 2),
            "r2": (ReferenceState.RETIRED, 1),
            "r3": (ReferenceState.ACTIVE, 0),
        }
        assert [view.variant for _, views in store.references_by_id(["r1"], MODEL) for view in views] == [0, 1]
        assert list(store.references_by_id([], MODEL)) == []
        assert [len(views) for _, views in store.references_by_id(["r1"], "other@2")] == [0]

    def test_names_are_read_by_id(self, store: Store) -> None:
        """Of brands that are not there, nothing is said."""
        assert store.brand_names_of(["zoe", "nobody"]) == {"zoe": "Zoë"}
        assert list(store.removed_images_of(["never-removed"])) == []

    def test_following_the_store_is_rebuilding(self, store: Store) -> None:
        """After a retirement, an upload and a new name the catalogue that followed is the one that is built."""
        followed = ReferenceCatalogue.build(store, MODEL, "exact")
        store.set_reference_state("r1", ReferenceState.QUARANTINED)
        store.add_references([_reference("r0", 3)])
        store.put_brands([Brand(brand_id="acme", name="Acme Ltd")])

        followed = followed.up_to_date(store)

        built = ReferenceCatalogue.build(store, MODEL, "exact")
        regions = np.eye(4, dtype=np.float32)
        assert followed.version == built.version
        assert followed.search(regions, 5) == built.search(regions, 5)
        assert followed.best_per_brand(regions, 5)[0].brand == "Acme Ltd"


class TestSqliteFollowing(FollowingContract):
    """On SQLite."""

    @pytest.fixture
    def location(self, tmp_path: Path) -> str:
        """Name a file."""
        return str(tmp_path / "store.db")


class TestPostgresFollowing(FollowingContract):
    """On PostgreSQL."""

    @pytest.fixture
    def location(self, postgres_url: str) -> str:
        """Name a database."""
        return postgres_url


def _reference(name: str, *axes: int) -> tuple[Reference, list[ReferenceEmbedding]]:
    reference = Reference(reference_id=name, brand_id="acme", kind=ReferenceKind.LOGO, image_sha256="0" * 64)
    vectors = np.eye(4, dtype=np.float32)[list(axes)]
    return reference, [
        ReferenceEmbedding(reference_id=name, variant=place, fingerprint=MODEL, vector=vector)
        for place, vector in enumerate(vectors)
    ]
