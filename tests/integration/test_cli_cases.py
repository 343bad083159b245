"""A moderator without a console: `touchstone cases` on the store and through a running service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson

from serving.app import Application
from serving.client import ModerationClient
from tests.integration.case_support import TAKEDOWN, case_of, known_fake, person, suspicious
from tests.integration.support import Service, Touchstone

pytestmark = pytest.mark.usefixtures("acts_are_entered")


@pytest.fixture
def statement(tmp_path: Path) -> Path:
    """Write down a statement of reasons."""
    path = tmp_path / "statement.json"
    path.write_text(MessageToJson(TAKEDOWN.statement), encoding="utf-8")
    return path


@pytest.mark.parametrize("through_server", [False, True], ids=["store", "server"])
def test_a_case_is_worked_on(
    own_service: Service, touchstone: Touchstone, statement: Path, *, through_server: bool
) -> None:
    """List, show, claim, resolve and undo do what the rpcs do, for the person named."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    data = ("--data-dir", own_service.application.settings.data_dir)
    server = ("--server", own_service.target) if through_server else ()
    cases = (*data, "cases", *server, "--as", "ann")

    listed = touchstone(*cases, "list")
    claimed = json.loads(touchstone(*cases, "claim").stdout)
    resolved = touchstone(*cases, "resolve", case_id, "takedown", "--reason", "COUNTERFEIT", "--statement", statement)
    shown = json.loads(touchstone(*cases, "show", case_id).stdout)
    resolution_id = shown["resolutions"][0]["resolution_id"]
    undone = touchstone(*cases, "undo", resolution_id, "--reason", "a mistake")

    assert (listed.code, resolved.code, undone.code) == (0, 0, 0)
    assert "odd" in listed.stdout
    assert "1 of 1 cases" in listed.stdout
    assert (claimed["case_id"], claimed["lease"]["holder"]) == (case_id, "ann")
    assert f"resolution {resolution_id}" in resolved.stdout
    assert shown["state"] == "CASE_STATE_RESOLVED"
    assert "1 undone" in undone.stdout
    assert person(own_service).get(case_id).resolutions[0].undo_reason == "a mistake"


@pytest.mark.parametrize("through_server", [False, True], ids=["store", "server"])
def test_a_refused_resolution_leaves_the_case_to_others(
    own_service: Service, touchstone: Touchstone, statement: Path, *, through_server: bool
) -> None:
    """Who may not judge an appeal does not keep it from others; a lease that was there before stays."""
    decision = suspicious(own_service, "odd")
    case_id = case_of(own_service, decision)
    server = ("--server", own_service.target) if through_server else ()
    cases = ("--data-dir", own_service.application.settings.data_dir, "cases", *server)
    takedown = ("resolve", case_id, "takedown", "--reason", "COUNTERFEIT", "--statement", statement)

    touchstone(*cases, "--as", "ann", "claim", case_id)
    misspelt = touchstone(*cases, "--as", "ann", "resolve", case_id, "allow", "--reason", "GENIUNE")
    held = person(own_service).get(case_id).lease.holder
    taken_down = touchstone(*cases, "--as", "ann", *takedown)
    listed = touchstone(*cases, "list", "--state", "resolved")
    touchstone(*cases, "appeal", decision.decision_id, "--seller", "s1", "--statement", "It is genuine.")
    partial = touchstone(*cases, "--as", "ann", "resolve", case_id, "allow", "--reason", "GENUINE")
    granted = touchstone(*cases, "--as", "bob", "resolve", case_id, "allow", "--reason", "GENUINE")

    assert (misspelt.code != 0, held, taken_down.code) == (True, "ann", 0)
    assert "TAKEDOWN" in listed.stdout
    assert (partial.code, granted.code) == (1, 0), granted.stderr


@pytest.mark.parametrize("through_server", [False, True], ids=["store", "server"])
def test_gold_cases_are_marked_listed_and_unmarked(
    own_service: Service, touchstone: Touchstone, *, through_server: bool
) -> None:
    """A resolved case is; an open one is refused, and what is not gold any more is not listed."""
    waiting = case_of(own_service, suspicious(own_service, "even"))
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    person(own_service, "ann").resolve(case_id, TAKEDOWN)
    server = ("--server", own_service.target) if through_server else ()
    gold = ("--data-dir", own_service.application.settings.data_dir, "cases", *server, "--as", "lea", "gold")

    marked = json.loads(touchstone(*gold, "mark", case_id, "--note", "the seams").stdout)
    refused = touchstone(*gold, "mark", waiting, "--note", "why")
    listed = touchstone(*gold, "list")
    unmarked = [touchstone(*gold, "unmark", case_id).stdout.strip() for _ in range(2)]

    assert (marked["verdict"], marked["note"]) == ("VERDICT_TAKEDOWN", "the seams")
    assert (refused.code, "only a resolved one" in refused.stderr) == (1, True)
    assert listed.stdout.split("\n")[0].split() == [case_id, "TAKEDOWN", "0", "of", "0", "right", "odd"]
    assert "1 gold cases" in listed.stdout
    assert unmarked == [f"{case_id} is no gold case any more", f"{case_id} was no gold case"]
    assert "0 gold cases" in touchstone(*gold, "list").stdout


def test_reports_and_appeals_are_taken_in(own_service: Service, touchstone: Touchstone, tmp_path: Path) -> None:
    """A report and an appeal print their receipts; photos of the report are looked at."""
    decision = known_fake(own_service, "fake")
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"no picture")
    cases = ("--data-dir", own_service.application.settings.data_dir, "cases")

    report = json.loads(touchstone(*cases, "report", "fake", "--reporter", "b1", "--image", photo).stdout)
    appeal = json.loads(
        touchstone(*cases, "appeal", decision.decision_id, "--seller", "s1", "--statement", "It is genuine.").stdout
    )

    assert report["report"]["state"] == "REPORT_STATE_RECEIVED"
    assert report["image_results"][0]["status"] == "IMAGE_STATUS_UNSUPPORTED_FORMAT"
    assert appeal["case_id"] == report["case_id"]


def test_refusals_end_as_others_do(own_application: Application, touchstone: Touchstone, tmp_path: Path) -> None:
    """What is not there is exit code 1, what breaks a rule 2; a file that is no statement is named."""
    cases = ("--data-dir", own_application.settings.data_dir, "cases")
    file = tmp_path / "statement.json"
    file.write_text("{", encoding="utf-8")

    missing = touchstone(*cases, "show", "nothing")
    empty = touchstone(*cases, "claim")
    both = touchstone(*cases, "undo", "--reason", "why")
    endless = touchstone(*cases, "undo", "r", "--reason", "x" * 1_001)
    broken = touchstone(*cases, "resolve", "c", "takedown", "--statement", file)

    assert [one.code for one in (missing, empty, both, endless, broken)] == [1, 1, 2, 2, 2]
    assert "'nothing'" in missing.stderr
    assert "statement.json" in broken.stderr


def test_client_passes_reports_and_appeals_on(own_service: Service) -> None:
    """The pipeline's client reports and appeals for buyers and sellers."""
    decision = known_fake(own_service, "fake")

    with ModerationClient(own_service.target) as client:
        report = client.report("fake", reporter_id="b1", reason_code="COUNTERFEIT", text="fell apart")
        appeal = client.appeal(decision.decision_id, seller_id="s1", statement="It is genuine.")

    assert report.report.text == "fell apart"
    assert appeal.case_id == report.case_id
