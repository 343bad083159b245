"""Photos are grouped as comparing each with each would group them, whatever the order and however little is kept."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from index import photo_groups as module
from index.photo_groups import photo_groups
from vision.hashing import MATCH_DISTANCE, hamming


def photos(random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Make 300 photos of 60 pictures: some the same file, some a few bits apart, some without a hash."""
    pictures = random.integers(0, 256, (60, 32), dtype=np.uint8)
    shown = random.integers(0, 60, 300)
    bits = np.unpackbits(pictures[shown], axis=1)
    bits ^= (random.random(bits.shape) < 0.03).astype(np.uint8)
    hashes = np.packbits(bits, axis=1)
    files = random.integers(0, 256, (300, 16), dtype=np.uint8)
    files[100:150] = files[:50]
    return files, hashes, random.random(300) < 0.9


@pytest.mark.parametrize("most_pairs", [5, 2**22])
def test_groups_are_those_of_comparing_all(monkeypatch: pytest.MonkeyPatch, most_pairs: int) -> None:
    """Equal files and hashes at most 31 bits apart are one picture, and so is what hangs together by them."""
    monkeypatch.setattr(module, "_MOST_PAIRS", most_pairs)
    files, hashes, hashed = photos(np.random.default_rng(0))
    near = (hamming(hashes, hashes) <= MATCH_DISTANCE) & hashed[:, None] & hashed[None, :]
    same = (files[:, None] == files[None, :]).all(axis=2)
    expected = connected_components(near | same, directed=False)[1]

    groups = photo_groups(files, hashes, hashed)

    assert ((groups[:, None] == groups[None, :]) == (expected[:, None] == expected[None, :])).all()


def test_without_hashes_files_decide() -> None:
    """Blank photos have no hash, and resemble nothing but themselves."""
    files = np.array([[1], [2], [1]], np.uint8)

    groups = photo_groups(files, np.zeros((3, 32), np.uint8), np.zeros(3, np.bool_))

    assert groups.tolist() == [0, 1, 0]
