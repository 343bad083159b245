"""Do scans find the listings as they stand, and open each case once? One suite for every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from index.case_records import Case, CaseFilter, CaseOrigin
from index.decision_records import RemovalReason
from index.listings import EVERYWHERE, ListingWhere
from index.scans import ScanStep, ScreenedListing
from index.store import scans
from index.store.store import Store
from tests.contract.test_listing_catalogue import WHERES, fits, put, screened
from tests.contract.test_store_decisions import NOON, PHOTOS, a_case, a_decision
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

LISTINGS = 24


def found(store: Store, where: ListingWhere = EVERYWHERE) -> list[ScreenedListing]:
    """Read all pages."""
    return [one for page in store.iter_screened(where) for one in page]


def scan_case(store: Store, listing_id: str, *, scan: str = "s1") -> Case:
    """Make the case that a scan opens about a listing's latest decision."""
    record = store.latest_decision(listing_id)
    assert record is not None
    case = replace(a_case(record), case_id=f"{scan}-{listing_id}", origin=CaseOrigin.SCAN, scan_id=scan)
    return replace(case, certificate_id="", lease=None)


def open_cases(store: Store) -> list[str]:
    """Name the cases that wait."""
    page = store.list_cases(CaseFilter(), now=NOON)
    return sorted(case.case_id for case in page.cases)


class ScanContract(StoreSuite):
    """What every database must do."""

    def test_each_filter_finds_what_fits_in_pages(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the filter and the page's size, the listings that fit come once each, by id."""
        listings = [screened(number) for number in range(LISTINGS)]
        for one in listings:
            put(store, one)
        monkeypatch.setattr(scans, "_PAGE", 5)

        for where in (EVERYWHERE, *WHERES):
            wanted = sorted(one.record.listing_id for one in listings if fits(one, where))
            assert [one.listing_id for one in found(store, where)] == wanted
            assert store.count_screened(where) == len(wanted)

    def test_latest_decision_of_a_listing_on_sale_counts(self, store: Store) -> None:
        """A listing decided again is there once, by its last decision; one that was removed is not until then."""
        for name, listing in (("a1", "a"), ("b1", "b"), ("a2", "a"), ("c1", "c")):
            store.record_decision(a_decision(name, listing=listing))
        store.remove_listing("b", RemovalReason.COUNTERFEIT, NOON)
        before = [one.decision_id for one in found(store)]

        store.record_decision(a_decision("b2", listing="b"))

        assert before == ["a2", "c1"]
        assert [one.decision_id for one in found(store)] == ["a2", "b2", "c1"]

    def test_decisions_come_with_facts_and_hashes(self, store: Store) -> None:
        """What deciding again needs comes back whole; who has no facts says so, and who is not there is left out."""
        whole, bare = a_decision("whole"), a_decision("bare")
        store.record_decision(whole, images=PHOTOS, facts=b"facts")
        store.record_decision(bare)

        decided = store.decided(["whole", "bare", "nobody"])

        assert decided.keys() == {"whole", "bare"}
        assert (decided["whole"].record, decided["whole"].facts) == (whole, b"facts")
        assert decided["whole"].hashes == {"aa" * 32: bytes(32)}
        assert (decided["bare"].record, decided["bare"].facts, decided["bare"].hashes) == (bare, None, {})

    def test_case_is_opened_where_the_verdict_is_worse(self, store: Store) -> None:
        """A graver verdict opens a case, one as grave does not, nor does a removed listing or one with a case."""
        for name, verdict in (("allowed", "ALLOW"), ("down", "TAKEDOWN"), ("gone", "ALLOW")):
            store.record_decision(a_decision(name, listing=name, verdict=verdict))
        waiting = a_decision("waiting", listing="waiting", verdict="REVIEW")
        store.record_decision(waiting, case=a_case(waiting))
        store.remove_listing("gone", RemovalReason.OTHER_VIOLATION, NOON)

        steps = {
            name: store.open_scan_case(scan_case(store, name), "TAKEDOWN")
            for name in ("allowed", "down", "gone", "waiting")
        }

        assert steps == {
            "allowed": ScanStep.OPENED, "down": ScanStep.AS_GRAVE, "gone": ScanStep.GONE, "waiting": ScanStep.JOINED,
        }  # fmt: skip
        assert open_cases(store) == ["case-waiting", "s1-allowed"]
        assert store.standings(["allowed", "nobody"]).keys() == {"allowed"}
        assert store.opened_of(["s1-allowed", "s1-down"]) == {"s1-allowed"}

    def test_case_is_opened_once_whoever_asks(self, store: Store) -> None:
        """Threads that open the same case at once leave one, and it stays known when its listing is decided anew."""
        store.record_decision(a_decision("d", listing="l", verdict="ALLOW"))
        case = scan_case(store, "l")

        with ThreadPoolExecutor(8) as pool:
            steps = sorted(pool.map(lambda _: store.open_scan_case(case, "REVIEW"), range(8)))
        store.record_decision(a_decision("d2", listing="l", verdict="ALLOW"))

        assert steps == [ScanStep.KNOWN] * 7 + [ScanStep.OPENED]
        assert store.open_scan_case(case, "REVIEW") is ScanStep.KNOWN
        assert store.get_case(case.case_id).scan_id == "s1"

    def test_case_about_an_overtaken_decision_is_not_opened(self, store: Store) -> None:
        """A listing decided anew since the scan looked has no case about what no longer counts."""
        store.record_decision(a_decision("d", listing="l", verdict="ALLOW"))
        case = scan_case(store, "l")
        store.record_decision(a_decision("d2", listing="l", verdict="ALLOW"))

        assert store.open_scan_case(case, "REVIEW") is ScanStep.GONE
        assert open_cases(store) == []


class TestSqliteScans(OnSqlite, ScanContract):
    """On the embedded default."""


class TestPostgresScans(OnPostgres, ScanContract):
    """On PostgreSQL."""
