"""A scan opens a case for what became worse: previewed, capped, once each, and undone as any case is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from index.case_records import Case, CaseFilter, CaseOrigin, CaseState
from index.decision_records import DecisionRecord, RemovalReason
from index.errors import CatalogueError
from index.records import Brand
from index.scans import SCAN_WORSE, ScanStep
from index.store.store import Store
from serving.case_opening import CaseOpening
from serving.case_rules import load_case_rules
from serving.scan.cases import Finding, ScanCases, preview_of
from serving.scan.rows import ScanRow, to_table
from tests.support.databases import with_tables

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCAN = "scan-1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store with a brand and six listings that are allowed, and one that waits for a person."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        opened.put_brands([Brand(brand_id="aurora", name="Aurora")])
        for number in range(6):
            opened.record_decision(decision(f"l{number}"))
        opened.record_decision(decision("reviewed", verdict="REVIEW"))
        yield opened


def decision(listing_id: str, *, verdict: str = "ALLOW", number: int = 1) -> DecisionRecord:
    """Make a decision without any evidence."""
    return DecisionRecord(
        decision_id=f"{listing_id}-{number}",
        listing_id=listing_id,
        verdict=verdict,
        create_time=NOON,
        payload=b"",
        request_sha256="aa" * 32,
    )


def finding(listing_id: str, verdict: str = "REVIEW", *, probability: float = 0.5, brand: str = "Aurora") -> Finding:
    """Make what a scan says."""
    return Finding(listing_id=listing_id, verdict=verdict, probability=probability, brand=brand, reasons=("LOW_PRICE",))


def cases_of(store: Store) -> ScanCases:
    """Make what opens cases."""
    return ScanCases(store, CaseOpening(store, load_case_rules(None)))


def opened(store: Store) -> tuple[Case, ...]:
    """List what the scan opened, the greatest harm first."""
    return store.list_cases(CaseFilter(scan_id=SCAN, states=tuple(CaseState)), now=NOON).cases


def test_case_says_what_the_scan_found(store: Store) -> None:
    """A case has origin, scan, reasons and brand of the scan; the harm goes by its figure, the verdict stays."""
    cases = cases_of(store)

    done = cases.open(cases.preview(SCAN, [finding("l0", "TAKEDOWN", probability=0.9)]))

    (case,) = opened(store)
    assert done == {ScanStep.OPENED: 1}
    assert (case.origin, case.decision_id, case.verdict) == (CaseOrigin.SCAN, "l0-1", "ALLOW")
    assert case.reason_codes == (SCAN_WORSE, "LOW_PRICE")
    assert (case.brand, case.brand_ids) == ("Aurora", ("aurora",))
    assert (case.expected_harm, case.probability) == (0.9, 0.0)


def test_preview_counts_and_writes_nothing(store: Store) -> None:
    """What would be opened is counted by brand and reason, what would not by why; the store is as it was."""
    store.remove_listing("l1", RemovalReason.COUNTERFEIT, NOON)
    found = [
        finding("l0"),
        finding("l1"),
        finding("l2", brand=""),
        finding("l3", "ALLOW"),
        finding("reviewed"),
        finding("nobody"),
    ]

    preview = cases_of(store).preview(SCAN, found)

    assert preview.steps == {
        ScanStep.OPENED: 2, ScanStep.GONE: 1, ScanStep.AS_GRAVE: 1, ScanStep.UNSCREENED: 1,
    }  # fmt: skip
    assert preview.verdicts == {"REVIEW": 2}
    assert preview.brands == {"Aurora": 1, "": 1}
    assert preview.reasons == {"LOW_PRICE": 2}
    assert preview.document()["cases"] == 2
    assert opened(store) == ()


def test_cap_takes_the_gravest_and_is_kept_when_resumed(store: Store) -> None:
    """At most so many cases: takedowns, then the likeliest; an interrupted opening ends with the same ones."""
    found = [finding(f"l{number}", probability=number / 10) for number in range(5)] + [finding("l5", "TAKEDOWN")]
    cases = cases_of(store)
    preview = cases.preview(SCAN, found, max_cases=3)
    cases.open(replace(preview, chosen=preview.chosen[:2]))  # and then the process died

    again = cases.preview(SCAN, found, max_cases=3)
    done = cases.open(again)

    assert [one.listing_id for one in again.chosen] == ["l5", "l4", "l3"]
    assert (again.steps[ScanStep.KNOWN], again.over) == (2, 3)
    assert done == {ScanStep.KNOWN: 2, ScanStep.OPENED: 1}
    assert sorted(case.listing_id for case in opened(store)) == ["l3", "l4", "l5"]
    assert cases.open(cases.preview(SCAN, found, max_cases=3)) == {ScanStep.KNOWN: 3}


def test_what_changed_since_the_preview_is_passed_over(store: Store) -> None:
    """A listing removed or decided worse between preview and opening gets no case."""
    cases = cases_of(store)
    preview = cases.preview(SCAN, [finding("l0"), finding("l1"), finding("l2")])
    store.remove_listing("l0", RemovalReason.COUNTERFEIT, NOON)
    store.record_decision(decision("l1", verdict="REVIEW", number=2))

    done = cases.open(preview)

    assert done == {ScanStep.GONE: 1, ScanStep.AS_GRAVE: 1, ScanStep.OPENED: 1}
    assert [case.listing_id for case in opened(store)] == ["l2"]


def test_cases_of_a_file_are_opened_under_the_scans_name(store: Store, tmp_path: Path) -> None:
    """A scan's file names its scan, and a service may name it anew: each case is there once. Faults open nothing."""
    rows = [
        ScanRow(listing_id="l0", line=1, verdict="REVIEW", counterfeit_probability=0.7, brand="Aurora"),
        ScanRow(listing_id="l1", line=2, verdict="REVIEW", error="the share is not mounted"),
    ]
    path = tmp_path / "out.parquet"
    pq.write_table(to_table(rows, {"scan_id": "of-the-file"}), path)
    told: list[int] = []

    cases = replace(cases_of(store), bears=SCAN)
    done = cases.open(preview_of(path, cases), progress=lambda so_far: told.append(so_far.total()))
    again = cases_of(store).open(preview_of(path, cases_of(store)))

    assert (done, again) == ({ScanStep.OPENED: 1}, {ScanStep.KNOWN: 1})
    assert told == [1]
    assert [case.listing_id for case in opened(store)] == ["l0"]


def test_file_that_names_no_scan_is_refused(store: Store, tmp_path: Path) -> None:
    """Without a scan's id cases could be opened twice."""
    path = tmp_path / "out.parquet"
    pq.write_table(to_table([ScanRow(listing_id="l0", line=1, verdict="REVIEW")]), path)

    with pytest.raises(CatalogueError, match="of which scan"):
        preview_of(path, cases_of(store))
