"""How does a brand owner's own system send references? A typed client: batches, resent until they are answered.

    credentials = Credentials(ca=Path("ca.pem"), token_file=Path("token"))
    with credentials.channel("touchstone.example:50051") as channel:
        client = ReferenceClient(channel)
        for sent in client.upload([ReferenceFile(header, Path("mark.svg"))]):
            if sent.result.HasField("error"): ...

Files are read one at a time, when their turn comes. Every reference carries an idempotency key that is derived from
what is sent, so that sending a batch again, in another process too, records nothing twice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

CHUNK_BYTES = 2**20
BATCH = 1_000
_ATTEMPTS = 5
_TIMEOUT_S = 60.0
_FIRST_PAUSE_S = 0.2


@dataclass(frozen=True)
class ReferenceFile:
    """A file to upload. Its name, digest and idempotency key are filled in where `header` leaves them out."""

    header: pb.UploadReferenceHeader
    path: Path


@dataclass(frozen=True)
class Sent:
    """What became of a file, and the state of the index from which on it is matched."""

    file: ReferenceFile
    result: pb.UploadReferenceResult
    index_version: str


class ReferenceClient:
    """Talks about references over a channel that the caller opens and closes. Thread-safe.

    `metadata` goes with every call; `pause` waits between attempts.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        *,
        metadata: Sequence[tuple[str, str]] = (),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stub = BrandServiceStub(channel)
        self._metadata = tuple(metadata)
        self._pause = pause

    def upload(self, files: Iterable[ReferenceFile], *, timeout_s: float | None = None) -> Iterator[Sent]:
        """Send files in batches of 1,000, and yield what became of each, in order; `timeout_s` is for a batch.

        Raises:
            OSError: a file cannot be read; nothing of its batch was sent.
            grpc.RpcError: a batch was refused, or not answered after five attempts.

        """
        source = iter(files)
        while batch := list(islice(source, BATCH)):
            for file in batch:
                file.path.open("rb").close()  # gRPC would say nothing of a file that is not there
            response = self._send(batch, timeout_s)
            for file, result in zip(batch, response.results, strict=True):
                yield Sent(file, result, response.index_version)

    def references(
        self, brand_id: str, *, states: Sequence[brand_pb2.ReferenceState.ValueType] = (), bank_id: str = ""
    ) -> Iterator[brand_pb2.Reference]:
        """Yield a brand's references, the newest first, page by page. Raises grpc.RpcError."""
        request = pb.ListReferencesRequest(brand_id=brand_id, states=states, bank_id=bank_id)
        return paged(lambda: self._stub.ListReferences(request, timeout=_TIMEOUT_S, metadata=self._metadata), request)

    def review(self, request: pb.ReviewReferenceRequest) -> pb.ReviewReferenceResponse:
        """Decide on a reference. Raises grpc.RpcError."""
        return self._stub.ReviewReference(request, timeout=_TIMEOUT_S, metadata=self._metadata)

    def retire(self, request: pb.RetireReferenceRequest) -> pb.RetireReferenceResponse:
        """End the matching of a reference. Raises grpc.RpcError."""
        return self._stub.RetireReference(request, timeout=_TIMEOUT_S, metadata=self._metadata)

    def _send(self, batch: Sequence[ReferenceFile], timeout_s: float | None) -> pb.UploadReferenceResponse:
        """Send a batch until it is answered. Left to gRPC a retry would need all of its files in memory."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._stub.UploadReference(parts(batch), timeout=timeout_s, metadata=self._metadata)
            except grpc.RpcError as error:
                pause_s = _pause_after(error, attempt)
                if pause_s is None or attempt == _ATTEMPTS - 1:
                    raise
                self._pause(pause_s)
        raise AssertionError("the last attempt returns or raises")


def paged(
    ask: Callable[[], pb.ListReferencesResponse], request: pb.ListReferencesRequest
) -> Iterator[brand_pb2.Reference]:
    """Ask for page after page of `request`, and yield what they hold."""
    while True:
        page = ask()
        yield from page.references
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def parts(files: Iterable[ReferenceFile]) -> Iterator[pb.UploadReferenceRequest]:
    """Cut files into the messages of a stream, each with its header in front."""
    for file in files:
        content = file.path.read_bytes()
        yield pb.UploadReferenceRequest(header=filled_in(file, content))
        for start in range(0, len(content), CHUNK_BYTES):
            yield pb.UploadReferenceRequest(chunk=content[start : start + CHUNK_BYTES])


def filled_in(file: ReferenceFile, content: bytes) -> pb.UploadReferenceHeader:
    """Return a file's header with what it leaves out."""
    header = pb.UploadReferenceHeader()
    header.CopyFrom(file.header)
    header.content_sha256 = header.content_sha256 or hashlib.sha256(content).hexdigest()
    header.provenance.file_name = header.provenance.file_name or file.path.name
    if not header.request_id:
        header.request_id = hashlib.sha256(header.SerializeToString(deterministic=True)).hexdigest()
    return header


def _pause_after(error: grpc.RpcError, attempt: int) -> float | None:
    """Say how long to wait before the next attempt, in seconds; None when another attempt is of no use."""
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return float(_FIRST_PAUSE_S * 2**attempt)
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            retry = RetryInfo()
            if detail.Unpack(retry):
                return float(retry.retry_delay.ToTimedelta().total_seconds())
    return None
