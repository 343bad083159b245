"""Nobody's name stands in what a brand owner reads of a moderator's words, however it is written; other words stay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from index.identity import IdentityRecord, SellerIdentity
from index.reports import Notice, Report, ReporterType
from index.rulings import Ground, Statement
from index.verification import VerificationState
from serving.packages.scrubbing import people_in, scrub_text, scrubbed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GONE = "[withheld]"


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("Sold by LI WEI.", "Li Wei", f"Sold by {GONE}."),
        ("Sold by li\n  wei.", "Li Wei", f"Sold by {GONE}."),
        ("Sold by ＬＩ ＷＥＩ.", "Li Wei", f"Sold by {GONE}."),
        ("MULLERS Laden, Mu\u0308ller", "Müller", f"{GONE}S Laden, {GONE}"),
        ("Hauptstrasse 5", "HAUPTSTRAẞE 5", GONE),
        ("HAUPTSTRASSE 5", "Hauptstraße 5", GONE),
        ("由李伟卖出", "李伟", f"由{GONE}卖出"),
        ("S1 sells it; class1 stays", "s1", f"{GONE} sells it; class1 stays"),
        ("Anna Annasdottir", "Anna", f"{GONE} {GONE}sdottir"),
        ("LI@SHOP.EXAMPLE wrote", "li@shop.example", f"{GONE} wrote"),
        ("nothing", "", "nothing"),
        ("a b", " ", "a b"),
    ],
)
def test_a_name_goes_however_it_is_written(text: str, name: str, told: str) -> None:
    """In other case, width, accents or spacing; a short id only as a word of its own."""
    assert scrub_text(text, [name]) == told


def test_names_within_names_leave_nothing_behind() -> None:
    """Whichever names lie over each other, all their letters go."""
    assert scrub_text("by Li Wei Trading Ltd", ["Li Wei", "Wei Trading", "Li Wei Trading"]) == f"by {GONE} Ltd"
    assert scrub_text("abcdefgh", ["abcde", "defgh"]) == GONE


def test_a_country_goes_as_a_word_of_its_own() -> None:
    """A code within other words, or a small word that looks like one, is none."""
    told = scrub_text("The model is from DE, see CODE DE-7; de facto", (), country="DE")

    assert told == f"The model is from {GONE}, see CODE {GONE}-7; de facto"
    assert scrub_text("It fits", (), country="IT") == "It fits"


def test_everything_a_moderator_writes_is_scrubbed() -> None:
    """Facts, explanation and ground's reference, of all who had to do with the case."""
    notice = Notice(
        urls=(),
        notifier_name="Nora Notifier",
        notifier_email="nora@rights.example",
        good_faith_statement=True,
        jurisdiction="EU",
    )
    report = Report(
        report_id="r",
        listing_id="l",
        reporter_id="buyer-7",
        reporter_type=ReporterType.BUYER,
        reason_code="COUNTERFEIT",
        create_time=NOON,
        notice=notice,
        filed_by="clerk@rights.example",
    )
    identity = SellerIdentity(seller_id="seller-9", country="CN", legal_name="Li Wei")
    record = IdentityRecord(identity=identity, state=VerificationState.UNVERIFIED, collect_time=NOON)
    people = people_in(("seller-9", "seller-10"), [report], [], record)
    written = "nora notifier, BUYER-7, Clerk@rights.example, LI WEI and Seller-10 of CN: technical."
    reasons = Statement(
        ground=Ground.ILLEGAL_CONTENT, ground_reference=written, explanation=written, facts=written, right_id="CN1"
    )

    told = scrubbed(reasons, people, country="CN")

    expected = f"{GONE}, {GONE}, {GONE}, {GONE} and {GONE} of {GONE}: technical."
    assert {told.facts, told.explanation, told.ground_reference} == {expected}
