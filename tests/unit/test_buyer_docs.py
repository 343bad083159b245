"""The pages about buyers and the portal tell the limits and examples of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf import json_format

from index.portal_records import LEAST_ACCEPTED, LEAST_DECIDED, NoticeTally
from index.store.brand_hits import MOST_COUNTED
from index.store.notices import LAST_DECIDED
from serving.access.rate_limits import MOST_NAMES
from serving.advice_pictures import PICTURE_EDGE, REMEMBERED
from serving.application_answers import MOST_WAITING
from serving.buyer_servicer import PICTURES_PER_QUESTION, STEP_S
from serving.console import room
from serving.portal_answers import WEEKS
from serving.report_bodies import AT_ONCE, BODY_WITHIN_S, OF_ONE
from serving.serials import MAX_TEMPLATE_CHARACTERS, fits
from serving.settings import Settings
from serving.wire import advice as wire_advice
from serving.wire import application as wire_application
from serving.wire import buyer as wire_buyer
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1 import buyer_pb2

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("buyers.md", f"whole steps of {STEP_S * 1000:.0f} ms"),
        ("buyers.md", f"at most {wire_advice.MAX_ITEMS}: packaging"),
        ("buyers.md", f"1 to {wire_advice.MAX_LANGUAGES} languages"),
        ("buyers.md", f"at most {wire_advice.MAX_ADVICE_CHARACTERS:,} characters"),
        ("buyers.md", f"at most {PICTURE_EDGE} pixels"),
        ("buyers.md", f"at most {MAX_TEMPLATE_CHARACTERS} characters: `A`"),
        ("buyers.md", f"at most {wire_buyer.MAX_TEXT_CHARACTERS:,} characters, and"),
        ("buyers.md", f"up to {wire_buyer.MAX_PHOTOS} photos"),
        ("buyers.md", f"photos of {wire_buyer.MAX_PHOTO_BYTES // 2**20} MiB"),
        ("buyers.md", f"for {MOST_NAMES:,} names"),
        ("buyers.md", f"{PICTURES_PER_QUESTION} for each question"),
        ("buyers.md", f"The last {REMEMBERED} that"),
        ("buyers.md", f"At most {AT_ONCE} reports are taken in at once, {OF_ONE} of one address"),
        ("buyers.md", f"arrive within {BODY_WITHIN_S:.0f} s"),
        ("console.md", f"{room.AT_ONCE} arrive at once, {room.OF_ONE} of one address"),
        ("portal.md", f"of the last {LAST_DECIDED} that were decided"),
        ("portal.md", f"when at least {LEAST_DECIDED} were decided and less than {LEAST_ACCEPTED:.0%}"),
        ("portal.md", f"for {WEEKS} weeks"),
        ("portal.md", f"the newest {MOST_COUNTED:,} hits"),
        ("portal.md", f"1 to {wire_application.MAX_RIGHTS} rights"),
    ],
)  # fmt: skip
def test_pages_tell_the_limits(page: str, sentence: str) -> None:
    """A limit that changes in code changes on the page."""
    assert sentence in (DOCS / page).read_text(encoding="utf-8")


def test_the_interval_on_the_page_is_the_codes() -> None:
    """Nine of ten notices upheld."""
    low, high = NoticeTally(waiting=0, upheld=9, declined=1).interval

    assert f"9 of 10 are anything from {low:.0%} to {high:.0%}" in (DOCS / "portal.md").read_text(encoding="utf-8")
    assert MOST_WAITING == 5  # "Five may wait"


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name.startswith("buyer_")])
def test_the_limits_settings_have_their_defaults_on_the_page(name: str) -> None:
    """Each setting about buyers stands on their page."""
    row = rf"\| `{name}` \| {Settings.model_fields[name].default} \|"

    assert re.search(row, (DOCS / "buyers.md").read_text(encoding="utf-8"))


def test_the_example_of_advice_is_sound() -> None:
    """It can be sent as it stands."""
    text = (DOCS / "buyers.md").read_text(encoding="utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]

    message = json_format.Parse(example, buyer_pb2.BuyerAdvice())
    advice = wire_advice.to_advice(pb.SetBuyerAdviceRequest(brand_id="zephyr", buyer_advice=message))

    assert [len(item.texts) for item in advice.items] == [2]
    assert fits(advice.serial_template, "ze-1234a5")
