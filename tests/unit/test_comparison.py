"""Comparisons count what would change, say what they could not evaluate, and show nothing of a listing unescaped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from index.policies import FactsOnRecord, ShadowOutcome
from serving.comparison import EXAMPLES, MOST_NAMES, Comparison, backtest, compare_shadow
from serving.comparison_chart import draw, write_png
from serving.comparison_page import write_page
from serving.domain import Verdict
from serving.facts import FACTS, Facts, Value
from serving.facts_record import pack
from serving.gate import UNCERTIFIED
from serving.policy import Policy, Rule

NEUTRAL = {name: fact.neutral for name, fact in FACTS.items()}
CHEAP = Rule(
    rule_id="cheap",
    verdict=Verdict.REVIEW,
    code="CHEAP",
    text="cheap",
    matches=lambda facts: isinstance(ratio := facts.values["price.ratio"], float) and ratio < 0.5,
)
POLICY = Policy(version="cheap@1", rules=(CHEAP,))


def a_decision(number: int, verdict: str = "ALLOW", **facts: Value) -> FactsOnRecord:
    """Make a decision with these facts."""
    values = {name.replace("__", "."): value for name, value in facts.items()}
    return FactsOnRecord(
        number=number,
        decision_id=f"d{number}",
        listing_id=f"<b>l{number}",
        brand=str(facts.get("brand__name", "")),
        verdict=verdict,
        policy_version="old@1",
        create_time=datetime(2026, 1, 1, tzinfo=UTC),
        facts=pack(Facts(NEUTRAL | values)),
    )


def unread(message: str) -> None:
    """Fail: no facts are damaged here."""
    raise AssertionError(message)


def test_changes_are_counted_by_verdict_rule_and_kind() -> None:
    """Graver, milder and unchanged decisions stand in their cells; totals and kinds agree with them."""
    decisions = [
        a_decision(1, "ALLOW", price__ratio=0.1, brand__name="Aurora", listing__market="DE"),
        a_decision(2, "REVIEW", price__ratio=0.1, brand__name="Aurora"),
        a_decision(3, "REVIEW", brand__name="Borealis", category__declared_path="fashion > bags"),
        a_decision(4, "TAKEDOWN"),
    ]

    figures = backtest(decisions, POLICY, UNCERTIFIED, damaged=unread).document()

    assert (figures["decisions"], figures["changed"]) == (4, 3)
    assert figures["matrix"] == {
        "ALLOW": {"ALLOW": 0, "REVIEW": 1, "TAKEDOWN": 0},
        "REVIEW": {"ALLOW": 1, "REVIEW": 1, "TAKEDOWN": 0},
        "TAKEDOWN": {"ALLOW": 1, "REVIEW": 0, "TAKEDOWN": 0},
    }
    assert figures["rules"] == {"cheap": {"decisions": 2, "changed": 1, "changes": {"ALLOW>REVIEW": 1}}}
    assert {name: (one["decisions"], one["changed"]) for name, one in figures["brands"].items()} == {
        "Aurora": (2, 1), "Borealis": (1, 1), "(unknown)": (1, 1),
    }  # fmt: skip
    assert figures["categories"]["fashion > bags"]["changes"] == {"REVIEW>ALLOW": 1}
    assert figures["markets"]["DE"]["decisions"] == 1
    assert figures["compared_with"] == {"old@1": 4}
    assert sum(sum(row.values()) for row in figures["matrix"].values()) == figures["decisions"]


def test_examples_and_names_are_bounded() -> None:
    """However many decisions change and however many brands sellers invent, an answer stays readable."""
    many = (a_decision(number, price__ratio=0.1, brand__name=f"Brand {number}") for number in range(2 * MOST_NAMES))

    figures = backtest(many, POLICY, UNCERTIFIED, damaged=unread).document()

    assert len(figures["examples"]) == EXAMPLES
    assert len(figures["brands"]) == MOST_NAMES
    assert figures["changed"] == 2 * MOST_NAMES


def test_figure_that_is_none_is_left_out_of_an_example(tmp_path: Path) -> None:
    """A price that is no number makes no broken JSON and no broken page."""
    odd = a_decision(1, "TAKEDOWN", price__ratio=float("nan"))
    comparison = backtest([odd], POLICY, UNCERTIFIED, damaged=unread)

    write_page(tmp_path / "page.html", comparison, source="All decisions")

    assert json.loads(json.dumps(comparison.document(), allow_nan=False))["examples"][0]["price_ratio"] is None
    assert "–" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_damaged_facts_are_named_and_left_out() -> None:
    """A row that cannot be read is told of and counted nowhere; the others are compared."""
    broken = FactsOnRecord(**{**a_decision(1).__dict__, "facts": b"not facts"})
    told: list[str] = []

    figures = backtest([broken, a_decision(2)], POLICY, UNCERTIFIED, damaged=told.append).document()

    assert figures["decisions"] == 1
    assert told == ["d1: facts on record are damaged: Error -3 while decompressing data: incorrect header check"]


def test_shadow_without_a_verdict_is_failed_and_no_change() -> None:
    """What a shadow could not evaluate is counted by itself, and so are its rules that had no answer."""
    said = [
        (a_decision(1), ShadowOutcome(policy_version="s@1", verdict=None, errors=1)),
        (a_decision(2), ShadowOutcome(policy_version="s@1", verdict="REVIEW", errors=2)),
    ]

    figures = compare_shadow("s@1", said, damaged=unread).document()

    assert (figures["failed"], figures["rule_errors"]) == (1, 2)
    assert (figures["decisions"], figures["changed"]) == (1, 1)


def test_page_and_picture_are_drawn_even_of_nothing(tmp_path: Path) -> None:
    """Without a single decision there is still a page and a picture that say so."""
    nothing = Comparison("empty@1")

    write_page(tmp_path / "page.html", nothing, source="All decisions")
    write_png(tmp_path / "page.png", nothing)

    assert "0 of 0 decisions would change" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert Image.open(tmp_path / "page.png").format == "PNG"


def test_picture_holds_words(tmp_path: Path) -> None:
    """The picture's letters need no font of the machine: with them it has far more ink than without."""
    comparison = backtest([a_decision(1, price__ratio=0.1)], POLICY, UNCERTIFIED, damaged=unread)
    write_png(tmp_path / "one.png", comparison)

    image = Image.open(tmp_path / "one.png").convert("L").crop((0, 0, 1000, 90))  # the headline

    assert sum(image.histogram()[:100]) > 1_000


def test_words_of_listings_and_versions_are_escaped(tmp_path: Path) -> None:
    """A listing's id or brand with markup in it stays text, in the page and in the drawing."""
    decision = a_decision(1, price__ratio=0.1, brand__name="<script>alert(1)</script>")
    comparison = backtest([decision], Policy(version="<i>@1", rules=(CHEAP,)), UNCERTIFIED, damaged=unread)

    write_page(tmp_path / "page.html", comparison, source="All decisions")

    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "<b>l1" not in html
    assert "&lt;script&gt;" in html
    assert "<i>" not in draw(comparison)
