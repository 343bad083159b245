"""A brand's owner without a console: `touchstone brands` on the store and through a running service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from tests.integration.brand_support import a_right, a_seller, band
from tests.integration.support import Service, Touchstone

pytestmark = pytest.mark.usefixtures("acts_are_entered")

ADVICE = {
    "items": [{"kind": "ADVICE_KIND_LOGO", "texts": [{"language": "en", "text": "Seven rays."}], "reference_id": ""}],
    "serial_template": "ZE-9999",
}


def written(folder: Path, document: dict[str, Any]) -> Path:
    """Write a document into a file."""
    path = folder / "document.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("through_server", [False, True], ids=["store", "server"])
def test_a_brand_is_kept(own_service: Service, touchstone: Touchstone, tmp_path: Path, *, through_server: bool) -> None:
    """Create, edit, rights, sellers, prices, show and history do what the rpcs do, for the person named."""
    data = ("--data-dir", own_service.application.settings.data_dir)
    asked = ("--as", "ann", *(("--server", own_service.target) if through_server else ()))
    right = MessageToDict(a_right(), preserving_proto_field_name=True)
    sellers = {"sellers": [MessageToDict(a_seller("s", "DE"))]}
    bands = {"price_bands": [MessageToDict(band(5, 9))]}

    made = json.loads(touchstone(*data, "brands", "create", "Zephyr", "--alias", "Zed", *asked).stdout)
    change = written(tmp_path, {"rights": [right], "keywords": ["Zeph Runner"], "etag": made["etag"]})
    edited = touchstone(*data, "brands", "edit", "zephyr", change, *asked)
    stale = touchstone(*data, "brands", "edit", "zephyr", change, *asked)
    held = touchstone(*data, "brands", "rights", "zephyr", "--market", "FR", "--on", "2025-09-01", *asked)
    gone = touchstone(*data, "--json", "brands", "rights", "zephyr", "--on", "2040-01-01", *asked)
    listed = touchstone(*data, "brands", "set-sellers", "zephyr", written(tmp_path, sellers), *asked)
    priced = touchstone(*data, "brands", "set-bands", "zephyr", written(tmp_path, bands), *asked)
    advised = touchstone(*data, "brands", "set-advice", "zephyr", written(tmp_path, ADVICE), *asked)
    shown = json.loads(touchstone(*data, "brands", "show", "zephyr", *asked).stdout)
    history = touchstone(*data, "brands", "history", "zephyr")

    assert (made["brand_id"], made["aliases"]) == ("zephyr", ["Zed"])
    assert (edited.code, stale.code, listed.code, priced.code) == (0, 1, 0, 0)
    assert "1 of 1 in force in FR on 2025-09-01" in held.stdout
    assert json.loads(gone.stdout) == [{"right_id": "word", "in_force": False}]
    assert (listed.stdout, priced.stdout) == ("zephyr: 1 authorised sellers\n", "zephyr: 1 price bands\n")
    assert [len(shown[name]) for name in ("rights", "keywords", "price_bands")] == [1, 1, 1]
    assert shown["authorized_sellers"]["sellers"][0]["markets"] == ["DE"]
    assert (advised.stdout, shown["buyer_advice"]) == ("zephyr: 1 pieces of advice\n", ADVICE)
    assert [line.split("  ")[2] for line in history.stdout.splitlines()] == ["ann"] * 5
    assert len(json.loads(touchstone(*data, "--json", "brands", "history", "zephyr").stdout)) == 5


def test_what_is_wrong_is_said(own_service: Service, touchstone: Touchstone, tmp_path: Path) -> None:
    """A refused field is bad input and named, a missing brand a failure, and a file that is no JSON is told as such."""
    brands = ("--data-dir", own_service.application.settings.data_dir, "brands")
    server = ("--server", own_service.target)
    garbled = tmp_path / "garbled.json"
    garbled.write_text("{", encoding="utf-8")

    for asked in ((), server):
        refused = touchstone(*brands, "edit", "aurora", written(tmp_path, {"aliases": [""]}), *asked)
        missing = touchstone(*brands, "show", "gone", *asked)
        assert (refused.code, missing.code) == (2, 1)
        assert "brand.aliases[0]" in refused.stderr
        assert "'gone'" in missing.stderr
    assert touchstone(*brands, "edit", "aurora", garbled).code == 2
    assert touchstone(*brands, "rights", "aurora", "--market", "XX").code == 2


def test_shown_brand_can_be_edited_and_sent_back(own_service: Service, touchstone: Touchstone, tmp_path: Path) -> None:
    """What `show` prints is what `edit` takes: with nothing changed, nothing changes."""
    brands = ("--data-dir", own_service.application.settings.data_dir, "brands")
    shown = json.loads(touchstone(*brands, "show", "aurora").stdout)

    edited = touchstone(*brands, "edit", "aurora", written(tmp_path, shown))

    assert json.loads(edited.stdout) == shown
