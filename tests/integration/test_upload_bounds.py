"""How much does a stream of references take, and what can it break? Bounded memory, and an answer to every input."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving import upload_streams
from serving.app import open_application
from serving.errors import DeadlineExceeded
from serving.upload_streams import assembled
from tests.integration.reference_support import WHEEL, brands_of, header, parts, small_picture, upload, uploaded
from tests.integration.support import PATIENCE_S, Service, Start, draw, fill, settings_at
from touchstone.moderation.v1 import brand_service_pb2 as pb

_PADDING = bytes(2**20)
_PICTURES = 8
_REFERENCES = 16 * _PICTURES


@pytest.fixture(scope="module")
def service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve for this suite alone, which fills the registry."""
    with open_application(settings_at(tmp_path_factory.mktemp("bounds"))) as application:
        fill(application)
        with start(application) as running:
            yield running


def test_many_references_in_one_stream_take_bounded_memory(service: Service) -> None:
    """An eighth of a gigabyte passes through, each file answered in its place; far less is held at any time."""
    files = [small_picture(seed) + _PADDING for seed in range(_PICTURES)]

    def stream() -> Iterator[pb.UploadReferenceRequest]:
        for number in range(_REFERENCES):
            yield from parts(header(), files[number % _PICTURES], size=2**18)

    tracemalloc.start()
    try:
        results = brands_of(service).UploadReference(stream(), timeout=5 * PATIENCE_S).results
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    ids = [result.reference.reference_id for result in results]
    assert [result.sequence for result in results] == list(range(_REFERENCES))
    assert len(set(ids)) == _PICTURES
    assert ids == ids[:_PICTURES] * (_REFERENCES // _PICTURES)
    assert peak < 40 * 2**20 < _REFERENCES * len(_PADDING) / 3


async def test_a_file_is_handed_on_before_the_next_is_read() -> None:
    """Of two files the first is there when the second one's header is, and no chunk of that one was asked for."""
    asked: list[str] = []

    async def stream() -> AsyncIterator[pb.UploadReferenceRequest]:
        for number in range(2):
            for part in parts(header(request_id=f"f{number}"), b"abc", size=1):
                asked.append(part.WhichOneof("part") or "")
                yield part

    files = assembled(stream(), patience_s=PATIENCE_S)
    first = await anext(files)
    asked_for_the_first = list(asked)
    second = await anext(files)

    assert (first.header.request_id, first.content, first.size) == ("f0", b"abc", 3)
    assert asked_for_the_first == ["header", "chunk", "chunk", "chunk", "header"]
    assert (second.header.request_id, second.content) == ("f1", b"abc")
    assert [file async for file in files] == []


async def test_tiny_chunks_take_no_more_than_their_bytes() -> None:
    """Thousands of chunks of two bytes are held as so many bytes, not as so many objects of 35 bytes and more.

    Counted is what the taking in has allocated, for servers of other tests work meanwhile.
    """
    pieces, held = 2**13, []

    async def stream() -> AsyncIterator[pb.UploadReferenceRequest]:
        yield pb.UploadReferenceRequest(header=header())
        for number in range(pieces):
            yield pb.UploadReferenceRequest(chunk=number.to_bytes(2))
        own = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, upload_streams.__file__)])
        held.append(sum(trace.size for trace in own.traces))

    tracemalloc.start()
    try:
        (file,) = [file async for file in assembled(stream(), patience_s=PATIENCE_S)]
    finally:
        tracemalloc.stop()

    assert (len(file.content), file.content[-2:]) == (2 * pieces, b"\x1f\xff")
    assert 2 * pieces <= held[0] < 4 * pieces


def test_an_idempotency_key_that_is_none_is_not_kept(service: Service) -> None:
    """A stream of long ones would fill the memory and break the answer; each is refused without being sent back."""
    (result,) = upload(service, (header(request_id="x" * 1_000), draw(1)))

    assert result.HasField("error")
    assert result.request_id == ""


async def test_a_silent_client_loses_its_stream() -> None:
    """A stream that stays open and brings nothing takes a place that others wait for."""

    async def stream() -> AsyncIterator[pb.UploadReferenceRequest]:
        yield pb.UploadReferenceRequest(header=header())
        await never.wait()

    never = asyncio.Event()

    with pytest.raises(DeadlineExceeded, match=r"nothing came for 0\.01 s"):
        await anext(assembled(stream(), patience_s=0.01))


_parts = st.lists(
    st.one_of(
        st.builds(lambda key: pb.UploadReferenceRequest(header=header(request_id=key)), st.text(max_size=3)),
        st.builds(lambda chunk: pb.UploadReferenceRequest(chunk=chunk), st.binary(max_size=64)),
        st.just(pb.UploadReferenceRequest()),
        st.just(pb.UploadReferenceRequest(chunk=small_picture(1))),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=_parts)
def test_any_stream_is_answered(service: Service, stream: list[pb.UploadReferenceRequest]) -> None:
    """Whatever the order of its parts: a result for each header, or what is wrong with the stream."""
    headers = [part.header.request_id for part in stream if part.HasField("header")]
    call = brands_of(service).UploadReference.future(iter(stream), timeout=PATIENCE_S)

    if call.code() is grpc.StatusCode.OK:
        assert [result.request_id for result in call.result().results] == headers
        assert all(_well_answered(result) for result in call.result().results)
    else:
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "AVIF", "GIF"]),
    place=st.floats(0, 1),
    noise=st.binary(min_size=1, max_size=40),
)
def test_any_damaged_picture_is_answered(service: Service, kind: str, place: float, noise: bytes) -> None:
    """Bytes exchanged anywhere: it still is a picture, or the client is told that it is none."""
    content = bytearray(draw(90, kind=kind))
    start = int(place * (len(content) - len(noise)))
    content[start : start + len(noise)] = noise

    (result,) = upload(service, (header(), bytes(content)))

    assert _well_answered(result)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0.3, 1), noise=st.text("0123456789eE-.#MzhvlcsqtaQTLHV ", min_size=1, max_size=20))
def test_any_odd_drawing_is_answered(service: Service, place: float, noise: str) -> None:
    """Coordinates and colours exchanged anywhere: it is drawn, or the client is told why not; the service lives."""
    start = int(place * len(WHEEL))

    (result,) = upload(service, (header(), WHEEL[:start] + noise.encode() + WHEEL[start:]))

    assert _well_answered(result)


def test_the_service_is_well_after_all_that(service: Service) -> None:
    """What comes next is taken in."""
    assert uploaded(service, draw(91)).reference_id


def _well_answered(result: pb.UploadReferenceResult) -> bool:
    return bool(result.reference.reference_id) or result.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
