"""Sweeps feed cases: each hit once, with what was found, and no verdict is changed by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from index.case_records import Case, CaseFilter, CaseOrigin, CaseState
from index.decision_records import RemovalReason
from index.records import Reference
from index.sweeps import SWEEP_MATCH, SweepStep
from serving.app import Application, load_calibration, open_application
from serving.sweeping import Sweeper
from tests.integration.support import (
    AURORA,
    AURORA_SHOE,
    BOREALIS,
    BOREALIS_BAG,
    Touchstone,
    draw,
    fill,
    listing,
    settings_at,
)
from tests.milvus import milvus_lite
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("acts_are_entered")


def screen(application: Application, listing_id: str, picture: int) -> decision_pb2.Decision:
    """Screen a listing with a drawn photo."""
    request = pb.ScreenListingRequest(listing=listing(draw(picture), listing_id=listing_id))
    return application.moderation.screen(request)


def shoe(application: Application) -> Reference:
    """Give the reference that shows Aurora's shoe."""
    references = application.store.iter_references(application.embedder.fingerprint)
    return next(one for one, _ in references if one.brand_id == AURORA.brand_id and one.kind == "product")


def sweeper(application: Application) -> Sweeper:
    """Make what sweeps, once the index has heard of everything."""
    application.listings.refresh()
    return Sweeper(
        store=application.store,
        listings=application.catalogue,
        opening=application.moderation.recorder.opening,
        calibration=load_calibration(application.embedder.fingerprint),
        fingerprint=application.embedder.fingerprint,
    )


def swept(application: Application, reference: Reference) -> tuple[Case, ...]:
    """List the cases that a reference's sweeps opened."""
    wanted = CaseFilter(scan_id=f"sweep-{reference.reference_id}", states=tuple(CaseState))
    now = application.cases.desk.clock()
    return application.store.list_cases(wanted, now=now).cases


@pytest.fixture
def innocent(own_application: Application) -> Application:
    """Screen three listings: two show the shoe, one something else, and no case waits about any of them."""
    store, now = own_application.store, own_application.cases.desk.clock
    for listing_id, picture in (("a1", AURORA_SHOE), ("a2", AURORA_SHOE), ("b1", 700)):
        screen(own_application, listing_id, picture)
        for case in store.list_cases(CaseFilter(listing_id=listing_id), now=now()).cases:
            settle(own_application, case)
    return own_application


def settle(application: Application, case: Case) -> None:
    """Let a case be overtaken: what waits about a listing is none of these tests' business."""
    with application.store._database.write("settle a case") as connection:
        connection.exec_driver_sql(f"UPDATE cases SET state = 'resolved' WHERE case_id = '{case.case_id}'")


def test_each_hit_without_a_case_opens_one_that_says_why(innocent: Application) -> None:
    """A case names the sweep, the brand and the reason; what was found stands with it, and the verdict stays."""
    reference = shoe(innocent)
    before = {name: innocent.store.latest_decision(name) for name in ("a1", "a2", "b1")}

    report = sweeper(innocent).sweep(reference)

    cases = swept(innocent, reference)
    assert (report.hits, report.opened, report.joined, report.known, report.complete) == (2, 2, 0, 0, True)
    assert {case.listing_id for case in cases} == {"a1", "a2"}
    for case in cases:
        (hit,) = innocent.store.sweep_hits_in(case.case_id)
        assert (case.origin, case.state, case.verdict) == (CaseOrigin.SCAN, CaseState.OPEN, before["a1"].verdict)  # type: ignore[union-attr]
        assert SWEEP_MATCH in case.reason_codes
        assert case.brand_ids[0] == AURORA.brand_id
        assert (hit.reference_id, hit.decision_id, hit.image_index) == (reference.reference_id, case.decision_id, 0)
        assert hit.similarity == pytest.approx(1.0, abs=2e-3)
    assert {name: innocent.store.latest_decision(name) for name in before} == before
    assert innocent.store.events_after(0)[-1].verdict in {decision.verdict for decision in before.values() if decision}


def test_sweep_done_again_opens_nothing_new(innocent: Application) -> None:
    """What is known is passed over, though its case was resolved; a listing that came since is found."""
    reference = shoe(innocent)
    sweeper(innocent).sweep(reference)
    for case in swept(innocent, reference):
        settle(innocent, case)

    again = sweeper(innocent).sweep(reference)
    screen(innocent, "a3", AURORA_SHOE)
    later = sweeper(innocent).sweep(reference)

    assert (again.hits, again.opened, again.known) == (2, 0, 2)
    assert (later.hits, later.opened + later.joined, later.known) == (3, 1, 2)


def test_sweep_that_stopped_goes_on(innocent: Application) -> None:
    """A limit bounds the cases opened at a time; the next run goes on behind them."""
    reference = shoe(innocent)

    first = sweeper(innocent).sweep(reference, limit=1)
    second = sweeper(innocent).sweep(reference, limit=1)
    third = sweeper(innocent).sweep(reference, limit=1)

    assert [(one.opened, one.complete) for one in (first, second, third)] == [(1, False), (1, True), (0, True)]
    assert len(swept(innocent, reference)) == 2


def test_dry_run_counts_and_writes_nothing(innocent: Application) -> None:
    """Who only wants to know opens no case."""
    report = sweeper(innocent).sweep(shoe(innocent), dry_run=True)

    assert (report.hits, report.opened) == (2, 0)
    assert swept(innocent, shoe(innocent)) == ()


def test_hit_joins_a_case_that_waits(innocent: Application) -> None:
    """One decision waits in one case, whatever it was opened for."""
    reference = shoe(innocent)
    sweep = sweeper(innocent)
    sweep.sweep(reference)
    references = innocent.store.iter_references(innocent.embedder.fingerprint)
    other = next(one for one, _ in references if one.brand_id != AURORA.brand_id)

    report = sweep.sweep(other, at_least=-1.0)

    assert report.joined == 2, "the two that the first sweep opened a case for"
    assert report.opened == 1
    assert all(len(innocent.store.sweep_hits_in(case.case_id)) == 2 for case in swept(innocent, reference))


def test_hit_on_a_listing_that_changed_meanwhile_is_left(innocent: Application) -> None:
    """A listing that was screened again or removed between search and note gets no case by the old decision."""
    reference = shoe(innocent)
    sweep = sweeper(innocent)
    views = innocent.store.reference_vectors(reference.reference_id, sweep.fingerprint)
    found = innocent.catalogue.find_listings(views, marks=False, at_least=0.95, most=10)
    brand = innocent.store.get_brand(reference.brand_id)

    screen(innocent, "a1", 700)
    innocent.store.remove_listing("a2", RemovalReason.ENDED_BY_SELLER, found[0].screen_time)

    assert [sweep._note(reference, brand, match) for match in found] == [SweepStep.OUTGROWN] * 2
    assert swept(innocent, reference) == ()


def test_command_sweeps_and_says_what_it_found(innocent: Application, touchstone: Touchstone) -> None:
    """`brands sweep` takes references, a brand or a bank, and prints one summary of each."""
    data = innocent.settings.data_dir
    innocent.store.add_references([(replace(shoe(innocent), reference_id="seized", bank_id="seizure-7"), [])])

    counted = touchstone("--data-dir", data, "--json", "brands", "sweep", "--brand", AURORA.brand_id, "--dry-run")
    bank, none = (
        touchstone(
            "--data-dir", data, "--json", "brands", "sweep", "--brand", brand, "--bank", "seizure-7", "--dry-run"
        )
        for brand in (AURORA.brand_id, BOREALIS.brand_id)
    )
    done = touchstone("--data-dir", data, "--json", "brands", "sweep", shoe(innocent).reference_id)
    text = touchstone("--data-dir", data, "brands", "sweep", shoe(innocent).reference_id)
    misused = touchstone("--data-dir", data, "brands", "sweep")
    unknown = touchstone("--data-dir", data, "brands", "sweep", "nobody")

    (report,) = json.loads(done.stdout)["references"]
    assert len(json.loads(counted.stdout)["references"]) == 3
    assert [one["reference_id"] for one in json.loads(bank.stdout)["references"]] == ["seized"]
    assert json.loads(none.stdout)["references"] == []
    assert (report["hits"], report["opened"], report["complete"]) == (2, 2, True)
    assert "known" in text.stdout
    assert (text.code, misused.code, unknown.code) == (0, 2, 1)


@pytest.fixture(scope="module")
def milvus_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run one engine for all tests."""
    with milvus_lite(tmp_path_factory.mktemp("milvus")) as uri:
        yield uri


def test_catalogue_moves_to_milvus_and_is_found_there(tmp_path: Path, milvus_uri: str, touchstone: Touchstone) -> None:
    """`catalogue move` fills Milvus from the store and verifies it; the service then finds there what it found here."""
    settings = settings_at(tmp_path / "data")
    with open_application(settings) as application:
        fill(application)
        for number, picture in enumerate((AURORA_SHOE, AURORA_SHOE, BOREALIS_BAG, 700)):
            screen(application, f"a{number}", picture)
        here = sweeper(application).sweep(shoe(application), dry_run=True)

    moved = touchstone(
        "--data-dir", tmp_path / "data", "--json", "catalogue", "move", "--to", "milvus", "--uri", milvus_uri
    )
    with open_application(
        settings.model_copy(update={"catalogue_backend": "milvus", "milvus_uri": milvus_uri})
    ) as there:
        screen(there, "a9", AURORA_SHOE)
        found = sweeper(there).sweep(shoe(there), dry_run=True)
    verified = touchstone("--data-dir", tmp_path / "data", "--json", "catalogue", "verify")
    forgotten = touchstone("--data-dir", tmp_path / "data", "--json", "catalogue", "forget", "a0", "nobody")
    nothing_to_build = touchstone("--data-dir", tmp_path / "data", "catalogue", "build")

    result = json.loads(moved.stdout)
    assert (result["backend"], result["sampled"], result["found"], result["sound"]) == ("milvus", 4, 4, True)
    assert result["stored"] == result["indexed"] > 4
    assert (here.hits, found.hits) == (2, 3)
    assert json.loads(verified.stdout)["sound"]
    assert json.loads(forgotten.stdout) == {"forgotten": ["a0"]}
    assert nothing_to_build.code == 2


def test_milvus_without_its_address_is_refused(tmp_path: Path, touchstone: Touchstone) -> None:
    """The backend needs to be told where it answers."""
    refused = touchstone("--data-dir", tmp_path, "catalogue", "move", "--to", "milvus")

    assert refused.code == 2
    assert "milvus_uri" in refused.stderr
