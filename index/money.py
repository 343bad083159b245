"""How much is it, and in which currency? Amounts with their currency, and a dated table that converts between them.

Prices enter the flow here: `serving.wire.requests` and `index.price_history` build `Money`, `index.pricing` converts
every price to one base currency before it compares them. Amounts are `Decimal`, so that 0.1 stays 0.1 from the wire
to the store.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import yaml

from index.errors import PriceDataError

_FILE_KEYS = frozenset({"date", "base", "units_per_base"})

# Codes of ISO 4217 in which nobody pays a seller: metals, bond-market units, units of account, testing, "no currency",
# and the fund codes of Bolivia, Switzerland, Chile, Colombia, Mexico, the USA and Uruguay.
_METALS = frozenset({"XAG", "XAU", "XPD", "XPT"})
_UNITS_OF_ACCOUNT = frozenset({"XAD", "XBA", "XBB", "XBC", "XBD", "XDR", "XSU", "XUA"})
_FUNDS = frozenset({"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"})
_NOT_TENDER = _METALS | _UNITS_OF_ACCOUNT | _FUNDS | {"XTS", "XXX"}


@functools.cache
def currencies() -> frozenset[str]:
    """Return the active ISO 4217 codes in which a price can be stated."""
    import pycountry

    return frozenset(str(currency.alpha_3) for currency in pycountry.currencies) - _NOT_TENDER


def is_currency(code: str) -> bool:
    """Tell whether `code` is an active ISO 4217 code, in capitals, in which a price can be stated."""
    return code in currencies()


@dataclass(frozen=True)
class Money:
    """A finite amount of one currency, such as `Money(Decimal("49.90"), "EUR")`. The sign is the caller's business."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is no amount of money."""
        if not isinstance(self.amount, Decimal) or not self.amount.is_finite():
            raise PriceDataError(f"The amount {self.amount!r} is not a finite Decimal; state a number such as 49.90.")
        if not is_currency(self.currency):
            raise PriceDataError(
                f"The currency {self.currency!r} is not an active ISO 4217 code; use one such as USD, EUR or CNY."
            )

    def __str__(self) -> str:
        """Return amount and code, `49.90 EUR`."""
        return f"{self.amount:f} {self.currency}"


@dataclass(frozen=True)
class ExchangeRates:
    """How many units of each currency one unit of `base` buys on `day`; `units_per_base` holds the base itself as 1."""

    day: date
    base: str
    units_per_base: Mapping[str, Decimal]

    @classmethod
    def load(cls, path: Path | None = None) -> ExchangeRates:
        """Read a rate file, or the approximate default table when `path` is None. Raises PriceDataError."""
        source = path or resources.files("index") / "data" / "exchange_rates.yaml"
        try:
            table = yaml.safe_load(source.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise PriceDataError(f"{source}: the exchange-rate file cannot be read: {error}") from error
        except yaml.YAMLError as error:
            raise PriceDataError(f"{source}: the exchange-rate file is not YAML: {error}") from error
        return _parse(table, name=str(source))

    def factor(self, source: str, to: str) -> Decimal:
        """Return how many units of `to` one unit of `source` buys. Raises PriceDataError when either has no rate."""
        if source == to:
            return Decimal(1)
        for code in (source, to):
            if code not in self.units_per_base:
                known = ", ".join(sorted(self.units_per_base))
                raise PriceDataError(
                    f"The exchange rates of {self.day} hold no rate for {code!r}; they hold {known}. Add a line for it."
                )
        return self.units_per_base[to] / self.units_per_base[source]

    def convert(self, money: Money, to: str) -> Money:
        """Return `money` in the currency `to`, unrounded. Raises PriceDataError when there is no rate."""
        return money if money.currency == to else Money(money.amount * self.factor(money.currency, to), to)


def _parse(table: object, *, name: str) -> ExchangeRates:
    if not isinstance(table, dict) or set(table) != _FILE_KEYS:
        raise PriceDataError(f"{name}: an exchange-rate file has exactly the keys {', '.join(sorted(_FILE_KEYS))}.")
    day, base, units = table["date"], table["base"], table["units_per_base"]
    if type(day) is not date:
        raise PriceDataError(f"{name}: date: {day!r} is not a day; write it as 2025-09-01.")
    if not isinstance(base, str) or not is_currency(base):
        raise PriceDataError(f"{name}: base: {base!r} is not an active ISO 4217 code such as USD.")
    if not isinstance(units, dict) or not units:
        raise PriceDataError(f"{name}: units_per_base: expected lines such as 'EUR: 0.855'.")
    parsed = {base: Decimal(1)}
    for code, value in units.items():
        if not isinstance(code, str) or not is_currency(code):
            raise PriceDataError(f"{name}: units_per_base: {code!r} is not an active ISO 4217 code such as EUR.")
        parsed[code] = _rate(value, where=f"{name}: units_per_base: {code}")
    if parsed[base] != 1:
        raise PriceDataError(f"{name}: units_per_base: {base}: the base is worth 1 of itself, not {parsed[base]}.")
    return ExchangeRates(day, base, MappingProxyType(parsed))


def _rate(value: object, *, where: str) -> Decimal:
    try:
        rate = Decimal(str(value))  # through str, so that a YAML 0.855 stays 0.855
    except InvalidOperation as error:
        raise PriceDataError(f"{where}: {value!r} is not a number.") from error
    if not (rate.is_finite() and rate > 0):
        raise PriceDataError(f"{where}: {value!r} is out of range; a rate is finite and above 0.")
    return rate
