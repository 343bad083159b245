"""Is the snapshot what the store says? Its files against their digests, and what it holds against the store.

A snapshot is of the state that it names, and the store may be ahead: what changed since is brought into it first, as a
replica does. Then every active reference must be there, once, looking as the store says, and nothing else.

The store is read in short transactions, so that a large one may be verified while it is written to: what is read of it
at first is brought up to date like the snapshot, until both are of one state.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.catalogue import ReferenceCatalogue
from index.columns import ReferenceSource
from index.errors import SnapshotError, StoreError
from index.opening import catalogue_of
from index.snapshot import FORMAT_VERSION, check_vectors_file, current_snapshot, load_snapshot

# How often the snapshot and the store are brought up to date, milliseconds each, before one state holds for both.
_MOST_TRIES = 100


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found. `behind` counts the changes since the snapshot was made, which a replica reads when it starts.

    `unusable` are references and removed listings that the store has embeddings of which cannot be searched.
    """

    snapshot: str
    format_version: int
    index_version: str
    references: int
    behind: int
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    differing: tuple[str, ...]
    unusable: tuple[str, ...]
    same: bool

    @property
    def sound(self) -> bool:
        """Whether the snapshot, brought up to date, is what the store says to the last bit, and lacks nothing."""
        return self.same and not (self.missing or self.surplus or self.differing or self.unusable)


def verify_snapshot(source: ReferenceSource, directory: Path, fingerprint: str) -> Verification | None:
    """Verify the current snapshot, None when there is none. The source may change meanwhile.

    Raises:
        SnapshotError: it is damaged, of another model or store, or of an unknown format.
        StoreError: the source cannot be read, or changes faster than it is.

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
    held, true = _of_one_state(held, ReferenceCatalogue.build(source, fingerprint, "exact"), source)
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
        unusable=tuple(sorted(true.left_out)),
        same=held.version == true.version,
    )


def _of_one_state(
    held: ReferenceCatalogue, true: ReferenceCatalogue, source: ReferenceSource
) -> tuple[ReferenceCatalogue, ReferenceCatalogue]:
    for _ in range(_MOST_TRIES):
        held, true = held.up_to_date(source), true.up_to_date(source)
        if held.store_version == true.store_version:
            return held, true
    raise StoreError("The store changes faster than it is read; verify the index while less is written.")


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
