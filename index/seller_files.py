"""Which sellers, and which authorisations, does a file hold? JSON Lines that an operator imports.

    {"seller_id": "s9", "country": "DE", "legal_name": "…", "tax_id": "DE136695976", …}
    {"brand": "Nike", "seller_id": "s9", "territories": ["DE", "EEA"], "valid_until": "2027-01-01T00:00:00Z"}

docs/sellers.md lists the fields; unknown keys are ignored. What is wrong is said with file, line, field and what is
allowed; personal values are masked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from index.errors import SellerDataError
from index.identity import PERSONAL, SalesVolume, SellerIdentity, Verification
from index.identity_checks import CHECKS, check_country, masked
from index.market_records import AuthorisedSeller
from index.territories import countries_of

OnError = Callable[[SellerDataError], None]

# Clocks differ; what lies further ahead is a slip.
_AHEAD = timedelta(days=1)
_RESULTS = {"passed": True, "failed": False}


@dataclass(frozen=True, kw_only=True)
class AuthorisationRow:
    """One line of a file of authorisations: a brand by one of its names, and a seller with each of their countries."""

    where: str
    brand: str
    sellers: tuple[AuthorisedSeller, ...]


def read_sellers(path: Path, *, on_error: OnError) -> Iterator[tuple[str, SellerIdentity]]:
    """Yield "file:line" and identity of each seller; bad rows go to `on_error`. Raises SellerDataError for no file."""
    for row in _rows(path, on_error):
        try:
            yield row.where, _identity(row)
        except SellerDataError as error:
            on_error(error)


def read_authorisations(path: Path, *, on_error: OnError) -> Iterator[AuthorisationRow]:
    """Yield the authorisations; bad rows go to `on_error`. Raises SellerDataError when the file cannot be read."""
    for row in _rows(path, on_error):
        try:
            yield _authorisation(row)
        except SellerDataError as error:
            on_error(error)


def _identity(row: _Row) -> SellerIdentity:
    country = row.required("country")
    try:
        check_country(country)
    except ValueError as error:
        raise row.refuse("country", str(error), shown=repr(country)) from error
    register = row.text("trade_register")
    told = {name: value for name in PERSONAL if (value := row.text(name))}
    for name, value in told.items():
        try:
            told[name] = CHECKS[name](value, country, register)
        except ValueError as error:
            raise row.refuse(name, str(error), shown=masked(value)) from error
    return SellerIdentity(
        seller_id=row.required("seller_id"),
        country=country,
        self_certify_time=row.time("self_certified"),
        verification=_verification(row.within("verification")),
        sales=_sales(row.within("sales")),
        create_time=row.time("create_time"),
        **told,
    )


def _verification(row: _Row | None) -> Verification | None:
    if row is None:
        return None
    result, time = row.required("result"), row.time("time")
    if result not in _RESULTS:
        raise row.refuse("result", " or ".join(_RESULTS), shown=repr(result))
    if time is None:
        raise row.refuse("time", "the time of the verification, such as 2026-01-31T12:00:00Z", shown="nothing")
    return Verification(method=row.required("method"), passed=_RESULTS[result], time=time)


def _sales(row: _Row | None) -> SalesVolume:
    if row is None:
        return SalesVolume()
    return SalesVolume(
        total=row.count("total"),
        annual=row.count("annual"),
        annual_usd=row.amount("annual_usd"),
        qualify_time=row.time("high_volume_since"),
    )


def _authorisation(row: _Row) -> AuthorisationRow:
    seller_id, start, end = (
        row.required("seller_id"),
        row.time("valid_from", ahead=True),
        row.time("valid_until", ahead=True),
    )
    if start is not None and end is not None and end <= start:
        raise row.refuse("valid_until", f"a time after valid_from, {start.isoformat()}", shown=end.isoformat())
    sellers = tuple(
        AuthorisedSeller(seller_id=seller_id, territory=territory, valid_from=start, valid_until=end)
        for territory in row.territories()
    )
    return AuthorisationRow(where=row.where, brand=row.required("brand"), sellers=sellers)


class _Row:
    """The fields of one row; each method checks one type, and names file, line, field and what is allowed."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = values
        self.where = where

    def refuse(self, name: str, allowed: str, *, shown: str) -> SellerDataError:
        return SellerDataError(f"{self.where}: {name}: {shown} is not allowed; give {allowed}.")

    def wrong_type(self, name: str, allowed: str) -> SellerDataError:
        # The value may be personal, so only what it is made of is shown.
        return self.refuse(name, allowed, shown=f"a {type(self._values[name]).__name__}")

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong_type(name, "a string")
        return (value or "").strip()

    def required(self, name: str) -> str:
        if not (value := self.text(name)):
            raise self.refuse(name, "a string that is not empty", shown="nothing")
        return value

    def time(self, name: str, *, ahead: bool = False) -> datetime | None:
        allowed = "a time with its zone, such as 2026-01-31T12:00:00Z"
        if not (value := self.text(name)):
            return None
        try:
            time = datetime.fromisoformat(value)
        except ValueError as error:
            raise self.refuse(name, allowed, shown=f"{value!r:.40}") from error
        if time.tzinfo is None:
            raise self.refuse(name, allowed, shown=repr(value))
        if not ahead and time > datetime.now(UTC) + _AHEAD:
            raise self.refuse(name, "a time that has come", shown=repr(value))
        return time.astimezone(UTC)

    def count(self, name: str) -> int | None:
        value = self._values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise self.refuse(name, "a whole number of 0 or more", shown=f"{value!r:.40}")
        return value

    def amount(self, name: str) -> Decimal | None:
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
            raise self.refuse(name, "an amount of 0 or more in US dollars", shown=f"{value!r:.40}")
        return Decimal(value)

    def within(self, name: str) -> _Row | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong_type(name, "an object")
        return _Row(value, f"{self.where}: {name}")

    def territories(self) -> tuple[str, ...]:
        """Give the countries, regions spelled out; one "" for everywhere when none is named."""
        value = self._values.get("territories") or []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong_type("territories", 'a list such as ["DE", "EEA"]; leave it out for everywhere')
        found: set[str] = set()
        for territory in value:
            try:
                found.update(countries_of(territory))
            except ValueError as error:
                raise self.refuse("territories", str(error), shown=repr(territory)) from error
        return tuple(sorted(found)) or ("",)


def _rows(path: Path, on_error: OnError) -> Iterator[_Row]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{path}:{number}"
                if not line.strip():
                    continue
                try:
                    values = json.loads(line.decode("utf-8"), parse_float=Decimal)
                except (UnicodeDecodeError, ValueError, RecursionError):
                    # What the parser says may quote the line.
                    on_error(SellerDataError(f"{where}: not a line of JSON in UTF-8; write one object a line."))
                    continue
                if isinstance(values, dict):
                    yield _Row(values, where)
                else:
                    on_error(SellerDataError(f"{where}: not a JSON object; write one a line."))
    except OSError as error:
        raise SellerDataError(f"{path}: the file cannot be read: {error.strerror or error}.") from error
