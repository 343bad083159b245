"""Money and exchange rates: what is an amount, and what a table converts."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import PriceDataError
from index.money import ExchangeRates, Money, is_currency

RATES = "date: 2025-09-01\nbase: USD\nunits_per_base:\n  EUR: 0.8\n  JPY: 150\n"


@pytest.fixture
def rates(tmp_path: Path) -> ExchangeRates:
    """Return a small table: 1 USD buys 0.8 EUR or 150 JPY."""
    path = tmp_path / "rates.yaml"
    path.write_text(RATES, encoding="utf-8")
    return ExchangeRates.load(path)


@pytest.mark.parametrize("code", ["USD", "EUR", "CNY", "INR", "XOF", "XCD"])
def test_active_codes_are_currencies(code: str) -> None:
    """Codes in which people pay are currencies, those of currency unions among them."""
    assert is_currency(code)


@pytest.mark.parametrize("code", ["", "usd", "DEM", "ABC", "XXX", "XTS", "XAU", "US", "€"])
def test_other_codes_are_no_currencies(code: str) -> None:
    """Lower case, withdrawn, testing and metal codes, and what is no code, are refused."""
    assert not is_currency(code)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_money_is_finite(amount: str) -> None:
    """An amount that is no finite number is refused."""
    with pytest.raises(PriceDataError, match="not a finite Decimal"):
        Money(Decimal(amount), "USD")


def test_money_names_an_unknown_currency() -> None:
    """The error for an unknown currency names it and a valid choice."""
    with pytest.raises(PriceDataError, match=r"'BTC'.*such as USD"):
        Money(Decimal(1), "BTC")


def test_money_is_immutable() -> None:
    """An amount cannot be changed under somebody's feet."""
    money = Money(Decimal("49.90"), "EUR")

    with pytest.raises(dataclasses.FrozenInstanceError):
        money.amount = Decimal(1)  # type: ignore[misc]

    assert str(money) == "49.90 EUR"


def test_conversion_goes_through_the_base(rates: ExchangeRates) -> None:
    """8 EUR are 10 USD are 1500 JPY."""
    converted = rates.convert(Money(Decimal(8), "EUR"), "JPY")

    assert converted == Money(Decimal(1500), "JPY")


def test_same_currency_is_left_alone(rates: ExchangeRates) -> None:
    """No rate is needed from a currency to itself, even one that the table lacks."""
    money = Money(Decimal("0.1"), "CHF")

    assert rates.convert(money, "CHF") is money


@pytest.mark.parametrize(("source", "to"), [("CHF", "USD"), ("USD", "CHF")])
def test_a_missing_rate_is_named(rates: ExchangeRates, source: str, to: str) -> None:
    """Without a rate the error names the currency, the day and what the table holds."""
    with pytest.raises(PriceDataError, match=r"2025-09-01 hold no rate for 'CHF'; they hold EUR, JPY, USD"):
        rates.convert(Money(Decimal(1), source), to)


@given(
    amount=st.decimals(min_value="0.01", max_value="1e9", places=2),
    codes=st.tuples(*[st.sampled_from(sorted(ExchangeRates.load().units_per_base))] * 2),
)
def test_a_round_trip_changes_nothing_visible(amount: Decimal, codes: tuple[str, str]) -> None:
    """There and back again differs by less than a thousandth of a cent in a billion."""
    rates = ExchangeRates.load()

    back = rates.convert(rates.convert(Money(amount, codes[0]), codes[1]), codes[0])

    assert abs(back.amount - amount) < Decimal("1e-5")


def test_the_default_table_covers_the_main_currencies() -> None:
    """The shipped table is dated and holds what large marketplaces trade in."""
    rates = ExchangeRates.load()

    assert rates.day <= date(2026, 11, 22)
    assert {"USD", "EUR", "GBP", "CNY", "JPY", "INR", "KRW", "BRL", "MXN", "PLN", "TRY"} <= set(rates.units_per_base)
    assert all(is_currency(code) and rate > 0 for code, rate in rates.units_per_base.items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a list", "exactly the keys base, date, units_per_base"),
        ("base: USD\nunits_per_base: {EUR: 1}", "exactly the keys"),
        (RATES + "extra: 1\n", "exactly the keys"),
        (RATES.replace("2025-09-01", "yesterday"), "date: 'yesterday'.*2025-09-01"),
        (RATES.replace("base: USD", "base: usd"), "base: 'usd' is not an active ISO 4217 code"),
        (RATES.replace("JPY", "BTC"), "units_per_base: 'BTC' is not an active"),
        (RATES.replace("150", "-1"), "units_per_base: JPY: -1 is out of range"),
        (RATES.replace("150", "0"), "units_per_base: JPY: 0 is out of range"),
        (RATES.replace("150", ".inf"), "units_per_base: JPY: inf is out of range"),
        (RATES.replace("150", "much"), "units_per_base: JPY: 'much' is not a number"),
        (RATES + "  USD: 2\n", "USD: the base is worth 1 of itself"),
        ("date: 2025-09-01\nbase: USD\nunits_per_base: []\n", "units_per_base: expected lines such as"),
        ("a: [", "not YAML"),
    ],
)
def test_a_bad_rate_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """Every fault of a rate file is an error that names file, entry and what is allowed."""
    path = tmp_path / "rates.yaml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(PriceDataError, match=message) as refused:
        ExchangeRates.load(path)

    assert str(path) in str(refused.value)


def test_a_missing_rate_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(PriceDataError, match=r"nowhere\.yaml: the exchange-rate file cannot be read"):
        ExchangeRates.load(tmp_path / "nowhere.yaml")
