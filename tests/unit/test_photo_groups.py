"""Photos are grouped as comparing each with each would group them, whatever the order and however little is kept."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from index import photo_groups as module
from index.photo_groups import photo_groups
from vision.hashing import MATCH_DISTANCE, hamming


def photos(random: np.random.Generator) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Make 300 photos of 60 pictures: some the same file, some the same hash, some a few bits apart."""
    pictures = random.integers(0, 256, (60, 32), dtype=np.uint8)
    shown = random.integers(0, 60, 300)
    bits = np.unpackbits(pictures[shown], axis=1)
    bits ^= (random.random(bits.shape) < 0.03).astype(np.uint8)
    hashes = np.packbits(bits, axis=1)
    hashes[200:220] = hashes[:20]
    files = random.integers(0, 2**64, 300, dtype=np.uint64)
    files[100:150] = files[:50]
    return files, hashes


@pytest.mark.parametrize("most_pairs", [5, 2**22])
def test_groups_are_those_of_comparing_all(monkeypatch: pytest.MonkeyPatch, most_pairs: int) -> None:
    """Equal files and hashes at most 31 bits apart are one picture, and so is what hangs together by them."""
    monkeypatch.setattr(module, "_MOST_PAIRS", most_pairs)
    files, hashes = photos(np.random.default_rng(0))
    near = hamming(hashes, hashes) <= MATCH_DISTANCE
    same = files[:, None] == files[None, :]
    expected = connected_components(near | same, directed=False)[1]

    groups = photo_groups(files, hashes)

    assert ((groups[:, None] == groups[None, :]) == (expected[:, None] == expected[None, :])).all()


def test_no_photos_are_no_pictures() -> None:
    """Of nothing there is nothing."""
    assert photo_groups(np.empty(0, np.uint64), np.empty((0, 32), np.uint8)).tolist() == []
