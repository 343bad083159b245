"""Is a seller's record drawn as it is? Months without a gap, circles apart and within the drawing."""

from __future__ import annotations

import itertools
import math

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from serving.console.seller_record import MOST_MEMBERS, WIDTH, RingPlot, months_of, ring_plot
from touchstone.moderation.v1 import insight_service_pb2 as pb


def month(text: str, allow: int = 0, review: int = 0, takedown: int = 0) -> pb.SellerMonth:
    """Make a month."""
    start = Timestamp()
    start.FromJsonString(f"{text}-01T00:00:00Z")
    return pb.SellerMonth(start_time=start, allow_count=allow, review_count=review, takedown_count=takedown)


def ring(*links: tuple[str, str, int, int], alone: int = 0) -> RingPlot:
    """Lay out the ring of these links for the seller "me", with so many more members."""
    names = sorted(
        {"me", *(name for link in links for name in link[:2]), *(f"z{number:02}" for number in range(alone))}
    )
    return ring_plot(
        pb.SellerRing(
            members=[pb.RingMember(seller_id=name, listing_count=10, strike_count=len(name)) for name in names],
            links=[
                pb.RingLink(first_seller_id=a, second_seller_id=b, shared_photo_count=photos, shared_title_count=titles)
                for a, b, photos, titles in links
            ],
        ),
        "me",
    )


def test_months_stand_in_a_row() -> None:
    """Over the turn of a year, those without a decision too; the fullest is highest, and each verdict has its part."""
    laid = months_of([month("2025-11", allow=6, takedown=2), month("2026-02", review=4)])

    assert [(one.start.year, one.start.month) for one in laid] == [(2025, 11), (2025, 12), (2026, 1), (2026, 2)]
    assert [len(one.parts) for one in laid] == [2, 0, 0, 1]
    ((first, top_first, high_first), (second, top_second, high_second)) = laid[0].parts
    assert (first, second) == ("takedown", "allow")
    assert top_first + high_first == pytest.approx(high_first + high_second)
    assert top_second == pytest.approx(0)
    assert top_second + high_second == pytest.approx(top_first)
    assert laid[3].parts[0][2] == pytest.approx((high_first + high_second) / 2)
    assert months_of([]) == []


def test_the_seller_comes_first_and_who_shares_most_next() -> None:
    """Whichever of two ids is the first; a bond is the thicker the more is shared, and all strikes are counted."""
    drawn = ring(("a", "me", 3, 0), ("b", "c", 9, 9), ("me", "x", 4, 1))

    assert [(one.seller_id, one.photos, one.titles) for one in drawn.members] == [
        ("me", 0, 0),
        ("x", 4, 1),
        ("a", 3, 0),
        ("b", 0, 0),
        ("c", 0, 0),
    ]
    assert drawn.members[0].is_self
    assert [bond.photos for bond in drawn.bonds] == [3, 4, 9]
    assert [one.width for one in drawn.bonds] == sorted(one.width for one in drawn.bonds)
    assert (drawn.size, drawn.listings, drawn.strikes, drawn.left_out) == (5, 50, 6, 0)


@pytest.mark.parametrize("alone", [0, 1, 2, 3, 6, 10, 48])
def test_circles_are_apart_and_in_the_drawing(alone: int) -> None:
    """From two members to fifty, of which those that share with the seller are drawn."""
    drawn = ring(("me", "x", 4, 1), alone=alone)

    assert len(drawn.members) == min(alone + 2, MOST_MEMBERS)
    assert drawn.left_out == alone + 2 - len(drawn.members)
    for one, other in itertools.combinations(drawn.members, 2):
        assert math.dist((one.x, one.y), (other.x, other.y)) > 30
    for one in drawn.members:
        assert 20 <= one.x <= WIDTH - 20
        assert 12 <= one.name_y <= drawn.height - 4
        assert 17 <= one.y <= drawn.height - 17
