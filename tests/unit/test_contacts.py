"""Ways off the platform are found; names of messengers, brands' own sites and other words are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.records import Brand
from serving.domain import Listing
from serving.errors import SettingsError
from serving.findings import TextKind
from serving.words.contacts import load_contacts
from serving.words.lexicon import BrandLexicon
from serving.words.wording import find_wording


@pytest.fixture(scope="module")
def lexicon() -> BrandLexicon:
    """Return a registry of one brand."""
    return BrandLexicon.build([Brand(brand_id="nike", name="Nike")])


def _contacts(lexicon: BrandLexicon, text: str) -> list[str]:
    listing = Listing(listing_id="1", images=(), description=text)
    return [hit.matched for hit in find_wording(listing, lexicon) if hit.kind is TextKind.OFF_PLATFORM_CONTACT]


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("WhatsApp +86 177 5012 3456, fast", ["WhatsApp +86 177 5012 3456"]),
        ("wa: 0812-3456-7890", ["wa: 0812-3456-7890"]),
        ("add me on WeChat", ["WeChat"]),
        ("WeChat: reps_2024", ["WeChat: reps_2024"]),
        ("telegram @best.reps now", ["telegram @best.reps"]),
        ("IG: rep_king", ["IG: rep_king"]),
        ("DM for more", ["DM for more"]),
        ("see yupoo", ["yupoo"]),
        ("https://reps.x.yupoo.com/albums", ["https://reps.x.yupoo.com/albums"]),
        ("wa.me/8617750123456", ["wa.me/8617750123456"]),
        ("visit www.cheap-bags.shop today", ["www.cheap-bags.shop"]),
        ("see cheapbags.com.", ["cheapbags.com"]),
        ("write to bags@cheap-bags.com", ["bags@cheap-bags.com"]),
        ("加微信 abc123", ["加微信"]),
        ("카톡으로 연락", ["카톡으로"]),
        ("пишите в телеграм", ["пишите в телеграм"]),
        ("للتواصل واتساب", ["واتساب"]),
        ("escríbeme al WhatsApp", ["WhatsApp"]),
    ],
)
def test_a_way_off_the_platform_is_found(lexicon: BrandLexicon, text: str, matched: list[str]) -> None:
    """Numbers, names, links, addresses and requests are found as the seller wrote them."""
    assert [one.rstrip(".") for one in _contacts(lexicon, text)] == matched


@pytest.mark.parametrize(
    "text",
    ["smartwatch with WhatsApp notifications", "WhatsApp: supported", "works with Telegram and Viber",
     "in our line of bags", "signal red, snap fastener", "https://www.nike.com/air", "nike.com",
     "soft cotton.Top quality",
     "sizes 1.5/2.5, approx.cm", "100.000 km", "call the service", "contact lens", "kick line: 42", "2 qq"],
)  # fmt: skip
def test_a_mere_name_is_no_contact(lexicon: BrandLexicon, text: str) -> None:
    """What a phone can do, ordinary words, prices and a registry brand's own site lead nowhere."""
    assert _contacts(lexicon, text) == []


@pytest.mark.parametrize(
    "content",
    ["", "format_version: 9", "format_version: 1\ncertain: [1]", "["],
)
def test_contacts_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, content: str) -> None:
    """A broken file is named, not half-used."""
    path = tmp_path / "ways.yaml"
    path.write_text(content)

    with pytest.raises(SettingsError, match=r"ways\.yaml"):
        load_contacts(path)
