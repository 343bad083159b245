"""Deciding again from stored facts says what the live judge says, listing by listing, and quickly."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psutil
import pyarrow.parquet as pq
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from index.decision_records import DecisionRecord, RemovalReason
from index.errors import Conflict
from index.listings import ListingWhere
from serving.app import Application, open_application
from serving.cli.scan_query import catalogue_options, query_of
from serving.errors import InvalidListing, RunnerError
from serving.facts_record import unpack
from serving.scan.blocks import ScanBlock, ScanItem, blocks
from serving.scan.catalogue import CatalogueQuery, CatalogueSource, open_selection, select, to_query
from serving.scan.redecide import REDECIDE_ENTRIES, Judges, Redecider
from serving.scan.redecide_workers import RedecideJob, open_redecider, redecide_workers
from serving.scan.rows import SCHEMA, BlockResult, ScanRow, to_table
from serving.scan.words import to_words, unsayable
from tests.integration.scan_support import STRICT, activate, screen_all
from tests.integration.support import draw, fill, listing, settings_at
from tests.support.decided import copy_decisions
from touchstone.moderation.v1 import catalogue_pb2, decision_pb2, scan_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

MANY = 100_000


@pytest.fixture
def screened(own_application: Application) -> Application:
    """Give an application of the test's own in which listings of every kind were screened."""
    return screen_all(own_application)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Give the same to tests that only read."""
    with open_application(settings_at(tmp_path_factory.mktemp("redecide"))) as application:
        fill(application)
        yield screen_all(application)


def originals(application: Application) -> list[DecisionRecord]:
    """Give the decisions that the fixture recorded."""
    names = [one.listing_id for page in application.store.iter_screened() for one in page]
    return [record for name in names if (record := application.store.latest_decision(name)) is not None]


def source(application: Application, folder: Path, query: CatalogueQuery | None = None) -> CatalogueSource:
    """Write down what a query selects."""
    return open_selection(folder / "out.parquet", select(application.store, query or CatalogueQuery()), resume=False)


def job(application: Application) -> RedecideJob:
    """Say what to do with what decides now."""
    judges = Judges.open(application.store, application.settings)
    return RedecideJob(settings=application.settings, scan_id="scan-1", versions=judges.versions)


def rows_of(results: Sequence[BlockResult]) -> list[ScanRow]:
    """Put the rows of blocks together."""
    return [row for result in results for row in result.rows]


def redecided(application: Application, chosen: CatalogueSource) -> list[BlockResult]:
    """Decide again in this process."""
    redecider = Redecider(application.store, Judges.open(application.store, application.settings), "scan-1")
    return [redecider.screen(block) for block in blocks(chosen.entries(), REDECIDE_ENTRIES)]


def at_work(
    application: Application, chosen: CatalogueSource, *, entries: int, processes: int
) -> Iterator[BlockResult]:
    """Decide again in other processes, as a runner does: a thread waits for each block in hand."""
    in_hand = 3
    with redecide_workers(job(application), processes=processes) as workers, ThreadPoolExecutor(in_hand) as threads:
        waiting: deque[Future[BlockResult]] = deque()
        for block in blocks(chosen.entries(), entries):
            waiting.append(threads.submit(workers.screen, block))
            if len(waiting) > in_hand:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)


def test_same_policy_says_the_same_again(shared: Application, tmp_path: Path) -> None:
    """Nothing changed: each row has its decision's verdict, probability, reasons and what its pixels showed."""
    rows = rows_of(redecided(shared, source(shared, tmp_path)))

    assert [row.listing_id for row in rows] == ["bag", "broken", "fake", "plain", "shoe", "words"]
    for row in rows:
        record = shared.store.latest_decision(row.listing_id)
        assert record is not None
        decision = decision_pb2.Decision.FromString(record.payload)
        assert (row.verdict, row.counterfeit_probability) == (record.verdict, decision.counterfeit_probability)
        assert row.reasons == tuple(reason.code for reason in decision.reasons)
        assert row.policy_version == decision.policy_version
        assert row.image_sha256 == tuple(result.sha256 for result in decision.image_results)
        assert row.facts == shared.store.facts_of(record.decision_id)
    matched = next(row for row in rows if row.listing_id == "shoe")
    assert (matched.match_brand, matched.match_image) == ("Aurora", 0)
    assert matched.match_box is not None
    assert [len(digest) for digest in rows[1].image_hashes] == [0, 32]
    assert to_table(rows).schema == SCHEMA


def test_new_policy_gives_what_the_live_judge_says(screened: Application, tmp_path: Path) -> None:
    """After an activation every row is the live judge's answer to the same facts, and verdicts have changed."""
    chosen = source(screened, tmp_path)
    begun, before = job(screened), rows_of(redecided(screened, chosen))
    version = activate(screened, STRICT)

    after = rows_of(redecided(screened, chosen))

    live = screened.in_force.judge()
    for row in after:
        record = screened.store.latest_decision(row.listing_id)
        assert record is not None
        said = live.judge(unpack(screened.store.facts_of(record.decision_id)))
        assert (row.verdict, row.counterfeit_probability) == (str(said.outcome.verdict), said.probability)
        assert row.reasons == tuple(reason.code for reason in said.reasons)
        assert row.policy_version == version
    assert [row.verdict for row in after] != [row.verdict for row in before]
    assert "BRAND_AT_STAKE" in after[4].reasons
    with pytest.raises(Conflict, match=f"policy_version .* -> '{version}'"):  # a worker of the scan that began before
        open_redecider(screened.store, begun)


def test_worker_says_what_this_process_says(screened: Application, tmp_path: Path) -> None:
    """A few hundred decisions taken by a worker give the same rows, in the same order, whatever the block."""
    copy_decisions(screened.store, originals(screened), 300)
    chosen = source(screened, tmp_path)

    results = list(at_work(screened, chosen, entries=64, processes=1))

    assert [result.number for result in results] == list(range(len(results)))
    assert rows_of(results) == rows_of(redecided(screened, chosen))
    assert len(results) == 5
    assert len(chosen) == 306


def test_listing_without_facts_has_a_row_and_a_fault(screened: Application, tmp_path: Path) -> None:
    """A decision whose facts are gone or damaged is named and asks for a person; all others are decided."""
    with screened.store._database.write("damage facts") as connection:
        for name, change in (
            ("bag", "DELETE FROM decision_facts"),
            ("fake", "UPDATE decision_facts SET facts = x'00'"),
        ):
            which = f"(SELECT decision_id FROM decisions WHERE listing_id = '{name}')"
            connection.exec_driver_sql(f"{change} WHERE decision_id = {which}")

    (result,) = redecided(screened, source(screened, tmp_path))

    assert [(fault.listing_id, fault.line, fault.code) for fault in result.faults] == [
        ("bag", 1, "NO_FACTS"),
        ("fake", 3, "NO_FACTS"),
    ]
    assert [row.counterfeit_probability is None for row in result.rows] == [True, False, True, False, False, False]
    assert (result.rows[0].verdict, result.rows[0].error) == ("REVIEW", result.faults[0].message)


def test_selection_stays_while_the_store_changes(screened: Application, tmp_path: Path) -> None:
    """What is removed or screened anew after the scan began neither shifts nor doubles a row."""
    chosen = source(screened, tmp_path)
    digest, before = chosen.digest, list(chosen.entries())

    screened.store.remove_listing("fake", RemovalReason.COUNTERFEIT, screened.cases.desk.clock())
    screened.moderation.screen(pb.ScreenListingRequest(listing=listing(draw(710), listing_id="a-new-one")))

    resumed = open_selection(tmp_path / "out.parquet", select(screened.store, CatalogueQuery()), resume=True)
    assert (resumed.digest, list(resumed.entries())) == (digest, before)
    now = source(screened, tmp_path)
    assert [one.listing_id for one in now.entries()] == ["a-new-one", "bag", "broken", "plain", "shoe", "words"]
    assert now.digest != digest


def test_query_narrows_by_filter_and_likeness(shared: Application, tmp_path: Path) -> None:
    """Sellers, markets and a reference's looks choose listings; a rule that a request breaks is named."""
    by_seller = CatalogueQuery(where=ListingWhere(seller_ids=("s1",)))
    in_market = to_query(scan_pb2.CatalogueQuery(), catalogue_pb2.ListingFilter(markets=["DE"]))
    references = shared.store.iter_references(shared.embedder.fingerprint)
    shoe = next(one for one, _ in references if one.brand_id == "aurora" and one.kind == "product")
    alike = CatalogueQuery(reference_id=shoe.reference_id, at_least=0.99)

    chosen = [
        [one.listing_id for one in select(shared.store, query, fingerprint=shared.embedder.fingerprint)]
        for query in (by_seller, in_market, alike)
    ]

    assert chosen == [["shoe", "words"], ["bag"], ["shoe"]]
    with pytest.raises(InvalidListing, match="min_similarity"):
        to_query(scan_pb2.CatalogueQuery(reference_id="r", min_similarity=2.0), catalogue_pb2.ListingFilter())


def test_options_say_which_listings() -> None:
    """The command line's words become the query that a request would be; what breaks a rule is named."""
    noon = datetime(2026, 3, 1, tzinfo=UTC)
    where = ListingWhere(seller_ids=("s1",), category_path=("a", "b"), verdicts=("ALLOW",), screened_from=noon)

    assert read("--seller", "s1", "--verdict", "allow", "--since", "2026-03-01", "--category", "a > b") == (
        CatalogueQuery(where=where)
    )
    with pytest.raises(InvalidListing, match="markets"):
        read("--market", "Germany")


def test_options_say_all_that_a_request_can() -> None:
    """A request said in options and read again is the query that it was, to the microsecond and the last digit."""
    where = catalogue_pb2.ListingFilter(
        brand_ids=["aurora", "--b"],
        seller_ids=["s 1", "-s"],
        category_path=["Shoes", "Men's & more"],
        verdicts=[decision_pb2.VERDICT_ALLOW, decision_pb2.VERDICT_TAKEDOWN],
        markets=["DE"],
        screened_from=Timestamp(seconds=1_700_000_000, nanos=123_456_000),
        screened_before=Timestamp(seconds=1_700_000_001),
    )
    query = scan_pb2.CatalogueQuery(reference_id="r-1", min_similarity=0.1 + 0.2)

    assert read(*to_words(query, where)) == to_query(query, where)
    assert to_words(scan_pb2.CatalogueQuery(), catalogue_pb2.ListingFilter()) == ()
    assert unsayable(["a", "b > c", "", " d"]) == ("b > c", "", " d")


def read(*words: str) -> CatalogueQuery:
    """Read what a command line says."""

    @click.command()
    @catalogue_options
    def command(**words: Any) -> None:
        asked.append(query_of(words))

    asked: list[CatalogueQuery] = []
    command.main(list(words), "scan", standalone_mode=False)
    return asked[0]


def test_a_process_that_is_killed_ends_the_scan_with_a_reason(shared: Application, tmp_path: Path) -> None:
    """Whoever waits for a block is told what happened and how to go on, in an error of ours."""
    (block,) = blocks(source(shared, tmp_path).entries(), REDECIDE_ENTRIES)
    with redecide_workers(job(shared), processes=1) as workers, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(workers.screen, block)
        while not (started := [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]):
            wait([waiting], timeout=0.02)
        started[0].kill()

        with pytest.raises(RunnerError, match="--resume"):
            waiting.result()


def test_item_of_another_source_is_refused(shared: Application) -> None:
    """A manifest's entry names no decision: mixing sources up is a defect and says so."""
    redecider = Redecider(shared.store, Judges.open(shared.store, shared.settings), "scan-1")

    with pytest.raises(TypeError, match="CatalogueSource"):
        redecider.screen(ScanBlock(0, (ScanItem(line=1, listing_id="shoe"),)))


@pytest.mark.measure
def test_hundred_thousand_decisions_are_taken_again_in_a_minute(screened: Application, tmp_path: Path) -> None:
    """Selecting, deciding and writing 100,000 listings takes less than 60 s with two processes."""
    copy_decisions(screened.store, originals(screened), MANY)
    begin = time.perf_counter()
    chosen = source(screened, tmp_path)
    selected_s = time.perf_counter() - begin
    with pq.ParquetWriter(tmp_path / "out.parquet", SCHEMA) as writer:
        for result in at_work(screened, chosen, entries=REDECIDE_ENTRIES, processes=2):
            writer.write_table(to_table(result.rows))
    took_s = time.perf_counter() - begin

    count = len(chosen)
    rate = count / took_s
    print(
        f"\n{count:,} decisions taken again in {took_s:.1f} s ({rate:,.0f}/s); selecting took {selected_s:.1f} s of it"
    )
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == count == MANY + 6
    assert took_s < 60.0
