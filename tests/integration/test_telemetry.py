"""What a running service tells of itself: metrics, traces through every stage and thread, and a log without secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from index.errors import StoreAway, StoreError
from serving.app import Application, open_application
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, NotKept
from serving.telemetry.listener import metrics_at
from serving.telemetry.logs import JsonFormatter
from serving.telemetry.meter import Meter
from serving.telemetry.metrics import METRICS
from serving.telemetry.request import REQUEST_ID
from serving.telemetry.sampling import Sampler, read_at_scrapes
from serving.telemetry.telemetry import Telemetry
from serving.telemetry.tracing import Tracing
from serving.verifying import Verifier
from tests.integration.console_support import console_running
from tests.integration.support import (
    AURORA,
    AURORA_SHOE,
    PATIENCE_S,
    Service,
    Start,
    codes,
    draw,
    fill,
    listing,
    settings_at,
)
from tests.support.waiting import NOON, a_recording
from touchstone.moderation.v1 import case_service_pb2, decision_pb2, listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
FOLLOWED = ("traceparent", f"00-{TRACE}-{CALLER}-01")
SCREEN = "ModerationService/ScreenListing"
# Words that a seller or a person chose, and credentials: they may stand in no line of a log and in no attribute.
TITLE, DESCRIPTION, SELLER, PERSON = "Zebrafinch clogs", "wormwood lining", "seller-quagga", "ottoline"
TOKEN = "eyJhbGciOiJub25lIn0.c2VjcmV0.c2ln"
SECRETS = (TITLE, DESCRIPTION, SELLER, PERSON, TOKEN, "Zebrafinch", "wormwood")


@dataclass(frozen=True)
class Watched:
    """A service, and what it told."""

    service: Service
    meter: Meter
    spans: InMemorySpanExporter

    def value(self, name: str, **labels: str) -> float:
        """Return what a sample stands at, 0 for none."""
        return self.meter.value(name, **labels) or 0.0


@pytest.fixture(scope="module")
def watched(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Serve with metrics and with every request traced."""
    with _telling(tmp_path_factory.mktemp("watched"), share=1.0) as (application, spans), start(application) as service:
        assert application.telemetry.meter is not None
        yield Watched(service, application.telemetry.meter, spans)


@contextmanager
def _telling(folder: Path, *, share: float) -> Iterator[tuple[Application, InMemorySpanExporter]]:
    spans = InMemorySpanExporter()
    tracing = Tracing(SimpleSpanProcessor(spans), share=share)
    with ExitStack() as parts:
        parts.callback(tracing.close)
        telemetry = Telemetry(Meter(), tracing)
        application = parts.enter_context(open_application(settings_at(folder), telemetry=telemetry))
        fill(application)
        yield application, spans


def _offer(*images: bytes, listing_id: str = "w1") -> listing_pb2.Listing:
    return listing(
        *images, listing_id=listing_id, title=TITLE, description=DESCRIPTION, seller_id=SELLER, claimed_brand="Aurora"
    )


def _screen(
    service: Service, offer: listing_pb2.Listing, *metadata: tuple[str, str]
) -> tuple[pb.ScreenListingResponse, Any]:
    response, call = service.stub.ScreenListing.with_call(
        pb.ScreenListingRequest(listing=offer), timeout=PATIENCE_S, metadata=metadata
    )
    return response, call


def _by_name(spans: InMemorySpanExporter, trace: str) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in spans.get_finished_spans():
        if f"{span.context.trace_id:032x}" == trace:
            found.setdefault(span.name, []).append(span)
    return found


def _wait_for(spans: InMemorySpanExporter, trace: str, name: str) -> dict[str, list[ReadableSpan]]:
    """Wait for a span that ends after its rpc was answered."""
    _wait_until(lambda: name in _by_name(spans, trace))
    return _by_name(spans, trace)


def _wait_until(there: Callable[[], bool]) -> None:
    """Wait for what is told after a call was answered."""
    until = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < until, "it was never told"
        time.sleep(0.01)


def test_trace_goes_on_from_the_caller_through_every_stage(watched: Watched) -> None:
    """The caller's trace holds the rpc, and below it each stage, over the worker's thread and the lane's."""
    _screen(watched.service, _offer(draw(AURORA_SHOE)), FOLLOWED)

    found = _wait_for(watched.spans, TRACE, SCREEN)
    (rpc,) = found[SCREEN]
    assert rpc.parent is not None
    assert f"{rpc.parent.span_id:016x}" == CALLER
    (screening,) = found["screen"]
    assert screening.parent is not None
    assert screening.parent.span_id == rpc.context.span_id
    stages = {"text", "decode", "keypoints", "identify", "embed", "copies", "search", "verify", "read", "classify"}
    stages |= {"price", "records", "category", "judge", "describe", "record"}
    assert stages <= found.keys()
    for stage in stages:
        for span in found[stage]:
            assert span.parent is not None
            assert span.parent.span_id == screening.context.span_id, stage
    assert {"store read", "store write"} <= found.keys()


def test_search_by_image_is_traced_and_timed_by_stage(watched: Watched) -> None:
    """As a listing is, below its own rpc."""
    trace = f"{int(TRACE, 16) ^ 1:032x}"
    stages = ("decode", "embed", "search", "verify", "read")
    before = {stage: watched.value("touchstone_stage_seconds_count", stage=stage) for stage in stages}

    watched.service.stub.SearchImage(
        pb.SearchImageRequest(image=listing_pb2.Image(content=draw(AURORA_SHOE)), max_results=1),
        timeout=PATIENCE_S,
        metadata=(("traceparent", f"00-{trace}-{CALLER}-01"),),
    )

    rpc = "ModerationService/SearchImage"
    found = _wait_for(watched.spans, trace, rpc)
    for stage in stages:
        (span,) = found[stage]
        assert span.parent is not None
        assert span.parent.span_id == found[rpc][0].context.span_id
        assert watched.value("touchstone_stage_seconds_count", stage=stage) == before[stage] + 1


def test_search_by_image_raises_what_a_stage_raises(tmp_path: Path) -> None:
    """Nothing stands in for a stage that fails: without it the answer would be that there is no such brand."""

    def fails(*_: object, **__: object) -> None:
        raise StoreError("gone")

    with _telling(tmp_path, share=0.0) as (application, _):
        pipeline = application.pipeline
        verifier = cast(Verifier, SimpleNamespace(verify=fails))
        with pytest.raises(StoreError, match="gone"):
            replace(pipeline, verifier=verifier).search_image(draw(AURORA_SHOE), most=1)
        with pytest.raises(DeadlineExceeded):
            pipeline.search_image(draw(AURORA_SHOE), most=1, deadline=Deadline.after(0.0))


def test_canary_is_not_timed_with_what_callers_ask(tmp_path: Path) -> None:
    """Its small picture would make an idle service look fast."""
    with _telling(tmp_path, share=0.0) as (application, _):
        application.check()

        assert _meter(application).value("touchstone_stage_seconds_count", stage="embed") is None


def test_waiting_in_the_lane_is_linked_to_its_batch(watched: Watched) -> None:
    """Below the embedding stand the batches and, linked to them, the waiting for each."""
    _screen(watched.service, _offer(draw(7)), ("traceparent", f"00-{TRACE[::-1]}-{CALLER}-01"))

    found = _wait_for(watched.spans, TRACE[::-1], SCREEN)
    embedding = {span.context.span_id for span in found["embed"]}
    waits = [span for span in found["wait for the lane"] if span.parent and span.parent.span_id in embedding]
    batches = {span.context.span_id for span in found["batch"]}
    assert len(waits) == 3  # to find marks, to embed the middles, to embed the marks
    for wait in waits:
        assert {link.context.span_id for link in wait.links} <= batches
        assert len(wait.links) == 1
    assert all(span.attributes and span.attributes["requests"] == 1 for span in found["batch"])


def test_attributes_hold_no_words_of_people(watched: Watched) -> None:
    """Neither what a seller wrote nor who calls, nor by which credential, stands in any span."""
    _screen(
        watched.service, _offer(draw(8)), FOLLOWED, ("authorization", f"Bearer {TOKEN}"), ("touchstone-actor", PERSON)
    )
    CaseServiceStub(watched.service.channel).ListCases(
        case_service_pb2.ListCasesRequest(), timeout=PATIENCE_S, metadata=(("touchstone-actor", PERSON),)
    )

    told = " ".join(span.to_json() for span in watched.spans.get_finished_spans())
    assert "touchstone.decision_id" in told
    assert [secret for secret in SECRETS if secret in told] == []


def test_what_is_not_sampled_makes_no_span(start: Start, tmp_path: Path) -> None:
    """With a share of 0 only a caller's own sampled trace is recorded; all others cost no span."""
    with _telling(tmp_path, share=0.0) as (application, spans), start(application) as service:
        _screen(service, _offer(draw(9)))
        unsampled = len(spans.get_finished_spans())
        _screen(service, _offer(draw(9), listing_id="w2"), FOLLOWED)
        sampled = _wait_for(spans, TRACE, SCREEN)

    assert unsampled == 0
    assert SCREEN in sampled


def test_request_keeps_the_name_that_its_caller_gave(watched: Watched) -> None:
    """A fit name comes back in the trailing metadata; without one, or with an unfit one, a new name does."""
    given = _trailing(_screen(watched.service, _offer(), (REQUEST_ID, "upload-7.3"))[1])
    made = _trailing(_screen(watched.service, _offer())[1])
    unfit = _trailing(_screen(watched.service, _offer(), (REQUEST_ID, f"{TITLE} x"))[1])

    assert given == "upload-7.3"
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert re.fullmatch("[0-9a-f]{32}", unfit)


def test_errors_name_the_request_beside_their_details(watched: Watched) -> None:
    """A refused call learns both what was wrong with it and under which name that was logged."""
    with pytest.raises(grpc.RpcError) as refused:
        _screen(watched.service, _offer(listing_id=""), (REQUEST_ID, "r-1"))

    trailing: Any = refused.value.trailing_metadata()
    keys = {key for key, _ in trailing}
    assert {REQUEST_ID, "grpc-status-details-bin"} <= keys
    _wait_until(lambda: watched.value("touchstone_rpc_seconds_count", rpc=SCREEN, code="INVALID_ARGUMENT") >= 1)
    assert watched.value("touchstone_refusals_total", rpc=SCREEN, reason="InvalidListing") >= 1


def test_decisions_stages_and_lanes_are_counted(watched: Watched) -> None:
    """One more listing is one more everywhere: rpc, stages, batches, verdicts, photos, brand, store."""
    names = {
        "touchstone_rpc_seconds_count": {"rpc": SCREEN, "code": "OK"},
        "touchstone_stage_seconds_count": {"stage": "verify"},
        "touchstone_decision_seconds_count": {},
        "touchstone_counterfeit_probability_count": {},
        "touchstone_photos_total": {"status": "ok"},
        "touchstone_store_seconds_count": {"kind": "write"},
        "touchstone_batch_crops_count": {"lane": "embedder"},
        "touchstone_lane_wait_seconds_count": {"lane": "embedder"},
    }
    before = {name: watched.value(name, **labels) for name, labels in names.items()}
    decisions = _sum(watched, "touchstone_decisions_total")

    decision = _screen(watched.service, _offer(draw(AURORA_SHOE)))[0].decision

    for name, labels in names.items():
        _wait_until(lambda name=name, labels=labels: watched.value(name, **labels) > before[name])  # type: ignore[misc]
    assert _sum(watched, "touchstone_decisions_total") == decisions + 1
    assert _sum(watched, "touchstone_brand_decisions_total", brand=AURORA.name) >= 1
    verdict = decision_pb2.Verdict.Name(decision.verdict).removeprefix("VERDICT_")
    assert watched.value("touchstone_decisions_total", policy_version=decision.policy_version, verdict=verdict) >= 1


def test_verdict_that_stands_in_while_the_store_is_away_is_the_one_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing was to be allowed and was answered REVIEW; asked again under its key, it is not counted twice."""

    def away(*_: object, **__: object) -> None:
        raise StoreAway("away")

    with _telling(tmp_path, share=0.0) as (application, _):
        monkeypatch.setattr(application.store, "record_decision", away)
        request = pb.ScreenListingRequest(listing=listing(), request_id="k")

        first, again = application.moderation.screen(request), application.moderation.screen(request)

        def counted(verdict: str) -> float | None:
            labels = {"verdict": verdict, "policy_version": first.policy_version}
            return _meter(application).value("touchstone_decisions_total", **labels)

        assert first == again
        assert first.verdict == decision_pb2.VERDICT_REVIEW
        assert codes(first) == {"STORE_UNAVAILABLE", "NO_FINDINGS"}
        assert (counted("REVIEW"), counted("ALLOW")) == (1, None)
        assert _meter(application).value("touchstone_brand_decisions_total", brand="none", verdict="REVIEW") == 1


def test_listing_that_is_refused_counts_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room for the decision either, none was given."""

    def full(*_: object) -> None:
        raise NotKept("full")

    with _telling(tmp_path, share=0.0) as (application, _):
        monkeypatch.setattr(application.moderation.spool, "holds", lambda _: True)
        monkeypatch.setattr(application.moderation.spool, "put", full)
        with pytest.raises(NotKept):
            application.moderation.screen(pb.ScreenListingRequest(listing=listing()))

        assert b"touchstone_decisions_total{" not in _meter(application).page()


def test_brands_that_sellers_invent_are_counted_as_unknown(watched: Watched) -> None:
    """A claimed brand that the registry does not hold is no label: its words are the seller's."""
    offer = listing(draw(11), listing_id="w9", claimed_brand="Zebrafinch")

    _screen(watched.service, offer)

    page = watched.meter.page().decode()
    assert _sum(watched, "touchstone_brand_decisions_total", brand="unknown") >= 1
    assert "Zebrafinch" not in page


def test_photos_that_cannot_be_decoded_are_counted_by_reason(watched: Watched) -> None:
    """Each fault of a photo has a series of its own."""
    _screen(watched.service, _offer(b"no photo at all"))

    assert watched.value("touchstone_photos_total", status="UNSUPPORTED_FORMAT") >= 1


def test_page_of_metrics_is_whole(watched: Watched) -> None:
    """Every metric of the table is on the page, with what is in use, ages, depths and the process's memory."""
    _screen(watched.service, _offer(draw(12)))
    Sampler(watched.service.application, watched.meter).look()
    Sampler(watched.service.application, watched.meter).drifted()

    page = watched.meter.page().decode()

    samples = {re.split(r"[{ ]", line)[0] for line in page.splitlines() if line and not line.startswith("#")}
    told = {re.sub("_(bucket|sum|count)$", "", name) for name in samples}
    silent = {"touchstone_faults_total", "touchstone_store_errors_total", "touchstone_page_seconds"}  # nothing failed
    assert {metric.name for metric in METRICS} - told <= silent
    assert "process_resident_memory_bytes" in told
    assert watched.value("touchstone_index_versions_behind") == 0
    assert watched.value("touchstone_refresh_age_seconds", part="index") < PATIENCE_S
    assert watched.value("touchstone_ready") == 1
    fingerprint = watched.service.application.embedder.fingerprint
    assert f'model="{fingerprint}"' in page
    assert page.count("touchstone_build_info{") == 1


def test_what_waits_for_the_store_is_told(tmp_path: Path) -> None:
    """How many decisions, since when the oldest, and how many were set aside."""
    names = ("touchstone_spool_waiting", "touchstone_spool_age_seconds", "touchstone_spool_set_aside")
    with _telling(tmp_path, share=0.0) as (application, _):
        meter, spool = _meter(application), application.moderation.spool
        read_at_scrapes(application, meter)

        def told() -> list[float | None]:
            meter.page()
            return [meter.value(name) for name in names]

        before = told()
        spool.put(a_recording("d1"))
        waiting, age_s = told()[:2]
        lasted_s = (datetime.now(UTC) - NOON).total_seconds()
        spool.refuse(spool.first(1)[0], "no")

        assert before == [0, 0, 0]
        assert waiting == 1
        assert age_s == pytest.approx(lasted_s, abs=60)
        assert told() == [0, 0, 1]


def test_metrics_are_served_with_readiness(start: Start, tmp_path: Path) -> None:
    """The listener answers before the service is ready and after it drains, and says which it is."""
    with _telling(tmp_path, share=0.0) as (application, _), metrics_at("127.0.0.1:0", _meter(application)) as port:
        starting = _get(port, "/readyz")
        with start(application) as service:
            _screen(service, _offer(draw(13)))
            _wait_until(lambda: _meter(application).value("touchstone_rpc_seconds_count", rpc=SCREEN, code="OK") == 1)
            ready, alive, metrics = (_get(port, path) for path in ("/readyz", "/healthz", "/metrics?x=1"))
        drained = _get(port, "/readyz")
        nothing = _get(port, "/secrets")

    assert [starting[0], ready[0], alive[0], drained[0], nothing[0]] == [503, 200, 200, 503, 404]
    assert 'touchstone_rpc_seconds_count{code="OK",rpc="ModerationService/ScreenListing"} 1.0' in metrics[1]


def test_store_that_cannot_be_read_is_told_and_hides_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that meets a failing store says that it is down, counts it and goes on."""

    def fails(**_: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(watched.service.application.store, "queue_counts", fails)
    sampler = Sampler(watched.service.application, watched.meter)
    sampler.look()
    down = watched.value("touchstone_store_up")
    monkeypatch.undo()
    sampler.look()

    assert (down, watched.value("touchstone_store_up")) == (0, 1)
    assert watched.value("touchstone_faults_total", kind="sampling", reason="touchstone_cases_waiting") >= 1


def test_page_of_the_console_goes_on_in_what_it_asks(
    event_loop_thread: asyncio.AbstractEventLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A page begins a trace and a request; the rpcs that it asks are below it, and carry the name that it tells.

    What a browser sends of its own is not gone on with.
    """
    caplog.set_level(logging.INFO)
    with (
        _telling(tmp_path, share=1.0) as (application, spans),
        console_running(event_loop_thread, application) as console,
    ):
        ann = console.person(PERSON)
        spans.clear()
        answer = ann.get("/queue", traceparent=FOLLOWED[1])
        meter = _meter(application)
        _wait_until(lambda: "CaseService/ListCases" in {span.name for span in spans.get_finished_spans()})
        (page,) = [span for span in spans.get_finished_spans() if span.name == "GET /queue"]
        asked = [span for span in spans.get_finished_spans() if span.name.startswith(("CaseService", "Moderation"))]

    assert answer.status_code == 200
    assert page.parent is None
    assert f"{page.context.trace_id:032x}" != TRACE
    assert {"CaseService/ListCases", "ModerationService/GetCaller"} <= {span.name for span in asked}
    for rpc in asked:
        assert rpc.parent is not None
        assert rpc.parent.span_id == page.context.span_id
        assert rpc.attributes is not None
        assert rpc.attributes[REQUEST_ID] == answer.headers[REQUEST_ID]
    assert meter.value("touchstone_page_seconds_count", page="GET /queue", status="200") == 1
    assert PERSON not in caplog.text + "".join(span.to_json() for span in spans.get_finished_spans())


def test_log_has_a_line_for_each_rpc_and_no_secrets(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """Each rpc has one line with its code, time, request and trace; at every level, no word of people's is logged."""
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonFormatter())
    told = (FOLLOWED, ("authorization", f"Bearer {TOKEN}"), (REQUEST_ID, "log-1"), ("touchstone-actor", PERSON))

    _screen(watched.service, _offer(draw(14)), *told)
    with pytest.raises(grpc.RpcError):
        _screen(watched.service, _offer(listing_id=""), *told[:2], (REQUEST_ID, "log-2"))
    requests = [pb.ScreenListingsRequest(listing=_offer(b"broken", listing_id=f"s{number}")) for number in range(2)]
    list(
        watched.service.stub.ScreenListings(
            iter(requests), timeout=PATIENCE_S, metadata=(*told[:2], (REQUEST_ID, "log-3"))
        )
    )

    _wait_until(lambda: '"log-3"' in caplog.text)
    text = caplog.text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    access = {line["request_id"]: line for line in lines if line["logger"] == "touchstone.access"}
    assert [secret for secret in SECRETS if secret in text] == []
    assert access["log-1"]["rpc"] == SCREEN
    assert access["log-1"]["code"] == "OK"
    assert access["log-1"]["ms"] > 0
    assert access["log-1"]["trace_id"] == TRACE
    assert (access["log-2"]["code"], access["log-2"]["error"]) == ("INVALID_ARGUMENT", "InvalidListing")
    assert access["log-3"]["rpc"] == "ModerationService/ScreenListings"
    assert len([line for line in lines if line["logger"] == "touchstone.access" and line["request_id"] == "log-3"]) == 1


def _trailing(call: Any) -> str:
    return str(dict(call.trailing_metadata())[REQUEST_ID])


def _sum(watched: Watched, name: str, **labels: str) -> float:
    """Add all samples of a metric up that have these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = [line for line in watched.meter.page().decode().splitlines() if line.startswith(f"{name}{{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(one in line for one in wanted))


def _meter(application: Application) -> Meter:
    assert application.telemetry.meter is not None
    return application.telemetry.meter


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
