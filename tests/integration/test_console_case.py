"""What does a moderator do on the page of a case? Decides, skips, takes back, and is told who was faster."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2
import pytest

from index.rings import Ring, RingLink
from serving.app import open_application
from tests.integration.case_support import ALLOW, TAKEDOWN, person
from tests.integration.console_support import HOSTILE, Console, Visitor, console_running
from tests.integration.support import AURORA_SHOE, draw, fill, listing, settings_at
from touchstone.moderation.v1.case_pb2 import (
    CASE_STATE_CLAIMED,
    CASE_STATE_OPEN,
    CASE_STATE_RESOLVED,
    Case,
)
from touchstone.moderation.v1.case_service_pb2 import CLAIM_ACTION_RELEASE

pytestmark = pytest.mark.usefixtures("acts_are_entered")

STATEMENT = {
    "with_statement": "1",
    "ground": "ILLEGAL_CONTENT",
    "ground_reference": "Regulation (EU) 2017/1001, Article 9",
    "explanation": "The goods carry a mark without consent.",
    "facts": "The seams differ.",
}


@pytest.fixture(scope="module")
def console(
    event_loop_thread: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """Serve a console without cases."""
    folder = tmp_path_factory.mktemp("console")
    rules = folder / "rules.yaml"
    rules.write_text("second_review_harm: 3.0", encoding="utf-8")
    settings = settings_at(folder).model_copy(update={"points": "none", "case_rules": rules})
    with open_application(settings) as application:
        fill(application)
        with console_running(event_loop_thread, application) as running:
            yield running


@pytest.fixture
def seller(console: Console, request: pytest.FixtureRequest) -> Iterator[str]:
    """Screen three listings of a seller of the test's own, whose cases are let go in the end."""
    name = f"seller-{request.node.name}"
    for number in range(3):
        offer = listing(
            draw(AURORA_SHOE), listing_id=f"{name}-{number}", seller_id=name, market="DE", title="Aurora 1:1 replica"
        )
        console.service.screen(offer)
    yield name
    for case in person(console.service).list(states=[CASE_STATE_CLAIMED]).cases:
        person(console.service, case.lease.holder).claim(case.case_id, action=CLAIM_ACTION_RELEASE)


def take(visitor: Visitor, seller: str) -> str:
    """Take the next case of a seller; give its address."""
    path: str = visitor.post("/queue/next", seller=seller).headers["location"]
    return path


def stored(console: Console, path: str) -> Case:
    """Read the case of an address."""
    return person(console.service).get(urlsplit(path).path.removeprefix("/cases/"))


def hidden(page: str, form: str) -> dict[str, str]:
    """Read the hidden fields of the form that decides so."""
    (body,) = (one for one in re.findall(r"<form.*?</form>", page, re.S) if f'name="verdict" value="{form}"' in one)
    pairs = re.findall(r'<input type="hidden" name="([a-z_]+)"(?: id="[a-z-]+")? value="([^"]*)"', body)
    return {name: html.unescape(value) for name, value in pairs}


def step(path: str, name: str) -> str:
    """Return the address of a step in a case."""
    parts = urlsplit(path)
    return f"{parts.path}/{name}?{parts.query}"


def decide(visitor: Visitor, path: str, verdict: str, **fields: str) -> httpx2.Response:
    """Send the form of a case's page."""
    return visitor.client.post(step(path, "resolve"), data=hidden(visitor.get(path).text, verdict) | fields)


def test_after_a_decision_comes_the_next_of_the_filter(console: Console, seller: str) -> None:
    """Allowing takes no further word; the next case of the same seller is held and shown, until none is left."""
    ann = console.person("ann")
    first = take(ann, seller)

    decided = decide(ann, first, "ALLOW")
    second = decided.headers["location"]
    shown = ann.get(second).text
    third = decide(ann, second, "TAKEDOWN", reason_code="COUNTERFEIT", note="seams", **STATEMENT).headers["location"]
    end = decide(ann, third, "ALLOW").headers["location"]

    assert f"?seller={seller}" in second
    assert "allowed." in shown
    assert [stored(console, path).state for path in (first, second, third)] == [CASE_STATE_RESOLVED] * 3
    (resolution,) = stored(console, second).resolutions
    assert (resolution.outcome.note, resolution.outcome.statement.facts) == ("seams", "The seams differ.")
    assert end == f"/queue?seller={seller}"
    assert "No case that fits is free" in ann.get(end).text


def test_a_form_that_is_sent_twice_decides_once(console: Console, seller: str) -> None:
    """The second of the same form makes no second resolution."""
    ann = console.person("ann")
    path = take(ann, seller)
    fields = hidden(ann.get(path).text, "ALLOW")

    answers = [ann.client.post(step(path, "resolve"), data=fields) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(stored(console, path).resolutions) == 1


def test_a_takedown_says_what_it_lacks(console: Console, seller: str) -> None:
    """Without a reason or a statement nothing is decided: the form comes back with what was typed and what is wrong."""
    ann = console.person("ann")
    path = take(ann, seller)
    open_form = ann.get(f"{path}&open=takedown").text

    refused = decide(ann, path, "TAKEDOWN", note=HOSTILE, **(STATEMENT | {"facts": ""}))

    assert '<dialog id="takedown" class="takedown" aria-labelledby="takedown-title" open>' in open_form
    assert "GENUINE" not in open_form
    assert refused.status_code == 422
    assert 'id="fault-outcome-reason_code"' in refused.text
    assert 'id="fault-outcome-statement-facts"' in refused.text
    assert "&lt;script&gt;document" in refused.text
    assert "<script>document" not in refused.text
    assert stored(console, path).state == CASE_STATE_CLAIMED


def test_of_two_people_one_decides(console: Console, seller: str) -> None:
    """Who lost the lease is told who has the case now, decides nothing, and is offered the next."""
    ann, bob = console.person("ann"), console.person("bob")
    path = take(ann, seller)
    fields = hidden(ann.get(path).text, "ALLOW")
    ann.client.post(step(path, "release"), data=fields)
    bob.post(step(path, "claim"))

    late = ann.client.post(step(path, "resolve"), data=fields)
    won = decide(bob, path, "ALLOW")
    later = ann.client.post(step(path, "resolve"), data=fields)

    assert late.status_code == 409
    assert "bob holds this case now" in late.text
    assert 'action="/queue/next"' in late.text
    assert won.status_code == 303
    assert later.status_code == 409
    assert "decided or overtaken meanwhile" in later.text
    assert len(stored(console, path).resolutions) == 1


def test_what_changed_meanwhile_is_looked_at_again(console: Console, seller: str) -> None:
    """A renewed lease keeps the form good; any other change of the case makes the decision start anew."""
    ann = console.person("ann")
    path = take(ann, seller)
    fields = hidden(ann.get(path).text, "ALLOW")

    renewed = ann.client.post(step(path, "renew"), data=fields).text
    (etag,) = re.findall(r'id="etag-allow" value="(\d+)"', renewed)
    person(console.service, "ann").claim(stored(console, path).case_id)  # as any change does
    told = ann.client.post(step(path, "renew"), data=fields | {"etag": etag}).text
    refused = ann.client.post(step(path, "resolve"), data=fields | {"etag": etag})

    assert etag != fields["etag"]
    assert "changed after you opened it" in told
    assert refused.status_code == 409
    assert stored(console, path).state == CASE_STATE_CLAIMED


def test_what_is_skipped_is_free_and_does_not_come_again(console: Console, seller: str) -> None:
    """Each skip shows another case, until all were seen; then the queue begins anew."""
    ann = console.person("ann")
    first = take(ann, seller)

    second = ann.post(step(first, "skip")).headers["location"]
    third = ann.post(step(second, "skip")).headers["location"]
    end = ann.post(step(third, "skip")).headers["location"]

    assert len({first, second, third}) == 3
    assert end == f"/queue?seller={seller}"
    assert [stored(console, path).state for path in (first, second, third)] == [CASE_STATE_OPEN] * 3
    assert take(ann, seller) == first


def test_a_decision_is_taken_back_with_a_reason(console: Console, seller: str) -> None:
    """The next page offers the last decision; it is undone under its reason, and its case is held again."""
    ann, bob = console.person("ann"), console.person("bob")
    path = take(ann, seller)
    following = decide(ann, path, "ALLOW").headers["location"]
    page = ann.get(following).text
    (target,) = re.findall(r'name="resolution_id" value="([^"]+)"', page)

    empty = ann.post(step(path, "undo"), resolution_id=target, reason=" ")
    undone = ann.post(step(path, "undo"), resolution_id=target, reason="the wrong key")

    assert empty.status_code == 422
    assert undone.headers["location"] == path
    (resolution,) = stored(console, path).resolutions
    assert resolution.undo_reason == "the wrong key"
    assert stored(console, path).lease.holder == "ann"
    assert "Taken back" in ann.get(path).text
    assert 'id="undo"' not in ann.get(path).text
    assert 'id="undo"' not in bob.get(following).text


def test_a_second_review_is_for_somebody_else(console: Console) -> None:
    """A takedown of high impact waits; its first reviewer may not confirm it, another person may, and sees why."""
    ann, bob = console.person("ann"), console.person("bob")
    name = "seller-grave"
    for number in range(12):  # whose reach grows with each
        offer = listing(
            draw(AURORA_SHOE), listing_id=f"{name}-{number}", seller_id=name, market="DE", title="Aurora 1:1 replica"
        )
        console.service.screen(offer)
    grave = max(person(console.service).list(seller_id=name).cases, key=lambda case: case.expected_harm)
    path = f"/cases/{grave.case_id}?seller=none"
    ann.post(step(path, "claim"))
    decide(ann, path, "TAKEDOWN", reason_code="COUNTERFEIT", note="look at the seams", **STATEMENT)

    ann.post(step(path, "claim"))
    denied = decide(ann, path, "TAKEDOWN", reason_code="COUNTERFEIT", **STATEMENT)
    ann.post(step(path, "release"))
    bob.post(step(path, "claim"))
    seen = bob.get(path).text
    decide(bob, path, "TAKEDOWN", reason_code="COUNTERFEIT", **STATEMENT)

    assert denied.status_code == 403
    assert "Somebody else has to decide this" in denied.text
    assert "Second review" in seen
    assert "look at the seams" in seen
    assert stored(console, path).state == CASE_STATE_RESOLVED
    assert stored(console, path).resolutions[0].second_reviewer


def test_hostile_words_are_marked_and_nothing_else(console: Console) -> None:
    """A title, a report and a note that are scripts are shown as text, with what was found in them marked."""
    title = f"{HOSTILE} Aurora 1:1 replica"
    offer = listing(draw(AURORA_SHOE), listing_id="hostile", seller_id=HOSTILE[:60], market="DE", title=title)
    decision = console.service.screen(offer).decision
    (case,) = person(console.service).list(listing_id="hostile").cases
    person(console.service).report("hostile", text=HOSTILE)
    person(console.service, "bob").resolve(case.case_id, ALLOW)

    page = console.person("ann").get(f"/cases/{case.case_id}")

    assert decision.listing_id == "hostile"
    assert "<script>document" not in page.text
    assert "<img src=x" not in page.text
    assert re.search(r'<mark class="of-replica_wording"[^>]*>1:1</mark>', page.text)
    assert page.text.count(html.escape(HOSTILE[:30]).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")) >= 3
    assert page.text.count("<script") == 3
    assert float(page.headers["server-timing"].partition("dur=")[2]) > 0


def test_htmx_shows_the_next_case_in_place(console: Console, seller: str) -> None:
    """The answer to a decision is the next page itself, and the address that it has."""
    ann = console.person("ann")
    path = take(ann, seller)
    fields = hidden(ann.get(path).text, "ALLOW")

    answer = ann.client.post(step(path, "resolve"), data=fields, headers={"hx-request": "true"})

    assert answer.status_code == 200
    assert answer.headers["hx-push-url"].endswith(f"?seller={seller}")
    assert f'href="{answer.headers["hx-push-url"].partition("?")[0]}' in answer.text
    assert TAKEDOWN.reason_code in answer.text


def ring_with(console: Console, seller: str, *others: str) -> None:
    """Let sellers be in a ring with one; the first of them shares the most."""
    links = tuple(
        RingLink(first_seller_id=min(seller, other), second_seller_id=max(seller, other), photos=9 - place, titles=1)
        for place, other in enumerate(others)
    )
    ring = Ring(seller_ids=tuple(sorted((seller, *others))), shared_photos=9, shared_titles=1, links=links)
    console.service.application.store.put_rings([ring], now=datetime.now(UTC))


def test_a_case_shows_its_sellers_history_and_ring(console: Console, seller: str) -> None:
    """As a part that the page asks for, and as a page for who has no scripts; hostile members are text."""
    ann = console.person("ann")
    ring_with(console, seller, "shop-17", HOSTILE[:60])
    page = ann.get(take(ann, seller)).text
    (address,) = re.findall(r'hx-get="(/sellers/part[^"]+)" hx-trigger="load"', page)

    part = ann.get(html.unescape(address), **{"hx-request": "true"}).text
    whole = ann.get(f"/sellers?id={seller}").text

    assert f'href="/sellers?id={seller}"' in page
    assert "<html" not in part
    assert "<html" in whole
    for shown in (part, whole):
        assert "Ring of 3 sellers" in shown
        assert re.search(r'shop-17</bdi></a></th><td class="number">9</td><td class="number">1</td>', shown)
        assert f"{seller}-2" in shown
        assert "<script>document" not in shown
        assert "<img src=x" not in shown


def test_who_is_in_no_ring_and_who_is_not_known(console: Console, seller: str) -> None:
    """The first is said; of a seller without a record the part is nothing, and the page is not found."""
    ann = console.person("ann")

    alone = ann.get(f"/sellers/part?id={seller}").text
    unknown = ann.get("/sellers/part?id=nobody", **{"hx-request": "true"})

    assert "In no ring" in alone
    assert (unknown.status_code, unknown.text) == (200, "")
    assert ann.get("/sellers?id=nobody").status_code == 404
    assert console.person("olga", "brand-owner", brands="aurora").get(f"/sellers?id={seller}").status_code == 403


def test_what_fails_of_a_part_is_told_in_its_place(console: Console) -> None:
    """Not among the messages of the page, which went well; nor does it become an address, or is cut."""
    failed = console.person("ann").get("/cases/none/clock", **{"hx-request": "true"})

    assert failed.status_code == 404
    assert "hx-retarget" not in failed.headers
    assert (failed.headers["hx-reswap"], failed.headers["hx-reselect"]) == ("innerHTML", "unset")
    assert 'role="alert"' in failed.text


def test_a_case_has_its_clock_statement_and_evidence(console: Console, seller: str) -> None:
    """Times that run are a part of the page; a takedown has its statement in each language, each case its package."""
    ann, audrey = console.person("ann"), console.person("audrey", "auditor")
    path = take(ann, seller)
    before = ann.get(path).text
    decide(ann, path, "TAKEDOWN", reason_code="COUNTERFEIT", **STATEMENT)
    case_id = stored(console, path).case_id
    after = audrey.get(path).text
    (address,) = re.findall(r'hx-get="(/cases/[^"]+/clock[^"]*)" hx-trigger="load"', after)

    clock = audrey.get(html.unescape(address), **{"hx-request": "true"}).text
    package = audrey.post(f"/appeals/{case_id}/evidence", audience="BRAND_OWNER", recipient="Aurora AG")

    statements = [f"/appeals/{case_id}/statement?language={language}" for language in ("en", "zh")]
    assert [link in before for link in statements] == [False, False]
    assert [link in after for link in statements] == [True, True]
    assert audrey.get(statements[0]).status_code == 200
    assert f'action="/appeals/{case_id}/evidence"' in before
    assert "The seller may complain" in clock
    assert "Send the statement of reasons" in clock
    assert "<html" not in clock
    assert package.headers["content-type"] == "application/zip"


def test_pictures_that_are_not_there_are_not_found(console: Console) -> None:
    """An address that names no picture is an error page, not a fault."""
    ann = console.person("ann")

    for path in ("/images/cases/none/0", "/images/cases/none/0?part=x", "/images/references?id=none"):
        assert ann.get(path).status_code == 404
