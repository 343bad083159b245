"""What do people get from the console? Pages of a real service over HTTP: the queue, leases, errors, both languages."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator

import pytest

from serving.app import open_application
from serving.console.application import pages
from serving.console.guard import HEADERS
from tests.integration.case_support import person
from tests.integration.console_support import HOSTILE, Console, Visitor, console_running, fill_queue
from tests.integration.support import fill, settings_at
from touchstone.moderation.v1.case_pb2 import CASE_STATE_CLAIMED
from touchstone.moderation.v1.case_service_pb2 import CASE_ORDER_EXPECTED_HARM, CLAIM_ACTION_RELEASE


@pytest.fixture(scope="module")
def console(
    event_loop_thread: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """Serve a console over six cases, the first of a hostile listing."""
    settings = settings_at(tmp_path_factory.mktemp("console")).model_copy(update={"points": "none"})
    with open_application(settings) as application:
        fill(application)
        with console_running(event_loop_thread, application) as running:
            fill_queue(running.service, 6)
            yield running


@pytest.fixture
def ann(console: Console) -> Iterator[Visitor]:
    """Let a moderator sign in, and let go what she holds in the end."""
    visitor = console.person("ann")
    yield visitor
    for case in person(console.service).list(states=[CASE_STATE_CLAIMED]).cases:
        person(console.service, case.lease.holder).claim(case.case_id, action=CLAIM_ACTION_RELEASE)


def links(page: str) -> list[str]:
    """Name the cases that a page links to."""
    return list(dict.fromkeys(re.findall(r'href="/cases/([0-9a-f]+)(?:\?[^"]*)?"', page)))


def test_every_page_has_its_headers_and_asks_who_comes(console: Console) -> None:
    """Each row of the table answers with all headers; what is not public leads to the sign-in."""
    visitor = console.visitor()

    for page in pages():
        path = re.sub(r"\{[^}]+\}", "x", page.path)
        answer = visitor.get(path) if page.method == "GET" else visitor.post(path)

        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
        assert answer.headers["cache-control"] == "no-store", path
        if not page.public:
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path


@pytest.mark.parametrize("path", ["/nowhere", "/queue/", "/static/none.css", "/static/../words/base.en.toml"])
def test_what_is_not_there_is_an_error_page(console: Console, path: str) -> None:
    """It has the headers, too, and leads back."""
    answer = console.visitor().get(path)

    assert answer.status_code == 404
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert 'href="/"' in answer.text


def test_the_queue_shows_all_that_waits(console: Console, ann: Visitor) -> None:
    """Cases come in the service's order with what is known of each, and the count is right."""
    cases = person(console.service).list(CASE_ORDER_EXPECTED_HARM).cases

    page = ann.get("/queue").text

    assert links(page) == [case.case_id for case in cases]
    assert f">{len(cases)} cases<" in page
    assert "Replica wording" in page
    assert "Aurora" in page


def test_hostile_names_are_text(console: Console, ann: Visitor) -> None:
    """Ids of listings and sellers that are scripts, or templates, are shown as they are and nothing else."""
    pages_with_it = [ann.get("/queue").text, ann.get(f"/queue?seller={HOSTILE}&brand={HOSTILE}").text]

    for page in pages_with_it:
        assert "<script>document" not in page
        assert "<img src=x" not in page
        assert html.escape(HOSTILE[:30]) in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
        assert page.count("<script") == 2


def test_a_filter_stands_in_the_address(console: Console, ann: Visitor) -> None:
    """It narrows the list, is shown in the form again, and goes with the next case that is taken."""
    page = ann.get("/queue?seller=seller-1&order=oldest&state=OPEN").text
    taken = ann.post("/queue/next", seller="seller-1")
    case = person(console.service, "ann").get(taken.headers["location"].partition("?")[0].removeprefix("/cases/"))

    assert {person(console.service).get(one).seller_id for one in links(page)} == {"seller-1"}
    assert 'value="seller-1"' in page
    assert (case.seller_id, case.lease.holder) == ("seller-1", "ann")
    assert len(links(ann.get("/queue?brand=nobody&from=2026-01-01&to=2020-01-01").text)) == len([case])


def test_a_filter_goes_through_a_case_and_back(console: Console, ann: Visitor) -> None:
    """Rows, and what somebody holds, are opened within the filter, and a case leads back to it."""
    query = "seller=seller-1&amp;order=oldest"
    ann.post("/queue/next", seller="seller-2")

    page = ann.get("/queue?seller=seller-1&order=oldest").text
    addresses = re.findall(r'href="(/cases/[^"]+)"', page)
    case = ann.get(html.unescape(addresses[-1])).text
    plain = ann.get(html.unescape(addresses[-1]).partition("?")[0]).text

    assert len(addresses) > 1
    assert {address.partition("?")[2] for address in addresses} == {query}
    assert f'href="/queue?{query}"' in case
    assert "Back to the filtered queue" in case
    assert f"/skip?{query}" in ann.get(html.unescape(addresses[0])).text
    assert 'href="/queue"' in plain


def test_rows_have_their_photos(console: Console, ann: Visitor) -> None:
    """The first photo of each, loaded when it is seen; a sign where it is not kept."""
    page = ann.get("/queue").text
    images = re.findall(r'<img class="thumb" src="(/images/cases/[^"]+)" alt="([^"]+)"([^>]*)>', page)
    photo = ann.get(html.unescape(images[0][0]))

    assert len(images) == len(links(page)) == 6
    assert all(alt.startswith("Photo of ") and 'loading="lazy"' in more for _, alt, more in images)
    assert photo.headers["content-type"] == "image/webp"
    missing = ann.get(html.unescape(images[0][0]).replace(links(page)[0], "none"))
    assert missing.status_code == 303
    assert ann.get(missing.headers["location"]).headers["content-type"] == "image/svg+xml"


def test_photos_are_kept_for_their_person_alone(console: Console, ann: Visitor) -> None:
    """For a minute, by the browser and no cache between; later the service says whether they still hold."""
    (source, *_) = re.findall(r'src="(/images/cases/[^"]+)"', ann.get("/queue").text)
    path = html.unescape(source)
    photo = ann.get(path)

    again = ann.get(path, **{"if-none-match": photo.headers["etag"]})
    changed = ann.get(path, **{"if-none-match": '"another"'})
    nobody = console.visitor().get(path, **{"if-none-match": photo.headers["etag"]})

    assert photo.headers["cache-control"] == "private, max-age=60, must-revalidate"
    assert (again.status_code, again.content) == (304, b"")
    assert (changed.status_code, changed.content) == (200, photo.content)
    assert nobody.headers["location"].startswith("/sign-in")


def test_nonsense_in_an_address_is_left_out(ann: Visitor) -> None:
    """What is no state, order or day narrows nothing; a page's token of another filter is refused with a way out."""
    assert len(links(ann.get("/queue?state=x&order=y&verdict=z&origin=1&from=tomorrow&to=99").text)) == 6

    refused = ann.get("/queue?page=made-up")

    assert refused.status_code == 422
    assert "page_token" in refused.text


def test_the_next_is_taken_once(console: Console, ann: Visitor) -> None:
    """Two people who take the next get two cases; when nothing is left the page says so."""
    bob = console.person("bob")

    taken = [visitor.post("/queue/next").headers["location"] for visitor in (ann, bob) for _ in range(3)]
    nothing = bob.post("/queue/next")

    assert len(set(taken)) == 6
    assert nothing.headers["location"] == "/queue"
    assert "No case that fits is free" in bob.get("/queue").text
    assert "No case that fits is free" not in bob.get("/queue").text
    assert len(links(ann.get("/queue").text)) == 3


def test_a_lease_is_shown_renewed_and_let_go(console: Console, ann: Visitor) -> None:
    """Its holder sees the time left and may let go; a colleague sees who holds it; renewing takes nothing back."""
    path = ann.post("/queue/next").headers["location"]
    bob = console.person("bob")
    before = person(console.service).get(path.removeprefix("/cases/")).lease.expire_time.ToNanoseconds()

    renewed = ann.post(f"{path}/renew")

    assert "data-until=" in renewed.text
    assert "<html" not in renewed.text
    assert person(console.service).get(path.removeprefix("/cases/")).lease.expire_time.ToNanoseconds() > before
    assert "ann holds this case" in bob.get(path).text
    assert bob.post(f"{path}/claim").status_code == 409
    assert "data-until" not in bob.post(f"{path}/renew").text
    assert ann.post(f"{path}/release").headers["location"] == "/queue"
    assert "data-until" not in ann.post(f"{path}/renew").text
    assert "data-until" not in ann.get(path).text


def test_refusals_are_pages_with_a_way_out(console: Console, ann: Visitor) -> None:
    """Not found, not allowed and not signed in have their status; htmx gets the message alone, for its region."""
    owner = console.person("olga", "brand-owner", brands="aurora")
    missing, denied = ann.get("/cases/none"), owner.get("/queue")
    part = ann.get("/cases/none", **{"hx-request": "true"})

    assert missing.status_code == 404
    assert "There is no case with the id" in missing.text
    assert denied.status_code == 403
    assert 'href="/queue"' not in owner.get("/").text
    assert part.status_code == 404
    assert {name: part.headers[f"hx-{name}"] for name in ("retarget", "reswap", "reselect", "push-url")} == {
        "retarget": "#messages",
        "reswap": "innerHTML",
        "reselect": "unset",
        "push-url": "false",
    }
    assert "<html" not in part.text


def test_pages_speak_the_readers_language(console: Console, ann: Visitor) -> None:
    """The browser's language is followed until another is chosen; numbers, times and errors follow it."""
    chinese = ann.get("/queue", **{"accept-language": "zh-CN,zh;q=0.9"}).text
    ann.post("/choose", language="zh", next="/help")
    chosen = [ann.get(path).text for path in ("/help", "/nowhere", "/queue")]

    assert '<html lang="zh"' in chinese
    assert "6 个案件" in chinese
    assert all('<html lang="zh"' in page for page in chosen)
    assert ann.post("/choose", language="tlh").status_code == 422
    assert ann.post("/choose", theme="dark", next="//evil.example").headers["location"] == "/"
    assert 'data-theme="dark"' in ann.get("/help").text


def test_assets_are_ours_and_kept(console: Console, ann: Visitor) -> None:
    """Everything that a page loads comes from here, by an address that changes with the file."""
    page = ann.get("/queue").text
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)

    assert len(loaded) == 4
    assert "://" not in page
    for address in loaded:
        answer = ann.get(html.unescape(address))
        assert (answer.status_code, "v=" in address) == (200, True)
        assert "immutable" in answer.headers["cache-control"]


def test_health_is_the_services(console: Console) -> None:
    """A load balancer asks without signing in."""
    assert console.visitor().get("/healthz").json() == {"serving": True}
