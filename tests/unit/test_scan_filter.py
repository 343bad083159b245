"""A scan's filter asks what a listing says itself; what only a decision says is refused."""

from __future__ import annotations

import pytest

from serving.scan.blocks import ScanItem
from serving.scan.filter import EVERYTHING, ScanFilter, to_filter, undecided_violations
from touchstone.moderation.v1 import catalogue_pb2, decision_pb2

ITEM = ScanItem(
    line=1, listing_id="a", seller_id="s1", market="DE", claimed_brand="Hermès", category="Shoes > Sports-Shoes"
)


def only(**conditions: set[str]) -> ScanFilter:
    """Make a filter."""
    return ScanFilter(**{name: frozenset(values) for name, values in conditions.items()})


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        (EVERYTHING, True),
        (only(sellers={"s1", "s2"}), True),
        (only(sellers={"S1"}), False),
        (only(markets={"DE"}, sellers={"s2"}), False),
        (only(claimed_brands={"HERMES"}), True),
        (only(claimed_brands={"Nike"}), False),
        (only(categories={"shoes"}), True),
        (only(categories={"shoes>sports shoes"}), True),
        (only(categories={"shoes > boots", "bags"}), False),
        (only(categories={"shoe"}), False),
        (only(categories={"shoes > sports-shoes > football"}), False),
    ],
)
def test_all_conditions_hold(where: ScanFilter, passes: bool) -> None:
    """Every condition that is set must hold, by one of its values; brands and categories in any spelling."""
    assert where.passes(ITEM) is passes


def test_wire_filter_becomes_one() -> None:
    """Sellers and markets go over; conditions on decisions are each refused with what to do instead."""
    message = catalogue_pb2.ListingFilter(seller_ids=["s1"], markets=["DE"])
    assert list(undecided_violations("spec.filter", message)) == []
    assert to_filter(message) == only(sellers={"s1"}, markets={"DE"})

    message.MergeFrom(
        catalogue_pb2.ListingFilter(
            brand_ids=["nike"], category_path=["shoes"], verdicts=[decision_pb2.VERDICT_ALLOW], markets=["de"]
        )
    )
    message.screened_from.GetCurrentTime()
    message.screened_before.GetCurrentTime()

    violations = {violation.field: violation.description for violation in undecided_violations("spec.filter", message)}
    decided = ["brand_ids", "category_path", "verdicts", "screened_from", "screened_before"]
    assert list(violations) == [f"spec.filter.{name}" for name in decided] + ["spec.filter.markets[1]"]
    assert all("`catalogue` query" in violations[f"spec.filter.{name}"] for name in decided)


def test_words_say_the_conditions_in_one_way() -> None:
    """However it was written, the same filter has the same words, and says nothing where it lets everything through."""
    one = ScanFilter(markets=frozenset({"DE", "FR"}), claimed_brands=frozenset({"Hermès"}), sellers=frozenset({"s"}))
    other = ScanFilter(markets=frozenset({"FR", "DE"}), claimed_brands=frozenset({"HERMES"}), sellers=frozenset({"s"}))

    assert one.words() == other.words() == ("seller s", "market DE", "market FR", "brand hermes")
    assert ScanFilter(categories=frozenset({"Shoes>Boots"})).words() == ("category shoes > boots",)
    assert EVERYTHING.words() == ()
