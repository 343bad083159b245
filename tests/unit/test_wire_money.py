"""Money crosses the wire exactly, and no price is both let through and unusable."""

from __future__ import annotations

from decimal import Decimal

import pytest
from google.type.money_pb2 import Money as MoneyMessage
from hypothesis import given
from hypothesis import strategies as st

from index.errors import PriceDataError
from index.money import Money, currencies
from serving.wire.money import MAX_UNITS, NANOS_PER_UNIT, from_money, price_faults, to_money

codes = st.sampled_from(sorted(currencies()))
amounts = st.decimals(
    min_value=-(2**63) + 1, max_value=2**63 - 1, allow_nan=False, allow_infinity=False, places=9
) | st.decimals(min_value=-(10**6), max_value=10**6, places=2)


@given(amount=amounts, currency=codes)
def test_money_survives_the_way_out_and_back(amount: Decimal, currency: str) -> None:
    """Any amount of nine decimals crosses the wire exactly, and with one sign."""
    money = Money(amount, currency)

    message = from_money(money)

    assert to_money(message) == money
    assert message.units * message.nanos >= 0
    assert abs(message.nanos) < NANOS_PER_UNIT


@given(units=st.integers(0, MAX_UNITS - 1), nanos=st.integers(0, NANOS_PER_UNIT - 1), currency=codes)
def test_money_survives_the_way_in_and_out(units: int, nanos: int, currency: str) -> None:
    """Any price that is allowed is the same message again after the domain."""
    message = MoneyMessage(units=units, nanos=nanos, currency_code=currency)

    assert price_faults(message) == []
    assert from_money(to_money(message)) == message


@given(
    units=st.integers(-(2**63), 2**63 - 1),
    nanos=st.integers(-(2**31), 2**31 - 1),
    currency=codes | st.text(max_size=5),
)
def test_a_price_is_either_faulty_or_usable(units: int, nanos: int, currency: str) -> None:
    """Whatever a client sends as a price, it is refused or is an amount from 0 up."""
    message = MoneyMessage(units=units, nanos=nanos, currency_code=currency)

    assert price_faults(message) or 0 <= to_money(message).amount < MAX_UNITS


def test_amounts_read_as_people_write_them() -> None:
    """An amount from the wire carries no trailing zeros, whole or not."""
    assert str(to_money(price(50))) == "50 EUR"
    assert str(to_money(price(49, 900_000_000))) == "49.9 EUR"


def test_more_than_nine_decimals_are_rounded_to_even() -> None:
    """What the wire cannot hold is rounded to the nearest billionth, ties to even."""
    assert from_money(Money(Decimal("0.0000000005"), "EUR")) == price(0, 0)
    assert from_money(Money(Decimal("0.0000000015"), "EUR")) == price(0, 2)
    assert from_money(Money(Decimal("-1.9999999999"), "EUR")) == price(-2, 0)


@pytest.mark.parametrize(
    "amount", ["9223372036854775808", "-9223372036854775808", "1e400", "9223372036854775807.9999999999"]
)
def test_an_amount_beyond_the_wire_is_refused(amount: str) -> None:
    """An amount whose units do not fit 64 bits is named, not cut."""
    with pytest.raises(PriceDataError, match=r"does not fit google\.type\.Money"):
        from_money(Money(Decimal(amount), "EUR"))


def price(units: int, nanos: int = 0) -> MoneyMessage:
    """Build an amount of euros."""
    return MoneyMessage(units=units, nanos=nanos, currency_code="EUR")
