"""How do references come in? By stream, each for itself: durable when answered, refused with a reason otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from index.records import ReferenceState
from serving.app import Application, open_application
from serving.upload_streams import AT_ONCE, MAX_REFERENCES, MAX_STREAMS, MAX_STREAMS_EACH
from serving.wire.requests import MAX_IMAGE_BYTES
from tests.integration.held import Held, holding
from tests.integration.reference_support import (
    OWNER_OF_AURORA,
    OWNER_OF_BOREALIS,
    WHEEL,
    Judge,
    Metadata,
    brands_of,
    digests,
    header,
    judged_by,
    listed,
    parts,
    sha256,
    small_picture,
    upload,
    uploaded,
)
from tests.integration.support import (
    PATIENCE_S,
    Service,
    Start,
    call_raw,
    draw,
    fill,
    listing,
    settings_at,
    violated_fields,
)
from touchstone.moderation.v1 import brand_pb2, evidence_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

pytestmark = pytest.mark.usefixtures("acts_are_entered")

_RPC = "touchstone.moderation.v1.BrandService/UploadReference"


@pytest.fixture(scope="module")
def service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve for this suite alone, which fills the registry."""
    with open_application(settings_at(tmp_path_factory.mktemp("uploads"))) as application:
        fill(application)
        with start(application) as running:
            yield running


def test_an_uploaded_reference_is_kept_with_all_that_was_said_of_it(service: Service) -> None:
    """The answer is what is on record: the file too, and who sent it is the caller, whatever the header says."""
    picture = draw(21)
    provenance = brand_pb2.ReferenceProvenance(
        source=brand_pb2.REFERENCE_SOURCE_TEST_PURCHASE,
        source_id="p7",
        uploaded_by="somebody else",
        file_name="seized.png",
        licence="CC-BY-4.0",
        note="left shoe",
    )

    reference = uploaded(
        service,
        picture,
        by=OWNER_OF_AURORA,
        kind=evidence_pb2.REFERENCE_KIND_COUNTERFEIT,
        box=evidence_pb2.Box(x1=0.25, y1=0.25, x2=0.75, y2=1.0),
        bank_id="seizure-7",
        provenance=provenance,
        content_sha256=sha256(picture),
    )

    application = service.application
    provenance.uploaded_by = "anna"
    assert reference.provenance == provenance
    assert (reference.state, reference.bank_id) == (brand_pb2.REFERENCE_STATE_QUARANTINED, "seizure-7")
    assert (reference.image_result.width, reference.image_result.height) == (400, 400)
    assert (reference.box.x1, reference.box.y2) == (0.25, 1.0)
    assert listed(service, bank_id="seizure-7") == [reference]
    assert reference.image_result.sha256 == sha256(picture)
    assert application.registry.references.uploads.blobs.get(sha256(picture)) == picture
    assert len(application.store.embeddings_of(reference.reference_id, application.embedder.fingerprint)) == 2
    assert reference.reference_id in application.store.features_of([reference.reference_id])


def test_an_upload_is_matched_from_the_index_version_on_that_its_answer_names(service: Service) -> None:
    """Whoever reads the answer finds the reference: a photo with it is screened under this version or a later one."""
    picture = draw(22)
    before = service.screen(listing(picture, listing_id="before")).decision

    stream = parts(header(kind=evidence_pb2.REFERENCE_KIND_PRODUCT), picture)
    answer = brands_of(service).UploadReference(stream, timeout=PATIENCE_S)
    after = service.screen(listing(picture, listing_id="after")).decision

    reference_id = answer.results[0].reference.reference_id
    assert reference_id not in str(before.evidence)
    assert after.index_version == answer.index_version
    assert reference_id in {item.duplicate.source_id for item in after.evidence if item.HasField("duplicate")}


def test_a_bad_reference_does_not_fail_the_others(service: Service) -> None:
    """Each header is answered, in order, under its own key, by a reference or by its own error."""
    files = [
        (header(request_id="good"), draw(23)),
        (header(request_id="noise"), b"no picture at all"),
        (header(request_id="empty"), b""),
        (header(request_id="digest", content_sha256="0" * 64), draw(24)),
        (header(request_id="brand", brand_id="unknown"), draw(24)),
        (header(request_id="mark", mark_id="unknown"), draw(24)),
        (header(request_id="box", box=evidence_pb2.Box(x1=0.5, y1=0.5, x2=1.5, y2=1.0)), draw(24)),
        (header(request_id="tiny", box=evidence_pb2.Box(x1=0.5, y1=0.5, x2=0.52, y2=1.0)), draw(24)),
        (header(request_id="kind", kind=0), draw(24)),
        (header(request_id="last"), draw(25)),
    ]

    for head, _ in files:
        head.bank_id = "mixed"
    results = upload(service, *files)

    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT.value[0], grpc.StatusCode.NOT_FOUND.value[0]
    assert [result.sequence for result in results] == list(range(10))
    assert [result.request_id for result in results] == [head.request_id for head, _ in files]
    assert [result.error.code for result in results] == [
        0, invalid, invalid, invalid, missing, missing, invalid, invalid, invalid, 0,
    ]  # fmt: skip
    assert _fields(results[3]) == ["header.content_sha256"]
    assert _fields(results[6]) == ["header.box"]
    assert _fields(results[8]) == ["header.kind"]
    assert _image_fault(results[1]) == "IMAGE_UNSUPPORTED_FORMAT"
    assert _image_fault(results[2]) == "IMAGE_EMPTY"
    assert "16" in results[7].error.message
    assert len(listed(service, bank_id="mixed")) == 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF"])
def test_every_format_of_listings_is_taken(service: Service, kind: str) -> None:
    """What a listing may show, a reference may, too."""
    reference = uploaded(service, draw(26, kind=kind), bank_id=kind)

    assert reference.image_result.status == 1
    assert reference.image_result.width == 400


@pytest.mark.parametrize("cut", [20, 400, 700])
def test_a_file_that_ends_too_early_is_refused(service: Service, cut: int) -> None:
    """A stream that ends in mid-file leaves a truncated picture, and that is its error."""
    (result,) = upload(service, (header(), draw(27)[:-cut]))

    assert result.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert _image_fault(result) in ("IMAGE_TRUNCATED", "IMAGE_CORRUPT")


def test_an_svg_is_drawn_as_the_seed_catalogue_draws(service: Service) -> None:
    """A mark of one colour comes as six renderings, of several as four, one with a ground of its own as it is."""
    ground = WHEEL.replace(b"<path", b'<rect width="24" height="24" fill="#fff"/><path')
    two = WHEEL.replace(b"</svg>", b'<rect x="11" width="2" height="9" fill="#00c"/></svg>')

    views = {}
    for name, drawing in (("one", WHEEL), ("two", two), ("ground", ground)):
        reference = uploaded(service, b"\xef\xbb\xbf\n" + drawing, bank_id=name)
        store, fingerprint = service.application.store, service.application.embedder.fingerprint
        views[name] = len(store.embeddings_of(reference.reference_id, fingerprint))

    assert views == {"one": 6, "two": 4, "ground": 1}
    boxed = uploaded(service, WHEEL, box=evidence_pb2.Box(x1=0.0, y1=0.0, x2=0.5, y2=0.5))
    assert (boxed.image_result.width, boxed.image_result.height) == (1024, 1024)


@pytest.mark.parametrize(
    "hostile",
    [
        WHEEL.replace(b"<path", b'<image href="/etc/passwd"/><path'),
        WHEEL.replace(b"<path", b"<script>alert(1)</script><path"),
        b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + WHEEL,
        WHEEL.replace(b"<path", b'<g id="a"><use href="#a"/></g><path'),
        WHEEL[:60],
        b"<html><body>not found</body></html>",
        b"<" * 2_000_000,
    ],
)
def test_a_hostile_svg_is_refused(service: Service, hostile: bytes) -> None:
    """Files of others, scripts, entities, circles and what is no SVG at all never reach the renderer."""
    (result,) = upload(service, (header(), hostile))

    assert result.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "SVG" in result.error.message or "svg" in result.error.message
    assert "root:" not in result.error.message


def test_a_file_over_the_limit_is_refused_and_the_next_is_read(service: Service) -> None:
    """26 MiB of one reference are dropped as they come; the reference behind it is taken in."""
    chunk = bytes(2**20)

    def stream() -> Iterator[pb.UploadReferenceRequest]:
        yield pb.UploadReferenceRequest(header=header())
        for _ in range(MAX_IMAGE_BYTES // len(chunk) + 1):
            yield pb.UploadReferenceRequest(chunk=chunk)
        yield from parts(header(), draw(28))

    first, second = brands_of(service).UploadReference(stream(), timeout=PATIENCE_S).results

    assert _image_fault(first) == "IMAGE_TOO_MANY_BYTES"
    assert second.HasField("reference")


# --- idempotency -----------------------------------------------------------------------------------------------------


def test_the_same_again_is_the_same_reference(service: Service) -> None:
    """With the same key, without one, or with a key of its own, in one stream or the next."""
    picture = draw(29)

    first = upload(service, (header(request_id="k1"), picture), (header(), picture))
    second = upload(service, (header(request_id="k1"), picture), (header(request_id="k2"), picture))

    assert len({result.reference.reference_id for result in (*first, *second)}) == 1
    assert first[0].reference == second[0].reference


@pytest.mark.parametrize("change", [{"bank_id": "other"}, {"hold": True}])
def test_a_key_of_another_request_is_refused(service: Service, change: dict[str, object]) -> None:
    """The key stands for header and file."""
    key = f"used for {change}"
    uploaded(service, draw(30), request_id=key)

    other_header, other_file = upload(
        service, (header(request_id=key, **change), draw(30)), (header(request_id=key), draw(31))
    )

    assert _fields(other_header) == _fields(other_file) == ["request_id"]


def test_the_same_content_from_many_at_once_is_one_reference(service: Service) -> None:
    """However many send it at a time, one is recorded and all are told of it."""
    picture = draw(32)

    with ThreadPoolExecutor(MAX_STREAMS_EACH) as pool:
        ids = list(pool.map(lambda _: uploaded(service, picture).reference_id, range(MAX_STREAMS_EACH)))

    assert len(set(ids)) == 1


def test_what_was_retired_or_rejected_does_not_come_in_again(service: Service) -> None:
    """The same file is refused with the reason that stands; sent again under its first key it is what it became."""
    picture = draw(33)
    reference = uploaded(service, picture, request_id="first")
    stub = brands_of(service)
    stub.RetireReference(pb.RetireReferenceRequest(reference_id=reference.reference_id, reason="old mark"))

    again, resent = upload(service, (header(), picture), (header(request_id="first"), picture))

    assert again.error.code == grpc.StatusCode.ABORTED.value[0]
    assert "retired (old mark)" in again.error.message
    assert resent.reference.state == brand_pb2.REFERENCE_STATE_RETIRED


def test_a_copy_of_what_was_rejected_waits_for_a_person(service: Service) -> None:
    """One byte more makes another file of the same picture: it is quarantined, sent at once or held first."""
    picture = draw(36)
    rejected = uploaded(service, picture, hold=True)
    stub = brands_of(service)
    reject = pb.ReviewReferenceRequest(
        reference_id=rejected.reference_id, action=pb.REVIEW_ACTION_REJECT, reason="not their mark"
    )
    stub.ReviewReference(reject)

    copy, held = uploaded(service, picture + b"\0"), uploaded(service, picture + b"\0\0", hold=True)
    activate = pb.ReviewReferenceRequest(reference_id=held.reference_id, action=pb.REVIEW_ACTION_ACTIVATE)
    activated = stub.ReviewReference(activate).reference

    for reference in (copy, activated):
        assert reference.state == brand_pb2.REFERENCE_STATE_QUARANTINED
        assert f"looks like {rejected.reference_id}, which was rejected: not their mark" in reference.state_reason


@pytest.mark.parametrize("source", [brand_pb2.REFERENCE_SOURCE_SEED, brand_pb2.REFERENCE_SOURCE_REMOVED_LISTING])
def test_an_owner_cannot_claim_a_source_that_is_not_theirs(
    service: Service, source: brand_pb2.ReferenceSource.ValueType
) -> None:
    """What the operator seeded and what moderators took down is not for owners to invent."""
    provenance = brand_pb2.ReferenceProvenance(source=source)

    (result,) = upload(service, (header(provenance=provenance), draw(37)), by=OWNER_OF_AURORA)

    assert _fields(result) == ["header.provenance.source"]


# --- assessment ------------------------------------------------------------------------------------------------------


def test_what_is_too_broad_is_quarantined_and_its_owner_told_why(own_application: Application, start: Start) -> None:
    """It is on record with its scope, and matches nothing."""
    picture = draw(34)

    with start(judged_by(own_application, Judge())) as service:
        reference = uploaded(service, picture, kind=evidence_pb2.REFERENCE_KIND_PRODUCT)
        decision = service.screen(listing(picture)).decision

    assert reference.state == brand_pb2.REFERENCE_STATE_QUARANTINED
    assert reference.state_reason == "too broad"
    assert reference.scope.expected_false_matches_per_million == 40.0
    assert (reference.scope.background_image_count, reference.scope.collision_count) == (2_000, 1)
    assert reference.reference_id not in str(decision.evidence)


def test_what_is_held_waits(own_application: Application, start: Start) -> None:
    """It is not even assessed."""
    with start(judged_by(own_application, Judge())) as service:
        reference = uploaded(service, draw(35), hold=True)

    assert reference.state == brand_pb2.REFERENCE_STATE_PENDING
    assert not reference.HasField("scope")


def test_an_assessment_that_fails_records_nothing(own_application: Application, start: Start) -> None:
    """The reference gets an error of its own, and its key is free."""

    class Broken(Judge):
        def assess(self, *_: object, **__: object) -> object:  # type: ignore[override]
            raise ArithmeticError("broken")

    with start(judged_by(own_application, Broken())) as service:
        (result,) = upload(service, (header(request_id="k"), draw(36)))

        assert result.error.code == grpc.StatusCode.INTERNAL.value[0]
        assert "broken" not in result.error.message
        assert len(listed(service)) == 2


# --- the stream ------------------------------------------------------------------------------------------------------


def test_a_stream_that_begins_with_a_chunk_is_refused(service: Service) -> None:
    """Nothing is recorded; nor is a message that is neither header nor chunk taken for anything."""
    for first, field in ((pb.UploadReferenceRequest(chunk=b"x"), "chunk"), (pb.UploadReferenceRequest(), "part")):
        stream = [first, *parts(header(), draw(37))]

        with pytest.raises(grpc.RpcError) as refused:
            brands_of(service).UploadReference(iter(stream), timeout=PATIENCE_S)

        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert violated_fields(refused.value) == {field}
    assert sha256(draw(37)) not in digests(service)


def test_bytes_that_are_no_message_end_the_stream(service: Service) -> None:
    """What came whole before them is recorded."""
    good = [part.SerializeToString() for part in parts(header(), draw(38))]
    next_header = pb.UploadReferenceRequest(header=header()).SerializeToString()

    _, error = call_raw(service, _RPC, *good, next_header, b"\xff\xff\xff")

    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sha256(draw(38)) in digests(service)


def test_an_empty_stream_is_answered(service: Service) -> None:
    """No references, no results, and the state of the index all the same."""
    answer = brands_of(service).UploadReference(iter(()), timeout=PATIENCE_S)

    assert not answer.results
    assert answer.index_version == service.application.knowledge.current.catalogue.version


def test_more_than_a_thousand_are_refused(service: Service) -> None:
    """The status says to split the batch, and not to wait; what came before is recorded."""
    stream = [*parts(header(), draw(39))]
    stream += [pb.UploadReferenceRequest(header=header(brand_id="unknown"))] * MAX_REFERENCES

    with pytest.raises(grpc.RpcError) as refused:
        brands_of(service).UploadReference(iter(stream), timeout=PATIENCE_S)

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "RetryInfo" not in str(refused.value.trailing_metadata())
    assert "1000" in str(refused.value.details())
    assert sha256(draw(39)) in digests(service)


def test_only_so_many_streams_are_open_at_once(service: Service) -> None:
    """The next one is told to come back in a second, and is taken once one of the others has ended."""
    callers = (OWNER_OF_AURORA, OWNER_OF_BOREALIS)
    with _held_open(service, [callers[number % 2] for number in range(MAX_STREAMS)]) as streams:
        refused = _until_refused(service)

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert all(len(stream.result(PATIENCE_S).results) == 1 for stream in streams)
    assert uploaded(service, draw(40)).reference_id


def test_one_caller_cannot_hold_all_streams(service: Service) -> None:
    """Whoever has many open is told to wait, and everybody else goes on."""
    with _held_open(service, [OWNER_OF_AURORA] * MAX_STREAMS_EACH) as streams:
        refused = _until_refused(service, by=OWNER_OF_AURORA)
        reference = uploaded(service, draw(44), by=OWNER_OF_BOREALIS, brand_id="borealis")

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert all(len(stream.result(PATIENCE_S).results) == 1 for stream in streams)
    assert reference.reference_id


@contextmanager
def _held_open(service: Service, callers: Sequence[Metadata]) -> Iterator[list[Any]]:
    """Open a stream for each caller, which ends after the block."""
    ending, begun = threading.Event(), threading.Barrier(len(callers) + 1)

    def held_open() -> Iterator[pb.UploadReferenceRequest]:
        yield pb.UploadReferenceRequest(header=header(brand_id="unknown"))
        begun.wait(PATIENCE_S)
        ending.wait(PATIENCE_S)

    call = brands_of(service).UploadReference.future
    streams = [call(held_open(), timeout=PATIENCE_S, metadata=by) for by in callers]
    try:
        begun.wait(PATIENCE_S)
        yield streams
    finally:
        ending.set()


def test_a_client_that_goes_in_mid_file_leaves_nothing_half(service: Service) -> None:
    """What it sent whole before is there; the file that it never ended is not, whatever came of it."""
    done, half = draw(41), draw(42)
    going = threading.Event()

    def stream() -> Iterator[pb.UploadReferenceRequest]:
        yield from parts(header(), done)
        yield from parts(header(), half)
        going.wait(PATIENCE_S)

    call = brands_of(service).UploadReference.future(stream(), timeout=PATIENCE_S)
    _wait_for(service, sha256(done))
    call.cancel()
    going.set()

    uploaded(service, draw(43))  # the server is there and works
    assert sha256(half) not in digests(service)


def test_a_draining_server_answers_unavailable_and_keeps_what_it_took(
    own_application: Application, start: Start
) -> None:
    """An open stream ends; sent again elsewhere under the same keys it is the same references."""
    picture, going = draw(44), threading.Event()

    def stream() -> Iterator[pb.UploadReferenceRequest]:
        yield from parts(header(request_id="k"), picture)
        yield pb.UploadReferenceRequest(header=header())
        going.wait(PATIENCE_S)

    with ExitStack() as opened:
        with start(own_application) as service:
            channel = opened.enter_context(grpc.insecure_channel(service.target))
            call = BrandServiceStub(channel).UploadReference.future(stream(), timeout=PATIENCE_S)
            _wait_for(service, sha256(picture))
        error = call.exception(PATIENCE_S)
        going.set()

    assert isinstance(error, grpc.RpcError)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    with start(own_application) as service:
        before = listed(service)[0]
        assert uploaded(service, picture, request_id="k") == before


def test_a_deadline_ends_the_wait_and_keeps_what_was_recorded(held: Held, start: Start) -> None:
    """The reference in work when the time is over is not recorded; the one before it is."""
    with start(held.application) as service:
        first = uploaded(service, draw(45))
        with holding(held.embedder):
            assert _late(brands_of(service), draw(46)) is grpc.StatusCode.DEADLINE_EXCEEDED
        uploaded(service, draw(47))

        kept = digests(service)
    assert first.image_result.sha256 in kept
    assert sha256(draw(46)) not in kept


def _late(brands: BrandServiceStub, picture: bytes) -> grpc.StatusCode:
    """Upload with half a second's time, and give the code: of the call, or of the reference if it was told of."""
    try:
        (result,) = brands.UploadReference(parts(header(), picture), timeout=0.5).results
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return next(code for code in grpc.StatusCode if code.value[0] == result.error.code)


def test_uploads_leave_workers_to_screening(held: Held, start: Start) -> None:
    """While as many references as may be are held in work, a worker is left that lists."""
    stream = [part for seed in range(AT_ONCE + 2) for part in parts(header(), small_picture(seed))]

    with start(held.with_settings(workers=AT_ONCE + 1)) as service:
        with holding(held.embedder):
            call = brands_of(service).UploadReference.future(iter(stream), timeout=PATIENCE_S)
            assert held.embedder.reached.wait(PATIENCE_S)
            seen = listed(service)
        results = call.result(PATIENCE_S).results

    assert len(seen) == 2
    assert len({result.reference.reference_id for result in results}) == AT_ONCE + 2


def _fields(result: pb.UploadReferenceResult) -> list[str]:
    found = BadRequest()
    assert result.error.details[0].Unpack(found)
    return [violation.field for violation in found.field_violations]


def _image_fault(result: pb.UploadReferenceResult) -> str:
    found = ErrorInfo()
    assert result.error.details[0].Unpack(found)
    return found.reason


def _until_refused(service: Service, *, by: Metadata = ()) -> grpc.RpcError:
    for _ in range(1_000):
        try:
            brands_of(service).UploadReference(iter(()), timeout=PATIENCE_S, metadata=by)
        except grpc.RpcError as error:
            return error
    raise AssertionError("no stream was refused")


def _wait_for(service: Service, digest: str) -> None:
    """Ask until the reference of this file is on record."""
    for _ in range(10_000):
        if digest in digests(service):
            return
    raise AssertionError("the reference never came")


def test_states_of_the_wire_are_those_of_the_store() -> None:
    """Every state has its number; none is forgotten."""
    names = {name.removeprefix("REFERENCE_STATE_") for name, number in brand_pb2.ReferenceState.items() if number}

    assert names == {state.name for state in ReferenceState}
