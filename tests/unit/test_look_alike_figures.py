"""Imitations of brand names are found as often as docs/wording.md says, and other words hardly ever taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.manifest import read_listings
from serving.words.lexicon import BrandLexicon
from training.evaluate_look_alikes import false_alarms, known_brands, place_names, recall
from training.misspellings import Kind, misspellings


@pytest.fixture(scope="module")
def lexicon() -> BrandLexicon:
    """Return the names of the seed catalogue, more than 3,000."""
    return BrandLexicon.build(known_brands())


def test_disguises_of_registry_names_are_found(lexicon: BrandLexicon) -> None:
    """Digits, scripts and doubled letters give every name away; slips only names of seven letters and more."""
    table = recall(known_brands()[::5], lexicon)

    for kind in (Kind.DIGIT, Kind.SCRIPT, Kind.DOUBLING):
        assert min(found.share for found in table[kind].values()) >= 0.9
    assert min(table[Kind.TYPING][7].share, table[Kind.SOUND][7].share) >= 0.95
    assert table[Kind.TYPING][4].share <= 0.1  # nothing of four letters is suspected for a slip


def test_names_of_places_and_languages_imitate_nothing(lexicon: BrandLexicon) -> None:
    """Words that no dictionary of the service holds are left alone."""
    wrong, examples = false_alarms(place_names(), lexicon)

    assert wrong.asked > 10_000
    assert wrong.share < 0.002, examples


@pytest.mark.data
@pytest.mark.parametrize(("manifest", "most"), [("fashion/validation.jsonl", 0.003), ("grocery/test.jsonl", 0.02)])
def test_honest_titles_imitate_nothing(lexicon: BrandLexicon, eval_data: Path, manifest: str, most: float) -> None:
    """Titles of genuine goods and names of groceries stay below the rate on the page."""
    rows = list(read_listings(eval_data / manifest))
    titles = sorted({row.title or (row.labels.brand or "").replace("-", " ") for row in rows})

    wrong, examples = false_alarms(titles, lexicon)

    assert wrong.asked > 50
    assert wrong.share <= most, examples


def test_misspellings_are_the_same_on_every_run() -> None:
    """Figures can be had again; the first letter stays, and every disguise differs from its name."""
    first, again = (list(misspellings(["Birkenstock", "Nike"], seed=3)) for _ in range(2))

    assert first == again
    assert {kind for _, name, kind in first if name == "Birkenstock"} == set(Kind)
    assert all(disguise != name and disguise[0] == name[0] for disguise, name, _ in first)
