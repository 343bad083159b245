"""Every error reaches the client with the right code, the right details and nothing that is not its business."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

import index
import reference_brands
import serving
import vision
from index.errors import Conflict, DecidedAnew, KeyReused, LostRace, NotFound, NotPermitted, SnapshotError, StoreError
from serving.errors import (
    DeadlineExceeded,
    FieldViolation,
    InvalidListing,
    Overloaded,
    PolicyError,
    ServingError,
    Unauthenticated,
)
from serving.status import ANSWERS, answer_to, to_status
from vision.errors import CheckpointError, ImageError, ImageFault, TouchstoneError, UnsupportedByModel

# The codes that the API promises; INTERNAL is a bug and stands for no error of ours.
PROMISED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED,
}


def test_every_error_of_the_tree_has_an_answer() -> None:
    """Each leaf of the exception tree stands in the table, with a code that the API promises."""
    for package in (vision, index, reference_brands, serving):
        for module in pkgutil.iter_modules(package.__path__):
            if module.name == "errors":
                importlib.import_module(f"{package.__name__}.errors")

    leaves = [error for error in _descendants(TouchstoneError) if error.__module__.endswith(".errors")]

    assert len(leaves) >= 17
    for leaf in leaves:
        if leaf is not ServingError:
            assert leaf in ANSWERS, f"{leaf.__name__} has no line in the table"
            assert ANSWERS[leaf].code in PROMISED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidListing(()), grpc.StatusCode.INVALID_ARGUMENT),
        (ImageError(ImageFault.CORRUPT, "bad"), grpc.StatusCode.INVALID_ARGUMENT),
        (DecodeError("bad"), grpc.StatusCode.INVALID_ARGUMENT),
        (NotFound("no brand"), grpc.StatusCode.NOT_FOUND),
        (Conflict("changed"), grpc.StatusCode.ABORTED),
        (DecidedAnew("meanwhile"), grpc.StatusCode.ABORTED),
        (LostRace("postgresql: deadlock"), grpc.StatusCode.ABORTED),
        (KeyReused("another request"), grpc.StatusCode.INVALID_ARGUMENT),
        (NotPermitted("you took part"), grpc.StatusCode.PERMISSION_DENIED),
        (Unauthenticated("who are you"), grpc.StatusCode.UNAUTHENTICATED),
        (StoreError("disk"), grpc.StatusCode.UNAVAILABLE),
        (SnapshotError("corrupt"), grpc.StatusCode.UNAVAILABLE),
        (DeadlineExceeded("late"), grpc.StatusCode.DEADLINE_EXCEEDED),
        (Overloaded("full", retry_after_s=1.0), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (UnsupportedByModel("no text tower"), grpc.StatusCode.UNIMPLEMENTED),
        (KeyError("secret"), grpc.StatusCode.INTERNAL),
        (ServingError("nothing more precise"), grpc.StatusCode.INTERNAL),
    ],
)
def test_codes(error: BaseException, code: grpc.StatusCode) -> None:
    """An error gets the code of its class."""
    status = to_status(error)

    assert status.code == code.value[0]
    assert status.message


def test_violations_are_named_one_by_one() -> None:
    """An invalid request comes back with every field at fault."""
    violations = (FieldViolation("listing.images", "is empty"), FieldViolation("listing.price", "is negative"))

    status = to_status(InvalidListing(violations))

    details = BadRequest()
    assert status.details[0].Unpack(details)
    assert [(one.field, one.description) for one in details.field_violations] == [
        ("listing.images", "is empty"),
        ("listing.price", "is negative"),
    ]


def test_overload_says_when_to_come_back() -> None:
    """A full queue comes back with a delay, and never with none."""
    for seconds, milliseconds in ((1.5, 1_500), (0.0, 1)):
        details = RetryInfo()

        status = to_status(Overloaded("full", retry_after_s=seconds))

        assert status.details[0].Unpack(details)
        assert details.retry_delay.ToMilliseconds() == milliseconds


def test_image_fault_is_readable_by_programs() -> None:
    """An image that fails a call is answered with its fault."""
    details = ErrorInfo()

    status = to_status(ImageError(ImageFault.TRUNCATED, "ends after 12 bytes"))

    assert status.details[0].Unpack(details)
    assert details.reason == "IMAGE_TRUNCATED"
    assert status.message == "ends after 12 bytes"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("password=hunter2"),
        PolicyError("password=hunter2", file=Path("/srv/policy.yaml"), line=3),
        CheckpointError("/srv/password=hunter2"),
        StoreError("postgresql://touchstone:hunter2@db"),
    ],
)
def test_what_is_inside_stays_inside(error: BaseException) -> None:
    """Messages of bugs and of the installation's own faults do not reach the client."""
    status = to_status(error)

    assert "hunter2" not in str(status)
    assert "/srv" not in str(status)


def test_status_fits_into_trailers() -> None:
    """However long an error's message is, the status stays below the 8 KiB that gRPC lets through."""
    status = to_status(NotFound("n" * 100_000))

    assert status.ByteSize() < 4_096


def test_a_subclass_is_answered_like_its_parent() -> None:
    """An error class that a backend adds is answered as the class that it specialises."""

    class Gone(NotFound):
        """A brand that was there."""

    assert answer_to(Gone("nike")) == ANSWERS[NotFound]


def _descendants(kind: type[TouchstoneError]) -> Iterator[type[TouchstoneError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def test_a_status_fits_into_the_trailers() -> None:
    """However many rules a request breaks, and however long its fields, the client gets the status and not gRPC's."""
    violations = tuple(FieldViolation(f"filter.brand_ids[{place}]", "é" * 60) for place in range(1000))

    status = to_status(InvalidListing(violations))

    assert len(status.SerializeToString()) < 5_000
    detail = BadRequest()
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].field == "filter.brand_ids[0]"
    assert f"{1000 - len(detail.field_violations)} more fields" in detail.field_violations[-1].description
