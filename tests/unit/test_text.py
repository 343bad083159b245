"""The text tower reads as the encoder that it was converted from, and its projection meets the pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.fit_text import Anchors, SentenceEncoder, discriminants, fit_projection, unit
from training.imagenet import rows_in
from vision.checkpoint import MODELS, VOCABULARY, read_file, read_manifest
from vision.networks import load_network
from vision.text import Projection, Tokenizer, read_vocabulary

MANIFEST = read_manifest(MODELS / "touchstone-s")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Read the shipped vocabulary."""
    file = MANIFEST.files[VOCABULARY]
    return Tokenizer(read_vocabulary(read_file(file), file.path), context_length=8)


def test_words_become_the_numbers_that_bert_was_trained_with(tokenizer: Tokenizer) -> None:
    """Case and accents go, unknown words fall into pieces, sentences are framed, padded with 0 and cut."""
    tokens = tokenizer(["A Café!", "unaffable", "one two three four five six seven"])

    assert tokens.tolist() == [
        [101, 1037, 7668, 999, 102, 0, 0, 0],
        [101, 14477, 20961, 3468, 102, 0, 0, 0],
        [101, 2028, 2048, 2093, 2176, 2274, 2416, 102],
    ]


def test_the_encoder_agrees_with_the_library_it_came_from() -> None:
    """Two sentences are as alike as transformers 5.23 finds them with the package's float32 weights."""
    tower, tokenizer = load_network("touchstone-s", downloads=False).network.text, None
    tokenizer = load_network("touchstone-s", downloads=False).tokenizer
    assert tokenizer is not None

    with torch.inference_mode():
        food = tower.eval().encode(tokenizer(["a man is eating food", "a man is eating pasta"]))

    assert float(food[0] @ food[1]) == pytest.approx(0.6962, abs=1e-3)


def test_sentences_of_like_meaning_are_near() -> None:
    """The frozen half alone puts synonyms together."""
    rows = SentenceEncoder(MANIFEST).encode(["trousers", "pants", "lemon"])

    assert rows[0] @ rows[1] > 0.8 > rows[0] @ rows[2]


def test_a_projection_meets_its_anchors_and_lies_between_them() -> None:
    """A known sentence takes its own direction; one between two takes some of both; trusted anchors are met closer."""
    sentences = unit(np.array([[1, 0, 0.2], [0, 1, 0.2], [0, 0, 1]], np.float32))
    directions = np.eye(3, 4, dtype=np.float32)

    found = {
        slack: fit_projection(Anchors(sentences, directions, np.full(3, slack, np.float32))) for slack in (0.01, 1.0)
    }

    tight, loose = (_project(sentences, *found[slack]) for slack in (0.01, 1.0))
    np.testing.assert_allclose(tight, directions, atol=0.03)
    assert loose[0, 0] < tight[0, 0]
    between = _project(unit(sentences[:1] + sentences[1:2]), *found[0.01])[0]
    assert between[0] == pytest.approx(between[1], abs=1e-5)
    assert between[0] > between[2]


def test_discriminants_ignore_what_varies_within_a_label() -> None:
    """Of two components that differ between the labels, the one that is steady within them counts."""
    random = np.random.default_rng(0)
    labels = ["bag", "hat"] * 200
    sign = np.where(np.array(labels) == "hat", 1, -1)
    vectors = np.stack([sign + random.normal(0, 0.1, 400), sign + random.normal(0, 3, 400)], axis=1).astype(np.float32)

    names, directions = discriminants(vectors, labels)

    assert names == ("bag", "hat")
    assert directions[1, 0] > 3 * abs(directions[1, 1])
    np.testing.assert_allclose(directions[0], -directions[1], rtol=1e-3)


def test_rows_are_carried_over_to_a_trunk_that_has_moved() -> None:
    """Where the new features are a turn of the old, rows answer as before; where nothing moved, they stay."""
    random = np.random.default_rng(0)
    old = unit(random.normal(size=(4000, 8)).astype(np.float32))
    turn = np.linalg.qr(random.normal(size=(8, 8)))[0].astype(np.float32)
    weights = random.normal(size=(5, 8)).astype(np.float32)

    moved = rows_in(weights, old=old, new=old @ turn)

    np.testing.assert_allclose(old @ turn @ moved.T, old @ weights.T, atol=0.02)
    np.testing.assert_allclose(rows_in(weights, old=old, new=old), weights, atol=1e-5)


def _project(sentences: np.ndarray, anchors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    projection = Projection(len(anchors), anchors.shape[1], directions.shape[1])
    projection.load_state_dict({"anchors": torch.from_numpy(anchors), "directions": torch.from_numpy(directions)})
    with torch.inference_mode():
        projected: np.ndarray = projection(torch.from_numpy(sentences)).numpy()
    return projected
