"""Which titles are nearly the same? A short signature of each, compared without the words being kept.

MinHash (Broder, "On the resemblance and containment of documents", 1997) over the title's five-letter pieces: two
signatures agree in as large a share of their places as the titles have pieces in common. `serving.moderation` records
one with each decision, and `index.rings` compares them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from datasketch import MinHash, MinHashLSH

from index.names import normalise_name

# The share of pieces in common is told to within 0.06 at 0.7 (binomial standard deviation); 256 bytes a title.
_PLACES = 64
_PIECE = 5
# Part of the stored form, as crc32 is: signatures of another scheme cannot be compared.
_SCHEME = "affine32"
# "Nike Air Max 90" is what many honest sellers write; what has fewer letters says nothing of who wrote it.
_LEAST_LETTERS = 24
SAME_TITLE = 0.7


def signature(title: str) -> bytes | None:
    """Return the signature of a title, 64 little-endian uint32; None when it is too short to tell sellers apart."""
    text = normalise_name(title)
    if len(text) < _LEAST_LETTERS:
        return None
    pieces = {text[at : at + _PIECE].encode() for at in range(len(text) - _PIECE + 1)}
    hashes = MinHash(num_perm=_PLACES, permutations=_permutations(), scheme=_SCHEME, hashfunc=crc32)
    hashes.update_batch(pieces)
    return bytes(hashes.hashvalues.astype("<u4").tobytes())


def similar_pairs(signatures: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return pairs of rows whose titles have at least 70% of their pieces in common, as far as signatures tell.

    The signatures differ from each other: equal ones are one title.
    """
    rows = [np.frombuffer(each, "<u4").astype(np.uint64) for each in signatures]
    index = MinHashLSH(threshold=SAME_TITLE, num_perm=_PLACES)
    pairs: list[tuple[int, int]] = []
    for row, values in enumerate(rows):
        hashes = MinHash(num_perm=_PLACES, hashvalues=values, permutations=_permutations(), scheme=_SCHEME)
        found = [other for other in index.query(hashes) if np.mean(rows[other] == values) >= SAME_TITLE]
        pairs += [(other, row) for other in sorted(found)]
        index.insert(row, hashes)
    return pairs


@functools.cache
def _permutations() -> Any:
    """Make the hash functions once; a signature is comparable with those of other processes, for the seed is fixed."""
    return MinHash(num_perm=_PLACES, scheme=_SCHEME).permutations
