"""Price histories: which prices a file holds, and what is said about bad rows."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from index.errors import PriceDataError
from index.market_records import PriceObservation
from index.money import Money
from index.price_history import read_history

GOOD: dict[str, object] = {
    "listing_id": "p1",
    "claimed_brand": "Puma",
    "category": "shoes > sports-shoes",
    "condition": "new",
    "price": {"amount": 60.0, "currency": "USD"},
    "unit_count": 3,
}


def write(folder: Path, *lines: str) -> Path:
    """Write a history of `lines`."""
    path = folder / "history.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_row_becomes_the_price_of_a_piece(tmp_path: Path) -> None:
    """Three pieces for 60 are three at 20; the listing's id tells the observation apart."""
    path = write(tmp_path, json.dumps(GOOD))

    (observation,) = read_history(path)

    assert observation == PriceObservation(
        brand="Puma",
        category="shoes > sports-shoes",
        condition="new",
        unit_price=Money(Decimal("20"), "USD"),
        observation_id="p1",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claimed_brand": " "}, "claimed_brand: a price history needs the brand"),
        ({"price": None}, "price: a history needs a price above 0"),
        ({"price": {"amount": 0, "currency": "USD"}}, "price: a history needs a price above 0"),
        ({"price": {"amount": 5, "currency": "XXX"}}, "price: currency: 'XXX' .* ISO 4217"),
        ({"listing_id": None}, "listing_id: None is not allowed"),
    ],
)
def test_a_bad_row_names_file_line_and_remedy(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """Every fault is a price-data error with file, line and what to do."""
    path = write(tmp_path, json.dumps(GOOD), json.dumps(GOOD | changes))

    with pytest.raises(PriceDataError, match=message) as refused:
        list(read_history(path))

    assert str(refused.value).startswith(f"{path}:2: ")


def test_good_rows_go_on_past_bad_ones(tmp_path: Path) -> None:
    """With `on_error` bad rows, of either kind, are reported in order and the good ones are read."""
    path = write(tmp_path, "{", json.dumps(GOOD), json.dumps(GOOD | {"price": None}), json.dumps(GOOD))
    errors: list[PriceDataError] = []

    observations = list(read_history(path, on_error=errors.append))

    assert len(observations) == 2
    assert ["JSON" in str(error) for error in errors] == [True, False]


def test_a_missing_history_is_named(tmp_path: Path) -> None:
    """A history that is not there is an error in any case."""
    with pytest.raises(PriceDataError, match=r"nowhere\.jsonl: the manifest cannot be read"):
        list(read_history(tmp_path / "nowhere.jsonl", on_error=print))
