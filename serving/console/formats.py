"""How are times, numbers and money written for somebody? By the locale of the language and their time zone."""

from __future__ import annotations

import datetime as dates
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

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

        day = format_datetime(moment, "medium", tzinfo=self.zone, locale=self.locale)
        return f"{day} {format_datetime(moment, 'z', tzinfo=self.zone, locale=self.locale)}"

    def day(self, moment: datetime) -> str:
        """Write the date alone."""
        from babel.dates import format_date

        return format_date(moment.astimezone(self.zone), "medium", locale=self.locale)

    def date(self, day: dates.date) -> str:
        """Write a day of the calendar, which is the same in every zone."""
        from babel.dates import format_date

        return format_date(day, "medium", locale=self.locale)

    def month(self, moment: datetime) -> str:
        """Write the month alone, such as "Nov 2026"."""
        from babel.dates import format_skeleton

        return format_skeleton("yMMM", moment, locale=self.locale)

    def duration(self, seconds: float) -> str:
        """Write a length of time in its largest unit, such as "3 hours"."""
        from babel.dates import format_timedelta

        return format_timedelta(timedelta(seconds=seconds), threshold=1.1, locale=self.locale)

    def age(self, moment: datetime) -> str:
        """Write how long ago or how soon a moment is, such as "3 hours ago" and "in 2 days"."""
        from babel.dates import format_timedelta

        return format_timedelta(moment - self.now, threshold=1.1, add_direction=True, locale=self.locale)

    def number(self, value: float, *, digits: int | None = None) -> str:
        """Write a number; with `digits`, rounded to as many after the point."""
        from babel.numbers import format_decimal

        pattern = None if digits is None else f"#,##0.{'0' * digits}".rstrip(".")
        return format_decimal(value, format=pattern, locale=self.locale)

    def share(self, value: float) -> str:
        """Write a share of 0..1 as a percentage."""
        from babel.numbers import format_percent

        return format_percent(value, locale=self.locale)

    def money(self, money: Any) -> str:
        """Write a `google.type.Money`."""
        from babel.numbers import format_currency

        return format_currency(money.units + money.nanos * _NANOS, money.currency_code, locale=self.locale)
