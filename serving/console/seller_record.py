"""What does a seller's record look like at a glance? Months as columns, and the ring as circles and lines between them.

The geometry of two drawings that a template writes as SVG; sizes are in units of the drawing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from serving.console.formats import to_time
from touchstone.moderation.v1 import insight_service_pb2 as pb

# Of a ring, with the seller whose page it is: more circles are not told apart in so little room.
MOST_MEMBERS = 12
WIDTH = 440.0
_RADIUS = 84.0
_TOP = 40.0  # where the highest circle may stand
_BELOW = 20.0  # a circle's centre, at least
_NAME_BESIDE, _NAME_ABOVE = 20.0, 24.0  # a circle's centre
_THINNEST, _THICKEST = 1.5, 7.0
_HIGHEST = 56.0
_VERDICTS = ("takedown", "review", "allow")


@dataclass(frozen=True, kw_only=True)
class Month:
    """A month's decisions: each of the parts, from the floor up, as its verdict, top and height."""

    start: datetime
    counts: dict[str, int]
    parts: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A seller in a ring; `photos` and `titles` are those shared with the seller whose page it is.

    `x` and `y` are the centre, `name_x`, `name_y` and `anchor` where its name stands.
    """

    seller_id: str
    listings: int
    strikes: int
    photos: int
    titles: int
    is_self: bool
    x: float
    y: float
    name_x: float
    name_y: float
    anchor: str


@dataclass(frozen=True, kw_only=True)
class Bond:
    """A line between two members, thicker the more they share."""

    first: Member
    second: Member
    photos: int
    titles: int
    width: float


@dataclass(frozen=True, kw_only=True)
class RingPlot:
    """The members that are drawn, the seller itself first, the thickest bonds last, and how all of the ring fare."""

    members: tuple[Member, ...]
    bonds: tuple[Bond, ...]
    size: int
    listings: int
    strikes: int

    @property
    def height(self) -> float:
        """How high the drawing is."""
        return max(max(one.y + _BELOW, one.name_y + 6) for one in self.members)

    @property
    def left_out(self) -> int:
        """How many members are not drawn."""
        return self.size - len(self.members)


def months_of(months: Sequence[pb.SellerMonth]) -> list[Month]:
    """Lay the months out, those without decisions too, the first that has one first."""
    found = {_number(to_time(one.start_time)): one for one in months}
    if not found:
        return []
    most = max(one.allow_count + one.review_count + one.takedown_count for one in months) or 1
    return [_month(number, found.get(number, pb.SellerMonth()), most) for number in range(min(found), max(found) + 1)]


def ring_plot(ring: pb.SellerRing, seller_id: str) -> RingPlot:
    """Lay a ring out: the seller on top, and on a circle with it those who share the most with it, or at all."""
    shared = _shared(ring.links, seller_id)
    ranked = sorted(
        ring.members,
        key=lambda one: (one.seller_id != seller_id, -sum(shared.get(one.seller_id, (0, 0))), one.seller_id),
    )[:MOST_MEMBERS]
    members = {
        one.seller_id: _member(
            one, number, len(ranked), shared.get(one.seller_id, (0, 0)), is_self=one.seller_id == seller_id
        )
        for number, one in enumerate(ranked)
    }
    most = max((link.shared_photo_count + link.shared_title_count for link in ring.links), default=1)
    bonds = [
        Bond(
            first=members[link.first_seller_id],
            second=members[link.second_seller_id],
            photos=link.shared_photo_count,
            titles=link.shared_title_count,
            width=_THINNEST
            + (_THICKEST - _THINNEST) * (link.shared_photo_count + link.shared_title_count) / max(most, 1),
        )
        for link in ring.links
        if link.first_seller_id in members and link.second_seller_id in members
    ]
    return RingPlot(
        members=tuple(members.values()),
        bonds=tuple(sorted(bonds, key=lambda bond: bond.width)),
        size=len(ring.members),
        listings=sum(one.listing_count for one in ring.members),
        strikes=sum(one.strike_count for one in ring.members),
    )


def _shared(links: Iterable[pb.RingLink], seller_id: str) -> dict[str, tuple[int, int]]:
    """Give how many photos and titles each other seller shares with one."""
    return {
        link.second_seller_id if link.first_seller_id == seller_id else link.first_seller_id: (
            link.shared_photo_count,
            link.shared_title_count,
        )
        for link in links
        if seller_id in (link.first_seller_id, link.second_seller_id)
    }


def _member(member: pb.RingMember, number: int, count: int, shared: tuple[int, int], *, is_self: bool) -> Member:
    # Two lie side by side, so that their names have room; of more the first is on top.
    angle = 2 * math.pi * number / count - (math.pi if count == 2 else math.pi / 2)
    across, down = math.cos(angle), math.sin(angle)
    x, y = WIDTH / 2 + _RADIUS * across, _TOP + (_RADIUS * (1 + down) if count != 2 else 0)
    beside = abs(across) > 0.3
    return Member(
        seller_id=member.seller_id,
        listings=member.listing_count,
        strikes=member.strike_count,
        photos=shared[0],
        titles=shared[1],
        is_self=is_self,
        x=x,
        y=y,
        name_x=x + math.copysign(_NAME_BESIDE, across) if beside else x,
        name_y=y + 4 if beside else y + (_NAME_ABOVE + 5 if down > 0 else -_NAME_ABOVE),
        anchor=("start" if across > 0 else "end") if beside else "middle",
    )


def _month(number: int, month: pb.SellerMonth, most: int) -> Month:
    counts = {verdict: int(getattr(month, f"{verdict}_count")) for verdict in _VERDICTS}
    parts, floor = [], _HIGHEST
    for verdict, count in counts.items():
        high = _HIGHEST * count / most
        floor -= high
        if count:
            parts.append((verdict, floor, high))
    return Month(start=datetime(number // 12, number % 12 + 1, 15, tzinfo=UTC), counts=counts, parts=tuple(parts))


def _number(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1
