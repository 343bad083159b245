"""Labelled facts: written and read the same, refused with file and line, and joined with people's verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from index.errors import CatalogueError
from index.verdicts import HumanVerdict, VerdictSource
from serving.facts import FACTS, Facts
from training.decision_world import simulate
from training.labelled_facts import LabelledFacts, facts_of_verdicts, read_labelled_facts, write_labelled_facts

VERDICT = HumanVerdict(
    number=1, decision_id="d1", listing_id="l1", seller_id="s", brand="Aurora", infringing=True,
    source=VerdictSource.REVIEW, machine_verdict="REVIEW", probability=0.5, uncalibrated_probability=0.5,
    certificate_id="", create_time=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def test_facts_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Every value of every type comes back, to the last digit."""
    rows = [
        LabelledFacts(listing_id=f"é{number}", facts=one.facts, infringing=one.infringing)
        for number, one in enumerate(simulate(50, seed=3))
    ]

    write_labelled_facts(tmp_path / "facts.jsonl", rows)

    assert list(read_labelled_facts(tmp_path / "facts.jsonl")) == rows


def test_a_fact_that_a_line_lacks_is_nothing_found(tmp_path: Path) -> None:
    """Files outlive new facts and dropped ones, and a figure that is none is not written."""
    path = tmp_path / "facts.jsonl"
    path.write_text('{"listing_id": "a", "infringing": false, "facts": {"price.score": 2, "of.old": [1]}}\n\n')
    (row,) = read_labelled_facts(path)

    write_labelled_facts(path, [replace(row, facts=row.facts.plus("price.score", float("nan")))])

    assert row.facts.values["price.score"] == 2
    assert row.facts.values["price.ratio"] == 1.0
    assert set(row.facts.values) == set(FACTS)
    assert next(read_labelled_facts(path)).facts.values["price.score"] == 0.0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", "not a line of labelled facts"),
        ('{"listing_id": "a", "facts": {}}', "KeyError.*infringing"),
        ('{"listing_id": "a", "infringing": 1, "facts": {}}', "true or false"),
        ('{"listing_id": "a", "infringing": true, "facts": []}', "an object of values"),
        ('{"listing_id": "a", "infringing": true, "facts": {"price.score": "high"}}', "price.score: 'high'.*double"),
        ('{"listing_id": "a", "infringing": true, "facts": {"price.score": NaN}}', "NaN is not a number"),
        ('{"listing_id": "a", "infringing": true, "facts": {"seller.strikes": true}}', "seller.strikes: True.*int"),
        ('{"listing_id": "a", "infringing": true, "facts": {"text.replica_words": [1]}}', "text.replica_words.*list"),
        ('{"listing_id": "a", "infringing": true, "facts": {"price.score": 1e999}}', "price.score: inf.*double"),
    ],
)
def test_a_faulty_line_is_refused_by_its_number(tmp_path: Path, line: str, message: str) -> None:
    """The message names file, line, what was found and what is allowed."""
    path = tmp_path / "facts.jsonl"
    path.write_text('{"listing_id": "a", "infringing": true, "facts": {}}\n' + line + "\n")

    with pytest.raises(CatalogueError, match=rf"facts\.jsonl:2: .*{message}"):
        list(read_labelled_facts(path))


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    """The message says which file cannot be read."""
    with pytest.raises(CatalogueError, match=r"none\.jsonl"):
        list(read_labelled_facts(tmp_path / "none.jsonl"))


@dataclass(frozen=True)
class Ledger:
    """Verdicts in memory, two at a time, and the facts of their decisions."""

    verdicts: tuple[HumanVerdict, ...]
    facts: Mapping[str, Facts]

    def verdicts_after(self, number: int, *, limit: int = 1000) -> tuple[HumanVerdict, ...]:
        """Give the next ones."""
        return tuple(one for one in self.verdicts if one.number > number)[: min(limit, 2)]

    def facts_of(self, decision_id: str) -> Facts | None:
        """Give what is kept."""
        return self.facts.get(decision_id)


def test_the_last_word_on_a_decision_counts() -> None:
    """Undone verdicts, appeals and decisions without facts are left out; a later verdict replaces an earlier one."""
    kept = {f"d{number}": Facts({"price.score": float(number)}) for number in range(1, 6)}
    said = [
        VERDICT,
        replace(VERDICT, number=2, decision_id="d2"),
        replace(VERDICT, number=3, decision_id="d3"),
        replace(VERDICT, number=4, decision_id="d4", source=VerdictSource.APPEAL),
        replace(VERDICT, number=5, decision_id="lost"),
        replace(VERDICT, number=6, decision_id="d2", undone=True),
        replace(VERDICT, number=7, decision_id="d1", infringing=False),
        replace(VERDICT, number=8, decision_id="d5", source=VerdictSource.AUDIT),
    ]
    ledger = Ledger(tuple(said), kept)

    found = list(facts_of_verdicts(ledger, ledger.facts_of))

    assert [(row.facts.values["price.score"], row.infringing) for row in found] == [
        (3.0, True),
        (1.0, False),
        (5.0, True),
    ]
    assert all(isinstance(row.facts, Facts) and set(row.facts.values) == set(FACTS) for row in found)
