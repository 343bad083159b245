"""Does any message bring the service down, hang it, or make it answer INTERNAL or UNKNOWN? On every rpc.

A real server in this process on loopback, with the embedder that needs no network; requests are sent as bytes, by
several callers at once. An answer's own statuses (of items of a stream) count as well, and so does a decision that says
that one of its stages failed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.app import open_application
from serving.rpc_services import SERVICES
from serving.server import serving
from tests.fuzz.messages import Messages
from tests.fuzz.mutations import Tally
from tests.integration.support import AURORA_SHOE, KNOWN_FAKE, draw, fill, listing, settings_at
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

METHODS: tuple[MethodDescriptor, ...] = tuple(method for service in SERVICES for method in service.methods)
# These wait for news until the client goes: their answers so far are what counts.
ENDLESS = frozenset({"WatchDecisions", "WatchScan"})
_BAD = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
_BAD_NUMBERS = frozenset(code.value[0] for code in _BAD)
_HUNG_S, _PEEK_S = 30.0, 0.05
_CALLERS = 4
# Every limit that one busy caller would come upon first.
_UNLIMITED = {"uploads_per_minute": 0, "changes_per_minute": 0, "reads_per_minute": 0}
_BUYERS = {"buyer_questions_per_minute": 10**9, "buyer_questions_per_listing": 10**9, "buyer_reports_per_hour": 10**9}
_ROLES = ("", "pipeline", "moderator", "lead", "auditor", "brand-owner", "admin", "trusted-flagger", "nobody")


@dataclass(frozen=True)
class Target:
    """A running server, and ids that it has on record."""

    channel: grpc.Channel
    known: Sequence[str]


@contextmanager
def target_at(folder: Path) -> Iterator[Target]:
    """Serve in a thread, over a small registry and some decisions, for as long as the block runs."""
    logging.getLogger().setLevel(logging.CRITICAL)
    settings = settings_at(folder).model_copy(update=_UNLIMITED | _BUYERS)
    with open_application(settings) as application:
        fill(application)
        loop, stop = asyncio.new_event_loop(), asyncio.Event()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        port: list[int] = []
        ready = threading.Event()

        async def run() -> None:
            async with serving(application, listen="127.0.0.1:0") as running:
                port.append(running.port)
                ready.set()
                await stop.wait()

        ending = asyncio.run_coroutine_threadsafe(run(), loop)
        ending.add_done_callback(lambda _: ready.set())
        try:
            ready.wait()
            with grpc.insecure_channel(f"127.0.0.1:{port[0]}") as channel:
                yield Target(channel, _recorded(channel))
        finally:
            loop.call_soon_threadsafe(stop.set)
            ending.result(60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def _recorded(channel: grpc.Channel) -> list[str]:
    """Have some listings screened, and name what is on record then."""
    stub = ModerationServiceStub(channel)
    known = ["aurora", "borealis", "Aurora", "aurora-flagship", "a1", "s1", "COUNTERFEIT", "k1"]
    for number, picture in enumerate((AURORA_SHOE, KNOWN_FAKE, 77)):
        offer = listing(draw(picture), listing_id=f"f{number}", title="Aurora replica 1:1", seller_id="s1")
        decision = stub.ScreenListing(pb.ScreenListingRequest(listing=offer)).decision
        known += [offer.listing_id, decision.decision_id, decision.image_results[0].sha256]
    for rpc, kind in (("ListCases", "case"), ("ListReferences", "brand")):
        service = "CaseService" if kind == "case" else "BrandService"
        method = next(one for one in METHODS if one.name == rpc and one.containing_service.name == service)
        request: Any = GetMessageClass(method.input_type)()
        if kind == "brand":
            request.brand_id = "aurora"
        ask: Any = channel.unary_unary(path_of(method))
        answer: Any = GetMessageClass(method.output_type).FromString(ask(request.SerializeToString()))
        known += [one.case_id for one in getattr(answer, "cases", ())]
        known += [one.reference_id for one in getattr(answer, "references", ())]
    return known


def path_of(method: MethodDescriptor) -> str:
    """Give an rpc's path on the wire."""
    return f"/{method.containing_service.full_name}/{method.name}"


def wire_cases(target: Target, count: int, seed: int) -> Tally:
    """Send so many calls, spread evenly over all rpcs."""
    tally, lock = Tally("wire"), threading.Lock()

    def send(number: int) -> None:
        method, rng = METHODS[number % len(METHODS)], random.Random(f"{seed} {number}")
        outcome, finding = _call(target, method, rng)
        with lock:
            tally.outcomes[outcome] += 1
            if finding:
                tally.findings.append(f"{method.full_name}, case {number}: {finding}")

    with ThreadPoolExecutor(_CALLERS) as callers:
        list(callers.map(send, range(count)))
    health = health_pb2_grpc.HealthStub(target.channel).Check(health_pb2.HealthCheckRequest(), timeout=_HUNG_S)
    if health.status != health_pb2.HealthCheckResponse.SERVING:
        tally.findings.append("the server is not well afterwards")
    return tally


def _call(target: Target, method: MethodDescriptor, rng: random.Random) -> tuple[str, str]:
    """Make one call; return its outcome, and what is wrong with it."""
    made = Messages(rng, target.known)
    count = rng.choice((0, 1, 1, 2, 5)) if method.client_streaming else 1
    sent = [made.bytes_of(method.input_type) for _ in range(count)]
    endless = method.name in ENDLESS
    call: Any = target.channel.stream_stream(path_of(method))
    answers: list[bytes] = []
    try:
        for answer in call(iter(sent), metadata=_metadata(rng), timeout=_PEEK_S if endless else _HUNG_S):
            answers.append(answer)
    except grpc.RpcError as error:
        code = error.code()
        hung = code is grpc.StatusCode.DEADLINE_EXCEEDED and not endless
        if code in _BAD or hung or code is grpc.StatusCode.UNAVAILABLE:
            return code.name, f"{code.name} {error.details()!r:.200} of {[one.hex()[:2_000] for one in sent]}"
        return code.name, _fault_in(method, answers)
    return "OK", _fault_in(method, answers)


def _metadata(rng: random.Random) -> list[tuple[str, str | bytes]]:
    """Make up who calls, and what else stands in metadata."""
    draw = rng.random()
    metadata: list[tuple[str, str | bytes]] = []
    if draw < 0.5:
        metadata.append(("touchstone-actor", rng.choice((*("ann", "bob") * 4, "a" * 300))))
        metadata.append(("touchstone-roles", rng.choice(_ROLES)))
        metadata.append(("touchstone-brands", rng.choice(("", "aurora", "borealis", "gone"))))
    if draw < 0.05:
        metadata.append((rng.choice(("touchstone-min-index-version", "authorization", "x-bin")), b"\xff\xfe1-x"))
        key, value = metadata.pop()
        metadata.append((key, value if key.endswith("-bin") else "1-x"))
    return metadata


def _fault_in(method: MethodDescriptor, answers: Sequence[bytes]) -> str:
    """Look for a bad status, or a stage that failed, in what was answered."""
    for content in answers:
        answer = GetMessageClass(method.output_type).FromString(content)
        for one in _parts(answer):
            if isinstance(one, Status) and one.code in _BAD_NUMBERS:
                return f"an item ended with {one.code}: {one.message}"
            if isinstance(one, decision_pb2.Decision):
                failed = [reason.text for reason in one.reasons if reason.code == "STAGE_FAILED"]
                if failed:
                    return f"a stage failed: {failed}"
    return ""


def _parts(message: Message) -> Iterator[Message]:
    """Walk a message and all messages in it, two levels deep, where statuses and decisions stand."""
    pending: list[tuple[Message, int]] = [(message, 0)]
    while pending:
        one, depth = pending.pop()
        yield one
        for field, value in one.ListFields() if depth < 3 else ():
            if field.message_type is None or field.message_type.GetOptions().map_entry:
                continue
            pending += [(each, depth + 1) for each in (value if field.is_repeated else (value,))]
