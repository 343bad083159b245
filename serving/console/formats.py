"""How are times, numbers and money written for somebody? By the locale of the language and their time zone."""

from __future__ import annotations

import datetime as dates
import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

if TYPE_CHECKING:
    from babel import Locale

_MAX_ZONE_CHARACTERS = 64
_NANOS = Decimal(10) ** -9


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name; UTC where there is none of that name."""
    try:
        return ZoneInfo(name) if 0 < len(name) <= _MAX_ZONE_CHARACTERS else UTC
    except (KeyError, ValueError, OSError):  # OSError: a name that is a folder
        return UTC


def to_time(stamp: Timestamp) -> datetime:
    """Read a protobuf timestamp."""
    return stamp.ToDatetime(tzinfo=UTC)


@functools.cache
def locale_of(name: str) -> Locale:
    """Return Babel's locale of a name, which each of its functions would read anew, several times."""
    from babel import Locale

    return Locale.parse(name)


@dataclass(frozen=True)
class Formats:
    """Writes values for one person at one moment."""

    locale: str
    zone: tzinfo
    now: datetime

    @property
    def today(self) -> dates.date:
        """The day that it is in their zone."""
        return self.now.astimezone(self.zone).date()

    def time(self, moment: datetime) -> str:
        """Write date and time with its zone, such as "23 Nov 2026, 09:15 CET"."""
        from babel.dates import format_datetime

        return format_datetime(moment, _moment_pattern(self.locale), tzinfo=self.zone, locale=locale_of(self.locale))

    def day(self, moment: datetime) -> str:
        """Write the date alone."""
        from babel.dates import format_date

        return format_date(moment.astimezone(self.zone), "medium", locale=locale_of(self.locale))

    def date(self, day: dates.date) -> str:
        """Write a day of the calendar, which is the same in every zone."""
        from babel.dates import format_date

        return format_date(day, "medium", locale=locale_of(self.locale))

    def month(self, moment: datetime) -> str:
        """Write the month alone, such as "Nov 2026"."""
        from babel.dates import format_skeleton

        return format_skeleton("yMMM", moment, locale=locale_of(self.locale))

    def duration(self, seconds: float) -> str:
        """Write a length of time in its largest unit, such as "3 hours"."""
        from babel.dates import format_timedelta

        return format_timedelta(timedelta(seconds=seconds), threshold=1.1, locale=locale_of(self.locale))

    def age(self, moment: datetime) -> str:
        """Write how long ago or how soon a moment is, such as "3 hours ago" and "in 2 days"."""
        from babel.dates import format_timedelta

        return format_timedelta(moment - self.now, threshold=1.1, add_direction=True, locale=locale_of(self.locale))

    def number(self, value: float, *, digits: int | None = None) -> str:
        """Write a number; with `digits`, rounded to as many after the point."""
        from babel.numbers import format_decimal

        pattern = None if digits is None else f"#,##0.{'0' * digits}".rstrip(".")
        return format_decimal(value, format=pattern, locale=locale_of(self.locale))

    def share(self, value: float) -> str:
        """Write a share of 0..1 as a percentage."""
        from babel.numbers import format_percent

        return format_percent(value, locale=locale_of(self.locale))

    def money(self, money: Any) -> str:
        """Write a `google.type.Money`."""
        from babel.numbers import format_currency

        return format_currency(money.units + money.nanos * _NANOS, money.currency_code, locale=locale_of(self.locale))


@functools.cache
def _moment_pattern(locale: str) -> str:
    """Return the pattern of date, time and zone: one to apply, where Babel's "medium" is three and knows no zone."""
    known = locale_of(locale)
    joined = str(known.datetime_formats["medium"])
    date, time = known.date_formats["medium"].pattern, known.time_formats["medium"].pattern
    return joined.replace("{0}", time).replace("{1}", date) + " z"
