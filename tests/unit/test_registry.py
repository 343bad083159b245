"""References enter once, with their brands, whatever is wrong with their neighbours."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import delete

from index.errors import CatalogueError
from index.manifest import ReferenceRow
from index.records import Brand, ReferenceKind
from index.store.store import Store
from index.store.tables.references import reference_features
from reference_brands.seed import seed_marks
from serving.batching import BatchingEmbedder
from serving.reference_sources import manifest_references, seed_references
from serving.registry import add_references
from tests.support.databases import with_tables
from vision.fake import FakeEmbedder
from vision.regions import Box


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty registry."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def embedder() -> Iterator[BatchingEmbedder]:
    """Embed without a model."""
    with BatchingEmbedder(FakeEmbedder(dim=16)) as batching:
        yield batching


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Hold three different pictures, a blank one and a damaged one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.png").write_bytes(_png(seed))
    Image.new("RGB", (64, 64), "white").save(folder / "blank.png")
    (folder / "damaged.png").write_bytes(_png(0)[:200])
    return folder


def _png(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.kron(coarse, np.ones((16, 16, 1), np.uint8))).save(stream, "PNG")
    return stream.getvalue()


def _row(image: Path, brand: str = "Nike", *, box: Box | None = None) -> ReferenceRow:
    return ReferenceRow(where=f"refs.jsonl:{image.stem}", brand=brand, kind=ReferenceKind.PRODUCT, image=image, box=box)


def _import(store: Store, embedder: BatchingEmbedder, *rows: ReferenceRow) -> tuple[int, list[str]]:
    faults: list[CatalogueError] = []
    added = add_references(store, embedder, manifest_references(rows, store, on_error=faults.append))
    return added, [str(fault) for fault in faults]


def _ids(store: Store) -> list[str]:
    return [reference.reference_id for reference, _ in store.iter_references("any")]


def test_imported_reference_is_stored_with_brand_hash_and_embedding(
    store: Store, embedder: BatchingEmbedder, pictures: Path
) -> None:
    """What a search needs is all there: the brand, the file's digest, the perceptual hash, a vector of unit length."""
    added, faults = _import(store, embedder, _row(pictures / "0.png"))

    ((reference, embeddings),) = store.iter_references(embedder.fingerprint)
    assert (added, faults) == (1, [])
    assert store.get_brand("nike").name == "Nike"
    assert reference.image_sha256 == hashlib.sha256(_png(0)).hexdigest()
    assert reference.pdq is not None
    assert reference.provenance.file_name == "0.png"
    assert len(embeddings) == 1
    assert np.linalg.norm(embeddings[0].vector) == pytest.approx(1.0)


def test_imported_reference_has_keypoints(store: Store, embedder: BatchingEmbedder, pictures: Path) -> None:
    """What a match is verified by is there, and an import again adds it to references of an older release."""
    row = _row(pictures / "0.png")
    _import(store, embedder, row)
    (reference_id,) = _ids(store)
    with store._database.write("forget keypoints") as connection:
        connection.execute(delete(reference_features))

    again, _ = _import(store, embedder, row)

    features = store.features_of([reference_id])[reference_id]
    assert again == 0
    assert len(features) > 20
    assert (features.width, features.height) == (256, 256)


def test_importing_again_adds_nothing(store: Store, embedder: BatchingEmbedder, pictures: Path) -> None:
    """An import that is repeated, or lists a picture twice, changes nothing, not even the registry's version."""
    rows = [_row(pictures / "0.png"), _row(pictures / "1.png"), _row(pictures / "0.png")]

    first = _import(store, embedder, *rows)
    version, ids = store.version(), _ids(store)
    second = _import(store, embedder, *rows)

    assert first == (2, [])
    assert second == (0, [])
    assert (store.version(), _ids(store)) == (version, ids)


def test_ids_are_the_same_on_every_installation(
    store: Store, embedder: BatchingEmbedder, pictures: Path, tmp_path: Path
) -> None:
    """A reference's id depends on what it shows, not on where, when or in which order it came."""
    rows = [_row(pictures / "0.png"), _row(pictures / "1.png", "耐克")]
    _import(store, embedder, *rows)

    with Store.open(with_tables(tmp_path / "other.db")) as other:
        _import(other, embedder, *reversed(rows))

        assert _ids(other) == _ids(store)


def test_brand_kind_and_box_tell_references_of_one_picture_apart(
    store: Store, embedder: BatchingEmbedder, pictures: Path
) -> None:
    """One photo may hold references of two brands, or two parts of interest."""
    image = pictures / "0.png"

    added, _ = _import(
        store, embedder, _row(image), _row(image, "Puma"), _row(image, box=Box(0, 0, 0.5, 0.5)),
        _row(image, box=Box(0.5, 0.5, 1, 1)),
    )  # fmt: skip

    assert added == 4
    assert len(set(_ids(store))) == 4


def test_boxed_reference_is_embedded_tight_and_with_surroundings(
    store: Store, embedder: BatchingEmbedder, pictures: Path
) -> None:
    """A listing's regions frame a mark loosely, so a boxed part enters as two different views, variants 0 and 1."""
    _import(store, embedder, _row(pictures / "0.png", box=Box(0.25, 0.25, 0.75, 0.75)))

    ((reference, embeddings),) = store.iter_references(embedder.fingerprint)
    assert reference.box == Box(0.25, 0.25, 0.75, 0.75)
    assert [embedding.variant for embedding in embeddings] == [0, 1]
    assert not np.array_equal(embeddings[0].vector, embeddings[1].vector)


def test_row_that_cannot_be_used_is_named_and_the_others_go_on(
    store: Store, embedder: BatchingEmbedder, pictures: Path
) -> None:
    """A damaged picture, a missing one and a name without letters are reported with their rows."""
    added, faults = _import(
        store, embedder, _row(pictures / "0.png"), _row(pictures / "damaged.png"), _row(pictures / "missing.png"),
        _row(pictures / "2.png", "---"), _row(pictures / "1.png"),
    )  # fmt: skip

    assert added == 2
    assert [fault.split(": ")[0] for fault in faults] == [
        "refs.jsonl:damaged", "refs.jsonl:missing", "refs.jsonl:2"
    ]  # fmt: skip
    assert "missing.png" in faults[1]
    assert "'---'" in faults[2]


def test_flat_picture_has_no_hash(store: Store, embedder: BatchingEmbedder, pictures: Path) -> None:
    """Blank pictures all look alike, so one must never be matched as a copy."""
    _import(store, embedder, _row(pictures / "blank.png"))

    ((reference, embeddings),) = store.iter_references(embedder.fingerprint)
    assert reference.pdq is None
    assert reference.pdq_mirrored is None
    assert len(embeddings) == 1


@pytest.mark.parametrize(
    ("name", "brand_id"),
    [
        ("Nike", "nike"),
        ("Louis Vuitton", "louis-vuitton"),
        ("Hermès", "hermes"),
        ("Levi’s", "levis"),
        ("Coca-Cola", "coca-cola"),
        ("Ｎｉｋｅ", "nike"),
    ],
)
def test_brand_s_id_is_its_name_in_plain_letters(
    store: Store, embedder: BatchingEmbedder, pictures: Path, name: str, brand_id: str
) -> None:
    """An id that a person can read, the same for every spelling that counts as the same name."""
    _import(store, embedder, _row(pictures / "0.png", name))

    assert [brand.brand_id for brand in store.iter_brands()] == [brand_id]
    assert store.get_brand(brand_id).name == name


@pytest.mark.parametrize(
    "names", [("耐克", "阿迪达斯"), ("耐克 A", "阿迪 A"), ("H&M", "H-M"), ("耐克Nike", "Nike"), ("+", "*")]
)
def test_names_that_differ_are_brands_that_differ(
    store: Store, embedder: BatchingEmbedder, pictures: Path, names: tuple[str, str]
) -> None:
    """Letters that an id cannot hold still tell brands apart, Chinese names among them."""
    _import(store, embedder, *(_row(pictures / f"{place}.png", name) for place, name in enumerate(names)))

    brands = list(store.iter_brands())
    assert {brand.name for brand in brands} == set(names)
    assert all(brand.brand_id.isascii() and brand.brand_id for brand in brands)


def test_spellings_of_one_name_are_one_brand(store: Store, embedder: BatchingEmbedder, pictures: Path) -> None:
    """Case, accents and hyphens make no new brand, within one manifest as between two."""
    _import(store, embedder, _row(pictures / "0.png", "Coca-Cola"), _row(pictures / "1.png", "COCA COLA"))
    _import(store, embedder, _row(pictures / "2.png", "coca cola"))

    assert list(store.iter_brands()) == [Brand(brand_id="coca-cola", name="Coca-Cola")]
    assert store.count_references(brand_id="coca-cola") == 3


def test_known_brand_is_found_by_its_alias_and_left_as_it_is(
    store: Store, embedder: BatchingEmbedder, pictures: Path
) -> None:
    """An import adds references to a brand on record; it does not rename it or drop its aliases."""
    nike = Brand(brand_id="nike", name="Nike", aliases=("耐克",))
    store.put_brands([nike])

    _import(store, embedder, _row(pictures / "0.png", "耐克"), _row(pictures / "1.png", "NIKE"))

    assert list(store.iter_brands()) == [nike]
    assert store.count_references(brand_id="nike") == 2


def test_new_brand_does_not_take_the_id_of_another(store: Store, embedder: BatchingEmbedder, pictures: Path) -> None:
    """An operator's own id may be a word that some other brand goes by: both stay."""
    operators = Brand(brand_id="juno", name="Juno Networks")
    store.put_brands([operators])

    _import(store, embedder, _row(pictures / "0.png", "Juno"))

    brands = {brand.name: brand for brand in store.iter_brands()}
    assert brands["Juno Networks"] == operators
    assert brands["Juno"].brand_id.startswith("juno-")


def test_seeding_twice_adds_nothing(store: Store, embedder: BatchingEmbedder) -> None:
    """The seed catalogue enters with brand, mark and one embedding for each rendering, once."""
    added = add_references(store, embedder, seed_references(seed_marks(["nike"])))
    version = store.version()
    again = add_references(store, embedder, seed_references(seed_marks(["nike"])))

    stored = list(store.iter_references(embedder.fingerprint))
    assert added == len(stored) > 0
    assert again == 0
    assert store.version() == version
    assert all(reference.mark_id and reference.provenance.licence == "CC0-1.0" for reference, _ in stored)
    assert all(len(embeddings) >= 2 for _, embeddings in stored)
    assert [embedding.variant for embedding in stored[0][1]] == list(range(len(stored[0][1])))


def test_seeding_and_importing_again_embeds_what_a_new_model_lacks(
    store: Store, embedder: BatchingEmbedder, pictures: Path
) -> None:
    """After a change of model the same commands give every reference its vectors by the new one, and add none."""
    _import(store, embedder, _row(pictures / "0.png"))
    add_references(store, embedder, seed_references(seed_marks(["nike"])))
    ids = _ids(store)

    with BatchingEmbedder(FakeEmbedder(dim=24)) as newer:
        lacking = len(store.references_without_embedding(newer.fingerprint))
        added, _ = _import(store, newer, _row(pictures / "0.png"))
        added += add_references(store, newer, seed_references(seed_marks(["nike"])))

        assert lacking == len(ids)
        assert added == 0
        assert store.references_without_embedding(newer.fingerprint) == ()
        assert {len(vector.vector) for _, each in store.iter_references(newer.fingerprint) for vector in each} == {24}
    assert _ids(store) == ids
