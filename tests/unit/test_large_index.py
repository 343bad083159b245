"""Many vectors are found through a trained index, mapped from its file, as well as by comparing all of them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index import large_index, opening
from index.catalogue import ReferenceCatalogue
from index.errors import SnapshotError
from index.exact import ExactIndex
from index.fake_source import FakeSource
from index.large_index import TrainedIndex
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind
from index.snapshot import load_snapshot
from vision.regions import WHOLE_IMAGE

pytest.importorskip("faiss", reason="FAISS is not installed: install the extra 'cpu'")

MODEL = "model@1"
DIM, COUNT = 32, 3_000


def clustered(seed: int, count: int) -> NDArray[np.float32]:
    """Directions around fifty centres, as embeddings of things that resemble each other are."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((50, DIM))
    rows = centres[random.integers(0, 50, count)] + 0.5 * random.standard_normal((count, DIM))
    normalised: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return normalised


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """Give vectors to search."""
    return clustered(1, COUNT)


@pytest.fixture(scope="module")
def trained(vectors: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> TrainedIndex:
    """Train an index of every other vector, write it and map it."""
    file = tmp_path_factory.mktemp("trained") / "marks.faiss"
    large_index.writer(vectors, np.arange(0, COUNT, 2, dtype=np.int64))(file)
    return large_index.read(file, vectors)


def test_it_finds_what_exact_comparison_finds(trained: TrainedIndex, vectors: NDArray[np.float32]) -> None:
    """Of the ten nearest it names 99 in 100, with exact similarities, best first, under their row numbers."""
    rows = np.arange(0, COUNT, 2, dtype=np.int64)
    exact = ExactIndex(DIM)
    exact.add(rows, vectors[rows])
    asked = clustered(2, 100)

    found, expected = trained.search(asked, 10), exact.search(asked, 10)

    shared = [len(set(mine) & set(theirs)) for mine, theirs in zip(found.ids, expected.ids, strict=True)]
    assert sum(shared) / 1_000 >= 0.99
    own = np.einsum("qd,qkd->qk", asked, vectors[found.ids])
    np.testing.assert_allclose(found.scores, own, atol=2e-6)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert len(trained) == len(rows)


def test_a_vector_that_is_there_is_found_first(trained: TrainedIndex, vectors: NDArray[np.float32]) -> None:
    """A near duplicate of a reference is that reference's."""
    rows = np.arange(0, 400, 2)

    assert trained.search(vectors[rows], 1).ids[:, 0].tolist() == rows.tolist()


def test_more_hits_than_vectors_are_padded(trained: TrainedIndex) -> None:
    """As with any index, what is not there is padding; and no query gives no hits."""
    hits = trained.search(clustered(3, 2), COUNT)

    assert hits.ids.shape == (2, COUNT)
    assert (hits.ids[:, COUNT // 2 :] == -1).all()
    assert trained.search(np.empty((0, DIM), np.float32), 5).ids.shape == (0, 5)


def test_however_many_hits_are_asked_for_their_similarities_are_exact(
    trained: TrainedIndex, vectors: NDArray[np.float32]
) -> None:
    """What leads to a vector is short of a bit a value; what is said of it is not."""
    asked = clustered(5, 3)

    for count in (1, 100, 600):
        hits = trained.search(asked, count)
        for ids, scores, query in zip(hits.ids, hits.scores, asked, strict=True):
            found = ids != -1
            assert found[0]
            assert (np.diff(scores[found]) <= 0).all()
            np.testing.assert_allclose(scores[found], vectors[ids[found]] @ query, atol=2e-6)
            assert np.isneginf(scores[~found]).all()


def test_an_index_of_an_older_release_is_searched(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    """Snapshots had 8 bits a value once: until the next build their rows are found, with exact similarities."""
    import faiss

    older = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(DIM), DIM, 50, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False
    )
    older.train(vectors)
    older.add_with_ids(vectors, np.arange(COUNT, dtype=np.int64))
    faiss.write_index(older, str(tmp_path / "marks.faiss"))

    hits = large_index.read(tmp_path / "marks.faiss", vectors).search(vectors[:20], 3)

    assert hits.ids[:, 0].tolist() == list(range(20))
    np.testing.assert_allclose(hits.scores[:, 0], 1, atol=2e-6)


@pytest.mark.parametrize(("dim", "count", "together"), [(1_280, 100_000, 4), (1_280, 10**6, 2), (512, 100_000, 2)])
def test_a_vector_has_bits_enough(dim: int, count: int, together: int) -> None:
    """A thousand of few vectors, two thousand of more; whatever the length, its values fall into equal parts."""
    assert large_index.together(dim, count) == together
    assert [large_index.together(odd, count) for odd in (1, 7, 16, 513)] == [1, 1, 1, 1]


def test_many_threads_may_search(trained: TrainedIndex) -> None:
    """Searches at the same time give what each gives alone."""
    asked = clustered(4, 40)
    alone = trained.search(asked, 5)
    wrong: list[int] = []

    def search(at: int) -> None:
        if (trained.search(asked[at : at + 10], 5).ids != alone.ids[at : at + 10]).any():
            wrong.append(at)

    threads = [threading.Thread(target=search, args=(at,)) for at in (0, 10, 20, 30) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_file_that_is_no_index_is_refused(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    """What FAISS cannot read is named, with what to run."""
    file = tmp_path / "marks.faiss"
    file.write_bytes(b"no index" * 100)

    with pytest.raises(SnapshotError, match=r"marks\.faiss cannot be read by FAISS .*touchstone index build"):
        large_index.read(file, vectors)


def test_a_large_catalogue_is_trained_by_its_builder(
    tmp_path: Path, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit the snapshot carries a trained index; a wrong byte in it is found; layers lie above."""
    monkeypatch.setattr(large_index, "EXACT_UP_TO", 500)
    source = FakeSource()
    source.put_brand(Brand(brand_id="acme", name="Acme"))
    for row in range(1_000):
        _put(source, row, vectors[row])
    catalogue = opening.build_catalogue(source, tmp_path, MODEL, "faiss")
    assert catalogue.snapshot is not None
    _put(source, 2_000, vectors[2_000])

    followed = catalogue.up_to_date(source)
    exact = ReferenceCatalogue.build(source, MODEL, "exact")

    assert set(catalogue.snapshot.trained) == {"marks"}
    assert followed.search(vectors[:5], 1) == exact.search(vectors[:5], 1)
    assert followed.search(vectors[2_000:2_001], 1)[0][0].reference_id == "r2000"
    file = catalogue.snapshot.trained["marks"]
    content = bytearray(file.read_bytes())
    for at in np.linspace(0, len(content) - 1, 20, dtype=int):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(SnapshotError, match=r"marks\.faiss does not digest"):
            load_snapshot(catalogue.snapshot.path, fingerprint=MODEL)


def test_brands_are_ranked_as_by_comparing_everything(
    tmp_path: Path, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of logos and of examples, which must agree in threes, a listing gets the brands that exact search gives it."""
    monkeypatch.setattr(large_index, "EXACT_UP_TO", 500)
    source = FakeSource()
    for brand in range(40):
        source.put_brand(Brand(brand_id=f"b{brand}", name=f"Brand {brand}"))
    for row in range(2_000):
        kind = ReferenceKind.EXAMPLE if row % 3 else ReferenceKind.LOGO
        _put(source, row, vectors[row], brand_id=f"b{row * 7 % 40}", kind=kind)
    asked = clustered(6, 30)

    trained = opening.build_catalogue(source, tmp_path, MODEL, "faiss")
    exact = ReferenceCatalogue.build(source, MODEL, "exact")

    assert trained.snapshot is not None
    assert set(trained.snapshot.trained) == {"marks"}
    for start in range(0, len(asked), 3):
        found, wanted = (one.best_per_brand(asked[start : start + 3], 10) for one in (trained, exact))
        assert [match.brand_id for match in found] == [match.brand_id for match in wanted]
        assert [match.score for match in found] == pytest.approx([match.score for match in wanted], abs=2e-6)


def _put(
    source: FakeSource,
    row: int,
    vector: NDArray[np.float32],
    *,
    brand_id: str = "acme",
    kind: ReferenceKind = ReferenceKind.LOGO,
) -> None:
    name = f"r{row:04}"
    reference = Reference(reference_id=name, brand_id=brand_id, kind=kind, image_sha256=f"{row:064x}", box=WHOLE_IMAGE)
    source.put_reference(
        reference, [ReferenceEmbedding(reference_id=name, variant=0, fingerprint=MODEL, vector=vector)]
    )
