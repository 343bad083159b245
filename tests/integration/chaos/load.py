"""Who calls a service that is being broken? Sellers by rpc and stream, brand owners, moderators, and a lead who scans.

Each client goes on whatever it is told, keeps account of what it was promised, and asks again under the same key what
nobody answered. No client waits between its calls: the service is always full.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from tests.integration.chaos.account import Account, Call
from tests.integration.support import AURORA, KNOWN_FAKE, draw, listing
from touchstone.moderation.v1 import (
    brand_service_pb2,
    case_pb2,
    case_service_pb2,
    decision_pb2,
    evidence_pb2,
    listing_pb2,
    scan_pb2,
)
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1 import scan_service_pb2 as scans
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub
from touchstone.moderation.v1.scan_service_pb2_grpc import ScanServiceStub

DEADLINE_S = 10.0
ANN = (("touchstone-actor", "ann"),)
_EDGE = 96
_PAUSE_S = 0.05  # after a refusal, as a client with back-off makes
_FIRST_UPLOAD = 200_000
CLEAN, FAKE, WORDS, UNREADABLE = "clean", "known counterfeit", "replica words", "unreadable"
KINDS = (CLEAN, FAKE, WORDS, UNREADABLE)


def offer(kind: str, listing_id: str) -> listing_pb2.Listing:
    """Make a listing of a kind: one that is fine, a known fake, one that says so itself, one that cannot be read."""
    fields: dict[str, Any] = {"listing_id": listing_id, "seller_id": f"s{len(listing_id)}{listing_id[-1]}"}
    if kind == FAKE:
        return listing(_KNOWN_FAKE, **fields)
    if kind == WORDS:
        return listing(_PLAIN, title="Aurora 1:1 AAA replica", **fields)
    if kind == UNREADABLE:
        return listing(_PLAIN[: len(_PLAIN) // 2], **fields)
    return listing(_PLAIN, title="A bag", **fields)


_KNOWN_FAKE, _PLAIN = draw(KNOWN_FAKE), draw(500, edge=_EDGE)


@dataclass(frozen=True)
class Load:
    """The clients of one service. `expected` are the verdicts by kind that are no mistake."""

    target: str
    account: Account
    expected: dict[str, set[str]]
    stop: threading.Event
    scan_folder: Path

    def clients(self, *, unary: int, streams: int, scan_every_s: float) -> list[Callable[[], None]]:
        """Name the clients, each to be run in a thread of its own."""
        screening = [lambda n=number: self._screen(n) for number in range(unary)]
        streaming = [lambda n=number: self._stream(n) for number in range(streams)]
        others = [self._upload, self._spoil, self._work_on_cases, self._read]
        scanning = [lambda: self._scan(scan_every_s)] if scan_every_s else []
        return [*screening, *streaming, *others, *scanning]

    def call(self, kind: str, rpc: Callable[..., Any], request: Any, **more: Any) -> Any:
        """Call; None for an error, which is counted."""
        began_s, began = self.account.now_s, time.monotonic()
        outcome, answer = "OK", None
        try:
            answer = rpc(request, timeout=DEADLINE_S, **more)
        except grpc.RpcError as error:
            outcome = error.code().name
        if kind in KINDS and answer is not None and "STORE_UNAVAILABLE" in {r.code for r in answer.decision.reasons}:
            outcome = "WITHOUT STORE"
        took_s = time.monotonic() - began
        self.account.note(Call(kind, began_s, took_s, outcome), deadline_s=DEADLINE_S)
        if answer is None:
            self.stop.wait(_PAUSE_S)
        return answer

    def channel(self) -> grpc.Channel:
        """Open a channel; retries are the client's own."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        options.append(("grpc.max_reconnect_backoff_ms", 500))
        return grpc.insecure_channel(self.target, options=options)

    def _screen(self, client: int) -> None:
        with self.channel() as channel:
            stub = ModerationServiceStub(channel)
            for number in itertools.count():
                kind = KINDS[(number + client) % len(KINDS)]
                request = pb.ScreenListingRequest(
                    listing=offer(kind, f"u{client}-{number}"), request_id=uuid.uuid4().hex
                )
                for _ in range(3):
                    answer = self.call(kind, stub.ScreenListing, request)
                    if answer is not None:
                        self.account.told(kind, answer.decision, self.expected[kind])
                        break
                if self.stop.is_set():
                    return

    def _stream(self, client: int) -> None:
        number = itertools.count()
        with self.channel() as channel:
            while not self.stop.is_set():
                self._one_stream(ModerationServiceStub(channel), client, number)

    def _one_stream(self, stub: ModerationServiceStub, client: int, numbers: Iterator[int]) -> None:
        sent: dict[str, str] = {}

        def requests() -> Iterator[pb.ScreenListingsRequest]:
            for number in itertools.islice(numbers, 20):
                kind = KINDS[number % len(KINDS)]
                listing_id = f"t{client}-{number}"
                sent[listing_id] = kind
                yield pb.ScreenListingsRequest(listing=offer(kind, listing_id), request_id=listing_id)

        began_s, began, outcome = self.account.now_s, time.monotonic(), "OK"
        deadline_s = 2 * DEADLINE_S
        try:
            for response in stub.ScreenListings(requests(), timeout=deadline_s):
                if response.HasField("decision"):
                    kind = sent[response.listing_id]
                    self.account.told(kind, response.decision, self.expected[kind])
        except grpc.RpcError as error:
            outcome = error.code().name
            self.stop.wait(_PAUSE_S)
        self.account.note(Call("stream", began_s, time.monotonic() - began, outcome), deadline_s=deadline_s)

    def _upload(self) -> None:
        with self.channel() as channel:
            stub = BrandServiceStub(channel)
            for number in itertools.count():
                picture = draw(_FIRST_UPLOAD + number, edge=_EDGE)
                for _ in range(5):
                    answer = self.call("upload", _sent_by(stub), _upload(picture, f"up-{number}"))
                    if answer is not None:
                        for result in answer.results:
                            if result.HasField("reference"):
                                self.account.uploads[result.reference.reference_id] = (
                                    result.reference.image_result.sha256
                                )
                        break
                if self.stop.wait(0.5):
                    return

    def _spoil(self) -> None:
        """Upload what is no picture: refused or reported item by item, and nothing of it may be there."""
        chance = random.Random(5)
        with self.channel() as channel:
            stub = BrandServiceStub(channel)
            while not self.stop.wait(1.0):
                picture = bytearray(draw(KNOWN_FAKE, edge=_EDGE))
                del picture[chance.randrange(20, len(picture)) :]
                answer = self.call("corrupt upload", _sent_by(stub), _upload(bytes(picture), ""))
                for result in answer.results if answer is not None else ():
                    if result.HasField("reference"):
                        self.account.fail("a corrupt upload became a reference")

    def _work_on_cases(self) -> None:
        with self.channel() as channel:
            stub = CaseServiceStub(channel)
            wanted = case_service_pb2.ListCasesRequest(page_size=5)
            while not self.stop.wait(0.1):
                page = self.call("list cases", stub.ListCases, wanted)
                for case in page.cases if page is not None else ():
                    self._resolve(stub, case.case_id)

    def _resolve(self, stub: CaseServiceStub, case_id: str) -> None:
        claimed = self.call("claim", stub.ClaimCase, case_service_pb2.ClaimCaseRequest(case_id=case_id), metadata=ANN)
        if claimed is None:
            return
        request = case_service_pb2.ResolveCaseRequest(
            case_id=case_id,
            outcome=case_pb2.Outcome(verdict=decision_pb2.VERDICT_ALLOW),
            lease_token=claimed.case.lease.lease_token,
        )
        answer = self.call("resolve", stub.ResolveCase, request, metadata=ANN)
        if answer is not None:
            with self.account.lock:
                self.account.resolutions[case_id] = answer.case.case_id

    def _read(self) -> None:
        """Look up what was decided: what the caller was told, or UNAVAILABLE, but never that there is none."""
        with self.channel() as channel:
            stub = ModerationServiceStub(channel)
            while not self.stop.wait(0.1):
                with self.account.lock:
                    known = list(self.account.decisions.items())[-50:]
                if not known:
                    continue
                decision_id, told = random.choice(known)
                answer = self.call("look up", stub.GetDecision, pb.GetDecisionRequest(decision_id=decision_id))
                if answer is not None and answer.decision != told:
                    self.account.fail(f"the decision {decision_id} is not what was told")
                if answer is None and self.account.calls[-1].outcome == "NOT_FOUND":
                    self.account.fail(f"the decision {decision_id} is not found")

    def _scan(self, every_s: float) -> None:
        with self.channel() as channel:
            stub = ScanServiceStub(channel)
            for number in itertools.count():
                spec = scan_pb2.ScanSpec(
                    manifest_uri=str(self.scan_folder / "listings.jsonl"),
                    output_uri=str(self.scan_folder / f"out-{number}.parquet"),
                )
                started = self.call("scan", stub.StartScan, scans.StartScanRequest(spec=spec), metadata=ANN)
                if started is not None:
                    self.account.scans[started.scan.scan_id] = ""
                if self.stop.wait(every_s):
                    return


def _upload(picture: bytes, request_id: str) -> list[brand_service_pb2.UploadReferenceRequest]:
    header = brand_service_pb2.UploadReferenceHeader(
        brand_id=AURORA.brand_id, kind=evidence_pb2.REFERENCE_KIND_PRODUCT, request_id=request_id
    )
    return [
        brand_service_pb2.UploadReferenceRequest(header=header),
        brand_service_pb2.UploadReferenceRequest(chunk=picture),
    ]


def _sent_by(stub: BrandServiceStub) -> Callable[..., brand_service_pb2.UploadReferenceResponse]:
    def send(parts: Sequence[brand_service_pb2.UploadReferenceRequest], *, timeout: float) -> Any:
        return stub.UploadReference(iter(parts), timeout=timeout)

    return send
