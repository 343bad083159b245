"""Which time does an address ask for? Days of a person's zone as moments, and the span that figures are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, TypedDict

from google.protobuf.timestamp_pb2 import Timestamp

_USUAL = timedelta(days=28)


def to_day(text: str) -> date | None:
    """Read a day as browsers send it, "2026-11-23"; None for what is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def midnight(day: date, zone: tzinfo) -> Timestamp:
    """Return when a day begins."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.combine(day, time(), tzinfo=zone))
    return stamp


class Limits(TypedDict):
    """The first moment that counts and the first that does not, as requests take them."""

    start_time: Timestamp
    end_time: Timestamp


@dataclass(frozen=True)
class DaySpan:
    """The days from `first` to `last`, both part of it."""

    first: date
    last: date
    zone: tzinfo

    @classmethod
    def of(cls, query: Mapping[str, Any], zone: tzinfo, now: datetime) -> DaySpan:
        """Read `from` and `to` of an address: 28 days up to today unless it says otherwise, and sensibly."""
        last = to_day(str(query.get("to", ""))) or now.astimezone(zone).date()
        last = min(max(last, date(1970, 3, 1)), date(9000, 1, 1))
        first = to_day(str(query.get("from", ""))) or last - _USUAL + timedelta(days=1)
        return cls(min(max(first, date(1970, 1, 2)), last), last, zone)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def limits(self) -> Limits:
        """When it begins and ends."""
        return Limits(
            start_time=midnight(self.first, self.zone), end_time=midnight(self.last + timedelta(days=1), self.zone)
        )
