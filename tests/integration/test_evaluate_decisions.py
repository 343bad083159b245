"""`eval decisions` from files to figures: counted again by hand, and on to the model that its facts are fitted into."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from index.errors import CatalogueError
from index.manifest import read_listings
from serving.fusion_file import PRIOR
from serving.settings import Settings
from tests.integration.support import Touchstone, draw
from training.evaluate_decisions import DecisionReport, evaluate_decisions
from training.labelled_facts import read_labelled_facts
from training.predictions import read_predictions

# The stand-in embedder keeps this fast; the figures are its own, the path is the served one.
FAKE = Settings(embedder="fake")
SHOE, FAKE_SHOE, ELSE = 1, 3, 500
EACH = 7  # of six kinds: 21 counterfeits and 21 honest listings are enough to fit on

POLICY = """
format_version: 1
name: only-copies
rules:
  - id: copy
    when: duplicate.known_counterfeit
    verdict: TAKEDOWN
    code: COPY_OF_KNOWN_COUNTERFEIT
    text: "A photo copies a known counterfeit"
"""


def _offers(each: int) -> Iterator[dict[str, Any]]:
    """Give counterfeits that copy a known one, that are cheap, or that say so; and honest listings, usual and cheap."""
    for number in range(each):
        usual, cheap = 90 + number, 8 + number / 10
        yield _offer(f"copy{number}", FAKE_SHOE, usual, infringing=True)
        yield _offer(f"cheap{number}", SHOE, cheap, infringing=True)
        yield _offer(f"says{number}", ELSE, usual, infringing=True, title="Aurora shoes, 1:1 replica AAA")
        yield _offer(f"usual{number}", SHOE, usual, infringing=False)
        yield _offer(f"other{number}", ELSE, usual, infringing=False)
        yield _offer(f"sale{number}", ELSE, cheap, infringing=False)


def _offer(name: str, picture: int, price: float, *, infringing: bool, title: str = "Aurora shoes") -> dict[str, Any]:
    return {
        "listing_id": name,
        "images": [f"{picture}.png"],
        "title": title,
        "claimed_brand": "Aurora",
        "category": "shoes",
        "condition": "new",
        "price": {"amount": round(price, 2), "currency": "USD"},
        "labels": {"infringing": infringing},
    }


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a manifest."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write listings, references, history and a policy, with the pictures that they show, into a folder."""
    folder = tmp_path_factory.mktemp("world")
    for picture in (SHOE, FAKE_SHOE, ELSE):
        (folder / f"{picture}.png").write_bytes(draw(picture, edge=160))
    references = [
        {"brand": "Aurora", "kind": "product", "image": f"{SHOE}.png"},
        {"brand": "Aurora", "kind": "counterfeit", "image": f"{FAKE_SHOE}.png"},
    ]
    history = [_offer(f"h{number}", SHOE, 80 + number, infringing=False) for number in range(40)]
    for name, rows in (("listings", _offers(EACH)), ("references", references), ("history", history)):
        write(folder / f"{name}.jsonl", list(rows))
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def figures(world: Path) -> DecisionReport:
    """Evaluate what ships; facts and predictions lie in the folder."""
    return evaluate(world, world / "listings.jsonl", predictions=world / "p.jsonl", facts=world / "facts.jsonl")


def evaluate(world: Path, listings: Path, **options: Any) -> DecisionReport:
    """Run the evaluation on the folder's files."""
    options = {"settings": FAKE} | options
    return evaluate_decisions(listings, str(world / "references.jsonl"), world / "history.jsonl", **options)


def test_figures_follow_from_labels_and_predictions(world: Path, figures: DecisionReport) -> None:
    """Verdict counts, precision, recall and Brier score come out the same when they are counted by hand."""
    truths = {row.listing_id: bool(row.labels.infringing) for row in read_listings(world / "listings.jsonl")}

    said = list(read_predictions(world / "p.jsonl"))

    flagged = [truths[one.listing_id] for one in said if one.answer != "ALLOW"]
    allowed = [truths[one.listing_id] for one in said if one.answer == "ALLOW"]
    assert (figures.n, figures.positives, figures.negatives) == (6 * EACH, 3 * EACH, 3 * EACH)
    assert sum(sum(counts.values()) for counts in figures.verdicts.values()) == 6 * EACH
    assert figures.verdicts["honest"]["ALLOW"] == allowed.count(False)
    assert figures.flagged_recall == sum(flagged) / (3 * EACH)
    assert figures.flagged_precision == sum(flagged) / len(flagged)
    assert figures.brier == pytest.approx(statistics.mean((one.score - truths[one.listing_id]) ** 2 for one in said))
    assert figures.auc > 0.8
    assert figures.fusion_version == PRIOR.version


@pytest.mark.usefixtures("figures")
def test_every_kind_of_evidence_reaches_the_facts(world: Path) -> None:
    """Copies, prices and wording are among the facts that are written, beside the label."""
    rows = {row.listing_id: row for row in read_labelled_facts(world / "facts.jsonl")}

    cheap, usual = (float(str(rows[name].facts.values["price.score"])) for name in ("cheap0", "usual0"))
    assert len(rows) == 6 * EACH
    assert rows["copy0"].facts.values["duplicate.known_counterfeit"] is True
    assert rows["says0"].facts.values["text.replica_wording"] is True
    assert cheap > 1 > usual
    assert (rows["cheap0"].infringing, rows["sale0"].infringing) == (True, False)


def test_the_policy_under_test_decides_and_the_page_shows_what_it_missed(world: Path) -> None:
    """Under a policy that knows one rule nothing else is flagged; report and page name it and what was allowed."""
    settings = FAKE.model_copy(update={"policy": world / "policy.yaml"})
    listings = write(world / "few.jsonl", list(_offers(1)))

    figures = evaluate(world, listings, settings=settings, report=world / "page.html")

    page = (world / "page.html").read_text(encoding="utf-8")
    assert figures.verdicts["honest"] == {"ALLOW": 3, "REVIEW": 0, "TAKEDOWN": 0}
    assert figures.verdicts["infringing"]["ALLOW"] == 2
    assert figures.flagged_precision == 1.0
    assert figures.policy_version.startswith("only-copies@")
    assert "Counterfeit, but allowed: 2" in page
    assert 'id="cheap0"' in page
    assert figures.policy_version in page


def test_facts_fit_a_model_that_decides(world: Path, figures: DecisionReport, touchstone: Touchstone) -> None:
    """From facts to a fitted model to decisions that name it and are less wrong, all on the command line."""
    given = ("--references", world / "references.jsonl", "--history", world / "history.jsonl")

    fitted = touchstone("--json", "fusion", "fit", world / "facts.jsonl", "--out", world / "fusion.json")
    shown = touchstone("--json", "fusion", "show", world / "fusion.json")
    again = touchstone(
        "--json", "eval", "decisions", world / "listings.jsonl", *given, "--fusion", world / "fusion.json"
    )

    assert [one.code for one in (fitted, shown, again)] == [0, 0, 0], fitted.stderr
    assert json.loads(shown.stdout) == json.loads(fitted.stdout)
    assert json.loads(again.stdout)["fusion_version"] == json.loads(fitted.stdout)["version"]
    assert json.loads(again.stdout)["log_loss"] < figures.log_loss


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"listing_id": "a"}], r"listings\.jsonl:1: labels\.infringing: a listing needs it"),
        ([{"listing_id": "a", "labels": {"infringing": True}}], "infringing true and listings with false"),
        (
            [
                {"listing_id": "a", "labels": {"infringing": True}},
                {"listing_id": "b", "images": ["no.jpg"], "labels": {"infringing": False}},
            ],
            r"listings\.jsonl:2: images: .*no\.jpg is not there",
        ),
    ],
)
def test_unusable_listings_are_refused(world: Path, tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    """Listings without the label or a photo, or of one kind only, are refused with file and remedy."""
    listings = write(tmp_path / "listings.jsonl", rows)

    with pytest.raises(CatalogueError, match=message):
        evaluate(world, listings)
