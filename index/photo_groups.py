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

# Pairs kept before they are folded: 64 MiB.
_MOST_PAIRS = 2**22


def photo_groups(files: NDArray[np.uint8], hashes: NDArray[np.uint8], hashed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Give each of n photos the number of the picture that it shows: int [n].

    files: uint8 [n, d], digests of the files. hashes: uint8 [n, 32], PDQ hashes; hashed: bool [n], which have one.
    """
    file_of = _distinct(files)
    groups = file_of.copy()
    if hashed.any():
        bits, hash_of = np.unique(_as_items(hashes[hashed]), return_inverse=True)
        near = _near_groups(np.ascontiguousarray(bits).view(np.uint8).reshape(len(bits), -1))
        # A picture is a node, and so is a file; each photo joins one of both.
        first_hash = int(file_of.max()) + 1
        edges = np.stack([file_of[hashed], first_hash + near[hash_of.ravel()]], axis=1)
        nodes = _folded(np.arange(first_hash + int(near.max()) + 1), [edges])
        groups = nodes[file_of]
    return _renumbered(groups)


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


def _as_items(rows: NDArray[np.uint8]) -> NDArray[np.void]:
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()


def _distinct(rows: NDArray[np.uint8]) -> NDArray[np.intp]:
    return np.unique(_as_items(rows), return_inverse=True)[1].ravel().astype(np.intp)


def _renumbered(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(groups, return_inverse=True)[1].ravel().astype(np.intp)
