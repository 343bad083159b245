"""Does the page of a check look like any case's, and does the record tell afterwards? Gold cases in the console."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from html import escape
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select, update

from index.store.tables.checks import check_answers
from serving.app import open_application
from tests.integration.case_support import ALLOW, TAKEDOWN, person
from tests.integration.console_support import HOSTILE, Console, Visitor, console_running
from tests.integration.support import AURORA_SHOE, draw, fill, listing, settings_at
from touchstone.moderation.v1.case_pb2 import CASE_STATE_OPEN, CASE_STATE_RESOLVED

SELLER = "outlet"


@pytest.fixture
def console(event_loop_thread: asyncio.AbstractEventLoop, tmp_path: object) -> Iterator[Console]:
    """Serve a console over four listings of a seller, of which ann took the second down; every claim is a check."""
    folder = tmp_path
    rules = folder / "rules.yaml"  # type: ignore[operator]
    rules.write_text("{check_share: 1.0, random_share: 0, second_review_harm: null}", encoding="utf-8")
    settings = settings_at(folder / "data").model_copy(update={"points": "none", "case_rules": rules})  # type: ignore[operator]
    with open_application(settings) as application:
        fill(application)
        with console_running(event_loop_thread, application) as running:
            for number in range(4):
                offer = listing(
                    draw(AURORA_SHOE),
                    listing_id=f"l{number}",
                    seller_id=SELLER,
                    market="DE",
                    title="Aurora 1:1 replica",
                )
                running.service.screen(offer)
            person(running.service, "ann", "moderator").resolve(case_of(running, "l1"), TAKEDOWN)
            yield running


def case_of(console: Console, listing_id: str) -> str:
    """Name the case of a listing."""
    states = [CASE_STATE_OPEN, CASE_STATE_RESOLVED]
    (case,) = person(console.service).list(listing_id=listing_id, states=states).cases
    return case.case_id


def take(visitor: Visitor) -> str:
    """Take the next case of the seller, and give its address."""
    path: str = visitor.post("/queue/next", seller=SELLER).headers["location"]
    return path


def skeleton(page: str) -> list[str]:
    """Name the elements of a page in their order, with their classes; what is written in them is left out."""
    body = re.sub(r"<(svg|figure).*?</\1>", "", page.partition("<main")[2], flags=re.S)
    return [
        tag + (found[1] if (found := re.search(r'class="([^"]*)"', rest)) else "")
        for tag, rest in re.findall(r"<(/?[a-z0-9]+)([^>]*)>", body)
    ]


def let_time_pass(console: Console) -> None:
    """Make answers to checks an hour older."""
    with console.service.application.store._database.write("pass the time") as connection:
        answered = connection.execute(select(func.min(check_answers.c.answer_time))).scalar_one()
        connection.execute(update(check_answers).values(answer_time=answered - timedelta(hours=1)))


def test_a_lead_marks_and_unmarks_on_the_page(console: Console) -> None:
    """The form is there for leads, on resolved cases; the note is escaped, replaced and taken away with the mark."""
    lea, ben = console.person("lea", "lead"), console.person("ben")
    path, waiting = f"/cases/{case_of(console, 'l1')}", f"/cases/{case_of(console, 'l2')}"
    form = f'action="{path}/gold"'

    offered = lea.get(path).text
    marked = lea.post(f"{path}/gold", note=HOSTILE[:200])
    shown = lea.get(path).text
    lea.post(f"{path}/gold", note="The seams.")
    replaced = lea.get(path).text
    elsewhere = [ben.get(path).text, lea.get(waiting).text]
    refused = ben.post(f"{path}/gold", note="mine")
    lea.post(f"{path}/ungold")
    gone = lea.get(path).text

    assert form in offered
    assert marked.status_code == 303
    assert escape(HOSTILE[:200]) in shown.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert "Marked as gold." in shown
    assert "<bdi>The seams.</bdi>" in replaced
    assert not [page for page in elsewhere if "/gold" in page or "Known truth" in page]
    assert refused.status_code == 403
    assert "The mark was taken away" in gone
    assert "The seams." not in gone


def test_a_check_looks_like_any_case(console: Console) -> None:
    """The page has the same parts and says nothing of what was decided; passed over, it waits as any other."""
    lea, ben = console.person("lea", "lead"), console.person("ben")
    gold = case_of(console, "l1")
    lea.post(f"/cases/{gold}/gold", note="The seams say it.")

    check = take(ben)
    plain = f"/cases/{case_of(console, 'l2')}?seller={SELLER}"
    ben.post(f"{urlsplit(plain).path}/claim")
    pages = [ben.get(path).text for path in (check, plain)]
    skipped = ben.post(f"{urlsplit(check).path}/skip?seller={SELLER}").headers["location"]
    again = ben.get(check).text

    assert gold not in check
    assert "l1" in pages[0]
    assert skeleton(pages[0]) == skeleton(pages[1])
    assert gold not in pages[0]
    assert "The seams say it." not in "".join(pages)
    assert skipped not in (check, plain)
    assert "Nobody works on this case." in again


def test_the_record_tells_afterwards(console: Console) -> None:
    """Undone and answered again nothing is told at first; then what was right, to its reviewer and to leads."""
    lea, ben = console.person("lea", "lead"), console.person("ben")
    calls = person(console.service, "ben", "moderator")
    gold = case_of(console, "l1")
    lea.post(f"/cases/{gold}/gold", note="The seams say it.")
    path = urlsplit(take(ben)).path

    decided = calls.resolve(path.removeprefix("/cases/"), ALLOW).resolution
    ben.post(f"{path}/undo", resolution_id=decided.resolution_id, reason="slip")
    undone = ben.get(path).text
    calls.resolve(path.removeprefix("/cases/"), ALLOW)
    calls.resolve(case_of(console, "l2"), ALLOW)
    early, unseen = ben.get("/record").text, lea.get("/insight").text
    let_time_pass(console)
    own, seen = ben.get("/record").text, lea.get("/insight").text

    assert "You hold this case." in undone
    assert "The seams say it." not in early
    assert "No checks with cases of known truth yet" in early
    assert "Nobody was checked with a case of known truth" in unseen
    assert "How often the answer was right where it is sure" in own
    assert re.search(r">0(\.0)? % – 97\.5 %<", own)
    assert "The seams say it." in own
    assert "not as answered" in own
    assert f"/cases/{gold}" not in own
    assert "By checks with gold cases" in seen
