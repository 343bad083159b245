"""Which sellers of a scan use each other's photos? Rings, with the links between their members, in bounded memory.

Two sellers are linked by every picture that both use: the same file, or PDQ hashes within the match distance. What more
than a few use is stock and links nobody, as in `index.rings`, which joins the links here as well. Where that asks for
three shared things before it carries a seller's record over to others, this shows one shared photo too: a person looks.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from index.photo_groups import photo_groups
from index.rings import LEAST_SHARED, MOST_SHARING, joined, links_between
from vision.hashing import HASH_BYTES

# 66 bytes a photo while they come in, about six times that while they are compared.
MOST_PHOTOS = 2_000_000
# Photos in common whose listings are looked up by name; the first in the file.
MOST_SHARED = 100_000
RING_PHOTOS = 3

_DIGEST_BYTES = 16
COLUMNS = ("seller_id", "listing_id", "images", "image_sha256", "image_hashes")


@dataclass(frozen=True)
class Bond:
    """What two sellers of a ring, given by their places in it, have in common: photos."""

    left: int
    right: int
    photos: int

    @property
    def strong(self) -> bool:
        """Whether it alone would make the two a ring on record (`touchstone sellers rings`)."""
        return self.photos >= LEAST_SHARED


@dataclass(frozen=True, kw_only=True)
class ScanRing:
    """Sellers who share photos, in order, the bonds between them, and where some of the photos are."""

    sellers: tuple[str, ...]
    bonds: tuple[Bond, ...]
    photos: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rings:
    """The rings, the largest first, and what was left out: pictures of too many sellers, photos beyond the limits."""

    rings: tuple[ScanRing, ...]
    stock: int
    not_compared: int
    not_named: int


@dataclass
class SharedPhotos:
    """The photos of a file as they come, and what they have in common."""

    most: int = MOST_PHOTOS
    _digests: list[bytes] = field(default_factory=list)
    _hashes: list[bytes] = field(default_factory=list)
    _sellers: list[bytes] = field(default_factory=list)
    _places: list[NDArray[np.int64]] = field(default_factory=list)
    _count: int = 0
    _not_compared: int = 0

    def add(self, table: pa.Table, first_row: int) -> None:
        """Take the photos of rows `first_row` and following of the file."""
        digests, hashes, sellers, places = bytearray(), bytearray(), bytearray(), []
        for row, columns in enumerate(zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True)):
            seller, _, images, files, bits = columns
            if not seller:
                continue
            key = hashlib.blake2b(seller.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            for place, digest, pdq in _photos(files[: len(images)], bits):
                if self._count == self.most:
                    self._not_compared += 1
                    continue
                self._count += 1
                digests += digest
                hashes += pdq
                sellers += key
                places.append((first_row + row, place))
        self._digests.append(bytes(digests))
        self._hashes.append(bytes(hashes))
        self._sellers.append(bytes(sellers))
        self._places.append(np.array(places, np.int64).reshape(-1, 2))

    def rings(self, rows: Iterable[tuple[int, pa.Table]]) -> Rings:
        """Find the rings; `rows` are the file's again, as `add` was given them, to look up who and where."""
        shared, groups, stock = self._shared()
        dropped = max(0, len(shared) - MOST_SHARED)
        shared, groups = shared[:MOST_SHARED], groups[:MOST_SHARED]
        users: dict[int, set[str]] = defaultdict(set)
        examples: dict[int, str] = {}
        for (seller, location), group in zip(_named(rows, shared), groups.tolist(), strict=True):
            users[group].add(seller)
            examples.setdefault(group, location)
        pictures = sorted(group for group, sellers in users.items() if len(sellers) >= 2)
        links = links_between([users[group] for group in pictures])
        found = []
        for of_ring in joined(links, least=1):
            sellers = tuple(sorted({seller for pair in of_ring for seller in pair}))
            place = {seller: number for number, seller in enumerate(sellers)}
            bonds = tuple(Bond(place[a], place[b], len(link.photos)) for (a, b), link in sorted(of_ring.items()))
            numbers = sorted(frozenset[int]().union(*(link.photos for link in of_ring.values())))
            shown = tuple(examples[pictures[number]] for number in numbers[:RING_PHOTOS])
            found.append(ScanRing(sellers=sellers, bonds=bonds, photos=len(numbers), examples=shown))
        found.sort(key=lambda ring: (-len(ring.sellers), -ring.photos, ring.sellers))
        return Rings(rings=tuple(found), stock=stock, not_compared=self._not_compared, not_named=dropped)

    def _shared(self) -> tuple[NDArray[np.int64], NDArray[np.intp], int]:
        """Return the places [n, 2] and pictures [n] of photos that a few sellers share; and how many are stock."""
        places = np.concatenate([np.empty((0, 2), np.int64), *self._places])
        if len(places) == 0:
            return places, np.empty(0, np.intp), 0
        files = np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, _DIGEST_BYTES)
        hashes = np.frombuffer(b"".join(self._hashes), np.uint8).reshape(-1, HASH_BYTES)
        sellers = np.frombuffer(b"".join(self._sellers), np.uint64)
        groups = photo_groups(files, hashes, np.any(hashes != 0, axis=1))
        pairs = np.unique(np.stack([groups.astype(np.uint64), sellers], axis=1), axis=0)
        counts = np.bincount(pairs[:, 0].astype(np.intp), minlength=int(groups.max()) + 1)
        few = (counts >= 2) & (counts <= MOST_SHARING)
        at = np.flatnonzero(few[groups])
        return places[at], groups[at], int((counts > MOST_SHARING).sum())


def _photos(files: list[str | None], bits: list[bytes | None]) -> Iterator[tuple[int, bytes, bytes]]:
    """Give place, digest and hash of each photo that was read; zeros for a hash that there is not."""
    for place, sha256 in enumerate(files):
        if sha256:
            pdq = bits[place] if place < len(bits) else None
            digest = hashlib.blake2b(sha256.encode(), digest_size=_DIGEST_BYTES).digest()
            yield place, digest, pdq if pdq and len(pdq) == HASH_BYTES else bytes(HASH_BYTES)


def _named(rows: Iterable[tuple[int, pa.Table]], places: NDArray[np.int64]) -> Iterator[tuple[str, str]]:
    """Give seller and location of the photos at these places, rows in the file's order."""
    start = 0
    for first_row, table in rows:
        end = start + int(np.searchsorted(places[start:, 0], first_row + table.num_rows))
        if end > start:
            at = places[start:end]
            taken = table.select(["seller_id", "images"]).take(at[:, 0] - first_row).to_pydict()
            yield from (
                (seller, images[place])
                for seller, images, place in zip(taken["seller_id"], taken["images"], at[:, 1].tolist(), strict=True)
            )
        start = end
