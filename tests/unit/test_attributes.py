"""An attribute is said when its trait is sure and belongs to the product; files are refused where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.attribute_tables import TitleMeaning, load_photo_labels, load_title_meanings
from training.evaluate_attributes import Told, measure
from training.fit_attributes import LEAST, buckle
from training.imagenet import load_imagenet
from vision.attributes import FILE, NOTHING, AttributeClassifier, Trait
from vision.checkpoint import MODELS
from vision.concepts import ConceptKind, Concepts
from vision.errors import CheckpointError, ModelError, TaxonomyError
from vision.networks import DEFAULT_MODEL

FINGERPRINT = "toy@1"
T_SHIRT, WATCH = ("fashion", "clothing", "t-shirts"), ("fashion", "watches-and-jewellery", "watches")
STRIPED, CHECKED, PLAIN = np.eye(3, dtype=np.float32)


def _pattern(*, least: float = 0.6) -> Trait:
    """Build a trait over three directions: the nearer a vector is to one, the surer its label."""
    concepts = Concepts(
        labels=("striped", "checked", NOTHING),
        fingerprint=FINGERPRINT,
        kind=ConceptKind.PROBE,
        weights=np.eye(3, dtype=np.float32),
        bias=np.zeros(3, np.float32),
        temperature=0.25,
    )
    return Trait(name="pattern", concepts=concepts, least={"striped": least}, within=(("fashion", "clothing"),))


def _between(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    middle: NDArray[np.float32] = (one + other) / np.float32(np.sqrt(2))
    return middle


def test_a_sure_value_is_said() -> None:
    """The value comes with its probability: here e^4 / (e^4 + 2)."""
    (said,) = AttributeClassifier([_pattern()]).predict(STRIPED[np.newaxis], T_SHIRT)

    assert (said.name, said.value) == ("pattern", "striped")
    assert said.probability == pytest.approx(np.exp(4) / (np.exp(4) + 2), rel=1e-5)


@pytest.mark.parametrize(
    ("photos", "category"),
    [
        ([_between(STRIPED, CHECKED)], T_SHIRT),
        ([PLAIN], T_SHIRT),
        ([CHECKED], T_SHIRT),
        ([STRIPED], WATCH),
        ([STRIPED], ()),
        ([STRIPED, PLAIN], T_SHIRT),
        (np.zeros((0, 3)), T_SHIRT),
    ],
    ids=["unsure", "nothing", "not measured", "not of watches", "unknown product", "photos disagree", "no photo"],
)
def test_everything_else_is_left_out(photos: list[NDArray[np.float32]], category: tuple[str, ...]) -> None:
    """What is not sure, not one of the values that may be said, or not the product's to have is not said."""
    assert AttributeClassifier([_pattern()]).predict(np.asarray(photos, np.float32), category) == ()


def test_a_trait_of_every_product_is_said_of_an_unknown_one() -> None:
    """Without a restriction it does not matter what the product is."""
    trait = _pattern()
    anywhere = Trait(name="material", concepts=trait.concepts, least=trait.least)

    assert AttributeClassifier([anywhere]).predict(STRIPED[np.newaxis], ()) != ()


def test_a_threshold_belongs_to_a_label() -> None:
    """A threshold for a value that the concepts do not have is a mistake, and so is one that nothing can reach."""
    with pytest.raises(ValueError, match="pattern"):
        Trait(name="pattern", concepts=_pattern().concepts, least={"dotted": 0.5})
    with pytest.raises(ValueError, match="pattern"):
        _pattern(least=1.0)


def test_what_is_saved_answers_alike(tmp_path: Path) -> None:
    """A file gives back the traits, with their thresholds and the products that have them."""
    AttributeClassifier([_pattern()]).save(tmp_path / FILE)

    read = AttributeClassifier.load(tmp_path / FILE, fingerprint=FINGERPRINT)

    assert read is not None
    assert read.traits[0].within == (("fashion", "clothing"),)
    assert read.predict(STRIPED[np.newaxis], T_SHIRT) == AttributeClassifier([_pattern()]).predict(
        STRIPED[np.newaxis], T_SHIRT
    )


def test_a_model_without_the_file_has_no_such_attributes(tmp_path: Path) -> None:
    """A missing file is no fault: the attributes are left out."""
    assert AttributeClassifier.load(tmp_path / FILE, fingerprint=FINGERPRINT) is None
    assert AttributeClassifier.for_model("no-such-model@1") is None


def test_another_models_file_is_refused(tmp_path: Path) -> None:
    """Concepts mean nothing to another model; the message says what to run."""
    AttributeClassifier([_pattern()]).save(tmp_path / FILE)

    with pytest.raises(ModelError, match=r"toy@1.*training\.fit_attributes"):
        AttributeClassifier.load(tmp_path / FILE, fingerprint="toy@2")


@pytest.mark.parametrize("place", [4, -1], ids=["header", "numbers"])
def test_a_damaged_file_is_refused(tmp_path: Path, place: int) -> None:
    """One changed byte, in the header or in the numbers, is noticed."""
    path = tmp_path / FILE
    AttributeClassifier([_pattern()]).save(path)
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)

    with pytest.raises(CheckpointError, match=r"training\.fit_attributes"):
        AttributeClassifier.load(path, fingerprint=FINGERPRINT)


def test_the_shipped_file_is_small_and_says_what_was_measured() -> None:
    """It takes at most 100 KiB, and says exactly the values that `training.fit_attributes` has thresholds for."""
    path = MODELS / DEFAULT_MODEL / FILE
    head = json.loads((MODELS / DEFAULT_MODEL / "category.json").read_text())

    shipped = AttributeClassifier.load(path, fingerprint=head["fingerprint"])

    assert shipped is not None
    assert path.stat().st_size <= 100 * 2**10
    assert {trait.name: dict(trait.least) for trait in shipped.traits} == LEAST


def test_the_buckle_is_imagenets() -> None:
    """What ImageNet's classifier is sure to be a buckle is one, and what it calls a sandal is not."""
    imagenet = load_imagenet()
    concepts = buckle(imagenet.weights, imagenet.bias, fingerprint=FINGERPRINT)
    buckle_row, sandal_row = (imagenet.weights[imagenet.names.index(name)] for name in ("buckle", "sandal"))

    probabilities = concepts.scores(np.stack([buckle_row, sandal_row]))[:, concepts.labels.index("buckle")]

    assert probabilities[0] > 0.5 > probabilities[1]


def test_tables_fit_the_values_that_are_said() -> None:
    """Photos and titles know the values that may be said, and `nothing`; what photos cannot teach, titles measure."""
    photos, titles = load_photo_labels(), load_title_meanings()

    assert {trait: set(labels.values()) - {NOTHING} for trait, labels in photos.items()} == {
        trait: set(LEAST[trait]) for trait in ("pattern", "material")
    }
    for trait, meaning in titles.items():
        assert set(meaning.words.values()) | set(meaning.categories.values()) == {*LEAST[trait], NOTHING}


@pytest.mark.parametrize(
    "text",
    ["format_version: 1\nlabels: {pattern: {a: x1, b: x1}}", "format_version: 2\nlabels: {}", "labels: [", "[]"],
    ids=["photo of two values", "future format", "no YAML", "no table"],
)
def test_a_broken_table_of_photos_is_refused(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    (tmp_path / "table.yaml").write_text(text)

    with pytest.raises(TaxonomyError, match=r"table\.yaml"):
        load_photo_labels(tmp_path / "table.yaml")


@pytest.mark.parametrize(
    ("title", "category", "value"),
    [
        ("Men Stripes Blue Shirt", "Shirts", "striped"),
        ("Men Blue Shirt", "Shirts", None),
        ("Solid Shirt with Stripes", "Shirts", None),
        ("Checkered Watch", "Watches", NOTHING),
        ("Stripes Watch", "Watches", "striped"),
    ],
)
def test_titles_say_one_value_or_none(title: str, category: str, value: str | None) -> None:
    """Whole words count; two values cancel each other; the category decides only where no word does."""
    meaning = TitleMeaning(words={"stripes": "striped", "solid": NOTHING}, categories={"Watches": NOTHING})

    assert meaning.value(title, category) == value


def test_figures_are_counted_where_titles_tell() -> None:
    """Of four vectors that look striped two are said and told, one rightly; of three stated stripes one is said."""
    meaning = TitleMeaning(words={"stripes": "striped", "solid": NOTHING}, categories={})
    listings = [
        Told(title="stripes", label="", path=T_SHIRT),
        Told(title="solid", label="", path=T_SHIRT),
        Told(title="nothing told", label="", path=T_SHIRT),
        Told(title="stripes", label="", path=WATCH),
        Told(title="stripes", label="", path=T_SHIRT),
    ]
    photos = np.stack([STRIPED, _between(STRIPED, _between(STRIPED, PLAIN)), STRIPED, STRIPED, PLAIN])

    (figures,) = measure(_pattern(), meaning, listings, photos)

    assert (figures.said, figures.right, figures.stated) == (2, 1, 3)
    assert figures.precision == 0.5
    assert figures.coverage == pytest.approx(1 / 3)
    assert figures.reaches == pytest.approx(np.exp(4) / (np.exp(4) + 2), rel=1e-5)
