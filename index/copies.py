"""Is this photo a copy of one that is on record? Exact copies by sha256, near copies by PDQ.

The identify step of a listing's way through, before anything is embedded: a `CopyTable` holds the hashes of known
counterfeits, official references and photos of removed listings, and `index.pictures` asks those of all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.columns import CatalogueColumns, digests
from index.records import DuplicateSource
from vision.hashing import HASH_BYTES, MATCH_DISTANCE, hamming

# Bounds a comparison's temporaries: 64 photos x 16,384 hashes make 4 MiB of distances.
_BLOCK_ROWS = 16_384
# Copies told of a photo, of each source.
MOST = 10


@dataclass(frozen=True, kw_only=True)
class FoundCopy:
    """Photo `image_row` of the query is a copy of the picture in `row`; see `index.pictures.CopyMatch`."""

    image_row: int
    row: int
    distance: int
    exact: bool
    mirrored: bool


@dataclass(frozen=True)
class _Candidates:
    """Parallel int64 [c]: photo, row of the table, distance; and whether exact and mirrored, as 0 or 1."""

    photos: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.int64]
    exact: NDArray[np.int64]
    mirrored: NDArray[np.int64]

    def take(self, places: NDArray[np.int64]) -> _Candidates:
        return _Candidates(*(column[places] for column in self._columns()))

    def joined(self, other: _Candidates) -> _Candidates:
        pairs = zip(self._columns(), other._columns(), strict=True)
        return _Candidates(*(np.concatenate(pair) for pair in pairs))

    def _columns(self) -> tuple[NDArray[np.int64], ...]:
        return (self.photos, self.rows, self.distances, self.exact, self.mirrored)


class CopyTable:
    """Hashes of the pictures on record. Immutable; any number of threads may ask at once."""

    def __init__(self, columns: CatalogueColumns) -> None:
        self._columns = columns
        self._hashed = np.flatnonzero(columns.copy_has_pdq)
        self._bits = columns.copy_pdq
        if len(self._hashed) < len(columns.copy_pdq):
            self._bits = columns.copy_pdq[self._hashed]
        self._keys = _keys(columns.copy_sha256)
        # Sources as small numbers, to group by: sorting a million words takes seconds.
        self._sources = sum(
            number * (columns.copy_sources == source.encode()).astype(np.int8)
            for number, source in enumerate(DuplicateSource)
        ).astype(np.int8)

    def __len__(self) -> int:
        return len(self._keys)

    def find(
        self,
        bits: NDArray[np.uint8],
        mirrored_bits: NDArray[np.uint8],
        sha256s: Sequence[str],
        *,
        masked: NDArray[np.bool_],
        usable: NDArray[np.bool_] | None = None,
        max_distance: int = MATCH_DISTANCE,
        most: int = MOST,
    ) -> list[FoundCopy]:
        """Find copies of n photos: for each photo and each source the `most` nearest, in order of photo and distance.

        bits, mirrored_bits: uint8 [n, 32], the PDQ hashes of each photo and of its mirror image.
        sha256s: hex digests of the n files.
        masked: bool [c], which of the pictures do not count.
        usable: bool [n], False where a photo shows too little for its PDQ hash to mean anything (one plain surface
            resembles every other); such a photo is compared by sha256 alone. When left out, all are usable.
        """
        photos = np.arange(len(sha256s)) if usable is None else np.flatnonzero(usable)
        _check_hashes(bits, mirrored_bits, count=len(sha256s))
        near = self._near(photos, bits[photos], mirrored_bits[photos], max_distance)
        found = near.joined(self._exact(digests(sha256s)))
        found = self._nearest_of_each_source(found.take(np.flatnonzero(~masked[found.rows])), most)
        return [_found(found, place) for place in range(len(found.photos))]

    def _exact(self, sha256s: NDArray[np.uint8]) -> _Candidates:
        """Find rows with the same file; whole digests are compared only where their first 8 bytes agree."""
        pairs = [
            (photo, row)
            for photo, key in enumerate(_keys(sha256s))
            for row in np.flatnonzero(self._keys == key)
            if np.array_equal(self._columns.copy_sha256[row], sha256s[photo])
        ]
        photos, rows = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        nothing = np.zeros_like(photos)
        return _Candidates(photos, rows, nothing, nothing + 1, nothing)

    def _near(
        self, photos: NDArray[np.int64], bits: NDArray[np.uint8], mirrored: NDArray[np.uint8], max_distance: int
    ) -> _Candidates:
        """Find rows within `max_distance` of a photo or of its mirror image, a block of rows at a time."""
        nothing = np.empty(0, dtype=np.int64)
        found = _Candidates(nothing, nothing, nothing, nothing, nothing)
        if len(photos) == 0:
            return found
        for start in range(0, len(self._bits), _BLOCK_ROWS):
            block = self._bits[start : start + _BLOCK_ROWS]
            upright, flipped = hamming(bits, block), hamming(mirrored, block)
            distances = np.minimum(upright, flipped)
            at, row = np.nonzero(distances <= max_distance)
            is_mirrored = (flipped < upright)[at, row].astype(np.int64)
            distance = distances[at, row].astype(np.int64)
            hits = _Candidates(photos[at], self._hashed[start + row], distance, np.zeros_like(distance), is_mirrored)
            found = found.joined(hits)
        return found

    def _nearest_of_each_source(self, found: _Candidates, most: int) -> _Candidates:
        """Keep each pair of photo and row once, exact before near, and of each photo and source the `most` nearest.

        The limit holds for each source apart, so that a thousand removed listings cannot hide a known counterfeit.
        """
        found = found.take(np.lexsort((found.mirrored, found.distances, -found.exact, found.rows, found.photos)))
        found = found.take(np.flatnonzero(_changes(found.photos, found.rows)))
        sources = self._sources[found.rows]
        found = found.take(np.lexsort((found.rows, -found.exact, found.distances, sources, found.photos)))
        sources = self._sources[found.rows]
        place = np.arange(len(sources))
        group_start = np.maximum.accumulate(np.where(_changes(found.photos, sources), place, 0))
        found = found.take(np.flatnonzero(place - group_start < most))
        return found.take(np.lexsort((found.rows, -found.exact, found.distances, found.photos)))


def _found(found: _Candidates, place: int) -> FoundCopy:
    return FoundCopy(
        image_row=int(found.photos[place]),
        row=int(found.rows[place]),
        distance=int(found.distances[place]),
        exact=bool(found.exact[place]),
        mirrored=bool(found.mirrored[place]),
    )


def _keys(sha256s: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Take the first 8 bytes of each digest, uint8 [n, 32], as one number: uint64 [n]."""
    return np.ascontiguousarray(sha256s[:, :8]).view(np.uint64)[:, 0]


def _changes(*columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark where a sorted table's row differs from the one before it in any of `columns`; the first row does."""
    changed = np.ones(len(columns[0]), dtype=np.bool_)
    changed[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return changed


def _check_hashes(bits: NDArray[np.uint8], mirrored_bits: NDArray[np.uint8], *, count: int) -> None:
    """Raise ValueError unless both are uint8 [count, 32]."""
    for name, hashes in (("bits", bits), ("mirrored_bits", mirrored_bits)):
        if hashes.dtype != np.uint8 or hashes.shape != (count, HASH_BYTES):
            raise ValueError(
                f"{name} is {hashes.dtype} {list(hashes.shape)}, but {count} photos need uint8 [{count}, {HASH_BYTES}]"
            )
