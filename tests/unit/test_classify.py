"""A head predicts the leaves that it knows, and says so when a product is like none of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.attribute_tables import PHOTO_LEAVES, load_photo_labels
from training.familiarity import assess_familiarity, fit_familiarity
from training.imagenet import load_imagenet, load_look_alikes, load_meanings
from training.label_table import load_label_table
from vision.category_general import GeneralKnowledge
from vision.category_head import FAMILIAR, GENERAL, MANIFEST, PROBE, CategoryHead, first_part
from vision.classify import CategoryClassifier, product_views, signed_root
from vision.concepts import Concepts
from vision.errors import CheckpointError, ModelError, TaxonomyError
from vision.fake import FakeEmbedder
from vision.regions import middle
from vision.taxonomy import load_taxonomy

FINGERPRINT = "toy@1"
LEAVES = ("fashion > bags > handbags", "fashion > shoes > boots", "home > kitchen > cookware")


def _products(leaf: int, count: int, *, seed: int) -> NDArray[np.float32]:
    """Draw unit vectors around one of four directions; `leaf` 3 is one that the head does not know."""
    noise = np.random.default_rng(seed).normal(0, 0.05, (count, 8))
    vectors = np.eye(8)[leaf] + noise
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.fixture(scope="module")
def head() -> CategoryHead:
    """Return a head fitted on three leaves."""
    vectors = np.concatenate([_products(leaf, 60, seed=leaf) for leaf in range(3)])
    labels = [name for name in LEAVES for _ in range(60)]
    return CategoryHead(Concepts.from_probe(vectors, labels, fingerprint=FINGERPRINT), fit_familiarity(vectors, labels))


def test_known_product_gets_its_leaf_with_runners_up(head: CategoryHead) -> None:
    """All photos of a listing speak for one answer; the others follow in order."""
    found = CategoryClassifier(head).predict(_products(1, 3, seed=9))

    assert found.path == ("fashion", "shoes", "boots")
    assert found.probability > 0.8
    assert {other.path for other in found.alternatives} == {
        tuple(LEAVES[0].split(" > ")),
        tuple(LEAVES[2].split(" > ")),
    }
    assert found.alternatives[0].probability >= found.alternatives[1].probability


def test_stranger_is_unknown(head: CategoryHead) -> None:
    """A product unlike anything that the head was fitted on gets no path, however the probe is tempted."""
    found = CategoryClassifier(head).predict(_products(3, 2, seed=9))

    assert found.path == ()
    assert found.alternatives == ()


@pytest.mark.parametrize(("bias", "path"), [(3.0, ("sports", "golf")), (-12.0, ())])
def test_general_knowledge_names_a_stranger_or_leaves_it_unknown(
    head: CategoryHead, tmp_path: Path, bias: float, path: tuple[str, ...]
) -> None:
    """What the head was not fitted on is named by the classes that mean a leaf, where these are likely enough."""
    stranger = _products(3, 2, seed=9)
    rows = np.eye(8, dtype=np.float32)[[3, 3, 0]] * 9
    general = GeneralKnowledge(rows, np.array([bias, bias, 0], np.float32), ("sports > golf", "sports > golf", ""))
    CategoryHead(head.probe, head.familiarity, general).save(tmp_path, notes={})
    classifier = CategoryClassifier(CategoryHead.load(tmp_path, fingerprint=FINGERPRINT))

    found = classifier.predict(stranger)

    assert found.path == path
    assert (found.probability >= 0.9) == bool(path)
    assert classifier.predict(_products(1, 3, seed=9)).path == ("fashion", "shoes", "boots")


def _knowing(*, bias: tuple[float, float, float]) -> GeneralKnowledge:
    """Return knowledge of two leaves and of a class that means none, which sees the same in every photo."""
    rows = np.zeros((3, 8), np.float32)
    return GeneralKnowledge(rows, np.array(bias, np.float32), ("sports > golf", "sports > cycling", ""))


@pytest.mark.parametrize(("bias", "said"), [((2, 0, 3), True), ((-3, -9, 3), False)], ids=["likely enough", "nothing"])
def test_a_leaf_is_said_when_it_is_likely_enough(
    head: CategoryHead, bias: tuple[float, float, float], said: bool
) -> None:
    """Classes that mean no leaf may be likelier than it; where they leave it next to nothing the answer is unknown."""
    classifier = CategoryClassifier(CategoryHead(head.probe, head.familiarity, _knowing(bias=bias)))

    assert bool(classifier.predict(_products(3, 2, seed=9)).path) == said


def test_the_less_familiar_a_product_the_more_general_knowledge_counts(head: CategoryHead) -> None:
    """At the limit of familiarity both count alike; near a leaf it is the probe's, far off the other's."""
    both = CategoryHead(head.probe, head.familiarity, _knowing(bias=(9.0, -9.0, -9.0)))
    photos = np.concatenate([_products(1, 1, seed=9), _products(3, 1, seed=9)])
    distance = float(head.familiarity.distances(photos[:1])[0])
    at_limit = CategoryHead(head.probe, replace(head.familiarity, limit=distance), both.general)

    leaves, scores = both.scores(photos)
    golf = scores[:, leaves.index(("sports", "golf"))]
    _, halved = at_limit.scores(photos[:1])

    assert len(leaves) == 5
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert golf[0] < 0.1
    assert golf[1] > 0.99
    assert halved[0, leaves.index(("sports", "golf"))] == pytest.approx(0.5, abs=1e-5)


def test_every_class_of_the_imagenet_table_means_one_leaf(tmp_path: Path) -> None:
    """The committed table fits the taxonomy and the classes; a name that is no class is refused."""
    taxonomy = load_taxonomy()

    meanings = load_meanings(taxonomy, load_imagenet().names)

    assert len(meanings) == 1000
    assert "fashion > accessories > sunglasses" in meanings
    broken = tmp_path / "table.yaml"
    broken.write_text("format_version: 1\nleaves: {fashion > accessories > belts: [bukcle]}")
    with pytest.raises(TaxonomyError, match="bukcle"):
        load_meanings(taxonomy, ("buckle",), broken)


def test_look_alikes_are_classes_that_mean_nothing_else() -> None:
    """A class has one meaning, in either section of the table."""
    taxonomy, names = load_taxonomy(), load_imagenet().names

    alike = load_look_alikes(taxonomy, names)

    assert alike[names.index("magnetic compass")] == "fashion > watches-and-jewellery > watches"
    assert not any(load_meanings(taxonomy, names)[number] for number in alike)


def test_a_head_keeps_how_sure_to_be_of_general_knowledge_and_what_looks_like_what(
    head: CategoryHead, tmp_path: Path
) -> None:
    """Both stand in the manifest: another look-alike rewrites no weights."""
    rows = np.eye(8, dtype=np.float32)[[3, 0]] * 9
    general = GeneralKnowledge(rows, np.zeros(2, np.float32), ("", "sports > golf"))
    made = [
        CategoryHead(head.probe, head.familiarity, general),
        CategoryHead(head.probe, head.familiarity, general, temperature=4.0, look_alikes={0: "sports > cycling"}),
    ]
    for place, each in enumerate(made):
        (tmp_path / str(place)).mkdir()
        each.save(tmp_path / str(place), notes={})
    plain, tuned = (CategoryHead.load(tmp_path / str(place), fingerprint=FINGERPRINT) for place in range(2))
    stranger = _products(3, 1, seed=9)
    leaves, scores = tuned.scores(stranger)
    _, surer = replace(tuned, temperature=1.0).scores(stranger)

    assert (tmp_path / "0" / GENERAL).read_bytes() == (tmp_path / "1" / GENERAL).read_bytes()
    assert ("sports", "cycling") not in plain.scores(stranger)[0]
    cycling = leaves.index(("sports", "cycling"))
    assert 0.5 < scores[0, cycling] < surer[0, cycling]


def test_every_photo_of_the_leaf_table_shows_a_leaf_that_its_label_allows_or_narrows() -> None:
    """The committed table names leaves of the taxonomy; only blouses are told from a label that means one leaf."""
    taxonomy = load_taxonomy()
    clothing = load_label_table(taxonomy).data_sets["clothing"]
    open_leaves = {leaf for leaves in clothing.values() if len(leaves) > 1 for leaf in leaves}

    shown = {taxonomy.leaf(tuple(leaf.split(" > "))).path for leaf in load_photo_labels(PHOTO_LEAVES)["leaf"].values()}

    assert shown - {("fashion", "clothing", "tops-and-blouses")} == open_leaves


def test_listing_without_readable_photo_is_unknown(head: CategoryHead) -> None:
    """No photo, no category."""
    assert CategoryClassifier(head).predict(np.zeros((0, 8), np.float32)).path == ()


def test_most_known_products_pass_and_left_out_leaves_do_not() -> None:
    """The limit keeps its promise on products that the fit never saw."""
    vectors = np.concatenate([_products(leaf, 200, seed=leaf) for leaf in range(4)])
    labels = [str(leaf) for leaf in range(4) for _ in range(200)]

    found = assess_familiarity(vectors, labels)

    assert found.known_rejected < 0.15
    assert found.strangers_rejected > 0.95


def test_a_photo_is_asked_by_the_root_of_its_middle() -> None:
    """What is evaluated is what is served: both use these functions."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 100, 3), dtype=np.uint8)
    vectors = FakeEmbedder().embed([middle(pixels)])

    rooted = signed_root(vectors)

    assert np.array_equal(middle(pixels), pixels[:, 30:70])
    assert np.linalg.norm(rooted) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(np.sign(rooted), np.sign(vectors))
    assert np.corrcoef(rooted[0] ** 2 * np.sign(rooted[0]), vectors[0])[0, 1] == pytest.approx(1, abs=1e-5)


def test_saved_head_answers_as_before(head: CategoryHead, tmp_path: Path) -> None:
    """Numbers survive the files; half precision of the projection changes nothing that matters."""
    head.save(tmp_path, notes={"licence": "CC0-1.0"})
    photos = np.concatenate([_products(leaf, 20, seed=5) for leaf in range(4)])

    again = CategoryHead.load(tmp_path, fingerprint=FINGERPRINT)

    assert np.allclose(again.probe.scores(photos), head.probe.scores(photos), atol=1e-6)
    assert again.scores(photos)[0] == head.scores(photos)[0]
    assert np.allclose(again.scores(photos)[1], head.scores(photos)[1], atol=0.02)
    assert json.loads((tmp_path / MANIFEST).read_text())["licence"] == "CC0-1.0"


def test_head_of_another_model_is_refused(head: CategoryHead, tmp_path: Path) -> None:
    """Vectors of two models do not compare."""
    head.save(tmp_path, notes={})

    with pytest.raises(ModelError, match=r"fitted on toy@1, not on toy@2.*fit_category"):
        CategoryClassifier.load(tmp_path, fingerprint="toy@2")


def test_model_without_a_head_has_no_classifier(tmp_path: Path) -> None:
    """Category prediction is optional; its absence is no fault."""
    assert CategoryClassifier.load(tmp_path, fingerprint=FINGERPRINT) is None
    assert CategoryClassifier.for_model("no-such-model@1") is None


@pytest.mark.parametrize("name", [PROBE, FAMILIAR, MANIFEST])
def test_corrupt_head_is_refused_by_file_and_remedy(head: CategoryHead, tmp_path: Path, name: str) -> None:
    """A flipped byte anywhere is found before the numbers are used."""
    head.save(tmp_path, notes={})
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / name).write_bytes(data)

    with pytest.raises(CheckpointError, match=r"category.*fit_category"):
        CategoryHead.load(tmp_path, fingerprint=FINGERPRINT)


@pytest.mark.parametrize("general", ['"temperature": 0.0', '"temperature": "warm"', '"heat": 1'])
def test_a_head_that_does_not_say_how_sure_to_be_is_refused(head: CategoryHead, tmp_path: Path, general: str) -> None:
    """No probability is divided by nothing."""
    head.save(tmp_path, notes={})
    manifest = tmp_path / MANIFEST
    manifest.write_text(manifest.read_text().replace('"temperature": 1.0', general))

    with pytest.raises(CheckpointError, match=r"category.json.*fit_category"):
        CategoryHead.load(tmp_path, fingerprint=FINGERPRINT)


def test_a_product_is_seen_by_both_networks() -> None:
    """Both vectors of a photo are there, rooted, the whole with half the weight of the middle: unit rows."""
    middles, wholes = _products(0, 3, seed=1), _products(1, 3, seed=2)

    views = product_views(middles, wholes)

    assert views.shape == (3, 16)
    assert np.linalg.norm(views, axis=1) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(first_part(views, 8), signed_root(middles), atol=1e-6)
    np.testing.assert_allclose(views[:, 8:] * np.sqrt(1.25), signed_root(wholes) / 2, atol=1e-6)
    assert not first_part(np.zeros((1, 16), np.float32), 8).any()
