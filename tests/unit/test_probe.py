"""A probe is fitted fast, answers in probabilities and refuses what it cannot learn from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.probe import Looks, fit_probe
from vision.concepts import Concepts


def _examples(count: int, *, labels: int, seed: int) -> tuple[NDArray[np.float32], list[str]]:
    """Draw unit vectors around one direction a label."""
    random = np.random.default_rng(seed)
    names = [f"label {place}" for place in range(labels) for _ in range(count)]
    vectors = np.repeat(np.eye(labels, 12), count, axis=0) + random.normal(0, 0.15, (labels * count, 12))
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit, names


@pytest.mark.parametrize("labels", [2, 5])
def test_probe_finds_the_labels_of_examples_that_it_never_saw(labels: int) -> None:
    """Two labels and many are fitted alike, and the scores are probabilities."""
    vectors, names = _examples(40, labels=labels, seed=1)
    probe = fit_probe(vectors, names, fingerprint="toy@1")

    unseen, truths = _examples(20, labels=labels, seed=2)
    scores = probe.scores(unseen)

    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-5)
    answers = [probe.labels[place] for place in scores.argmax(axis=1)]
    assert np.mean([answer == truth for answer, truth in zip(answers, truths, strict=True)]) > 0.9


def test_fitting_twice_gives_the_same_numbers() -> None:
    """Nothing is drawn at random."""
    vectors, names = _examples(10, labels=3, seed=1)

    one, other = (fit_probe(vectors, names, fingerprint="toy@1") for _ in range(2))

    assert np.array_equal(one.weights, other.weights)
    assert one.temperature == other.temperature


@pytest.mark.parametrize("names", [["a", "a", "a"], ["a", "b", "c"]])
def test_too_few_labels_or_examples_are_refused(names: list[str]) -> None:
    """There must be two labels to tell apart, and an example to calibrate on beside those to learn from."""
    vectors, _ = _examples(3, labels=1, seed=1)

    with pytest.raises(ValueError, match="two of each"):
        fit_probe(vectors, names, fingerprint="toy@1")


def test_a_label_of_one_example_borrows_the_spread_of_the_others() -> None:
    """A label with a single example is learnt beside common ones, and does not swallow theirs."""
    vectors, names = _examples(40, labels=3, seed=1)
    kept = [*range(80), 80]
    probe = fit_probe(vectors[kept], [names[place] for place in kept], fingerprint="toy@1")

    unseen, truths = _examples(20, labels=3, seed=2)
    answers = [probe.labels[place] for place in probe.scores(unseen).argmax(axis=1)]

    assert np.mean([answer == truth for answer, truth in zip(answers, truths, strict=True)]) > 0.8


def test_other_looks_teach_to_overlook_how_a_photo_was_taken() -> None:
    """What tells labels apart in the photos alone is given up for what the looks share with them."""
    random = np.random.default_rng(4)
    names = [name for name in ("boot", "shoe") for _ in range(60)]
    sign = np.repeat([1.0, -1.0], 60)[:, np.newaxis]

    def seen(*, at_home: float) -> NDArray[np.float32]:
        """Dimension 0 hints at the label in any look; dimension 1 tells it by the floor, seen only at home."""
        rows = np.concatenate([0.4 * sign, at_home * sign, np.ones((120, 2))], axis=1) + random.normal(0, 0.3, (120, 4))
        unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    photos = seen(at_home=2.0)
    looks = Looks(seen(at_home=-1.0), np.arange(120))
    alone = fit_probe(photos, names, fingerprint="toy@1")
    taught = fit_probe(photos, names, fingerprint="toy@1", looks=looks)

    def right(probe: Concepts) -> float:
        answers = probe.scores(seen(at_home=-1.0)).argmax(axis=1)
        return float(np.mean([probe.labels[place] == name for place, name in zip(answers, names, strict=True)]))

    assert right(alone) < 0.5
    assert right(taught) > 0.7


def test_looks_of_held_out_examples_are_held_out_too() -> None:
    """A look gives its photo away, so both must go together; those that stay are counted anew."""
    looks = Looks(np.eye(4, 3, dtype=np.float32), np.array([0, 1, 3, 3]))

    kept = looks.of(np.array([True, False, True, True]))

    assert kept.sources.tolist() == [0, 2, 2]
    assert np.array_equal(kept.vectors, looks.vectors[[0, 2, 3]])
