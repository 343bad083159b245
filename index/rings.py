"""Which sellers are one and the same behind different names? Those who share photos and titles that others do not.

A seller who is suspended comes back under another name and uses the old photos. So sellers are linked who share three
things, photos and titles, of which one is a photo, and whoever is linked forms a ring. What many sellers have, a
maker's stock photo or the usual words for a product, links nobody, nor does what a brand owner published. Being in a
ring is no accusation: it only carries over what is known of the others (`index.strikes.ring_prior`). docs/sellers.md
has the measurement.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from index.strikes import DecayedTally
from index.titles import similar_pairs
from vision.hashing import HASH_BYTES, MATCH_DISTANCE

# More sellers than this have a photo or a title in common: then it is stock.
MOST_SHARING = 8
# What two sellers must share: photos and titles together, a photo among them. In our simulation (docs/sellers.md) two
# brought a precision of .42 (honest sellers who buy from one supplier meet in two of its photos), three .98.
LEAST_SHARED = 3
# ... and this share of what the smaller of the two offers: large honest sellers meet by chance.
LEAST_SHARE = 0.1
# A ring that is larger is glued together by something: only stronger links count within it.
MOST_MEMBERS = 50

# A hash is compared with those that agree with it in 16 of its bits, in any of 16 places; of a pair 22 bits apart, the
# most that was seen between copies (see vision.hashing), 1.3% agree nowhere.
_BAND_BYTES = 2
# Neighbours within a band that are compared with each other: more hashes that agree in 16 bits are of flat pictures.
_NEIGHBOURS = 256
# Pairs compared at a time: 8 MiB of temporaries.
_BLOCK_PAIRS = 2**16


@dataclass(frozen=True, kw_only=True)
class SellerListing:
    """What of a listing may link its seller to others: photos by digest and PDQ hash, and the title's signature."""

    seller_id: str
    photos: tuple[tuple[str, bytes | None], ...]
    title_signature: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class RingLink:
    """How many photos and titles two sellers of a ring share; the ids in order."""

    first_seller_id: str
    second_seller_id: str
    photos: int
    titles: int


@dataclass(frozen=True, kw_only=True)
class Ring:
    """Sellers who share photos and titles, in order, and how many of each at least two of them share.

    `links` say who shares how many with whom; they are no part of what makes two rings equal.
    """

    seller_ids: tuple[str, ...]
    shared_photos: int
    shared_titles: int
    links: tuple[RingLink, ...] = field(default=(), compare=False)

    @property
    def ring_id(self) -> str:
        """A name that the same members always have."""
        return hashlib.sha256("\n".join(self.seller_ids).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class RingStanding:
    """The ring that a seller is in, as of the run `version`: its size, and the tally of its other members."""

    ring_id: str
    version: int
    size: int
    others: DecayedTally
    find_time: datetime


@dataclass(frozen=True)
class Link:
    """What two sellers share: photos and titles, each as the numbers of the shared ones."""

    photos: frozenset[int]
    titles: frozenset[int]

    @property
    def strength(self) -> int:
        """How many things they share; none without a photo."""
        return len(self.photos) + len(self.titles) if self.photos else 0


def find_rings(listings: Iterable[SellerListing], *, official: Iterable[bytes] = ()) -> tuple[Ring, ...]:
    """Find the rings among the sellers of these listings. `official` are PDQ hashes of what brand owners published."""
    offers: Counter[str] = Counter()
    photo_sellers: dict[tuple[str, bytes | None], set[str]] = defaultdict(set)
    title_sellers: dict[bytes, set[str]] = defaultdict(set)
    for listing in listings:
        offers[listing.seller_id] += 1
        for photo in listing.photos:
            photo_sellers[photo].add(listing.seller_id)
        if listing.title_signature is not None:
            title_sellers[listing.title_signature].add(listing.seller_id)
    links = links_between(_shared_photos(photo_sellers, list(official)), _shared_titles(title_sellers))
    strong = {pair: link for pair, link in links.items() if link.strength >= _least(pair, offers)}
    return tuple(sorted(_rings(strong, least=LEAST_SHARED), key=lambda ring: ring.seller_ids))


def _least(pair: tuple[str, str], offers: Counter[str]) -> float:
    return max(LEAST_SHARED, LEAST_SHARE * min(offers[seller] for seller in pair))


def _shared_photos(
    photo_sellers: dict[tuple[str, bytes | None], set[str]], official: Sequence[bytes]
) -> list[set[str]]:
    """Give the sellers of each picture that a few of them use: the same file, or hashes hardly apart."""
    photos = list(photo_sellers)
    hashes = sorted({pdq for _, pdq in photos if pdq is not None} | set(official))
    row_of_hash = {pdq: len(photos) + row for row, pdq in enumerate(hashes)}
    row_of_file: dict[str, int] = {}
    pairs = [(row, row_of_hash[pdq]) for row, (_, pdq) in enumerate(photos) if pdq is not None]
    pairs += [(row, row_of_file.setdefault(sha256, row)) for row, (sha256, _) in enumerate(photos)]
    pairs += [(len(photos) + left, len(photos) + right) for left, right in near_pairs(hashes)]
    groups = _components(len(photos) + len(hashes), pairs)
    stock = {groups[row_of_hash[pdq]] for pdq in official}
    users: dict[int, set[str]] = defaultdict(set)
    for photo, group in zip(photos, groups, strict=False):
        if group not in stock:
            users[group] |= photo_sellers[photo]
    return _telling(users)


def _shared_titles(title_sellers: dict[bytes, set[str]]) -> list[set[str]]:
    """Give the sellers of each title that a few of them use, in nearly the same words."""
    signatures = sorted(title_sellers)
    users: dict[int, set[str]] = defaultdict(set)
    for signature, group in zip(signatures, _components(len(signatures), similar_pairs(signatures)), strict=True):
        users[group] |= title_sellers[signature]
    return _telling(users)


def _telling(users: dict[int, set[str]]) -> list[set[str]]:
    return [sellers for sellers in users.values() if 2 <= len(sellers) <= MOST_SHARING]


def near_pairs(hashes: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return nearly all pairs of rows whose hashes, distinct and of 32 bytes each, are at most 31 bits apart."""
    bits = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, HASH_BYTES)
    found: set[tuple[int, int]] = set()
    for pairs in iter_near_pairs(bits):
        found.update((min(left, right), max(left, right)) for left, right in pairs.tolist())
    return sorted(found)


def iter_near_pairs(bits: NDArray[np.uint8]) -> Iterator[NDArray[np.intp]]:
    """Yield what `near_pairs` returns as rows [n, 2], piece by piece and some more than once. `bits`: uint8 [m, 32]."""
    for start in range(0, HASH_BYTES, _BAND_BYTES):
        keys = np.ascontiguousarray(bits[:, start : start + _BAND_BYTES]).view(np.uint16)[:, 0]
        order = np.argsort(keys, kind="stable")
        yield from _near_in_band(bits, keys[order], order)


def _near_in_band(
    bits: NDArray[np.uint8], keys: NDArray[np.uint16], order: NDArray[np.intp]
) -> Iterator[NDArray[np.intp]]:
    """Compare the rows that have the same key, which stand one after the other."""
    words = bits.view(np.uint64)
    for apart in range(1, _NEIGHBOURS):
        at = np.flatnonzero(keys[apart:] == keys[:-apart])
        if len(at) == 0:
            return
        for block in range(0, len(at), _BLOCK_PAIRS):
            left = order[at[block : block + _BLOCK_PAIRS]]
            right = order[at[block : block + _BLOCK_PAIRS] + apart]
            near = np.bitwise_count(words[left] ^ words[right]).sum(axis=1) <= MATCH_DISTANCE
            if near.any():
                yield np.stack([left[near], right[near]], axis=1)


def links_between(photos: Sequence[set[str]], titles: Sequence[set[str]] = ()) -> dict[tuple[str, str], Link]:
    """Link every two of the sellers who share a photo or a title; each is given by its sellers."""
    shared: dict[tuple[str, str], tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
    for kind, items in enumerate((photos, titles)):
        for number, sellers in enumerate(items):
            for pair in itertools.combinations(sorted(sellers), 2):
                shared[pair][kind].add(number)
    return {pair: Link(frozenset(of[0]), frozenset(of[1])) for pair, of in shared.items()}


def _rings(links: dict[tuple[str, str], Link], *, least: int) -> list[Ring]:
    rings: list[Ring] = []
    for of_ring in joined(links, least=least):
        members = tuple(sorted({seller for pair in of_ring for seller in pair}))
        photos = frozenset[int]().union(*(link.photos for link in of_ring.values()))
        titles = frozenset[int]().union(*(link.titles for link in of_ring.values()))
        between = tuple(
            RingLink(first_seller_id=first, second_seller_id=second, photos=len(link.photos), titles=len(link.titles))
            for (first, second), link in sorted(of_ring.items())
        )
        rings.append(Ring(seller_ids=members, shared_photos=len(photos), shared_titles=len(titles), links=between))
    return rings


def joined(links: dict[tuple[str, str], Link], *, least: int) -> list[dict[tuple[str, str], Link]]:
    """Join who is linked by at least so many shared things; a ring that comes out too large is joined by more.

    Returns the links of each ring.
    """
    strong = {pair: link for pair, link in links.items() if link.strength >= least}
    sellers = sorted({seller for pair in strong for seller in pair})
    row = {seller: number for number, seller in enumerate(sellers)}
    groups = _components(len(sellers), [(row[left], row[right]) for left, right in strong])
    within: dict[int, dict[tuple[str, str], Link]] = defaultdict(dict)
    for pair, link in strong.items():
        within[groups[row[pair[0]]]][pair] = link
    rings: list[dict[tuple[str, str], Link]] = []
    for of_ring in within.values():
        too_large = len({seller for pair in of_ring for seller in pair}) > MOST_MEMBERS
        rings += joined(of_ring, least=least + 1) if too_large else [of_ring]
    return rings


def _components(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return of each row, below `count`, the number of the group into which `pairs` of rows join it."""
    if count == 0:
        return []
    left, right = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    groups: list[int] = connected_components(graph, directed=False)[1].tolist()
    return groups
