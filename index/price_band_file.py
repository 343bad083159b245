"""Which price bands does a file hold? Reads the bands of brand owners, YAML or JSON Lines.

`touchstone prices bands` reads them into the store. Each entry names its brand by name or id:

    - {brand: Nike, category: shoes > sneakers, market: DE, low: 60, high: 250, currency: EUR}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml

from index.errors import PriceDataError
from index.money import Money
from index.price_bands import BrandPriceBand, PriceBand

_KEYS = {"brand", "category", "market", "low", "high", "currency"}
_MARKET_LETTERS = 2


def read_bands(path: Path) -> list[BrandPriceBand]:
    """Return the bands in the file at `path`, in order.

    Raises:
        PriceDataError: it cannot be read or an entry is wrong; the message names file, entry and what is allowed.

    """
    return [_band(entry, where=f"{path}: {where}") for where, entry in _entries(path)]


def _entries(path: Path) -> Iterator[tuple[str, object]]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            lines = [(f"line {number}", line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
            yield from ((where, json.loads(line, parse_float=Decimal)) for where, line in lines)
            return
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise PriceDataError(f"{path}: the price bands cannot be read: {error}") from error
    if not isinstance(content, list):
        raise PriceDataError(f"{path}: expected a list of bands, such as '- {{brand: Nike, low: 60, high: 250, ...}}'.")
    yield from ((f"band {number}", entry) for number, entry in enumerate(content, 1))


def _band(entry: object, *, where: str) -> BrandPriceBand:
    if not isinstance(entry, dict) or not {"brand", "low", "high", "currency"} <= set(entry) <= _KEYS:
        raise PriceDataError(f"{where}: a band has brand, low, high and currency, and may have category and market.")
    words = {name: entry.get(name, "") for name in ("brand", "category", "market", "currency")}
    for name, value in words.items():
        if not isinstance(value, str):
            raise PriceDataError(f"{where}: {name}: {value!r} is not a text; put it in quotes.")
    if not words["brand"].strip():
        raise PriceDataError(f"{where}: brand: give the brand's name or id.")
    market = words["market"]
    if market and not (len(market) == _MARKET_LETTERS and market.isascii() and market.isupper()):
        raise PriceDataError(f"{where}: market: {market!r} is not an ISO 3166-1 alpha-2 code such as DE.")
    try:
        low, high = (Money(Decimal(str(entry[name])), words["currency"]) for name in ("low", "high"))
        path = tuple(part.strip() for part in words["category"].split(">") if part.strip())
        return BrandPriceBand(words["brand"], PriceBand(category_path=path, market=market, low=low, high=high))
    except InvalidOperation as error:
        raise PriceDataError(
            f"{where}: low and high are numbers, not {entry['low']!r} and {entry['high']!r}."
        ) from error
    except PriceDataError as error:
        raise PriceDataError(f"{where}: {error}") from error
