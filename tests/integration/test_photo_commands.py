"""`touchstone photos` erases what must be erased, and `blobs collect` lets go of what is old."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.photos import PhotoOwner, PhotoState
from serving.app import Application, open_application, open_store
from tests.integration.support import Touchstone, draw, fill, listing, settings_at
from touchstone.moderation.v1 import moderation_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("acts_are_entered")

LONG_AGO = timedelta(days=9)
# Pictures that are nobody's reference.
FIRST, SECOND = 700, 701
GENUINE = ("allow", "--reason", "GENUINE")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a data folder with two cases of one seller and one of another; their files came nine days ago."""
    folder = tmp_path_factory.mktemp("shop")
    with open_application(settings_at(folder)) as application:
        fill(application)
        screened(application, "l1", "s1", FIRST)
        screened(application, "l2", "s1", SECOND)
        screened(application, "l3", "s2", FIRST)
    then = (datetime.now(UTC) - LONG_AGO).timestamp()
    for file in files(folder):
        os.utime(file, (then, then))
    return folder


@pytest.fixture
def data(shop: Path, tmp_path: Path) -> Path:
    """Give a test a copy of its own."""
    return Path(shutil.copytree(shop, tmp_path / "data"))


def screened(application: Application, listing_id: str, seller_id: str, picture: int) -> None:
    """Screen a listing that comes to a case."""
    offer = listing(draw(picture), listing_id=listing_id, seller_id=seller_id, title="Aurora 1:1 replica")
    application.moderation.screen(pb.ScreenListingRequest(listing=offer))


def files(data: Path) -> list[Path]:
    """List the files of the blob store."""
    return sorted((data / "blobs").glob("??/*"))


def states(data: Path, *listing_ids: str) -> list[PhotoState]:
    """Say what became of the photos of listings."""
    with open_store(settings_at(data)) as store:
        found = (store.latest_decision(listing_id) for listing_id in listing_ids)
        return [photo.state for one in found if one for photo in store.photos_of(PhotoOwner.DECISION, one.decision_id)]


def test_a_listing_is_forgotten_and_its_file_deleted(data: Path, touchstone: Touchstone) -> None:
    """Its photo's file goes at once when nobody else needs it; what another listing shows stays for that one."""
    assert len(files(data)) == 2

    shared = touchstone("--data-dir", data, "--json", "photos", "forget", "l1")
    own = touchstone("--data-dir", data, "photos", "forget", "l2")
    again = touchstone("--data-dir", data, "--json", "photos", "forget", "l2")

    assert json.loads(shared.stdout) == {
        "forgotten": 1, "files_deleted": 0, "files_waiting": 0, "files_needed": 1, "held": 0, "holds": [],
    }  # fmt: skip
    assert "1 photos forgotten; of their files 1 deleted" in own.stdout
    assert json.loads(again.stdout)["forgotten"] == 0
    assert len(files(data)) == 1
    assert states(data, "l1", "l2", "l3") == [PhotoState.FORGOTTEN, PhotoState.FORGOTTEN, PhotoState.KEPT]


def test_a_legal_hold_keeps_photos_from_being_forgotten(data: Path, touchstone: Touchstone) -> None:
    """The seller's other listing is forgotten; the command names the hold and ends with 3."""
    held = touchstone("--data-dir", data, "--json", "policy", "hold", "add", "listing", "l1", "--why", "docket 7")
    hold_id = json.loads(held.stdout)["hold_id"]

    forgotten = touchstone("--data-dir", data, "photos", "forget", "--seller", "s1")

    assert forgotten.code == 3
    assert hold_id in forgotten.stderr
    assert states(data, "l1", "l2") == [PhotoState.KEPT, PhotoState.FORGOTTEN]


def test_what_came_just_now_is_left_to_the_collector(data: Path, touchstone: Touchstone) -> None:
    """A file that somebody put within the hour may be about to be recorded: it is said to wait."""
    os.utime(max(files(data), key=lambda file: file.read_bytes() == draw(SECOND)))

    forgotten = touchstone("--data-dir", data, "--json", "photos", "forget", "l2")

    assert json.loads(forgotten.stdout)["files_waiting"] == 1
    assert len(files(data)) == 2


def test_nothing_named_is_refused(data: Path, touchstone: Touchstone) -> None:
    """Without a listing or seller nothing is forgotten."""
    refused = touchstone("--data-dir", data, "photos", "forget")

    assert refused.code == 2
    assert "--seller" in refused.stderr


def test_collecting_lets_go_of_old_photos_but_not_of_open_cases(
    data: Path, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a retention that is over, photos stay while their cases wait, and go when those are settled."""
    monkeypatch.setenv("TOUCHSTONE_PHOTO_RETENTION_DAYS", "0")
    waiting = touchstone("--data-dir", data, "--json", "blobs", "collect")
    for case in json.loads(touchstone("--data-dir", data, "--json", "cases", "list").stdout)["cases"]:
        resolved = touchstone("--data-dir", data, "cases", "resolve", case["case_id"], *GENUINE)
        assert resolved.code == 0, resolved.stderr

    dry = touchstone("--data-dir", data, "--json", "blobs", "collect", "--dry-run")
    done = touchstone("--data-dir", data, "--json", "blobs", "collect")
    counted = touchstone("--data-dir", data, "--json", "photos", "count")

    numbers = [json.loads(each.stdout) for each in (waiting, dry, done)]
    assert [(each["expired_photos"], each["deleted"]) for each in numbers] == [(0, 0), (3, 0), (3, 2)]
    assert json.loads(counted.stdout)["expired"]["photos"] == 3
    assert files(data) == []


def test_collecting_waits_for_the_time_to_appeal(
    data: Path, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A retention shorter than the time to appeal takes no photo that a seller may still argue with."""
    monkeypatch.setenv("TOUCHSTONE_PHOTO_RETENTION_DAYS", "1")
    for case in json.loads(touchstone("--data-dir", data, "--json", "cases", "list").stdout)["cases"]:
        touchstone("--data-dir", data, "cases", "resolve", case["case_id"], *GENUINE)
    long_ago = (datetime.now(UTC) - timedelta(days=100)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with contextlib.closing(sqlite3.connect(settings_at(data).store_path)) as store, store:
        store.execute("UPDATE kept_photos SET create_time = ?", (long_ago,))
        store.execute("UPDATE cases SET update_time = ?", (long_ago,))
    rules = tmp_path / "rules.yaml"
    rules.write_text("appeal_days: 50\n")

    by_default = touchstone("--data-dir", data, "--json", "blobs", "collect", "--dry-run")
    monkeypatch.setenv("TOUCHSTONE_CASE_RULES", str(rules))
    shorter = touchstone("--data-dir", data, "--json", "blobs", "collect", "--dry-run")

    assert [json.loads(each.stdout)["expired_photos"] for each in (by_default, shorter)] == [0, 3]


def test_a_photo_without_its_file_is_named(data: Path, touchstone: Touchstone) -> None:
    """Verification finds photos whose file was lost, and ends with 3."""
    files(data)[0].unlink()

    verified = touchstone("--data-dir", data, "--json", "blobs", "verify")

    assert verified.code == 3
    assert json.loads(verified.stdout)["missing"] >= 1
    assert "of the decision" in verified.stderr
