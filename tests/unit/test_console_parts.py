"""Do the console's parts keep their word each? Errors, addresses, times, bodies, and the rpc behind a request."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from babel.dates import format_datetime
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from google.type.money_pb2 import Money
from grpc.aio import AioRpcError, Metadata
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message

from serving.access.permissions import RPCS
from serving.console.drawing import TEMPLATES, enum_name
from serving.console.failures import failure_of
from serving.console.formats import Formats, zone_of
from serving.console.guard import bounded, host_of, is_ours
from serving.console.upstream import rpc_name
from serving.console.view import local
from serving.console.words import LOCALES
from serving.rpc_services import SERVICES
from touchstone.moderation.v1 import (
    case_pb2,
    decision_pb2,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def failed(code: grpc.StatusCode, message: str = "why", *details: BadRequest | RetryInfo) -> AioRpcError:
    """Make the error of an rpc."""
    status = Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    trailing = Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return AioRpcError(code, Metadata(), trailing, details=message)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.NOT_FOUND, 404),
        (grpc.StatusCode.PERMISSION_DENIED, 403),
        (grpc.StatusCode.UNAUTHENTICATED, 401),
        (grpc.StatusCode.ABORTED, 409),
        (grpc.StatusCode.INVALID_ARGUMENT, 422),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (grpc.StatusCode.UNAVAILABLE, 503),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
        (grpc.StatusCode.UNIMPLEMENTED, 501),
        (grpc.StatusCode.INTERNAL, 500),
        (grpc.StatusCode.UNKNOWN, 500),
    ],
)
def test_a_refusal_has_its_status(code: grpc.StatusCode, status: int) -> None:
    """Each code of the API becomes the HTTP status that says the same, with the service's message."""
    failure = failure_of(failed(code))

    assert (failure.status, failure.message) == (status, "why")


def test_fields_and_delays_are_told() -> None:
    """All fields at fault are named, and a delay is rounded up to whole seconds."""
    bad = BadRequest(field_violations=[BadRequest.FieldViolation(field="a.b", description="is <b>missing</b>")])
    again = RetryInfo()
    again.retry_delay.FromMilliseconds(1_200)

    assert failure_of(failed(grpc.StatusCode.INVALID_ARGUMENT, "x", bad)).fields == {"a.b": "is <b>missing</b>"}
    assert failure_of(failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "x", again)).retry_after_s == 2


def test_every_rpc_is_named_by_its_request() -> None:
    """The request alone says what is called, for each rpc of the API."""
    methods = [method for service in SERVICES for method in service.methods]
    named = {rpc_name(GetMessageClass(method.input_type)) for method in methods}

    assert named == {rpc for rpc in RPCS if rpc.startswith("touchstone.")}
    with pytest.raises(LookupError):
        rpc_name(case_pb2.Case)


@pytest.mark.parametrize(
    ("path", "led"),
    [
        ("/queue?state=OPEN", "/queue?state=OPEN"),
        ("/", "/"),
        ("", "/"),
        ("queue", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("javascript:alert(1)", "/"),
        ("///evil.example", "/"),
    ],
)
def test_nobody_is_led_elsewhere(path: str, led: str) -> None:
    """Only a path of this console is followed after a form."""
    assert local(path) == led


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://h:1", "host": "h:1"}, False),
        ({"origin": "http://h:1", "host": "h:1"}, True),
        ({"origin": "https://H:1", "host": "h:1"}, True),
        ({"origin": "http://h:2", "host": "h:1"}, False),
        ({"origin": "null", "host": "h:1"}, False),
        ({"host": "h:1"}, False),
        ({"origin": "", "host": ""}, False),
    ],
)
def test_a_form_of_ours_is_known(headers: dict[str, str], ours: bool) -> None:
    """By what the browser says of where it comes from, and never by nothing."""
    assert is_ours(Headers(headers)) is ours


@pytest.mark.parametrize(
    ("netloc", "host"), [("a:80", "a"), ("A", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("", "")]
)
def test_hosts_are_read(netloc: str, host: str) -> None:
    """Without the port, in small letters."""
    assert host_of(netloc) == host


async def test_bodies_are_bounded() -> None:
    """What is too large or never comes is refused; what fits comes through."""

    async def whole() -> Message:
        return {"type": "http.request", "body": b"12345", "more_body": False}

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    assert (await bounded(whole, max_bytes=5)())["body"] == b"12345"
    with pytest.raises(HTTPException) as large:
        await bounded(whole, max_bytes=4)()
    with pytest.raises(HTTPException) as slow:
        await bounded(never, max_bytes=5, within_s=0.01)()

    assert (large.value.status_code, slow.value.status_code) == (413, 408)


def test_values_are_written_for_their_readers() -> None:
    """Times have their zone, numbers and money their signs, in the order of the language."""
    english = Formats("en_GB", zone_of("Europe/Berlin"), NOON)
    chinese = Formats("zh_Hans_CN", zone_of("Asia/Shanghai"), NOON)
    money = Money(currency_code="EUR", units=1234, nanos=500_000_000)

    assert english.time(NOON).startswith("23 Nov 2026, 13:00:00 ")
    assert chinese.time(NOON).startswith("2026年11月23日 20:00:00 ")
    assert english.day(NOON) == "23 Nov 2026"
    late = Formats("en_GB", zone_of("Pacific/Kiritimati"), NOON)
    assert (late.today.isoformat(), late.date(NOON.date()), late.month(NOON)) == (
        "2026-11-24",
        "23 Nov 2026",
        "Nov 2026",
    )
    assert (chinese.date(NOON.date()), chinese.month(NOON)) == ("2026年11月23日", "2026年11月")
    assert (english.age(NOON - timedelta(hours=3)), english.age(NOON + timedelta(days=2))) == (
        "3 hours ago",
        "in 2 days",
    )
    assert chinese.age(NOON - timedelta(hours=3)) == "3小时前"
    assert (english.money(money), english.share(0.793), english.number(1234.5, digits=2)) == (
        "€1,234.50",
        "79%",
        "1,234.50",
    )
    assert english.duration(90) == "2 minutes"
    assert english.number(3.4, digits=0) == "3"


@pytest.mark.parametrize("locale", LOCALES.values())
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Shanghai", "America/St_Johns", ""])
def test_a_moment_is_written_as_its_locale_does(locale: str, zone: str) -> None:
    """As Babel writes date and time, with the name of the zone, in summer as in winter."""
    written = Formats(locale, zone_of(zone), NOON)
    for moment in (NOON, NOON + timedelta(days=200, seconds=12_345)):
        plain = format_datetime(moment, "medium", tzinfo=zone_of(zone), locale=locale)
        name = format_datetime(moment, "z", tzinfo=zone_of(zone), locale=locale)

        assert written.time(moment) == f"{plain} {name}"


@pytest.mark.parametrize("name", ["", "Nowhere/None", "../../etc/passwd", "Europe", "x" * 100, "\0"])
def test_a_zone_that_is_none_is_utc(name: str) -> None:
    """Whatever a cookie says."""
    assert zone_of(name) is UTC


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.stem)
def test_sheets_and_scripts_stand_in_the_head(template: Path) -> None:
    """There they stay when htmx exchanges the body, and are loaded before it is drawn."""
    text = template.read_text(encoding="utf-8")
    elsewhere = re.sub(r"<head>.*</head>|\{% block head %\}.*?\{% endblock %\}", "", text, flags=re.DOTALL)

    assert re.findall(r"<(?:link|script|style)\b[^>]*>", elsewhere) == []


def test_enums_lose_their_prefix() -> None:
    """Templates name values as the words do."""
    case = case_pb2.Case(state=case_pb2.CASE_STATE_AWAITING_SECOND_REVIEW)

    assert enum_name(case, "state") == "AWAITING_SECOND_REVIEW"
    assert enum_name(decision_pb2.Decision(), "verdict") == "UNSPECIFIED"
