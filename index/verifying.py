"""Is the snapshot what the store says? Its files against their digests, and what it holds against the store.

A snapshot is of the state that it names, and the store may be ahead: what changed since is brought into it first, as a
replica does. Then every active reference must be there, once, looking as the store says, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.catalogue import ReferenceCatalogue
from index.columns import ReferenceSource
from index.errors import SnapshotError
from index.opening import catalogue_of
from index.snapshot import FORMAT_VERSION, check_vectors_file, current_snapshot, load_snapshot


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found. `behind` counts the changes since the snapshot was made, which a replica reads when it starts."""

    snapshot: str
    format_version: int
    index_version: str
    references: int
    behind: int
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    differing: tuple[str, ...]
    same: bool

    @property
    def sound(self) -> bool:
        """Whether the snapshot, brought up to date, is what the store says, to the last bit of its digest."""
        return self.same and not (self.missing or self.surplus or self.differing)


def verify_snapshot(source: ReferenceSource, directory: Path, fingerprint: str) -> Verification | None:
    """Verify the current snapshot, None when there is none. The source must not change meanwhile.

    Raises:
        SnapshotError: it is damaged, of another model or store, or of an unknown format.

    """
    path = current_snapshot(directory)
    if path is None:
        return None
    snapshot = load_snapshot(path, fingerprint=fingerprint)
    check_vectors_file(snapshot)
    manifest = snapshot.manifest
    if manifest.format_version != FORMAT_VERSION:
        raise SnapshotError(
            f"{path} is of format version {manifest.format_version}: it can be read, but not compared with the store; "
            "replicas build a new one, as does `touchstone index build`."
        )
    held = catalogue_of(snapshot, "exact")
    if not held.is_of(source):
        raise SnapshotError(
            f"{path} is of another store, or of a state that this one was set back from; replicas build a new one, as "
            "does `touchstone index build`."
        )
    held = held.up_to_date(source)
    true = ReferenceCatalogue.build(source, fingerprint, "exact")
    here, there = _digests(held), _digests(true)
    return Verification(
        snapshot=str(path),
        format_version=manifest.format_version,
        index_version=manifest.index_version,
        references=len(held),
        behind=held.store_version - manifest.store_version,
        missing=tuple(sorted(there.keys() - here.keys())),
        surplus=tuple(sorted(here.keys() - there.keys())),
        differing=tuple(sorted(name for name in here.keys() & there.keys() if here[name] != there[name])),
        same=held.version == true.version,
    )


def _digests(catalogue: ReferenceCatalogue) -> dict[str, int]:
    """Give the digests of the references that count, by id."""
    found: dict[str, int] = {}
    for layer in catalogue.layers:
        rows = np.flatnonzero(~layer.masked_references)
        names = layer.columns.reference_ids[rows].tolist()
        found.update(
            zip((name.decode() for name in names), layer.columns.reference_digests[rows].tolist(), strict=True)
        )
    return found
