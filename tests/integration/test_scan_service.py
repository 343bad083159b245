"""Are scans run beside the service as ScanService promises? Real servers; most scans are a stand-in for the command.

The stand-in is a small program that says what a scan's process says, and ends as one does: what the service makes of a
process is seen without the seconds that a real one takes to load. The last tests run real scans.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import psutil
import pyarrow.parquet as pq
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from index.case_records import CaseFilter
from index.scan_records import ScanRecord, ScanState
from serving.access.caller import ACTOR
from serving.app import Application, open_application
from serving.cli.scan_run import run
from serving.errors import InvalidListing
from serving.scan.client import ScanClient
from serving.scan.launch import CommandLauncher
from serving.scan.parts import ScanParts
from serving.scan.process import Launch
from serving.settings import Settings
from tests.integration.scan_support import STRICT, activate, screen_all
from tests.integration.support import Start, Touchstone, draw, fill, settings_at
from touchstone.moderation.v1 import catalogue_pb2, scan_pb2
from touchstone.moderation.v1 import scan_service_pb2 as pb

ANN = ((ACTOR, "ann"),)
# What stands for the command: it tells of 64 rows, and `work` says what follows. One that goes on tells of all 100.
_STAND_IN = """
import json, os, signal, sys
def tell(done):
    counts = dict(total=100, done=done, allow=done, versions={"model_fingerprint": "m"}, first_faults=[])
    print(json.dumps(counts), flush=True)
def stop(number, frame):
    print("stopped: 64 of 100 listings are done", file=sys.stderr, flush=True)
    os._exit(1)
signal.signal(signal.SIGTERM, stop)
if "--resume" in sys.argv:
    tell(100)
    sys.exit(0)
tell(64)
"""
_WAIT = "signal.pause()"
_REFUSE = "print('error: no header', file=sys.stderr); sys.exit(2)"
_BREAK = "raise KeyError('a defect')"
_DIE = "os.kill(os.getpid(), signal.SIGKILL)"
REDECIDE = scan_pb2.SCAN_MODE_REDECIDE
ALL = scan_pb2.CatalogueQuery()


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Open an application that may scan what lies in its folder `opened`."""
    folder = tmp_path_factory.mktemp("scans")
    (folder / "opened").mkdir()
    settings = settings_at(folder / "data").model_copy(
        update={"scan_roots": (f"{folder}/opened",), "points": "none", "refresh_s": 0.05}
    )
    with open_application(settings) as opened:
        yield opened


@pytest.fixture
def folder(application: Application, tmp_path: Path) -> Path:
    """Make a folder that is open to scans: a manifest of four listings, one with a photo from outside, one without."""
    opened = Path(application.settings.scan_roots[0], tmp_path.name)
    opened.mkdir()
    (opened / "shoe.png").write_bytes(draw(1))
    (tmp_path / "secret.png").write_bytes(draw(2))
    rows = [
        {"listing_id": "good", "images": ["shoe.png"], "seller_id": "s1"},
        {"listing_id": "thief", "images": [f"{tmp_path}/secret.png"], "seller_id": "s2"},
        {"listing_id": "lost", "images": ["no-such.png"], "seller_id": "s1"},
        {"listing_id": "another", "images": ["shoe.png"], "seller_id": "s3"},
    ]
    (opened / "listings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return opened


Serve = Callable[..., AbstractContextManager[ScanClient]]


@pytest.fixture
def serve(start: Start, application: Application) -> Iterator[Serve]:
    """Serve, with `work` as what a scan's process does after its first block; None for the real command."""

    @contextmanager
    def served(work: str | None = _WAIT, **answers: Any) -> Iterator[ScanClient]:
        with ExitStack() as clients, start(_working(application, work, **answers)) as running:
            yield clients.enter_context(ScanClient(running.target, metadata=ANN))

    yield served
    now = datetime.now(UTC)  # what a test left unfinished is in nobody's way
    while (left := application.store.claim_scan("test", time=now, unheard_since=now)) is not None:
        application.store.end_scan(left.scan_id, "test", state=ScanState.CANCELLED, time=now)


def _working(application: Application, work: str | None, **answers: Any) -> Application:
    parts = application.scans
    if work is not None:
        parts = ScanParts(parts.answers, replace(parts.worker, launch=_standing_in(work)))
    return replace(application, scans=replace(parts, answers=replace(parts.answers, **answers)))


def _standing_in(work: str) -> Callable[[ScanRecord], Launch]:
    def launch(scan: ScanRecord) -> Launch:
        how = "--resume" if scan.progress else "--restart"
        return Launch([sys.executable, "-c", _STAND_IN + work, how], dict(os.environ))

    return launch


def spec_of(folder: Path, output: str = "out.parquet", **fields: Any) -> scan_pb2.ScanSpec:
    """Ask for a scan of the folder's manifest, unless it is of something else."""
    source = {} if "catalogue" in fields else {"manifest_uri": str(folder / "listings.jsonl")}
    fields = {**source, "output_uri": str(folder / output)} | fields
    return scan_pb2.ScanSpec(**fields)


def follow(client: ScanClient, scan: scan_pb2.Scan, *, until: Callable[[scan_pb2.Scan], bool]) -> scan_pb2.Scan:
    """Follow a scan until something is so."""
    for seen in client.follow(scan.scan_id):
        if until(seen):
            return seen
    raise AssertionError("it ended before")


def ended(client: ScanClient, scan: scan_pb2.Scan) -> scan_pb2.Scan:
    """Follow a scan to its end."""
    *_, last = client.follow(scan.scan_id)
    return last


def is_halfway(scan: scan_pb2.Scan) -> bool:
    """Whether its first block is done."""
    return scan.progress.done_count == 64


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    """Call what must be refused, and return the code."""
    with pytest.raises(grpc.RpcError) as refused:
        call()
    code: grpc.StatusCode = refused.value.code()
    return code


def fields_of(call: Callable[[], object]) -> set[str]:
    """Call what breaks rules, and name the fields at fault."""
    with pytest.raises(InvalidListing) as refused:
        call()
    return {violation.field for violation in refused.value.violations}


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_a_plan_is_shown_before_anything_is_done(serve: Serve, folder: Path) -> None:
    """With plan_only a scan is counted and stays PLANNED, by whom and since when; resuming it sets it to work."""
    with serve() as client:
        planned = client.start(spec_of(folder), plan_only=True)

        assert planned.state == scan_pb2.SCAN_STATE_PLANNED
        assert (planned.plan.listing_count, planned.plan.image_count, planned.started_by) == (4, 4, "ann")
        assert planned.spec == spec_of(folder)
        assert client.get(planned.scan_id) == planned
        assert is_halfway(follow(client, client.resume(planned.scan_id), until=is_halfway))


def test_the_same_request_starts_one_scan(serve: Serve, folder: Path) -> None:
    """A request that came before gets the scan that it started; its key with another request is refused."""
    with serve() as client:
        first = client.start(spec_of(folder), request_id="key")

        assert client.start(spec_of(folder), request_id="key").scan_id == first.scan_id
        assert fields_of(lambda: client.start(spec_of(folder, "other.parquet"), request_id="key")) == {"request_id"}


def test_two_scans_never_write_to_one_output(serve: Serve, folder: Path) -> None:
    """The second is ABORTED, by whatever name it goes to the file, until the first has ended."""
    (folder / "link").symlink_to(folder)
    with serve() as client:
        first = client.start(spec_of(folder))

        assert code_of(lambda: client.start(spec_of(folder, "link/out.parquet"))) is grpc.StatusCode.ABORTED
        client.cancel(first.scan_id)
        assert ended(client, first).state == scan_pb2.SCAN_STATE_CANCELLED
        assert client.start(spec_of(folder)).state == scan_pb2.SCAN_STATE_QUEUED


def test_only_what_the_operator_opened_is_read_and_written(serve: Serve, folder: Path) -> None:
    """A source or output outside the roots is refused by its field, in plain, by dots and through a link."""
    outside = folder.parent.parent
    (outside / "listings.jsonl").write_text("{}\n")
    (folder / "out").symlink_to(outside)
    sources = [
        f"{outside}/listings.jsonl",
        f"{folder}/../../listings.jsonl",
        f"{folder}/out/listings.jsonl",
        "s3://b/x.csv",
    ]
    outputs = [f"{outside}/o.parquet", f"{folder}/../../o.parquet", f"{folder}/out/o.parquet", "s3://bucket/o.parquet"]
    with serve() as client:
        for uri in sources:
            assert fields_of(lambda: client.start(spec_of(folder, manifest_uri=uri))) == {"spec.manifest_uri"}, uri  # noqa: B023
        for uri in outputs:
            assert fields_of(lambda: client.start(spec_of(folder, output_uri=uri))) == {"spec.output_uri"}, uri  # noqa: B023


def test_what_is_there_already_is_not_written_over(serve: Serve, folder: Path) -> None:
    """An output that exists, or whose folder does not, is refused."""
    (folder / "there.parquet").write_bytes(b"somebody's")
    with serve() as client:
        for output in ("there.parquet", "no-such-folder/out.parquet"):
            assert fields_of(lambda: client.start(spec_of(folder, output))) == {"spec.output_uri"}  # noqa: B023


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"max_cases": 5}, "spec.max_cases"),
        ({"runner": scan_pb2.SCAN_RUNNER_RAY}, "spec.runner"),
        ({"mode": REDECIDE}, "spec.mode"),
        ({"catalogue": ALL}, "spec.mode"),
        ({"catalogue": ALL, "mode": REDECIDE, "runner": scan_pb2.SCAN_RUNNER_RAY}, "spec.runner"),
        (
            {"catalogue": ALL, "mode": REDECIDE, "filter": catalogue_pb2.ListingFilter(category_path=["a > b"])},
            "spec.filter.category_path",
        ),
        ({"filter": catalogue_pb2.ListingFilter(brand_ids=["aurora"])}, "spec.filter.brand_ids"),
        ({"output_uri": "out.csv"}, "spec.output_uri"),
    ],
)
def test_what_is_not_offered_is_named(serve: Serve, folder: Path, fields: dict[str, Any], refused: str) -> None:
    """Nothing that a spec asks for is passed over in silence."""
    with serve() as client:
        assert fields_of(lambda: client.start(spec_of(folder, **fields))) == {refused}


def test_requests_that_say_nothing_are_refused(serve: Serve, folder: Path) -> None:
    """Neither work nor source; a plan of a scan that is to be resumed."""
    with serve() as client:
        assert fields_of(lambda: client._ask("StartScan", pb.StartScanRequest())) == {"work"}
        assert fields_of(lambda: client._ask("GetScan", pb.GetScanRequest())) == {"scan_id"}
        nothing = scan_pb2.ScanSpec(output_uri="/o.parquet")
        assert fields_of(lambda: client.start(nothing)) == {"spec.source"}
        both = pb.StartScanRequest(resume_scan_id="s", plan_only=True)
        assert fields_of(lambda: client._ask("StartScan", both)) == {"plan_only"}


def test_what_there_is_not_is_not_found(serve: Serve, folder: Path) -> None:
    """No such manifest or reference; no such scan, whatever is asked of it."""
    alike = scan_pb2.CatalogueQuery(reference_id="no-such")
    with serve() as client:
        calls: list[Callable[[], object]] = [
            lambda: client.start(spec_of(folder, catalogue=alike, mode=REDECIDE)),
            lambda: client.start(spec_of(folder, manifest_uri=f"{folder}/no-such.jsonl")),
            lambda: client.get("no-such"),
            lambda: client.cancel("no-such"),
            lambda: client.resume("no-such"),
            lambda: list(client.follow("no-such")),
        ]

        assert {code_of(call) for call in calls} == {grpc.StatusCode.NOT_FOUND}


def test_too_many_waiting_scans_are_told_when_to_come_back(serve: Serve, folder: Path) -> None:
    """RESOURCE_EXHAUSTED comes with RetryInfo; planning alone is still answered."""
    with serve(max_waiting=0) as client:
        with pytest.raises(grpc.RpcError) as refused:
            client.start(spec_of(folder))

        status, retry = rpc_status.from_call(refused.value), RetryInfo()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert status.details[0].Unpack(retry)
        assert retry.retry_delay.seconds >= 1
        assert client.start(spec_of(folder), plan_only=True).state == scan_pb2.SCAN_STATE_PLANNED


# --- what becomes of it ----------------------------------------------------------------------------------------------


def test_a_scan_is_cancelled_and_resumed(serve: Serve, folder: Path) -> None:
    """Cancelling ends the process and the stream; the scan goes on where it was, once, and is then done."""
    with serve() as client:
        scan = client.start(spec_of(folder))
        running = follow(client, scan, until=is_halfway)
        assert (running.state, running.versions.model_fingerprint) == (scan_pb2.SCAN_STATE_RUNNING, "m")
        assert code_of(lambda: client.resume(scan.scan_id)) is grpc.StatusCode.ABORTED

        assert client.cancel(scan.scan_id).state == scan_pb2.SCAN_STATE_CANCELLING
        cancelled = ended(client, scan)
        again = client.cancel(scan.scan_id)
        client.resume(scan.scan_id)
        done = ended(client, scan)

        assert cancelled == again
        assert (cancelled.state, cancelled.progress.done_count) == (scan_pb2.SCAN_STATE_CANCELLED, 64)
        assert (done.state, done.progress.done_count, done.progress.allow_count) == (
            scan_pb2.SCAN_STATE_SUCCEEDED, 100, 100,
        )  # fmt: skip
        assert done.start_time == running.start_time
        assert code_of(lambda: client.resume(scan.scan_id)) is grpc.StatusCode.ABORTED


def test_a_server_that_goes_leaves_its_scan_to_the_next(serve: Serve, folder: Path) -> None:
    """Watchers are told UNAVAILABLE, the process ends with its server, and another server takes the scan up."""
    with ThreadPoolExecutor(1) as watcher:
        with serve() as client:
            scan = client.start(spec_of(folder))
            follow(client, scan, until=is_halfway)
            watch = client._stub.WatchScan(pb.WatchScanRequest(scan_id=scan.scan_id), metadata=ANN)
            next(watch)
            left = watcher.submit(code_of, lambda: list(watch))
            (process,) = [one for one in psutil.Process().children() if "signal.pause" in " ".join(one.cmdline())]
        assert left.result() is grpc.StatusCode.UNAVAILABLE
        assert not process.is_running()

        with serve() as client:
            assert ended(client, scan).state == scan_pb2.SCAN_STATE_SUCCEEDED


def test_a_process_that_is_killed_is_noticed(serve: Serve, folder: Path) -> None:
    """The scan goes on where it was, without anybody's doing."""
    with serve(_DIE) as client:
        done = ended(client, client.start(spec_of(folder)))

    assert (done.state, done.progress.done_count) == (scan_pb2.SCAN_STATE_SUCCEEDED, 100)


@pytest.mark.parametrize(
    ("work", "code", "words"),
    [(_REFUSE, grpc.StatusCode.INVALID_ARGUMENT, "no header"), (_BREAK, grpc.StatusCode.INTERNAL, "defect")],
)
def test_a_scan_that_fails_says_why(serve: Serve, folder: Path, work: str, code: grpc.StatusCode, words: str) -> None:
    """Bad input is told in its own words, a defect in general ones; neither is tried again or resumed."""
    with serve(work) as client:
        failed = ended(client, client.start(spec_of(folder)))

        assert (failed.state, failed.error.code) == (scan_pb2.SCAN_STATE_FAILED, code.value[0])
        assert words in failed.error.message
        assert "KeyError" not in failed.error.message
        assert code_of(lambda: client.resume(failed.scan_id)) is grpc.StatusCode.ABORTED


def test_a_plan_says_how_long_it_took_before(serve: Serve, folder: Path) -> None:
    """Without a scan of its kind on record nothing is said; after one, its time for a photo is what photos take."""
    many = scan_pb2.ScanSpec(folder_uri=str(folder), output_uri=str(folder / "many.parquet"))
    with serve("tell(100)") as client:
        done = ended(client, client.start(spec_of(folder, runner=scan_pb2.SCAN_RUNNER_LOCAL)))
        took_ms = (done.end_time.ToNanoseconds() - done.start_time.ToNanoseconds()) / 1e6
        many.runner = scan_pb2.SCAN_RUNNER_LOCAL

        planned = client.start(many, plan_only=True)
        other = client.start(spec_of(folder, "o.parquet", catalogue=ALL, mode=REDECIDE), plan_only=True)

    assert done.state == scan_pb2.SCAN_STATE_SUCCEEDED
    assert (done.plan.image_count, planned.plan.image_count) == (4, 1)
    assert planned.plan.estimated_duration_ms == pytest.approx(took_ms / 4, abs=1.0)
    assert other.plan.estimated_duration_ms == 0


def test_the_command_is_what_was_asked_for(folder: Path) -> None:
    """Each field of a spec is an option of the command; Ray is where the operator says, for scans that read photos."""
    query: dict[str, Any] = {
        "catalogue": scan_pb2.CatalogueQuery(reference_id="r", min_similarity=0.5),
        "mode": REDECIDE,
        "filter": catalogue_pb2.ListingFilter(brand_ids=["-b"], category_path=["a", "b"]),
    }
    over_ray = Settings(scan_ray_address="10.0.0.5:6379")

    plain = options_of(launched(Settings(), spec_of(folder)))
    ray = options_of(launched(over_ray, spec_of(folder, open_cases=True, max_cases=7)))
    local = options_of(launched(over_ray, spec_of(folder, runner=scan_pb2.SCAN_RUNNER_LOCAL)))
    again = options_of(launched(over_ray, spec_of(folder, **query), progress=b"some"))

    assert (plain["source"], plain["restart"], plain["for_service"]) == (f"{folder}/listings.jsonl", True, True)
    assert (plain["ray"], plain["open_cases"], plain["again"]) == (None, False, False)
    assert (ray["ray"], ray["open_cases"], ray["max_cases"], ray["yes"], ray["scan_id"]) == (
        "10.0.0.5:6379", True, 7, True, "s1",
    )  # fmt: skip
    assert local["ray"] is None
    assert (again["source"], again["again"], again["resume"], again["ray"]) == (None, True, True, None)
    assert (again["brand"], again["category"], again["reference"], again["min_similarity"]) == (
        ("-b",), "a > b", "r", 0.5,
    )  # fmt: skip


def test_cases_are_all_that_is_left_of_a_scan_whose_rows_are_there(folder: Path) -> None:
    """They are opened from the finished file, which needs no photo and no policy that is still the same."""
    (folder / "out.parquet").write_bytes(b"rows")

    command = launched(Settings(), spec_of(folder, open_cases=True), progress=b"some").command

    assert list(command[-7:]) == ["--max-cases", "1000", "--yes", "--scan-id", "s1", "--", f"{folder}/out.parquet"]
    assert command[4] == "cases"
    assert launched(Settings(), spec_of(folder), progress=b"some").command[4] == "run"


def test_the_command_line_asks_for_all_that_the_service_offers(
    start: Start, application: Application, folder: Path, touchstone: Touchstone
) -> None:
    """A redecision with cases is planned, started only once agreed, gone on with by its id; what is refused is told."""
    out = ("--out", folder / "out.parquet")
    with start(_working(application, "tell(100)")) as running:
        there = ("--server", running.target, "--as", "ann")
        planned = touchstone("--json", "scan", "--redecide", "--seller", "s1", *out, *there, "--plan", "--open-cases")
        scan = json.loads(planned.stdout)
        refused = touchstone("scan", *there, "--resume-scan", scan["scan_id"])
        done = touchstone("scan", *there, "--resume-scan", scan["scan_id"], "--yes")
        over_ray = touchstone("scan", folder / "listings.jsonl", *out, *there, "--ray")

    assert (scan["state"], scan["spec"]["mode"], scan["spec"]["filter"]["seller_ids"], scan["spec"]["open_cases"]) == (
        "SCAN_STATE_PLANNED", "SCAN_MODE_REDECIDE", ["s1"], True,
    )  # fmt: skip
    assert (refused.code, "--yes" in refused.stderr) == (2, True)
    assert done.code == 0, done
    assert f"0 cases opened; see touchstone cases list --scan {scan['scan_id']}" in done.stdout
    assert (over_ray.code, "scan_ray_address" in over_ray.stderr) == (2, True)


def launched(settings: Settings, spec: scan_pb2.ScanSpec, *, progress: bytes = b"") -> Launch:
    """Say how a scan is run."""
    record = ScanRecord(
        scan_id="s1",
        state=ScanState.RUNNING,
        spec=spec.SerializeToString(),
        output=spec.output_uri,
        started_by="ann",
        create_time=datetime.now(UTC),
        progress=progress,
    )
    return CommandLauncher(settings)(record)


def options_of(launch: Launch) -> dict[str, Any]:
    """Read a command as it reads itself."""
    assert list(launch.command[2:5]) == ["serving.cli.main", "scan", "run"]
    return run.make_context("run", list(launch.command[5:])).params


# --- real scans ------------------------------------------------------------------------------------------------------


def test_a_real_scan_from_start_to_end(serve: Serve, folder: Path) -> None:
    """The rows lie where they were asked for; what cannot be read, or must not be, is a fault with its line."""
    with serve(None) as client:
        spec = spec_of(folder, filter=catalogue_pb2.ListingFilter(seller_ids=["s1", "s2"]))
        done = ended(client, client.start(spec))

    rows = {row["listing_id"]: row for row in pq.read_table(folder / "out.parquet").to_pylist()}
    assert done.state == scan_pb2.SCAN_STATE_SUCCEEDED, done
    assert set(rows) == {"good", "thief", "lost"}
    assert (done.progress.done_count, done.progress.total_count, done.progress.fault_count) == (3, 3, 2)
    assert {fault.line: fault.listing_id for fault in done.progress.first_faults} == {2: "thief", 3: "lost"}
    assert "scan_roots" in done.progress.first_faults[0].error.message
    assert done.versions.model_fingerprint == rows["good"]["model_fingerprint"]
    assert done.versions.policy_version == rows["good"]["policy_version"]


def test_a_real_scan_survives_its_server(serve: Serve, folder: Path) -> None:
    """Stopped in the middle and taken up by the next server, a scan has each listing once."""
    count = 700
    rows = [{"listing_id": f"l{number}", "images": ["shoe.png"]} for number in range(count)]
    (folder / "listings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serve(None) as client:
        scan = client.start(spec_of(folder))
        seen = follow(client, scan, until=lambda one: one.progress.done_count > 0)
    assert seen.progress.done_count < count, "it was too fast to be stopped in the middle"
    assert (folder / "out.parquet.scan").is_dir()

    with serve(None) as client:
        done = ended(client, scan)

    assert done.state == scan_pb2.SCAN_STATE_SUCCEEDED
    assert pq.read_table(folder / "out.parquet").column("listing_id").to_pylist() == [row["listing_id"] for row in rows]
    assert done.progress.done_count == count


def test_what_was_screened_is_decided_again_and_gets_cases(
    serve: Serve, folder: Path, application: Application
) -> None:
    """A catalogue query under a stricter policy: rows, verdicts and cases are counted, and found by the scan's id."""
    fill(application)
    activate(screen_all(application), STRICT)
    asked: dict[str, Any] = {
        "catalogue": ALL,
        "mode": REDECIDE,
        "filter": catalogue_pb2.ListingFilter(seller_ids=["s1", "s2"]),
    }
    with serve(None) as client:
        spec = spec_of(folder, **asked, open_cases=True, max_cases=1)
        done = ended(client, client.start(spec))

    rows = pq.read_table(folder / "out.parquet").to_pylist()
    opened = application.store.list_cases(CaseFilter(scan_id=done.scan_id), now=datetime.now(UTC)).cases
    assert done.state == scan_pb2.SCAN_STATE_SUCCEEDED, done
    assert [row["listing_id"] for row in rows] == ["fake", "shoe", "words"]
    assert (done.plan.listing_count, done.progress.done_count, done.progress.total_count) == (3, 3, 3)
    assert (done.progress.allow_count, done.progress.review_count, done.progress.takedown_count) == (1, 1, 1)
    assert (done.progress.case_count, [case.listing_id for case in opened]) == (1, ["shoe"])
    assert done.versions.policy_version == application.policies.current.active.version
