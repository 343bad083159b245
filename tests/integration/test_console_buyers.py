"""What do buyers get from the console, who have no sign-in? Careful words, a serial check, a report and its outcome."""

from __future__ import annotations

import asyncio
import html
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from serving.app import open_application
from serving.console.room import OF_ONE
from serving.console.words import load_words
from tests.integration.brand_support import owner_of
from tests.integration.case_support import TAKEDOWN, case_of, person, suspicious
from tests.integration.console_support import HOSTILE, Console, console_running
from tests.integration.support import AURORA, AUTHORISED, PATIENCE_S, draw, fill, listing, settings_at
from touchstone.moderation.v1.brand_service_pb2 import SetBuyerAdviceRequest
from touchstone.moderation.v1.buyer_pb2 import ADVICE_KIND_HOLOGRAM, AdviceItem, BuyerAdvice, LocalizedText

ADDRESSES = ("touchstone-client", "x-forwarded-for")


@pytest.fixture(scope="module")
def console(
    event_loop_thread: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """Serve a console over a brand that advises buyers."""
    settings = settings_at(tmp_path_factory.mktemp("buyers")).model_copy(update={"points": "none"})
    with open_application(settings) as application:
        fill(application)
        with console_running(event_loop_thread, application) as running:
            texts = [LocalizedText(language="en", text="Tilt <it>."), LocalizedText(language="zh", text="倾斜它。")]
            advice = BuyerAdvice(items=[AdviceItem(kind=ADVICE_KIND_HOLOGRAM, texts=texts)], serial_template="AA-9999")
            request = SetBuyerAdviceRequest(brand_id=AURORA.brand_id, buyer_advice=advice)
            owner_of(running.service, AURORA.brand_id).call("SetBuyerAdvice", request)
            claims = {"title": "Aurora shoe", "claimed_brand": AURORA.name}
            offer = listing(draw(1), listing_id="fine/one", seller_id=AUTHORISED, market="DE", **claims)
            running.service.screen(offer)
            yield running


def test_a_buyer_reads_what_the_brand_says(console: Console) -> None:
    """Without a sign-in, in the reader's language, with the brand's advice as text."""
    english = console.visitor().get("/check/fine%2Fone").text
    chinese = console.visitor().get("/check/fine%2Fone", **{"accept-language": "zh"}).text

    assert "this seller is authorised" in english
    assert "Tilt &lt;it&gt;." in english
    assert "倾斜它。" in chinese
    assert "该卖家获授权" in chinese


def test_what_nobody_knows_is_answered_alike(console: Console) -> None:
    """A listing that is not there, with a hostile id, has a page of its own, and the id is text."""
    page = console.visitor().get(f"/check/{quote('{{7*7}}' + HOSTILE[:80], safe='')}")

    assert page.status_code == 200
    assert "has not said" in page.text
    assert "<script>document" not in page.text
    assert "{{7*7}}" in page.text


def test_a_serial_number_is_checked(console: Console) -> None:
    """It is told how the number is written and no more; a brand that checks none refuses."""
    buyer = console.visitor()

    fits = buyer.post("/check/fine%2Fone", serial="AB-1234").text
    other = buyer.post("/check/fine%2Fone", serial="<b>1").text

    assert "has the brand&#39;s format" in fits
    assert "not written as the brand" in other
    assert "&lt;b&gt;1" in other
    assert buyer.post("/check/unknown", serial="AB-1234").status_code == 422


def test_a_report_has_a_receipt_and_an_outcome(console: Console) -> None:
    """The receipt leads to what became of it; without its secret there is nothing to see."""
    buyer, ann = console.visitor(), person(console.service, "ann", "lead")
    decision = suspicious(console.service, "reported")
    fields = {"csrf": buyer.token(), "reason": "origin", "text": "the seams", "request_id": "r1"}
    photos = [("photos", ("p.png", draw(7), "image/png"))]

    sent = buyer.client.post("/report-listing/reported", data=fields, files=photos)
    again = buyer.client.post("/report-listing/reported", data=fields, files=photos)
    path = sent.headers["location"]
    waiting = console.visitor().get(path).text
    ann.resolve(case_of(console.service, decision), TAKEDOWN)

    assert (sent.status_code, again.headers["location"]) == (303, path)
    assert path.removeprefix("/report/") in waiting
    assert "No decision has been made" in waiting
    assert "it was taken down" in console.visitor().get(path).text
    assert console.visitor().get(path[:-1] + ("0" if path[-1] != "0" else "1")).status_code == 404
    assert console.visitor().get(path.partition(".")[0]).status_code == 404


def test_a_report_needs_our_form_and_a_reason(console: Console) -> None:
    """One without the token is refused; without a reason the form comes back with what was typed."""
    buyer = console.visitor()

    assert buyer.client.post("/report-listing/x", data={"reason": "origin"}).status_code == 403
    empty = buyer.post("/report-listing/x", reason="", text="the <seams>")

    assert empty.status_code == 422
    assert "reason_code" in empty.text
    assert "the &lt;seams&gt;" in empty.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_page_of_buyers_judges_goods(console: Console, language: str) -> None:
    """Neither the words nor what the service adds say what goods are."""
    spoken = str({key: text for key, text in load_words()[language].messages.items() if key.startswith("buyers.")})
    pages = [console.visitor().get(f"/check/{name}", **{"accept-language": language}) for name in ("fine%2Fone", "x")]

    for text in [spoken, *(html.unescape(re.sub(r"<[^>]*href[^>]*>", "", page.text)) for page in pages)]:
        assert not [word for word in ("fake", "counterfeit", "replica", "假", "仿", "伪") if word in text.lower()]


def test_nobody_is_named_and_addresses_count(console: Console) -> None:
    """Also who is signed in asks in nobody's name; a header that claims another address is not passed on."""
    olga = console.person("olga", "brand-owner", brands=AURORA.brand_id)

    statuses = [
        olga.get("/check/limited", **dict.fromkeys(ADDRESSES, f"192.0.2.{number}")).status_code for number in range(45)
    ]

    assert (statuses[0], statuses[-1]) == (200, 429)
    assert "retry-after" in olga.get("/check/limited").headers


def test_buyers_behind_a_proxy_that_is_believed_have_addresses_of_their_own(
    event_loop_thread: asyncio.AbstractEventLoop, console: Console
) -> None:
    """The last address that the proxy added counts; what a browser wrote before it does not."""
    application = console.service.application
    changed = {"console_proxy": "loopback", "buyer_questions_per_minute": 2}
    settings = application.settings.model_copy(update=changed)
    with console_running(event_loop_thread, replace(application, settings=settings)) as behind:

        def asks(*hops: str) -> int:
            return behind.visitor().get("/check/x", **{"x-forwarded-for": ", ".join(hops)}).status_code

        first = [asks(f"198.51.100.{number}", "192.0.2.1") for number in range(3)]
        second = asks("192.0.2.2", "127.0.0.1")

    assert (first, second) == ([200, 200, 429], 200)


def test_photos_that_find_no_room_are_refused_unread(console: Console) -> None:
    """While two of one address arrive slowly, a third is told what else to do, and a form without files is let in."""
    buyer, large = console.visitor(), [("photos", ("p.png", bytes(300 * 1024), "image/png"))]

    def status(**files: Any) -> int:
        # Without its token the form is refused once it was read.
        return buyer.client.post("/report-listing/crowd", data={"reason": "origin"}, **files).status_code

    with ExitStack() as arriving:
        for _ in range(OF_ONE):
            arriving.enter_context(slow_report(console.url))
        until(lambda: status(files=large) == 429)
        refused = buyer.client.post("/report-listing/crowd", data={"reason": "origin"}, files=large)
        small = status()
    until(lambda: status(files=large) == 403)

    assert "send the form without them" in refused.text
    assert "retry-after" in refused.headers
    assert small == 403


def test_a_full_day_of_photos_is_told(event_loop_thread: asyncio.AbstractEventLoop, console: Console) -> None:
    """The page says in the reader's language what else to do; without photos the report is taken in."""
    application = console.service.application
    settings = application.settings.model_copy(update={"buyer_photo_mib_per_day": 0})
    photos = [("photos", ("p.png", draw(8), "image/png"))]
    with console_running(event_loop_thread, replace(application, settings=settings)) as full:
        buyer = full.visitor(**{"accept-language": "zh"})
        fields = {"csrf": buyer.token(), "reason": "origin"}
        refused = buyer.client.post("/report-listing/x", data=fields, files=photos)
        taken = buyer.client.post("/report-listing/x", data=fields)

    assert (refused.status_code, taken.status_code) == (429, 303)
    assert "不附照片" in refused.text


@contextmanager
def slow_report(url: str) -> Iterator[None]:
    """Hold a connection over which a large report does not arrive."""
    parts = urlsplit(url)
    head = (
        f"POST /report-listing/crowd HTTP/1.1\r\nhost: {parts.netloc}\r\nsec-fetch-site: same-origin\r\n"
        "content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
        connection.sendall(head.encode())
        yield


def until(true: Callable[[], bool]) -> None:
    """Ask again until something is true."""
    patience = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < patience, "it did not come true"
