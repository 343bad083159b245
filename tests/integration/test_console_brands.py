"""What do brand owners get from the console? Figures, hits, marks, sellers, prices, advice: of their brands alone."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator

import httpx2
import pytest
from google.type.date_pb2 import Date

from serving.app import open_application
from tests.integration.brand_support import Registrant, a_right, owner_of, registrant
from tests.integration.case_support import suspicious
from tests.integration.console_support import HOSTILE, Console, Visitor, console_running
from tests.integration.support import AURORA, AURORA_SHOE, BOREALIS, draw, fill, settings_at
from touchstone.moderation.v1.brand_pb2 import REFERENCE_STATE_RETIRED, Reference
from touchstone.moderation.v1.brand_service_pb2 import ListReferencesRequest

pytestmark = pytest.mark.usefixtures("acts_are_entered")

HERE = f"/brands/{AURORA.brand_id}"
HOSTILE_FILE = "../../<img src=x onerror=alert(1)>\u202e.png"
BAD_SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="http://evil.example/x"/></svg>'
)


@pytest.fixture(scope="module")
def console(
    event_loop_thread: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """Serve a console over two brands, and a listing with the first one in its photo and a hostile id."""
    settings = settings_at(tmp_path_factory.mktemp("brands")).model_copy(update={"points": "none"})
    with open_application(settings) as application:
        fill(application)
        with console_running(event_loop_thread, application) as running:
            suspicious(running.service, HOSTILE[:100])
            yield running


@pytest.fixture
def olga(console: Console) -> Visitor:
    """Let the owner of the first brand sign in."""
    return console.person("olga", "brand-owner", brands=AURORA.brand_id)


@pytest.fixture
def registry(console: Console) -> Registrant:
    """Let her ask the service itself."""
    return owner_of(console.service, AURORA.brand_id)


def send_files(
    visitor: Visitor, path: str, *files: tuple[str, bytes], part: bool = False, **fields: str
) -> httpx2.Response:
    """Send a form with files; `part` as the page's script does it."""
    sent = [("files", (name, content, "application/octet-stream")) for name, content in files]
    headers = {"hx-request": "true"} if part else {}
    data = {"csrf": visitor.token(), "kind": "LOGO"} | fields
    return visitor.client.post(path, data=data, files=sent, headers=headers)


def marks(registry: Registrant, file_name: str = "") -> list[Reference]:
    """List the brand's references, or those of one file."""
    request = ListReferencesRequest(brand_id=AURORA.brand_id)
    found = registry.call("ListReferences", request).references
    return [each for each in found if file_name in ("", each.provenance.file_name)]


def field(page: str, name: str) -> str:
    """Read what a field of a page holds."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return html.unescape(found[1])


def typed_in(page: str, name: str) -> str:
    """Read what a field for people holds."""
    found = re.search(rf'id="field-{name}" name="{name}" type="[a-z]+" value="([^"]*)"', page)
    assert found is not None, name
    return html.unescape(found[1])


def test_a_brands_page_shows_its_figures_and_hits(olga: Visitor) -> None:
    """The owner sees listings with the brand, hostile ids as text, no seller, and how notices fare."""
    listed, page = olga.get("/brands").text, olga.get(HERE).text

    assert f'href="{HERE}"' in listed
    assert BOREALIS.name not in listed
    assert html.escape(HOSTILE[:30]) in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert "<img src=x" not in page
    assert "None is decided yet" in page
    assert "s1" not in re.findall(r"<bdi>([^<]*)</bdi>", page)
    (picture,) = set(re.findall(r'src="(/images/decisions/[^"]+)"', page))
    assert olga.get(picture).headers["content-type"] == "image/webp"


def test_a_photo_that_is_not_kept_has_a_sign_in_its_place(olga: Visitor) -> None:
    """No page shows a broken picture."""
    answer = olga.get("/images/decisions/none/0")

    assert olga.get("/images/decisions/none/x").status_code == 404
    assert answer.status_code == 303
    assert olga.get(answer.headers["location"]).headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("part", ["", "/rights", "/rights/form", "/references", "/terms", "/advice"])
def test_anothers_brand_is_not_there(olga: Visitor, part: str) -> None:
    """It is answered as a brand that does not exist."""
    other, none = (olga.get(f"/brands/{brand}{part}") for brand in (BOREALIS.brand_id, "none"))

    assert (other.status_code, none.status_code) == (404, 404)
    assert BOREALIS.name not in other.text.replace(f"“{BOREALIS.brand_id}”", "")


def test_anothers_brand_is_not_changed(console: Console, olga: Visitor) -> None:
    """Nor do forms reach it, whatever they hold."""
    there = f"/brands/{BOREALIS.brand_id}"
    lead = registrant(console.service, "ann", "lead")
    before = lead.get(BOREALIS.brand_id)

    answers = [
        olga.post(f"{there}/sellers", keeps="1", sellers="me"),
        olga.post(f"{there}/bands", bands="; DE; 1; 2; EUR"),
        olga.post(f"{there}/advice", **{"text-0-en": "x", "kind-0": "LOGO"}),
        olga.post(f"{there}/rights", type="COPYRIGHT", owner_name="me"),
        send_files(olga, f"{there}/preview", ("a.png", draw(70))),
    ]
    upload = send_files(olga, f"{there}/references", ("a.png", draw(70)), part=True)

    assert [answer.status_code for answer in answers] == [404] * 5
    assert "Not taken" in upload.text
    assert lead.get(BOREALIS.brand_id) == before


def test_forms_of_elsewhere_are_refused(console: Console, olga: Visitor, registry: Registrant) -> None:
    """Without the token, or from another site, nothing is taken in or changed."""
    before = len(marks(registry))
    file = [("files", ("a.png", draw(71), "image/png"))]

    bare = olga.client.post(f"{HERE}/references", data={"kind": "LOGO"}, files=file)
    foreign = olga.client.post(
        f"{HERE}/references",
        data={"kind": "LOGO", "csrf": olga.token()},
        files=file,
        headers={"sec-fetch-site": "cross-site"},
    )
    others = [olga.client.post(f"{HERE}/{form}", data={}).status_code for form in ("sellers", "bands", "advice")]

    assert (bare.status_code, foreign.status_code, others) == (403, 403, [403] * 3)
    assert len(marks(registry)) == before


def test_many_marks_are_uploaded_each_with_its_result(olga: Visitor, registry: Registrant) -> None:
    """Good files are taken, with hostile names as text; what is no picture is refused, and fails no other."""
    files = [("good.png", draw(72)), (HOSTILE_FILE, draw(73)), ("broken.png", b"no picture"), ("bad.svg", BAD_SVG)]

    page = send_files(olga, f"{HERE}/references", *files).text

    assert page.count("Not taken") == 2
    assert "<img src=x" not in page
    assert "evil.example" not in page
    taken = {each.provenance.file_name for each in marks(registry)}
    assert {"good.png", "<img src=x onerror=alert(1)>.png"} <= taken
    assert not taken & {"broken.png", "bad.svg"}
    pictures = set(re.findall(r'src="(/images/references\?id=[^"]+)"', page))
    assert "image/webp" in {olga.get(html.unescape(each)).headers["content-type"] for each in pictures}


def test_the_same_form_makes_nothing_twice(olga: Visitor, registry: Registrant) -> None:
    """A file that is sent again after a lost answer is the same reference."""
    batch = field(olga.get(f"{HERE}/references").text, "batch")

    for _ in range(2):
        answer = send_files(olga, f"{HERE}/references", ("twice.png", draw(74)), part=True, batch=batch)
        assert "<html" not in answer.text
        assert answer.text.count("<li>") == 1

    assert len(marks(registry, "twice.png")) == 1


def test_a_form_without_files_says_so(olga: Visitor) -> None:
    """Nothing chosen is an error of the form."""
    assert olga.post(f"{HERE}/references").status_code == 422
    assert olga.post(f"{HERE}/preview").status_code == 422


def test_a_mark_is_retired(olga: Visitor, registry: Registrant) -> None:
    """It stays in the list with its state, and a form of another state of it is out of date."""
    send_files(olga, f"{HERE}/references", ("old.png", draw(75)), part=True)
    (mark,) = marks(registry, "old.png")
    fields = {"reference_id": mark.reference_id, "etag": mark.etag}

    assert olga.post(f"{HERE}/retire", **fields | {"etag": "7"}).status_code == 409
    assert olga.post(f"{HERE}/retire", **fields).headers["location"] == f"{HERE}/references"
    assert marks(registry, "old.png")[0].state == REFERENCE_STATE_RETIRED
    assert "old.png" in olga.get(f"{HERE}/references?state=RETIRED").text
    assert "old.png" not in olga.get(f"{HERE}/references?state=ACTIVE").text


def test_a_picture_is_tried_out(olga: Visitor, registry: Registrant) -> None:
    """What it would hit is shown, nothing is kept; what is no picture is told."""
    before = len(marks(registry))

    shown = send_files(olga, f"{HERE}/preview", ("try.png", draw(AURORA_SHOE)), kind="PRODUCT").text
    refused = send_files(olga, f"{HERE}/preview", ("try.png", b"no picture"))

    assert "It hits 1 listing" in shown
    assert refused.status_code in (200, 422)
    assert "is-bad" in refused.text
    assert len(marks(registry)) == before


def test_sellers_and_prices_are_lines(olga: Visitor, registry: Registrant) -> None:
    """They are set as typed and shown so that sending them again changes nothing."""
    sellers = 'shop-17;DE, AT;2026-01-01;2026-12-31T12:00:00+00:00\n"a;b"\n'
    bands = "Shoes > Running;DE;40;90.50;EUR\n"
    etag = registry.get(AURORA.brand_id).etag

    olga.post(f"{HERE}/sellers", keeps="1", sellers=sellers, etag=etag)
    olga.post(f"{HERE}/bands", bands=bands)
    page = html.unescape(olga.get(f"{HERE}/terms").text)
    brand = registry.get(AURORA.brand_id)

    assert {each.seller_id: sorted(each.markets) for each in brand.authorized_sellers.sellers} == {
        "shop-17": ["AT", "DE"],
        "a;b": [],
    }
    assert (brand.price_bands[0].high.units, brand.price_bands[0].high.nanos) == (90, 500_000_000)
    assert "shop-17;" in page
    assert '"a;b"' in page
    assert "Shoes > Running;DE;40;90.5;EUR" in page
    assert olga.post(f"{HERE}/sellers", sellers=sellers, etag=etag).status_code == 409
    olga.post(f"{HERE}/sellers", sellers="shop-17")  # the tick was forgotten
    assert registry.get(AURORA.brand_id).authorized_sellers.sellers[0].seller_id == "shop-17"
    olga.post(f"{HERE}/sellers", sellers="", keeps="1")
    assert registry.get(AURORA.brand_id).HasField("authorized_sellers")
    olga.post(f"{HERE}/sellers", sellers="")
    assert not registry.get(AURORA.brand_id).HasField("authorized_sellers")


def test_what_cannot_be_read_is_shown_again(olga: Visitor, registry: Registrant) -> None:
    """With the line at fault, or the field that the service names; nothing is changed, and nothing typed is lost."""
    before = registry.get(AURORA.brand_id)

    line = olga.post(f"{HERE}/bands", bands="Shoes;DE;1;2;EUR\nBags;DE;cheap;2;EUR")
    upside_down = olga.post(f"{HERE}/bands", bands="Shoes;DE;9;2;EUR")
    day = olga.post(f"{HERE}/sellers", keeps="1", sellers="x;DE;tomorrow")

    assert [answer.status_code for answer in (line, upside_down, day)] == [422] * 3
    assert "Line 2 cannot be read" in line.text
    assert "Bags;DE;cheap" in line.text
    assert "price_bands[0]" in upside_down.text
    assert "Line 1 cannot be read" in day.text
    assert registry.get(AURORA.brand_id) == before


def test_advice_is_set_in_each_language(olga: Visitor, registry: Registrant) -> None:
    """Items without text are left out; another language that is there stays; a fault is told beside what was typed."""
    texts = {"kind-0": "HOLOGRAM", "text-0-en": "Tilt it.", "text-0-zh": "倾斜它。", "text-0-de": "Kippen."}

    olga.post(f"{HERE}/advice", template="AA-9999", **texts)
    page = olga.get(f"{HERE}/advice").text
    refused = olga.post(f"{HERE}/advice", **texts | {"reference-0": "none"})
    (item,) = registry.get(AURORA.brand_id).buyer_advice.items

    assert {text.language: text.text for text in item.texts} == {"en": "Tilt it.", "zh": "倾斜它。", "de": "Kippen."}
    assert 'name="text-0-de"' in page
    assert "AA-9999" in page
    assert refused.status_code == 422
    assert "buyer_advice.items[0].reference_id" in refused.text
    assert "Kippen." in refused.text


def test_rights_are_seen_added_and_renewed(console: Console, olga: Visitor, registry: Registrant) -> None:
    """Each with its register, number, classes, territories and last day; what the form does not show stays."""
    registry.update(AURORA.brand_id, rights=[a_right(), a_right("old", expiry_date=Date(year=2025, month=1, day=1))])
    typed = {"type": "DESIGN", "owner_name": "Aurora <b>", "office_code": "EM", "status": "REGISTERED"}
    typed |= {"registration_number": "001234567-0001", "territories": "em, ch", "expiry_date": "2040-05-01"}
    page = olga.get(f"{HERE}/rights").text
    renewing = olga.get(f"{HERE}/rights/form?right=old&renew=1").text
    fields = {name: field(renewing, name) for name in ("right_id", "etag")}
    form = dict(re.findall(r'<input id="field-([a-z_]+)" name="[a-z_]+" type="[a-z]+" value="([^"]*)"', renewing))

    renewed = olga.post(f"{HERE}/rights", **fields | form | {"type": "WORD_MARK", "expiry_date": "2035-01-01"})
    late = olga.post(f"{HERE}/rights", **fields | form | {"type": "WORD_MARK", "expiry_date": "2036-01-01"})
    added = olga.post(f"{HERE}/rights", **typed)
    (word, old, new) = registry.get(AURORA.brand_id).rights
    shown = olga.get(f"{HERE}/rights").text

    for said in ("004176283", "EM500000004176283", "18, 25", "EM, CH", "Aurora AG", "22 Nov 2034", "1 Jan 2025"):
        assert said in page, said
    assert "1 right has run out" in page
    assert re.search(r'name="expiry_date" type="date" value="2025-01-01" autofocus', renewing)
    assert (renewed.status_code, late.status_code, added.status_code) == (303, 409, 303)
    assert word == a_right()
    assert (old.expiry_date.year, list(old.licensee_names)) == (2035, ["Aurora Sports GmbH"])
    assert (new.owner_name, list(new.territories), new.right_id != "") == ("Aurora <b>", ["EM", "CH"], True)
    assert "Aurora &lt;b&gt;" in shown
    assert "run out" not in shown
    assert "has run out" not in olga.get(HERE).text


def test_a_right_that_no_register_could_show_is_refused(olga: Visitor, registry: Registrant) -> None:
    """Each fault stands beside its field, and nothing that was typed is lost."""
    before = registry.get(AURORA.brand_id)
    typed = {"type": "WORD_MARK", "mark_text": HOSTILE, "owner_name": "Aurora AG", "office_code": "ZZ"}

    refused = olga.post(f"{HERE}/rights", **typed, territories="EM, nowhere", nice_classes="46")
    unread = olga.post(f"{HERE}/rights", **typed, expiry_date="31.12.2030")

    assert (refused.status_code, unread.status_code) == (422, 422)
    at_fault = re.findall(r'id="field-([a-z_]+)"[^>]* aria-invalid="true"', refused.text)
    assert sorted(at_fault) == ["nice_classes", "office_code", "territories"]
    assert "<script>document" not in refused.text
    assert typed_in(refused.text, "mark_text") == HOSTILE
    assert re.findall(r'id="field-([a-z_]+)"[^>]* aria-invalid="true"', unread.text) == ["expiry_date"]
    assert registry.get(AURORA.brand_id) == before
    assert olga.get(f"{HERE}/rights/form?right=none").status_code == 404


def test_who_may_not_change_rights_sees_them(console: Console, registry: Registrant) -> None:
    """Moderators, auditors, leads and admins see every brand's; the first two get no form that would be refused."""
    registry.update(AURORA.brand_id, rights=[a_right()])

    pages = {role: console.person(f"p-{role}", role) for role in ("moderator", "auditor", "lead", "admin")}
    shown = {role: person.get(f"{HERE}/rights").text for role, person in pages.items()}

    assert all("004176283" in page for page in shown.values())
    assert {role for role, page in shown.items() if "/rights/form" in page} == {"lead", "admin"}
    assert pages["moderator"].post(f"{HERE}/rights", type="COPYRIGHT", owner_name="me").status_code == 403


def test_a_brand_is_applied_for_and_given(console: Console) -> None:
    """Somebody without a role applies, a lead approves, and both see the answer; faults are told by the field."""
    nora, lead = console.person("nora", "brand-owner"), console.person("lea", "lead")
    right = {"type": "WORD_MARK", "owner_name": "Cirrus AG", "office_code": "EM", "registration_number": "004176283"}
    right |= {"territories": "EM", "nice_classes": "18, 25", "status": "REGISTERED", "expiry_date": "2034-11-22"}

    assert '<option value="REGISTERED" selected>' in nora.get("/apply").text
    wrong = {"owner_name": "", "registration_number": "1"}
    missing = nora.post("/apply", name="Cirrus", **right | wrong)
    unread = nora.post("/apply", name="Cirrus", **right | {"nice_classes": "shoes"})
    sent = nora.post("/apply", name="Cirrus <b>", note="I am its counsel.", request_id="r", **right)
    page = lead.get("/brands").text
    (path,) = re.findall(r'action="(/applications/[^"]+)"', page)
    denied = nora.post(path, decision="APPROVED")
    nothing = lead.post(path, decision="MAYBE")
    lead.post(path, decision="APPROVED", reason="Welcome.")

    assert (missing.status_code, sent.status_code) == (422, 303)
    assert re.search(r'id="field-owner_name"[^>]* aria-invalid="true"', missing.text)
    assert re.search(r'id="field-registration_number"[^>]* value="1"[^>]* aria-invalid="true"', missing.text)
    assert (unread.status_code, "Send numbers from 1 to 45" in unread.text) == (422, True)
    assert "Nice classes: 18, 25" in page
    assert "Cirrus &lt;b&gt;" in page
    assert (denied.status_code, nothing.status_code) == (403, 422)
    assert "Approved" in nora.get("/brands").text
    assert "Welcome." in nora.get("/brands").text
    assert "/applications/" not in lead.get("/brands").text
    (brand_id,) = re.findall(r'href="/brands/(cirrus[^"]*)"', nora.get("/brands").text)[:1]
    assert "In force" in lead.get(f"/brands/{brand_id}/rights").text
