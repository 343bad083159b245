"""How is a stream of references taken in? File by file, each as soon as its last chunk came; never the batch at once.

Memory is bounded: of each stream at most one file is being read and `AT_ONCE` wait or are worked on, `MAX_STREAMS` are
open at a time, `MAX_STREAMS_EACH` of one caller, and a file ends at `MAX_IMAGE_BYTES`. What was recorded before a
stream breaks stays, and the `request_id`s, or the content itself, make it the same references when the batch is sent
again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from serving.access.caller import Caller
from serving.deadline import Deadline
from serving.errors import BatchTooLarge, DeadlineExceeded, FieldViolation, InvalidListing, Overloaded
from serving.interceptor import log_failure
from serving.reference_answers import ReferenceAnswers
from serving.status import to_status
from serving.streams import answer_each
from serving.wire.requests import MAX_IMAGE_BYTES
from serving.wire.rules import MAX_REQUEST_ID_CHARACTERS
from serving.work import Work
from touchstone.moderation.v1 import brand_service_pb2 as pb
from vision.errors import ImageError, ImageFault

MAX_REFERENCES = 1_000
MAX_STREAMS = 8
# A client may hold a stream open for as long as it sends something, so that one alone must not hold all of them.
MAX_STREAMS_EACH = 6
# References of all streams together that are worked on at a time, so that screening keeps the other workers; one stream
# may use all of them.
AT_ONCE = 4


@dataclass(frozen=True)
class Received:
    """A header with its file; of a file over the limit only the size is known."""

    header: pb.UploadReferenceHeader
    content: bytes
    size: int


class UploadStreams:
    """Answers streams of references. A client that sends nothing for `patience_s` seconds loses its stream.

    `charge` is asked for each reference whether its caller may bring one more, and raises Overloaded.
    """

    def __init__(
        self,
        references: ReferenceAnswers,
        work: Work,
        *,
        charge: Callable[[Caller], None] = lambda _: None,
        draining: asyncio.Event,
        patience_s: float,
    ) -> None:
        self._references = references
        self._charge = charge
        self._work = work.run
        self._draining = draining
        self._patience_s = patience_s
        self._open: Counter[str] = Counter()  # streams, by the caller's name
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def answer(
        self, requests: AsyncIterator[pb.UploadReferenceRequest], caller: Caller, deadline: Callable[[], Deadline]
    ) -> pb.UploadReferenceResponse:
        """Take in a stream; `deadline` gives the one of the reference whose work begins.

        Raises:
            InvalidListing: it begins with a chunk, or holds a message that is neither header nor chunk.
            BatchTooLarge: it holds more than `MAX_REFERENCES`.
            Overloaded: too many streams are open.
            DeadlineExceeded: the client is silent for too long.
            Interrupted: the server drains; everything that was received whole is recorded.

        """
        if self._open.total() >= MAX_STREAMS:
            raise Overloaded(f"{MAX_STREAMS} streams of references are open already", retry_after_s=1.0)
        if self._open[caller.name] >= MAX_STREAMS_EACH:
            raise Overloaded(f"{MAX_STREAMS_EACH} streams of yours are open already", retry_after_s=1.0)
        self._open[caller.name] += 1
        try:
            results = await self._results(requests, caller, deadline)
        finally:
            self._open[caller.name] -= 1
            self._open += Counter()  # forgets those who have none
        version = await self._work(self._references.index_version)
        return pb.UploadReferenceResponse(results=results, index_version=version)

    async def _results(
        self, requests: AsyncIterator[pb.UploadReferenceRequest], caller: Caller, deadline: Callable[[], Deadline]
    ) -> list[pb.UploadReferenceResult]:
        async def answer(sequence: int, received: Received) -> pb.UploadReferenceResult:
            async with self._turn:
                return await self._result(sequence, received, caller, deadline())

        files = assembled(requests, patience_s=self._patience_s)
        answers = answer_each(files, answer, at_once=AT_ONCE, stop=self._draining)
        return sorted([result async for result in answers], key=lambda result: result.sequence)

    async def _result(
        self, sequence: int, received: Received, caller: Caller, deadline: Deadline
    ) -> pb.UploadReferenceResult:
        result = pb.UploadReferenceResult(sequence=sequence)
        if len(received.header.request_id) <= MAX_REQUEST_ID_CHARACTERS:  # a longer one is refused, and not kept
            result.request_id = received.header.request_id
        try:
            _check_size(received.size)
            self._charge(caller)
            reference = await self._work(
                lambda: self._references.upload(received.header, received.content, caller, deadline=deadline)
            )
            result.reference.CopyFrom(reference)
        except Exception as error:  # noqa: BLE001 - one reference's failure is its own answer and must not end the stream
            log_failure("UploadReference", error)
            result.error.CopyFrom(to_status(error))
        return result


async def assembled(
    requests: AsyncIterator[pb.UploadReferenceRequest], *, patience_s: float
) -> AsyncIterator[Received]:
    """Yield each file with its header once all of its chunks came. Raises as `UploadStreams.answer` does."""
    header: pb.UploadReferenceHeader | None = None
    content = bytearray()  # not a list: a chunk of one byte would take forty
    size = headers = 0
    while (request := await _next(requests, patience_s)) is not None:
        part = request.WhichOneof("part")
        if part == "header":
            if header is not None:
                yield Received(header, bytes(content), size)
            header, content, size, headers = request.header, bytearray(), 0, headers + 1
            if headers > MAX_REFERENCES:
                raise BatchTooLarge(
                    f"the stream holds more than {MAX_REFERENCES} references; those are recorded: send the rest apart"
                )
        elif part == "chunk" and header is not None:
            size += len(request.chunk)
            if size > MAX_IMAGE_BYTES:
                content.clear()  # it is refused whatever else comes of it
            else:
                content += request.chunk
        else:
            remedy = "comes before any header; send a header first" if part else "is neither header nor chunk"
            raise InvalidListing((FieldViolation(part or "part", remedy),))
    if header is not None:
        yield Received(header, bytes(content), size)


async def _next(
    requests: AsyncIterator[pb.UploadReferenceRequest], within_s: float
) -> pb.UploadReferenceRequest | None:
    """Wait for the next message; None is the end."""
    try:
        return await asyncio.wait_for(anext(requests, None), within_s)
    except TimeoutError as error:
        raise DeadlineExceeded(
            f"nothing came for {within_s:g} s; what was sent whole is recorded: send the batch again"
        ) from error


def _check_size(size: int) -> None:
    if size > MAX_IMAGE_BYTES:
        raise ImageError(
            ImageFault.TOO_MANY_BYTES,
            f"the file has {size:,} bytes; at most {MAX_IMAGE_BYTES:,} are accepted: compress it or make it smaller",
        )
