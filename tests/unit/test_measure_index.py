"""The figures of the index's page: what they mean on vectors for which the right answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.measure_index import exact_nearest, measure, recall
from training.real_vectors import RealVectors, unit, with_jitter

DIM = 16


def rows(seed: int, count: int) -> NDArray[np.float32]:
    """Random directions, float32 [count, 16]."""
    return unit(np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32))


@pytest.fixture
def real() -> RealVectors:
    """Make 300 references, photos of 40 of them that are a little off, and copies that are not."""
    references, shown = rows(0, 300), np.arange(40, dtype=np.int64)
    photos = unit(references[shown] + np.float32(0.1) * rows(1, 40))
    return RealVectors(
        references=references,
        photos=photos,
        photo_references=shown,
        copies=references[shown],
        copy_references=shown,
    )


def test_the_nearest_are_those_of_comparing_all_at_once() -> None:
    """Block by block or not, the nearest are the same; and a share of them that is found is counted as such."""
    queries, vectors = rows(2, 5), rows(3, 400)

    nearest = exact_nearest(queries, vectors, 4)

    assert nearest.tolist() == np.argsort(-(queries @ vectors.T), axis=1)[:, :4].tolist()
    assert recall(nearest, nearest) == 1.0
    assert recall(np.where(nearest == nearest[:, :1], -1, nearest), nearest) == 0.75


def test_jitter_keeps_the_real_ones_and_moves_the_others_as_photos_are_moved(real: RealVectors) -> None:
    """The first are the real ones; the others lie as far from theirs as photos do."""
    vectors = with_jitter(real, 3_000)

    moved = np.einsum("nd,nd->n", vectors[300:], real.references[np.arange(300, 3_000) % 300])
    as_photos = np.einsum("nd,nd->n", real.photos, real.references[real.photo_references])
    np.testing.assert_array_equal(vectors[:300], real.references)
    assert moved.mean() == pytest.approx(as_photos.mean(), abs=0.02)


def test_each_index_is_measured(real: RealVectors, tmp_path: Path) -> None:
    """Few vectors are measured both ways; exact comparison finds all, and a copy's reference comes first."""
    exact, trained = measure(real, with_jitter(real, 2_000), tmp_path)

    assert (exact.index, exact.recall_at_10, exact.near_duplicates_first) == ("exact", 1.0, 1.0)
    assert (trained.index, trained.vectors, trained.dim) == ("trained", 2_000, DIM)
    assert trained.recall_at_10 > 0.9
    assert trained.near_duplicates_first == 1.0
    assert trained.file_mib > 0


def test_fewer_directions_are_those_in_which_references_differ(real: RealVectors) -> None:
    """What lies in a plane loses nothing when it is kept; and more directions than there are change nothing."""
    flat = unit(np.pad(rows(5, 50)[:, :3], ((0, 0), (0, 5))))
    plane = RealVectors(
        references=flat, photos=flat, photo_references=np.arange(50), copies=flat, copy_references=np.arange(50)
    )

    projected = plane.projected(3)

    np.testing.assert_allclose(projected.references @ projected.references.T, flat @ flat.T, atol=1e-5)
    assert real.projected(DIM) is real
