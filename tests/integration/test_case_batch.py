"""What was ticked in a scan's report is acted on through cases: previewed, capped, done once, and taken back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from google.protobuf.json_format import MessageToJson

from serving.scan.rows import ScanRow, to_table
from tests.integration.case_support import TAKEDOWN, case_of, person, suspicious
from tests.integration.support import Service, Touchstone
from touchstone.moderation.v1 import case_pb2

pytestmark = pytest.mark.usefixtures("acts_are_entered")

OPEN, RESOLVED = case_pb2.CASE_STATE_OPEN, case_pb2.CASE_STATE_RESOLVED


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Write a scan of three flagged listings, a selection of all of them, and a statement of reasons."""
    scan, selection, statement = (tmp_path / name for name in ("out.parquet", "selection.json", "statement.json"))
    rows = [
        ScanRow(listing_id=listing_id, line=line, verdict="REVIEW", seller_id="s1")
        for line, listing_id in enumerate(("odd", "odder", "closed"), 1)
    ]
    pq.write_table(to_table(rows, {"scan_id": "s1"}), scan)
    selection.write_text(json.dumps({"format_version": 1, "scan_id": "s1", "sellers": ["s1"]}), encoding="utf-8")
    statement.write_text(MessageToJson(TAKEDOWN.statement), encoding="utf-8")
    return scan, selection, statement


@pytest.mark.parametrize("through_server", [False, True], ids=["store", "server"])
def test_a_selection_is_previewed_done_and_undone(
    own_service: Service, touchstone: Touchstone, files: tuple[Path, Path, Path], *, through_server: bool
) -> None:
    """Without --apply nothing changes; with it the open cases are resolved; the printed command takes it back."""
    ids = [case_of(own_service, suspicious(own_service, listing_id)) for listing_id in ("odd", "odder")]
    server = ("--server", own_service.target) if through_server else ()
    cases = ("--data-dir", own_service.application.settings.data_dir, "cases", *server)
    scan, selection, statement = files
    batch = (*cases, "batch", scan, selection, "--verdict", "takedown", "--reason", "COUNTERFEIT")

    def states() -> set[int]:
        return {person(own_service).get(case_id).state for case_id in ids}

    preview = touchstone(*batch, "--statement", statement)
    previewed = states()
    done = touchstone(*batch, "--statement", statement, "--apply")
    resolved = states()
    undo = re.findall(r"undo: touchstone cases undo (--batch \w+)", done.stdout)[0].split()
    undone = touchstone(*cases, "undo", *undo, "--reason", "a mistake")
    again = touchstone(*batch, "--statement", statement, "--apply")
    nothing = touchstone(*batch, "--statement", statement, "--apply")

    assert (preview.code, done.code, undone.code, again.code, nothing.code) == (0, 0, 0, 0, 0)
    assert "3 listings are selected; 2 open cases" in preview.stdout
    assert "2 would be resolved; nothing was changed" in preview.stdout
    assert "2 resolved" in done.stdout
    assert (previewed, resolved) == ({OPEN}, {RESOLVED})
    assert "2 undone" in undone.stdout
    assert "2 resolved" in again.stdout
    assert "none of them has an open case" in nothing.stdout


def test_of_a_long_queue_only_what_is_selected_is_looked_up(
    own_service: Service, touchstone: Touchstone, files: tuple[Path, Path, Path]
) -> None:
    """One listing ticked is asked for by its id, and no other case is touched."""
    case_of(own_service, suspicious(own_service, "odd"))
    case_id = case_of(own_service, suspicious(own_service, "odder"))
    scan, selection, statement = files
    selection.write_text(json.dumps({"format_version": 1, "scan_id": "s1", "listing_ids": ["odder"]}), encoding="utf-8")
    cases = ("--data-dir", own_service.application.settings.data_dir, "cases", "batch", scan, selection)

    preview = touchstone(*cases, "--verdict", "takedown", "--reason", "COUNTERFEIT", "--statement", statement)

    assert "1 listings are selected; 1 open cases" in preview.stdout
    assert case_id in preview.stdout


def test_a_batch_is_capped_and_bound_to_its_scan(
    own_service: Service, touchstone: Touchstone, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """Too many cases, another scan's selection and what is no selection are refused before anything is done."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    case_of(own_service, suspicious(own_service, "odder"))
    scan, selection, statement = files
    foreign, broken = tmp_path / "foreign.json", tmp_path / "broken.json"
    foreign.write_text('{"format_version": 1, "scan_id": "other"}', encoding="utf-8")
    broken.write_text('{"format_version": 1, "scan_id": "s1", "sellers": [1]}', encoding="utf-8")
    cases = ("--data-dir", own_service.application.settings.data_dir, "cases", "batch", scan)
    rest = ("--verdict", "takedown", "--reason", "COUNTERFEIT", "--statement", statement, "--apply")

    capped = touchstone(*cases, selection, *rest, "--max", "1")
    other = touchstone(*cases, foreign, *rest)
    none = touchstone(*cases, broken, *rest)

    assert (capped.code, other.code, none.code) == (2, 2, 2)
    assert "more than 1 open cases" in capped.stderr
    assert "the selection is of 'other'" in other.stderr
    assert "sellers" in none.stderr
    assert person(own_service).get(case_id).state == OPEN


def test_the_command_writes_the_page(touchstone: Touchstone, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """`scan report` writes the page and takes the faults that lie beside the scan; another file is bad input."""
    scan, selection, _ = files
    fault = {"line": 7, "listing_id": "x", "code": "MANIFEST_ROW", "message": "no listing_id"}
    (tmp_path / "out.faults.jsonl").write_text(json.dumps(fault) + "\n", encoding="utf-8")

    done = touchstone("scan", "report", scan, "--html", tmp_path / "report.html")
    refused = touchstone("scan", "report", selection, "--html", tmp_path / "other.html")

    assert (done.code, refused.code) == (0, 2)
    assert "3 listings" in done.stdout
    assert "MANIFEST_ROW: 1" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["report.html"]
