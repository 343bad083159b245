"""`eval prices` from files to figures: its bar on real prices, and that anyone can score its predictions again."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from index.errors import PriceDataError
from training.evaluate_prices import evaluate_prices, report
from training.predictions import read_predictions


@pytest.mark.data
@pytest.mark.parametrize(
    ("rows", "leave_cell_out", "least_tpr"),
    [("n10", False, 0.60), ("n30", False, 0.62), ("n10", True, 0.58), ("n30", True, 0.58)],
)
def test_fakes_among_real_prices_are_found(eval_data: Path, rows: str, leave_cell_out: bool, least_tpr: float) -> None:
    """At 0.5% false positives the detection rate holds its bar, in cells that the history lacks too."""
    folder = eval_data / "prices" / "myntra"

    figures = evaluate_prices(
        folder / f"cases_{rows}.jsonl", folder / f"history_{rows}.jsonl", leave_cell_out=leave_cell_out
    )

    assert figures.n == 2637
    assert figures.tpr_at_fpr_0_5pct >= least_tpr
    assert figures.auc >= 0.97
    assert figures.precision_at_fpr_1pct >= 0.97


@pytest.mark.data
def test_predictions_give_the_same_figures_again(eval_data: Path, tmp_path: Path) -> None:
    """Scoring the predictions file again from the labels of the manifest finds the figures that were reported."""
    folder = eval_data / "prices" / "myntra"
    cases, path = folder / "cases_n10.jsonl", tmp_path / "predictions.jsonl"

    figures = evaluate_prices(cases, folder / "history_n10.jsonl", predictions=path)

    rows = [json.loads(line) for line in cases.read_text(encoding="utf-8").splitlines()]
    predicted = list(read_predictions(path))
    assert [prediction.listing_id for prediction in predicted] == [row["listing_id"] for row in rows]
    assert report([p.score for p in predicted], [row["labels"]["price_anomalous"] for row in rows]) == figures


def listing(number: int, brand: str, category: str, price: float) -> dict[str, object]:
    """Return one manifest row."""
    return {
        "listing_id": f"p{number}",
        "claimed_brand": brand,
        "category": category,
        "condition": "new",
        "price": {"amount": round(price, 2), "currency": "EUR"},
    }


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write a manifest."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def synthetic(folder: Path) -> tuple[Path, Path]:
    """Write cases (every third a fake at a tenth of the price) and a history of two brands in two categories."""
    chance = random.Random(3)
    cells = [(brand, category) for brand in ("Nike", "Puma") for category in ("shoes > running", "bags > clutch")]
    history = [listing(n, *cells[n % 4], 80 * chance.uniform(0.7, 1.4)) for n in range(120)]
    cases = [
        listing(n, *cells[n % 4], (8 if n % 3 == 0 else 80) * chance.uniform(0.7, 1.4))
        | {"labels": {"price_anomalous": n % 3 == 0}}
        for n in range(60)
    ]
    return write(folder / "cases.jsonl", cases), write(folder / "history.jsonl", history)


def test_a_left_out_cell_is_as_if_it_had_never_been_imported(tmp_path: Path) -> None:
    """Leaving a case's cell out scores it as a history file without the rows of that cell does."""
    cases, history = synthetic(tmp_path)
    rows = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    without = [row for row in rows if (row["claimed_brand"], row["category"]) != ("Nike", "shoes > running")]
    shortened = write(tmp_path / "shortened.jsonl", without)

    evaluate_prices(cases, history, leave_cell_out=True, predictions=tmp_path / "left_out.jsonl")
    evaluate_prices(cases, shortened, predictions=tmp_path / "never.jsonl")

    left_out, never = (list(read_predictions(tmp_path / f"{name}.jsonl")) for name in ("left_out", "never"))
    assert left_out[0::4] == never[0::4]
    assert left_out[1::4] != never[1::4]


def test_progress_is_told_case_by_case(tmp_path: Path) -> None:
    """The callback hears of every case, in order, up to the total."""
    cases, history = synthetic(tmp_path)
    heard: list[tuple[int, int]] = []

    evaluate_prices(cases, history, leave_cell_out=True, progress=lambda done, total: heard.append((done, total)))

    assert heard == [(done, 60) for done in range(1, 61)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (listing(1, "Nike", "shoes", 5), r"cases\.jsonl:1: labels\.price_anomalous: a case needs it"),
        ({"listing_id": "p1", "labels": {"price_anomalous": True}}, r"cases\.jsonl:1: price: a case needs a price"),
        (listing(1, "Nike", "", 5) | {"labels": {"price_anomalous": True}}, "needs cases with .* true and .* false"),
        ({"listing_id": 5}, r"cases\.jsonl:1: listing_id"),
    ],
)
def test_unusable_cases_are_refused(tmp_path: Path, row: dict[str, object], message: str) -> None:
    """Cases without price or label, and cases of one kind only, are refused with file and remedy."""
    cases = write(tmp_path / "cases.jsonl", [row])

    with pytest.raises(PriceDataError, match=message):
        evaluate_prices(cases, cases)
