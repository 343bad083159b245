"""What does the service do while everything around it breaks? A run of mixed load and faults, and its verdict.

    python -m tests.integration.chaos.run --seconds 600 --report build/chaos

A `touchstone serve` on PostgreSQL, without a model (the fake embedder, so that the rate is the service's own), is
called by as many clients as fill it, while every few seconds something is broken. In the end everything is mended, the
service ends by SIGTERM amid the load, and the store is held against all that was acknowledged.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import SecretStr

from index.decision_records import EventKind
from index.errors import NotFound
from index.local_blobs import LocalBlobs
from index.store.store import Store
from serving.app import open_application
from serving.case_opening import CaseOpening
from serving.case_rules import load_case_rules
from serving.outage.draining import Drain
from serving.outage.spool import Spool
from serving.recording import Recorder
from serving.settings import Settings
from tests.integration.chaos.account import Account
from tests.integration.chaos.faults import FAULTS, Band, Victim, clock_environment
from tests.integration.chaos.load import CLEAN, FAKE, KINDS, UNREADABLE, WORDS, Load, offer
from tests.integration.chaos.proxy import relaying
from tests.integration.chaos.report import write_report
from tests.integration.processes import Process, replica
from tests.integration.support import PATIENCE_S, fill
from tests.support.postgres import postgres_server
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

UNARY, STREAMS = 4, 1
# Between the end of a fault and the next one.
PAUSE_S = (2.0, 5.0)
# When all that waited must be on record after the last fault, amid the load.
SETTLED_WITHIN_S = 120.0
# The memory of the last quarter of a run may exceed that of the second by so much.
GROWTH_MIB = 64.0
_EXPECTED = {
    CLEAN: {"ALLOW", "REVIEW"},
    FAKE: {"TAKEDOWN", "REVIEW"},
    WORDS: {"REVIEW"},
    UNREADABLE: {"REVIEW"},
}


@dataclass(frozen=True)
class Result:
    """What a run came to; `wrong` is empty when all held."""

    account: Account
    victim: Victim
    seconds: float
    growth_mib: float

    @property
    def wrong(self) -> list[str]:
        """What did not hold."""
        grown = self.growth_mib > GROWTH_MIB
        return self.account.wrong + ([f"memory grew by {self.growth_mib:.0f} MiB"] if grown else [])

    def figures(self) -> dict[str, object]:
        """Give the figures as JSON values."""
        account = self.account
        return {
            "seconds": round(self.seconds),
            "calls": {kind: dict(counted) for kind, counted in sorted(account.outcomes().items())},
            "acknowledged": {
                "decisions": len(account.decisions),
                "uploads": len(account.uploads),
                "resolutions": len(account.resolutions),
                "scans": dict(Counter(account.scans.values())),
            },
            "verdicts": {kind: sorted(names) for kind, names in account.verdicts.items()},
            "slowest_s": round(max(call.took_s for call in account.calls), 2),
            "faults": dict(Counter(band.fault for band in self.victim.bands)),
            "skipped": sorted({f"{b.fault}: {b.note}" for b in self.victim.bands if b.note.startswith("skipped")}),
            "memory_growth_mib": round(self.growth_mib, 1),
            "wrong": self.wrong,
        }


def run(
    folder: Path, *, seconds: float, seed: int = 1, scan_every_s: float = 60.0, faults: tuple[str, ...] = tuple(FAULTS)
) -> Result:
    """Run for so many seconds in an empty folder. Raises PostgresMissing."""
    data, account, stop = folder / "data", Account(), threading.Event()
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server(durable=True))
        direct = server.url(server.create())
        relay = stack.enter_context(relaying(folder / "relay", Path(direct.partition("host=")[2])))
        relayed = f"{direct.partition('host=')[0]}host={relay.folder}"
        scans = _prepare(data, folder / "scans", direct)
        clock = folder / "clock"
        variables = clock_environment(clock)
        serving = stack.enter_context(
            replica(
                data,
                variables,
                store=relayed,
                points="none",
                refresh_s=0.3,
                workers=4,
                max_waiting=24,
                store_patience_s=3.0,
                spool_mib=64,
                audit_share=0.0,
                takedown_audit_share=0.0,
                scan_roots=scans,
                catalogue_regions=20_000,
                drain_s=10.0,
            )
        )
        _check_baseline(serving.stub)
        victim = Victim(
            service=serving.process,
            server=server,
            relay=relay,
            data=data,
            clock=clock if variables else None,
            database=direct,
            chance=random.Random(seed),
            stop=threading.Event(),
        )
        account.began = time.monotonic()
        load = Load(serving.target, account, _EXPECTED, stop, scans)
        with _watching(serving.process, account):
            clients = load.clients(unary=UNARY, streams=STREAMS, scan_every_s=scan_every_s)
            with ThreadPoolExecutor(len(clients)) as pool:
                running = [pool.submit(client) for client in clients]
                try:
                    _break(victim, account, faults, seconds)
                    victim.heal()
                    _settle(data, account)
                    ending_s = account.now_s
                    code = serving.process.end()  # amid the load
                    victim.bands.append(Band("SIGTERM", ending_s, account.now_s))
                finally:
                    stop.set()
                for client in running:
                    client.result(PATIENCE_S)
        if code != 0:
            account.fail(f"the service ended with {code}: {''.join(serving.process.lines[-20:])}")
        _check_store(direct, data, account)
        spent_s = account.now_s
    return Result(account=account, victim=victim, seconds=spent_s, growth_mib=_growth(account))


def _prepare(data: Path, scans: Path, url: str) -> Path:
    settings = Settings(embedder="fake", data_dir=data, store=SecretStr(url))
    with open_application(settings) as application:
        fill(application)
    scans.mkdir()
    (scans / "photo.png").write_bytes(offer(CLEAN, "s").images[0].content)
    lines = [json.dumps({"listing_id": f"scan-{number}", "images": ["photo.png"]}) for number in range(20)]
    (scans / "listings.jsonl").write_text("\n".join(lines))
    return scans


def _check_baseline(stub: object) -> None:
    """See what each kind of listing gets while nothing is broken: the graver of what is expected of it."""
    usual = {CLEAN: "ALLOW", FAKE: "TAKEDOWN", WORDS: "REVIEW", UNREADABLE: "REVIEW"}
    for kind in KINDS:
        request = pb.ScreenListingRequest(listing=offer(kind, f"before-{kind}"))
        decision = stub.ScreenListing(request, timeout=PATIENCE_S).decision  # type: ignore[attr-defined]
        name = decision_pb2.Verdict.Name(decision.verdict).removeprefix("VERDICT_")
        assert name == usual[kind], f"{kind}: {name}"


def _break(victim: Victim, account: Account, faults: tuple[str, ...], seconds: float) -> None:
    """Break one thing after the other, each kind once at least and as often as the others, in an order of chance."""
    waiting: list[str] = []
    while (account.now_s < seconds or len(victim.bands) < len(faults)) and victim.service.alive:
        if not waiting:
            waiting = list(faults)
            victim.chance.shuffle(waiting)
        victim.strike(waiting.pop(), account)
        victim.stop.wait(min(victim.chance.uniform(*PAUSE_S), max(0.0, seconds - account.now_s)))
    if not victim.service.alive:
        account.fail(f"the service died: {''.join(victim.service.lines[-40:])}")


def _settle(data: Path, account: Account) -> None:
    """Wait, under load still, until nothing waits for the store any more."""
    given_up = time.monotonic() + SETTLED_WITHIN_S
    while any(file.stat().st_size for file in (data / "spool").glob("*.jsonl")):
        if time.monotonic() > given_up:
            account.fail(f"decisions still wait for a store that has been back for {SETTLED_WITHIN_S:.0f} s")
            return
        time.sleep(0.1)


@contextmanager
def _watching(process: Process, account: Account) -> Iterator[None]:
    """Write down the service's memory each second."""
    stop, service = threading.Event(), psutil.Process(process.popen.pid)

    def watch() -> None:
        while not stop.wait(1.0):
            try:
                account.memory.append((account.now_s, service.memory_info().rss / 2**20))
            except psutil.NoSuchProcess:
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _growth(account: Account) -> float:
    """Return how much the median memory of the last quarter exceeds that of the second, MiB."""
    figures = [mib for _, mib in account.memory]
    quarter = len(figures) // 4
    if quarter < 5:
        return 0.0
    second, last = sorted(figures[quarter : 2 * quarter]), sorted(figures[-quarter:])
    return last[len(last) // 2] - second[len(second) // 2]


def _check_store(url: str, data: Path, account: Account) -> None:
    """Hold the store against all that was acknowledged."""
    with Store.open(url) as store:
        _record_what_waits(store, data)
        events = [event for event in store.events_after(0, limit=10**7) if event.kind is EventKind.DECIDED]
        times = Counter(event.decision.decision_id for event in events)
        doubled = [decision_id for decision_id, count in times.items() if count > 1]
        if doubled:
            account.fail(f"{len(doubled)} decisions are on record twice: {doubled[:3]}")
        payloads = {event.decision.decision_id: event.decision.payload for event in events}
        for decision_id, told in account.decisions.items():
            if payloads.get(decision_id) != told.SerializeToString(deterministic=True):
                state = "is another one" if decision_id in payloads else "is lost"
                account.fail(f"the decision {decision_id} on {told.listing_id} {state}")
        for event in events:
            if event.decision.verdict != "ALLOW" and not event.case_id:
                account.fail(f"the decision {event.decision.decision_id} opened no case")
        blobs = LocalBlobs(data / "blobs")
        for reference_id, digest in account.uploads.items():
            try:
                store.get_reference(reference_id)
                blobs.get(digest)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is lost
                account.fail(f"the reference {reference_id} is lost: {error}")
        for case_id in account.resolutions:
            try:
                state = str(store.get_case(case_id).state)
            except NotFound:
                state = "lost"
            if state not in ("resolved", "second_review"):
                account.fail(f"the case {case_id} was resolved and is {state}")
        for scan_id in account.scans:
            try:
                account.scans[scan_id] = str(store.get_scan(scan_id).state)
            except NotFound:
                account.fail(f"the scan {scan_id} is lost")


def _record_what_waits(store: Store, data: Path) -> None:
    """Do what the next process on the folder does first."""
    with closing(Spool(data / "spool", most_bytes=0)) as spool:
        spool.adopt()
        Drain(spool, Recorder(store, CaseOpening(store, load_case_rules()))).drain()


def main() -> int:
    """Run, write the report, and say what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=Path("build/chaos"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="touchstone-chaos-") as folder:
        result = run(Path(folder), seconds=given.seconds, seed=given.seed)
        log = "".join(result.victim.service.lines)
    page = write_report(given.report, result.account, result.victim.bands, result.figures())
    (given.report / "service.log").write_text(log)
    print(json.dumps(result.figures(), indent=2))
    print(f"report: {page}")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
