"""Which of millions of photos show the same picture? Groups of equal files and of near PDQ hashes, in bounded memory.

`index.rings` asks it pair by pair for the sellers on record; a scan's report has more photos than pairs may be kept of,
so here pairs are folded into groups as they are found.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from index.rings import iter_near_pairs

# Pairs kept before they are folded: 16 MiB.
_MOST_PAIRS = 2**20


def photo_groups(files: NDArray[np.uint64], hashes: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Give each of n photos the number of the picture that it shows, from 0: int [n].

    files: uint64 [n], digests of the files. hashes: uint8 [n, 32], PDQ hashes.
    """
    if len(files) == 0:
        return np.empty(0, np.intp)
    hash_of, one_of_each = _numbered(*hashes.view(np.uint64).T)
    near = _near_groups(hashes[one_of_each])[hash_of]
    # Equal files have equal hashes, unless a reader of another release hashed one of them.
    file_of, _ = _numbered(files)
    of_file = np.empty(int(file_of.max()) + 1, near.dtype)
    of_file[file_of] = near
    apart = of_file[file_of] != near
    same = np.stack([of_file[file_of[apart]], near[apart]], axis=1)
    return _folded(np.arange(int(near.max()) + 1), [same])[near]


def first_of_each(*keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Sort rows by keys, the last one first; returns the rows in order, int [n], and which begin a new one, bool [n].

    `np.unique` says the same of rows of several columns, in six times the memory.
    """
    order = np.lexsort(keys)
    new = np.zeros(len(order), np.bool_)
    new[:1] = True
    for key in keys:
        at = key[order]
        new[1:] |= at[1:] != at[:-1]
    return order, new


def _numbered(*keys: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Give numbers to the distinct rows: the number of each row, int32 [n], and one row of each number."""
    order, new = first_of_each(*keys)
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.cumsum(new, dtype=np.int32) - 1
    return numbers, order[new]


def _near_groups(bits: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Give each of n distinct hashes, uint8 [n, 32], the number of the group into which nearness joins it."""
    groups: NDArray[np.intp] = np.arange(len(bits))
    waiting: list[NDArray[np.intp]] = []
    for pairs in iter_near_pairs(bits):
        waiting.append(pairs)
        if sum(map(len, waiting)) >= _MOST_PAIRS:
            groups, waiting = _folded(groups, waiting), []
    return _folded(groups, waiting)


def _folded(groups: NDArray[np.intp], pairs: Iterable[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Join the groups of rows that are paired."""
    left, right = np.concatenate([np.empty((0, 2), np.intp), *pairs]).T
    count = int(groups.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(left), np.bool_), (groups[left], groups[right])), shape=(count, count))
    joined: NDArray[np.intp] = connected_components(graph, directed=False)[1].astype(np.intp)
    return joined[groups]
