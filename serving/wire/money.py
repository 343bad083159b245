"""How does money cross the wire? `google.type.Money` to and from `index.money.Money`, without a float in between.

Used by `serving.wire.requests` for the price of a listing and by `serving.wire.decision` for the prices of its
evidence.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from google.type.money_pb2 import Money as MoneyMessage

from index.errors import PriceDataError
from index.money import Money, is_currency
from serving.wire.rules import shown

NANOS_PER_UNIT = 10**9
# Far above any price of goods in any currency, far below what a 64-bit count of units can hold.
MAX_UNITS = 10**12

_NANO = Decimal("1e-9")
# 19 digits of a 64-bit count and 9 of the nanos are 28; the rest is room for the operand of a rounding.
_CONTEXT = Context(prec=64, rounding=ROUND_HALF_EVEN)


def price_faults(price: MoneyMessage) -> list[str]:
    """List every rule that a price breaks, each with value, limit and remedy; none when `to_money` may be called."""
    faults = []
    if not is_currency(price.currency_code):
        faults.append(
            f"the currency {shown(price.currency_code)} is no active ISO 4217 code; send one such as USD, EUR or CNY"
        )
    if abs(price.nanos) >= NANOS_PER_UNIT:
        faults.append(f"nanos {price.nanos} is out of range; send -999999999 to 999999999 and carry the rest to units")
    if price.units * price.nanos < 0:
        faults.append(f"units {price.units} and nanos {price.nanos} differ in sign; send both with the same sign")
    elif price.units < 0 or price.nanos < 0:
        faults.append(f"the price {_amount(price)} is negative; send 0 or more, or leave the price out when unknown")
    elif price.units >= MAX_UNITS:
        faults.append(f"the price {_amount(price)} is not plausible; send less than {MAX_UNITS} units of the currency")
    return faults


def to_money(price: MoneyMessage) -> Money:
    """Translate money from the wire, exactly. Raises PriceDataError for an unknown currency."""
    return Money(_amount(price), price.currency_code)


def from_money(money: Money) -> MoneyMessage:
    """Translate money to the wire, rounded half to even beyond nine decimals. Raises PriceDataError when too large."""
    amount = money.amount.quantize(_NANO, context=_CONTEXT) if abs(money.amount) < 2**63 else None
    nanos = None if amount is None else int(amount.scaleb(9, context=_CONTEXT))
    if nanos is None or abs(nanos) // NANOS_PER_UNIT >= 2**63:
        raise PriceDataError(f"The amount {money.amount} does not fit google.type.Money; its units end at 2^63.")
    units, rest = divmod(abs(nanos), NANOS_PER_UNIT)
    sign = -1 if nanos < 0 else 1
    return MoneyMessage(currency_code=money.currency, units=sign * units, nanos=sign * rest)


def _amount(price: MoneyMessage) -> Decimal:
    total = Decimal(price.units * NANOS_PER_UNIT + price.nanos).scaleb(-9, context=_CONTEXT)
    whole = total.to_integral_value()
    # 50 and 49.9, not 50.000000000 and 49.900000000: amounts stand in sentences that people read.
    return whole if whole == total else total.normalize(_CONTEXT)
