"""Every vector index does what `VectorIndex` says: one suite, inherited once for each backend."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.backends import create_index
from index.exact import ExactIndex
from index.faiss_index import FaissIndex
from index.vectors import Hits, VectorIndex

# Sums of up to 1,280 float32 products in another order differ by less.
SCORE_TOLERANCE = 2e-6


def unit_rows(seed: int, count: int, dim: int) -> NDArray[np.float32]:
    """Random directions, float32 [count, dim]."""
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    normalised: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return normalised


def clustered_rows(seed: int, count: int, dim: int, *, clusters: int) -> NDArray[np.float32]:
    """Directions in clusters, as embeddings of things that resemble each other are: float32 [count, dim]."""
    generator = np.random.default_rng(seed)
    centres = unit_rows(seed, clusters, dim)
    rows = centres[generator.integers(0, clusters, count)] + 0.05 * generator.standard_normal((count, dim))
    normalised: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return normalised


def assert_nearest(
    hits: Hits, ids: NDArray[np.int64], vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int
) -> None:
    """Hold hits against all inner products: right scores, rank by rank, and each id's own; equals may swap places."""
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    found = min(k, len(ids))
    best = -np.sort(-scores, axis=1)[:, :found]
    assert hits.ids.shape == hits.scores.shape == (len(queries), k)
    assert hits.ids.dtype == np.int64
    assert hits.scores.dtype == np.float32
    np.testing.assert_allclose(hits.scores[:, :found], best, atol=SCORE_TOLERANCE)
    assert (hits.ids[:, found:] == -1).all()
    assert np.isneginf(hits.scores[:, found:]).all()
    column_of = {int(id_): column for column, id_ in enumerate(ids)}
    for query, row in enumerate(hits.ids[:, :found]):
        assert len(set(row.tolist())) == found
        own = scores[query, [column_of[int(id_)] for id_ in row]]
        np.testing.assert_allclose(hits.scores[query, :found], own, atol=SCORE_TOLERANCE)


class VectorIndexContract:
    """What holds for every backend. Inherit it and name the backend."""

    backend: str

    def make(self, dim: int) -> VectorIndex:
        """Make an empty index."""
        return create_index(self.backend, dim)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(
        seed=st.integers(0, 2**32 - 1),
        count=st.integers(0, 120),
        distinct=st.integers(1, 120),
        dim=st.integers(1, 40),
        queries=st.integers(0, 40),
        k=st.integers(1, 150),
    )
    def test_finds_the_nearest(self, seed: int, count: int, distinct: int, dim: int, queries: int, k: int) -> None:
        """The hits are the k nearest whatever the sizes, with vectors that occur several times among them."""
        generator = np.random.default_rng(seed)
        vectors = unit_rows(seed, distinct, dim)[generator.integers(0, distinct, count)]
        ids = generator.permutation(10 * count + 1)[:count].astype(np.int64)
        asked = unit_rows(seed + 1, queries, dim)
        index = self.make(dim)

        index.add(ids[: count // 2], vectors[: count // 2])
        index.add(ids[count // 2 :], vectors[count // 2 :])
        hits = index.search(asked, k)

        assert len(index) == count
        assert_nearest(hits, ids, vectors, asked, k)

    @pytest.mark.parametrize("batch", [1, 16, 64])
    def test_recall_on_structured_data_is_that_of_exact_search(self, batch: int) -> None:
        """Among clustered vectors the ten nearest are those of the exact index, in batches of every size."""
        vectors = clustered_rows(7, 5_000, 128, clusters=50)
        asked = clustered_rows(8, batch, 128, clusters=50)
        ids = np.arange(len(vectors), dtype=np.int64)
        index, exact = self.make(128), ExactIndex(128)
        index.add(ids, vectors)
        exact.add(ids, vectors)

        found, expected = index.search(asked, 10), exact.search(asked, 10)

        shared = [len(set(mine) & set(theirs)) for mine, theirs in zip(found.ids, expected.ids, strict=True)]
        assert sum(shared) / (10 * batch) >= 0.999
        np.testing.assert_allclose(found.scores, expected.scores, atol=SCORE_TOLERANCE)

    def test_orders_equal_scores_by_id(self) -> None:
        """References that are the same picture come in ascending order of id, so that runs agree."""
        vector = unit_rows(1, 1, 8)
        index = self.make(8)
        index.add(np.array([9, 2, 5], dtype=np.int64), np.repeat(vector, 3, axis=0))

        hits = index.search(vector, 4)

        assert hits.ids.tolist() == [[2, 5, 9, -1]]

    def test_an_empty_index_finds_nothing(self) -> None:
        """A search before the first reference gives padding, not an error."""
        hits = self.make(4).search(unit_rows(1, 2, 4), 3)

        assert hits.ids.tolist() == [[-1] * 3] * 2
        assert np.isneginf(hits.scores).all()

    def test_takes_arrays_that_are_not_contiguous(self) -> None:
        """A view with strides means the same vectors as its copy."""
        rows = unit_rows(3, 20, 6)
        index = self.make(6)

        index.add(np.arange(10, dtype=np.int64), rows[::2])
        hits = index.search(rows[::-2], 10)

        assert_nearest(hits, np.arange(10), rows[::2], rows[::-2], 10)

    @pytest.mark.parametrize(
        ("ids", "vectors", "message"),
        [
            ([1, 2], np.eye(2, 4), "float32"),
            ([1, 2], np.eye(2, 5, dtype=np.float32), r"\[n, 4\]"),
            ([1], np.ones(4, dtype=np.float32), r"\[n, 4\]"),
            ([1, 2], 2 * np.eye(2, 4, dtype=np.float32), "norm 2"),
            ([1, 2], np.zeros((2, 4), dtype=np.float32), "norm 0"),
            ([1], np.full((1, 4), np.nan, dtype=np.float32), "finite"),
            ([1], np.array([[np.inf, 0, 0, 0]], dtype=np.float32), "finite"),
            ([1], np.eye(2, 4, dtype=np.float32), r"int64 \[2\]"),
            ([1.0, 2.0], np.eye(2, 4, dtype=np.float32), "float64"),
            ([1, 1], np.eye(2, 4, dtype=np.float32), "1 is given twice"),
            ([-1, 1], np.eye(2, 4, dtype=np.float32), "-1 is negative"),
            ([1, 7], np.eye(2, 4, dtype=np.float32), "7 is in the index already"),
        ],
    )
    def test_refuses_what_breaks_the_rules(self, ids: list[float], vectors: NDArray[np.float32], message: str) -> None:
        """Bad rows are refused with the value and the rule, and nothing is added."""
        index = self.make(4)
        index.add(np.array([7], dtype=np.int64), np.eye(1, 4, dtype=np.float32))

        with pytest.raises(ValueError, match=message):
            index.add(np.array(ids), vectors)

        assert len(index) == 1

    @pytest.mark.parametrize(
        ("queries", "k", "message"),
        [
            (np.eye(1, 4), 1, "float32"),
            (np.eye(1, 3, dtype=np.float32), 1, r"\[n, 4\]"),
            (np.zeros((1, 4), dtype=np.float32), 1, "norm 0"),
            (np.eye(1, 4, dtype=np.float32), 0, "k is 0"),
        ],
    )
    def test_refuses_queries_that_break_the_rules(self, queries: NDArray[np.float32], k: int, message: str) -> None:
        """A query of another shape, type or length would get a confident wrong answer, so it gets an error."""
        with pytest.raises(ValueError, match=message):
            self.make(4).search(queries, k)

    def test_many_threads_search_while_one_adds(self) -> None:
        """Each search sees some prefix of what is added, and every one of its answers is right."""
        vectors = unit_rows(5, 400, 16)
        index = self.make(16)
        index.add(np.arange(1, dtype=np.int64), vectors[:1])
        wrong: list[Hits] = []
        done = threading.Event()

        def search() -> None:
            while not done.is_set():
                hits = index.search(vectors[:1], 5)
                if hits.ids[0, 0] != 0 or len(set(hits.ids[hits.ids >= 0].tolist())) != (hits.ids >= 0).sum():
                    wrong.append(hits)

        threads = [threading.Thread(target=search) for _ in range(4)]
        for thread in threads:
            thread.start()
        for row in range(1, 400):
            index.add(np.array([row], dtype=np.int64), vectors[row : row + 1])
        done.set()
        for thread in threads:
            thread.join()

        assert wrong == []
        assert len(index) == 400


class TestExactIndex(VectorIndexContract):
    """The executable specification keeps its own contract."""

    backend = "exact"

    def test_keeps_a_read_only_array_without_a_copy(self) -> None:
        """A memory-mapped snapshot is searched where it lies."""
        vectors = unit_rows(1, 10, 4)
        vectors.flags.writeable = False
        index = ExactIndex(4)

        index.add(np.arange(10, dtype=np.int64), vectors)

        assert np.shares_memory(index._rows[1], vectors)

    def test_a_later_change_of_the_callers_array_changes_nothing(self) -> None:
        """What was added stays as it was when the caller uses the array again."""
        vectors = unit_rows(1, 2, 4)
        index = ExactIndex(4)
        index.add(np.arange(2, dtype=np.int64), vectors)
        before = index.search(unit_rows(2, 1, 4), 2)

        vectors[:] = 0

        np.testing.assert_array_equal(index.search(unit_rows(2, 1, 4), 2).scores, before.scores)


class TestFaissIndex(VectorIndexContract):
    """FAISS answers as the specification does."""

    backend = "faiss"

    @pytest.fixture(autouse=True)
    def _needs_faiss(self) -> None:
        pytest.importorskip("faiss", reason="FAISS is not installed: install the extra 'cpu'")

    def test_parameters_hold_for_one_call(self) -> None:
        """A selector given with one search does not touch the next."""
        import faiss

        vectors = unit_rows(1, 10, 4)
        index = FaissIndex(4)
        index.add(np.arange(10, dtype=np.int64), vectors)
        first_three = faiss.SearchParameters(sel=faiss.IDSelectorRange(0, 3))  # type: ignore[call-arg]

        chosen = index.search(vectors[9:], 10, parameters=first_three)
        free = index.search(vectors[9:], 1)

        assert sorted(chosen.ids[0, :3].tolist()) == [0, 1, 2]
        assert chosen.ids[0, 3:].tolist() == [-1] * 7
        assert np.isneginf(chosen.scores[0, 3:]).all()
        assert free.ids.tolist() == [[9]]
