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

from index.photo_groups import first_of_each, photo_groups
from index.rings import LEAST_SHARED, MOST_SHARING, joined, links_between
from vision.hashing import HASH_BYTES

# 54 bytes a photo while they come in, three times that while they are compared.
MOST_PHOTOS = 2_000_000
MOST_RINGS = 12
# Photos in common whose listings are looked up by name; the first in the file.
MOST_SHARED = 100_000
RING_PHOTOS = 3

_PHOTO = np.dtype([("seller", "<u8"), ("file", "<u8"), ("row", "<u4"), ("place", "<u2")])
COLUMNS = ("seller_id", "images", "image_sha256", "image_hashes")


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
    """The largest of `count` rings, and what was left out: pictures of too many sellers, photos beyond the limits."""

    rings: tuple[ScanRing, ...]
    count: int
    stock: int
    not_compared: int
    not_named: int


@dataclass
class SharedPhotos:
    """The photos of a file as they come, and what they have in common."""

    most: int = MOST_PHOTOS
    _photos: bytearray = field(default_factory=bytearray)
    _hashes: bytearray = field(default_factory=bytearray)
    _not_compared: int = 0

    def add(self, table: pa.Table, first_row: int) -> None:
        """Take the photos of rows `first_row` and following of the file.

        A photo without a hash, unreadable or blank, says nothing of who uses it.
        """
        photos, hashes = [], []
        for row, columns in enumerate(zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True)):
            seller, images, files, bits = columns
            if not seller:
                continue
            key = _digest(seller)
            for place, (sha256, pdq) in enumerate(zip(files[: len(images)], bits, strict=False)):
                if sha256 and pdq and len(pdq) == HASH_BYTES:
                    photos.append((key, _digest(sha256), first_row + row, place))
                    hashes.append(pdq)
        room = self.most - len(self._hashes) // HASH_BYTES
        self._not_compared += max(0, len(photos) - room)
        self._photos += np.array(photos[:room], _PHOTO).tobytes()
        self._hashes += b"".join(hashes[:room])

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
        return Rings(
            rings=tuple(found[:MOST_RINGS]),
            count=len(found),
            stock=stock,
            not_compared=self._not_compared,
            not_named=dropped,
        )

    def _shared(self) -> tuple[NDArray[np.int64], NDArray[np.intp], int]:
        """Return the places [n, 2] and pictures [n] of photos that a few sellers share; and how many are stock.

        The photos themselves are let go.
        """
        photos = np.frombuffer(self._photos, _PHOTO)
        groups = photo_groups(photos["file"], np.frombuffer(self._hashes, np.uint8).reshape(-1, HASH_BYTES))
        order, new = first_of_each(photos["seller"], groups.astype(np.uint64))
        counts = np.bincount(groups[order[new]], minlength=int(groups.max(initial=-1)) + 1)
        few = (counts >= 2) & (counts <= MOST_SHARING)
        at = np.flatnonzero(few[groups])
        places = np.stack([photos[name][at].astype(np.int64) for name in ("row", "place")], axis=1)
        self._photos, self._hashes = bytearray(), bytearray()
        return places, groups[at], int((counts > MOST_SHARING).sum())


def _digest(text: str) -> int:
    """Tell texts of 2,000,000 photos apart: by chance two are taken for one in one scan of ten million."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


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
