"""What do the parts of a case's page make of evidence? Passages of words, the price's plot, outlines over photos."""

from __future__ import annotations

import pytest
from google.type.money_pb2 import Money

from serving.console.passages import passages_of
from serving.console.pictures import chosen, photos_of
from serving.console.price_plot import WIDTH, price_plot
from touchstone.moderation.v1 import case_pb2, decision_pb2, evidence_pb2
from touchstone.moderation.v1.image_service_pb2 import STORED_IMAGE_STATE_EXPIRED, STORED_IMAGE_STATE_KEPT, StoredImage


def hit(
    text: str, start: int, end: int, *, kind: str = "BRAND", around: int = 80, field: str = "title"
) -> evidence_pb2.TextHit:
    """Find characters of a text."""
    return evidence_pb2.TextHit(
        kind=evidence_pb2.TextKind.Value(f"TEXT_KIND_{kind}"),
        field_name=field,
        start=start,
        end=end,
        matched=text[start:end],
        before=text[max(0, start - around) : start],
        after=text[end : end + around],
    )


def price(*, unit_price: float, expected: float, low: float, high: float) -> evidence_pb2.PriceEvidence:
    """Make evidence of amounts in euros."""
    asked, usual, least, most = (
        Money(currency_code="EUR", units=int(amount), nanos=round(amount % 1 * 1e9))
        for amount in (unit_price, expected, low, high)
    )
    return evidence_pb2.PriceEvidence(unit_price=asked, expected=usual, low=least, high=most)


def test_hits_whose_surroundings_meet_are_one_passage() -> None:
    """The text is whole again, each hit marked where it stands; one that overlaps another has both kinds."""
    text = "New <b>Aurora</b> 1:1 replica"

    (passage,) = passages_of([hit(text, 7, 13), hit(text, 18, 29, kind="REPLICA_WORDING"), hit(text, 25, 29)])

    assert "".join(part.text for part in passage.parts) == text
    assert [(part.text, part.kinds) for part in passage.parts if part.kinds] == [
        ("Aurora", ("BRAND",)),
        ("1:1 rep", ("REPLICA_WORDING",)),
        ("lica", ("BRAND", "REPLICA_WORDING")),
    ]
    assert passage.is_cut[0] is False


def test_hits_far_apart_are_passages_of_their_own() -> None:
    """Each says whether the text goes on; fields do not mix; a hit without surroundings is itself."""
    text = "a" * 90 + "Nike" + "b" * 170 + "Puma"
    puma, nike = hit(text, 264, 268), hit(text, 90, 94)

    first, second, bare = passages_of([puma, nike, hit("Nike", 0, 4, field="description")])

    assert "".join(part.text for part in first.parts) == "a" * 80 + "Nike" + "b" * 80
    assert (first.is_cut, second.is_cut, bare.is_cut) == ((True, True), (True, False), (False, False))
    assert [part.text for part in bare.parts] == ["Nike"]


def test_a_price_stands_where_it_belongs() -> None:
    """The axis is logarithmic: half and double the expected price are equally far; all lies within the width."""
    plot = price_plot(price(unit_price=25, expected=100, low=50, high=200))

    assert plot is not None
    assert plot.expected - plot.low == pytest.approx(plot.high - plot.expected)
    assert plot.expected - plot.price == pytest.approx(2 * (plot.expected - plot.low))
    assert plot.is_low
    assert [tick.amount for tick in plot.ticks] == [50, 100, 200]
    assert 0 < plot.price < plot.high < WIDTH


@pytest.mark.parametrize("amount", [0.0, 1e11])
def test_a_price_of_any_size_can_be_drawn(amount: float) -> None:
    """What is given away has no place on the axis; a price far beyond it gets few ticks all the same."""
    plot = price_plot(price(unit_price=amount, expected=100, low=50, high=200))

    assert (plot is None) == (amount == 0)
    assert plot is None or 0 < len(plot.ticks) <= 12


def test_photos_say_what_is_kept_and_what_was_found() -> None:
    """The photo with something in it comes first; an outline of points is drawn as it is, a box as its corners."""
    outline = [evidence_pb2.Point(x=x, y=y) for x, y in ((0.1, 0.2), (1.1, 0.2), (1.1, 0.9), (0.1, 0.9))]
    copy = evidence_pb2.Duplicate(
        image_index=1,
        source=evidence_pb2.DUPLICATE_SOURCE_KNOWN_COUNTERFEIT,
        source_id="r&1",
        verification=evidence_pb2.Verification(outline=outline),
    )
    match = evidence_pb2.VisualMatch(image_index=1, box=evidence_pb2.Box(x1=0, y1=0, x2=0.5, y2=1), reference_id="r2")
    case = case_pb2.Case(
        case_id="c1",
        decision=decision_pb2.Decision(
            image_results=[decision_pb2.ImageResult() for _ in range(3)],
            evidence=[evidence_pb2.Evidence(duplicate=copy), evidence_pb2.Evidence(visual_match=match)],
        ),
    )
    stored = [
        StoredImage(image_index=1, state=STORED_IMAGE_STATE_KEPT),
        StoredImage(image_index=2, state=STORED_IMAGE_STATE_EXPIRED),
    ]

    photos = photos_of(case, stored)
    photo, finding = chosen(photos, {"photo": "no", "finding": "1"})

    assert [one.state for one in photos] == ["ABSENT", "KEPT", "EXPIRED"]
    assert [bool(one.src) for one in photos] == [False, True, False]
    assert photo is photos[1]
    assert finding is not None
    assert finding.points == "0.0,0.0 500.0,0.0 500.0,1000.0 0.0,1000.0"
    assert [one.kind for one in photos[1].findings] == ["copy", "match"]
    assert photos[1].findings[0].points == "100.0,200.0 1100.0,200.0 1100.0,900.0 100.0,900.0"
    assert (photos[1].findings[0].overlaid, finding.overlaid) == (True, False)
    assert "aligned=r%261" in photos[1].findings[0].left
