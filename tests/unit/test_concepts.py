"""Concepts from examples, a probe and words: what they answer, how sure they are, and what their files refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vision.concepts import UNCALIBRATED_TEMPERATURE, ConceptKind, Concepts
from vision.errors import CheckpointError, ModelError
from vision.fake import FakeEmbedder
from vision.temperature import calibrate, log_loss, softmax

DIM = 16
LABELS = ("bag", "hat", "shoe")
FINGERPRINT = "fake@0123"


def examples(*, each: int, spread: float, seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    """Draw `each` unit vectors around one direction a label: float32 [n, DIM] and n labels."""
    centres = np.random.default_rng(42).standard_normal((len(LABELS), DIM))
    noise = np.random.default_rng(seed).standard_normal((each, len(LABELS), DIM)) * spread
    rows = (centres + noise).reshape(-1, DIM)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), list(LABELS) * each


def accuracy(concepts: Concepts, rows: NDArray[np.float32], labels: list[str]) -> float:
    """Give the share of rows whose most probable label is the true one."""
    answers = [concepts.labels[place] for place in concepts.scores(rows).argmax(axis=1)]
    return float(np.mean([answer == label for answer, label in zip(answers, labels, strict=True)]))


@pytest.fixture(params=["prototypes", "probe"])
def concepts(request: pytest.FixtureRequest) -> Concepts:
    """Concepts made from 20 noisy examples a label."""
    make = {"prototypes": Concepts.from_prototypes, "probe": Concepts.from_probe}[request.param]
    return make(*examples(each=20, spread=0.8), fingerprint=FINGERPRINT)


def test_examples_not_seen_before_are_named_rightly(concepts: Concepts) -> None:
    """What was learnt from some examples holds for others, and probabilities of a row sum to 1."""
    rows, labels = examples(each=50, spread=0.8, seed=1)

    scores = concepts.scores(rows)

    assert accuracy(concepts, rows, labels) > 0.9
    assert scores.dtype == np.float32
    assert scores.shape == (150, 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_probabilities_mean_what_they_say(concepts: Concepts) -> None:
    """On new, hard examples the average probability of the answer is near the share of right answers."""
    rows, labels = examples(each=300, spread=0.8, seed=2)

    confidence = float(concepts.scores(rows).max(axis=1).mean())

    assert confidence == pytest.approx(accuracy(concepts, rows, labels), abs=0.08)


def test_no_embeddings_have_no_scores(concepts: Concepts) -> None:
    """No rows in, no rows out."""
    assert concepts.scores(np.zeros((0, DIM), np.float32)).shape == (0, len(LABELS))


def test_embeddings_of_another_length_are_refused(concepts: Concepts) -> None:
    """Vectors of another model's length are refused, with the length that fits."""
    with pytest.raises(ValueError, match=r"take \[n, 16\]"):
        concepts.scores(np.zeros((2, DIM + 1), np.float32))


def test_a_saved_file_answers_the_same(concepts: Concepts, tmp_path: Path) -> None:
    """Saving and loading changes no score, and the file remembers labels and kind."""
    rows, _ = examples(each=5, spread=0.8, seed=3)
    path = tmp_path / "concepts.safetensors"

    concepts.save(path)
    loaded = Concepts.load(path, fingerprint=FINGERPRINT)

    np.testing.assert_array_equal(loaded.scores(rows), concepts.scores(rows))
    assert (loaded.labels, loaded.kind) == (concepts.labels, concepts.kind)


def test_a_file_for_another_model_is_refused(concepts: Concepts, tmp_path: Path) -> None:
    """Concepts of one embedding space mean nothing in another: the message names both."""
    path = tmp_path / "concepts.safetensors"
    concepts.save(path)

    with pytest.raises(ModelError, match=r"fake@0123.*other@4567"):
        Concepts.load(path, fingerprint="other@4567")


def test_every_damage_to_a_file_is_found(concepts: Concepts, tmp_path: Path) -> None:
    """A missing, cut or bit-flipped file is refused by name, wherever the flipped bit lies in the numbers."""
    path = tmp_path / "concepts.safetensors"
    concepts.save(path)
    whole = path.read_bytes()

    damaged = [b"", whole[: len(whole) // 2], whole[:-1]]
    for place in range(len(whole) - concepts.weights.nbytes, len(whole), 37):
        flipped = bytearray(whole)
        flipped[place] ^= 64
        damaged.append(bytes(flipped))

    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"concepts\.safetensors"):
            Concepts.load(path, fingerprint=FINGERPRINT)
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors"):
        Concepts.load(tmp_path / "nothing.safetensors", fingerprint=FINGERPRINT)


def test_a_prototype_is_the_mean_of_its_examples() -> None:
    """Hand-checked: the mean of two unit vectors at a right angle points between them."""
    rows = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)

    concepts = Concepts.from_prototypes(rows, ["between", "between", "left"], fingerprint=FINGERPRINT)

    assert concepts.labels == ("between", "left")
    np.testing.assert_allclose(concepts.weights, [[0.5**0.5, 0.5**0.5], [-1, 0]], atol=1e-6)


def test_one_example_a_label_is_enough_for_prototypes() -> None:
    """With nothing to hold out the temperature is a stated default; answers are right all the same."""
    rows, labels = examples(each=1, spread=0)

    concepts = Concepts.from_prototypes(rows, labels, fingerprint=FINGERPRINT)

    assert concepts.temperature == UNCALIBRATED_TEMPERATURE
    assert accuracy(concepts, rows, labels) == 1


def test_a_probe_of_two_labels_keeps_both() -> None:
    """Two labels, where the library stores one row of weights only, are answered with two probabilities."""
    rows, labels = examples(each=10, spread=0.5)
    two = [place for place, label in enumerate(labels) if label != "shoe"]

    concepts = Concepts.from_probe(rows[two], [labels[place] for place in two], fingerprint=FINGERPRINT)

    assert concepts.labels == ("bag", "hat")
    assert accuracy(concepts, rows[two], [labels[place] for place in two]) > 0.9


@pytest.mark.parametrize(("rows", "labels"), [(3, ["a", "b", "b"]), (2, ["a", "a"])], ids=["one of a", "one label"])
def test_a_probe_without_enough_examples_is_refused(rows: int, labels: list[str]) -> None:
    """A probe needs two labels with two examples each, and says so."""
    with pytest.raises(ValueError, match="needs two of each"):
        Concepts.from_probe(np.eye(rows, DIM, dtype=np.float32), labels, fingerprint=FINGERPRINT)


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "b", "c"]])
def test_labels_that_do_not_fit_the_rows_are_refused(labels: list[str]) -> None:
    """One label a row, no fewer and no more."""
    with pytest.raises(ValueError, match="do not fit"):
        Concepts.from_prototypes(np.eye(2, DIM, dtype=np.float32), labels, fingerprint=FINGERPRINT)


def test_words_become_concepts_of_the_readers_space() -> None:
    """Prompts use every template and carry the reader's fingerprint; labels keep the order given."""
    reader = FakeEmbedder()

    concepts = Concepts.from_prompts(reader, ["shoe", "bag"], templates=["a photo of a {}.", "{} for sale"])

    assert concepts.kind is ConceptKind.PROMPTS
    assert concepts.labels == ("shoe", "bag")
    assert concepts.fingerprint == reader.fingerprint
    scores = concepts.scores(reader.embed_text(["a photo of a shoe.", "a photo of a bag."]))
    assert scores.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("template", ["a photo", "{} and {}", "{name}"])
def test_a_template_without_one_place_for_the_label_is_refused(template: str) -> None:
    """A template that would lose or double the label is refused."""
    with pytest.raises(ValueError, match="exactly one"):
        Concepts.from_prompts(FakeEmbedder(), ["shoe"], templates=[template])


def test_the_same_label_twice_is_refused() -> None:
    """Two concepts of one name could not be told apart."""
    with pytest.raises(ValueError, match="each label once"):
        Concepts.from_prompts(FakeEmbedder(), ["shoe", "shoe"])


def test_temperature_undoes_what_scaled_the_logits() -> None:
    """Logits ten times too large are answered with a temperature near ten times that of the right ones."""
    random = np.random.default_rng(0)
    logits = random.standard_normal((4000, 3)) * 2
    targets = np.array([random.choice(3, p=row) for row in softmax(logits)])

    temperature = calibrate(logits * 10, targets)

    assert temperature == pytest.approx(10, rel=0.15)
    assert log_loss(logits * 10 / temperature, targets) < log_loss(logits * 10, targets)


def test_few_examples_that_are_all_right_promise_no_certainty() -> None:
    """Ten examples without an error leave room for one: the probability of the answer stays below 0.99."""
    logits = np.eye(2)[np.arange(10) % 2]

    temperature = calibrate(logits, np.arange(10) % 2)

    assert 0.8 < softmax(logits / temperature).max() < 0.99


def test_softmax_of_huge_logits_is_finite() -> None:
    """Logits of any size give probabilities."""
    assert softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]
