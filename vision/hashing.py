"""Is this photo a near copy of one on record? Perceptual hashes and the distance between them.

The second step of a listing's way through, right after `vision.decode` and before anything is embedded. PDQ (Davis and
Rosen, "PDQ and TMK + PDQF", Facebook 2019) turns a photo into 256 bits that survive resizing, recompression and light
edits; two photos are near copies when few of the bits differ. The mirrored photo is hashed as well, because flipping a
photo left to right is the cheapest way to hide that it was copied.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.shrinking import shrunk

HASH_BYTES = 32
HASH_BITS = 8 * HASH_BYTES

MATCH_DISTANCE = 31
"""Hashes at most this many bits apart are of the same picture: the start value that PDQ's authors recommend
(facebook/ThreatExchange, pdq/README.md: "Distance Threshold to consider two hashes to be similar/matching: <=31")."""

CERTAIN_DISTANCE = 15
"""Hashes at most this many bits apart need no other proof. A hundredth of 250 photos of fashion and clothing that were
saved at q=30 or flipped are more than 13 bits off, 18 at most; of studio photos of different goods in one pose, but for
one product in another colour, the nearest are 18 bits apart, and many 31 and less."""

RELIABLE_QUALITY = 50
"""Below it a picture is too flat for its hash to mean anything: blank photos all look alike. The same page recommends
discarding hashes of quality 49 and less."""

_HASHED_EDGE = 256
"""Every photo is hashed at this size, squashed to a square. PDQ's smoothing depends on the size of its input: hashed as
they came, 60 real photos and their copies scaled by 0.3-2.2 (JPEG quality 40-80) were 10-21 bits apart on average and
54 at most; at this fixed size 1-7 and 22, in a fifth of the time. Different photos stayed 98 or more apart."""

_REDUCED_EDGE = 64
_FREQUENCIES = 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

_BLOCK_BYTES = 64 * 2**20
"""Working memory of `hamming` beside its result."""


@dataclass(frozen=True)
class PdqHash:
    """The perceptual hash of one photo.

    `bits` and `mirrored` (of the photo flipped left to right) are 32 bytes each, most significant bit first; `quality`
    is PDQ's measure of how much structure the photo has, 0..100.
    """

    bits: bytes
    quality: int
    mirrored: bytes

    def __post_init__(self) -> None:
        for name, value in (("bits", self.bits), ("mirrored", self.mirrored)):
            if len(value) != HASH_BYTES:
                raise ValueError(f"{name} has {len(value)} bytes; a PDQ hash has {HASH_BYTES}")
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality {self.quality} is outside 0..100")

    @property
    def reliable(self) -> bool:
        """Whether the photo has enough structure for its hash to be matched; a flat one must not be."""
        return self.quality >= RELIABLE_QUALITY


def pdq(pixels: NDArray[np.uint8]) -> PdqHash:
    """Hash a photo: `pixels` is [H, W, 3] uint8 RGB of any size.

    At a fixed size PDQ is a few products of small matrices. They give the bits and the quality that Facebook's own code
    gives of the same square (`pdqhash` 0.2.8: equal on 1,000 of 1,000 real photos, mirrored too), in 0.5 ms instead of
    4.6 ms, and other threads run meanwhile.
    """
    height, width = pixels.shape[:2]
    if min(height, width) >= _HASHED_EDGE:
        square = shrunk(pixels, width=_HASHED_EDGE, height=_HASHED_EDGE)
    else:
        square = np.asarray(cv2.resize(pixels, (_HASHED_EDGE, _HASHED_EDGE)), np.uint8)
    luma = (square.reshape(-1, 3).astype(np.float32) @ _LUMA).reshape(square.shape[:2])
    rows = _REDUCED @ luma
    reduced = rows @ _REDUCED.T
    # PDQ can derive the mirrored hash from the same transform, but 11 bits off on average (26 at most) on real photos.
    return PdqHash(bits=_bits(reduced), quality=_quality(reduced), mirrored=_bits(rows @ _REDUCED[:, ::-1].T))


def hamming(query: NDArray[np.uint8], known: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Count the differing bits of every pair: [n, 32] and [m, 32] uint8 in, [n, m] int32 of 0..256 out."""
    queries, knowns = _words(query), _words(known)
    distances = np.zeros((len(queries), len(knowns)), dtype=np.int32)
    # A pair's words one after the other: summing over an axis of four took six times as long.
    rows = max(1, _BLOCK_BYTES // (max(1, len(knowns)) * np.dtype(np.uint64).itemsize))
    for start in range(0, len(queries), rows):
        for word in range(queries.shape[1]):
            differing = queries[start : start + rows, np.newaxis, word] ^ knowns[np.newaxis, :, word]
            distances[start : start + rows] += np.bitwise_count(differing)
    return distances


def as_matrix(hashes: list[bytes] | tuple[bytes, ...]) -> NDArray[np.uint8]:
    """Stack hashes of 32 bytes each into the [n, 32] uint8 that `hamming` takes; n may be 0."""
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(hashes), HASH_BYTES)


def _reduction() -> NDArray[np.float32]:
    """Give the matrix [64, 256] that reduces rows as PDQ does: two box filters of two rows each, then every fourth."""
    taken = np.arange(2, _HASHED_EDGE, _HASHED_EDGE // _REDUCED_EDGE)
    reduction = np.zeros((_REDUCED_EDGE, _HASHED_EDGE), np.float32)
    for offset, weight in enumerate((0.25, 0.5, 0.25)):  # the last row stands for those beyond the edge
        np.add.at(reduction, (np.arange(_REDUCED_EDGE), np.minimum(taken + offset, _HASHED_EDGE - 1)), weight)
    return reduction


def _cosines() -> NDArray[np.float32]:
    """Give the matrix [16, 64] of the cosine transform's lowest frequencies but the mean, as PDQ scales them."""
    angles = np.outer(np.arange(1, _FREQUENCIES + 1), 2 * np.arange(_REDUCED_EDGE) + 1) * np.pi / 2 / _REDUCED_EDGE
    scaled: NDArray[np.float64] = np.sqrt(2 / _REDUCED_EDGE) * np.cos(angles)
    return scaled.astype(np.float32)


_REDUCED, _COSINES = _reduction(), _cosines()


def _bits(reduced: NDArray[np.float32]) -> bytes:
    """Tell which of the 256 frequencies of a reduced photo, float32 [64, 64], are above their lower median."""
    strengths = (_COSINES @ reduced @ _COSINES.T).ravel()
    middle = (strengths.size - 1) // 2
    return np.packbits((strengths > np.partition(strengths, middle)[middle])[::-1]).tobytes()


def _quality(reduced: NDArray[np.float32]) -> int:
    """Measure how much structure a reduced photo has, 0..100: its differences in whole percents of the range."""
    percents = (np.abs(np.diff(reduced, axis=axis) * 100 / 255).astype(np.int64) for axis in (0, 1))
    return min(100, sum(int(each.sum()) for each in percents) // 90)


def _words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """View [n, 32] bytes as [n, 4] words of 64 bits, which the processor counts in one instruction each."""
    if hashes.ndim != 2 or hashes.shape[1] != HASH_BYTES or hashes.dtype != np.uint8:
        raise ValueError(f"hashes are {hashes.dtype} {hashes.shape}; give uint8 of shape [n, {HASH_BYTES}]")
    return np.ascontiguousarray(hashes).view(np.uint64)
