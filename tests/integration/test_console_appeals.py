"""What do leads, moderators and auditors get beyond the queue? Insight, records, appeals and files, over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Iterator

import pytest

from serving.app import open_application
from tests.integration.case_support import TAKEDOWN, case_of, person, suspicious
from tests.integration.console_support import HOSTILE, Console, console_running
from tests.integration.support import fill, settings_at
from tests.integration.test_packages import keep_files
from tests.support.insight import fill_insight
from touchstone.moderation.v1 import case_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("acts_are_entered")

# The days of `fill_insight`.
THEN = "from=2026-01-10&to=2026-03-02"
ANSWER = {
    "verdict": "ALLOW",
    "reason_code": "GENUINE",
    "explanation": "The invoice shows that the shoes are genuine.",
    "facts": "An invoice of the maker.",
    "ground": "ILLEGAL_CONTENT",
    "ground_reference": "Article 9",
}


@pytest.fixture(scope="module")
def console(
    event_loop_thread: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """Serve a console over two months of figures."""
    settings = settings_at(tmp_path_factory.mktemp("console")).model_copy(update={"points": "none"})
    with open_application(settings) as application:
        fill(application)
        fill_insight(application.store, listings=600, waiting=60)
        keep_files(application.blobs)
        with console_running(event_loop_thread, application) as running:
            yield running


def appealed(console: Console, listing_id: str, *, statement: str = "It is genuine.") -> str:
    """Have ann take a listing down, and its seller appeal; give the case."""
    decision = suspicious(console.service, listing_id)
    case_id = case_of(console.service, decision)
    person(console.service, "ann").resolve(case_id, TAKEDOWN)
    request = pb.AppealDecisionRequest(decision_id=decision.decision_id, appellant_id="s1", statement=statement)
    person(console.service, "ann").call("AppealDecision", request)
    return case_id


def test_insight_draws_what_the_service_counts(console: Console) -> None:
    """Each question has its plot, in both languages, and a table that says the same."""
    lea = console.person("lea", "lead")

    page = lea.get(f"/insight?{THEN}").text
    chinese = lea.get(f"/insight?{THEN}", **{"accept-language": "zh"}).text

    titles = re.findall(r'<svg class="chart"[^>]*aria-label="([^"]+)"', page)
    assert len(titles) == len(re.findall(r'<svg class="chart"', chinese)) >= 9
    assert any(re.fullmatch(r"[0-9.]+ % of audited takedowns were right \(.+ to .+\)", title) for title in titles)
    assert any("cases wait; half of them for more than" in title for title in titles)
    assert page.count("<table>") == len(titles)
    assert "No tier ever had a certificate" in page
    assert "nan" not in "".join(re.findall(r"<svg class=\"chart\".*?</svg>", page))
    (decisions,) = re.findall(r"<strong>([0-9,]+) decisions; [0-9,]+ cases opened", page)
    rows = page.partition("<strong>" + decisions)[2].partition("<tbody>")[2].partition("</tbody>")[0]
    counted = [int(one.replace(",", "")) for one in re.findall(r'</th><td class="number">([0-9,]+)</td>', rows)]
    assert sum(counted) == int(decisions.replace(",", ""))


@pytest.mark.parametrize("split", ["verdict", "origin", "brand", "market", "nonsense"])
def test_insight_is_narrowed_in_the_address(console: Console, split: str) -> None:
    """By day, by week, by hour, by brand and by what decisions are split by; nonsense narrows nothing."""
    lea = console.person("lea", "lead")

    for query in (f"{THEN}&split={split}", f"from=2026-03-01&to=2026-03-02&split={split}", f"from=2025-01-01&{split}"):
        assert lea.get(f"/insight?{query}").status_code == 200
    brand = lea.get(f"/insight?{THEN}&brand=brand 3&audits=1").text
    assert "Brand 3" in brand
    assert 'value="brand 3"' in brand


def test_what_is_missing_is_said(console: Console) -> None:
    """Without figures there is no empty plot but what is missing; hostile brands and days are text or left out."""
    lea = console.person("lea", "lead")

    nothing = lea.get("/insight?from=2020-01-01&to=2020-01-07").text
    hostile = lea.get(f"/insight?brand={HOSTILE[:100]}&from=x&to=9999-12-31")

    assert "Nobody has judged a decision of this choice in this time" in nothing
    assert "Nothing happened in this time" in nothing
    assert "No audit of a takedown was answered in this time" in nothing
    assert hostile.status_code == 200
    assert "<script>document" not in hostile.text
    assert lea.get("/insight?from=0001-01-01&to=0001-01-01").status_code == 200
    assert lea.get("/insight?from=1971-01-01").status_code == 422  # more steps than the service counts


def test_who_may_look_is_the_services_word(console: Console) -> None:
    """Auditors see insight, moderators their own record and nobody else's, brand owners nothing of it."""
    case_id = appealed(console, "roles")
    ann, audrey = console.person("ann"), console.person("audrey", "auditor")
    olga = console.person("olga", "brand-owner", brands="aurora")
    own = ann.get("/record").text
    pseudonym = re.findall(r"Pseudonym <bdi>([^<]+)</bdi>", own)[0]
    max_ = console.person("max")

    assert "days with answers: 1" in own
    assert audrey.get("/insight").status_code == audrey.get(f"/record?reviewer={pseudonym}").status_code == 200
    assert max_.get(f"/record?reviewer={pseudonym}").status_code == 403
    assert ann.get("/insight").status_code == 403
    assert 'href="/insight"' not in ann.get("/").text
    for path in ("/insight", "/record", "/appeals", f"/appeals/{case_id}", "/register/statements.json"):
        assert olga.get(path).status_code == 403, path
    file = audrey.get(f"/appeals/{case_id}").text
    assert "/decide" not in file
    assert f'action="/appeals/{case_id}/steps"' not in file
    assert audrey.post(f"/appeals/{case_id}/claim").status_code == 403
    assert ann.get("/register/statements.json").status_code == 403


def test_another_person_decides(console: Console) -> None:
    """Ann, who took the listing down, is told so and refused; bob claims, writes, and the seller is told his words."""
    case_id = appealed(console, "travels", statement=HOSTILE)
    ann, bob = console.person("ann"), console.person("bob")
    path = f"/appeals/{case_id}"

    refused = ann.post(f"{path}/decide", **ANSWER)
    before = ann.get(path).text

    assert path in bob.get("/appeals").text
    assert refused.status_code == 403
    assert "You took part" in refused.text
    assert "You took part in the decision" in before
    assert "<script>document" not in before
    assert bob.post(f"{path}/claim").headers["location"] == path
    assert f'action="{path}/decide"' in bob.get(path).text
    missing = bob.post(f"{path}/decide", **(ANSWER | {"explanation": "", "reason_code": "NO_SUCH"}))
    assert missing.status_code == 422
    assert "An invoice of the maker." in missing.text
    assert "NO_SUCH" in missing.text
    assert missing.text.count('aria-invalid="true"') == 2
    assert bob.post(f"{path}/decide", **(ANSWER | {"verdict": "PERHAPS"})).status_code == 422
    assert bob.post(f"{path}/decide", **ANSWER).headers["location"] == path
    after = bob.get(path).text
    (appeal,) = person(console.service).get(case_id).appeals
    assert appeal.state == case_pb2.APPEAL_STATE_GRANTED
    assert appeal.answer == ANSWER["explanation"]
    assert "The appeal is granted" in after
    assert f"<bdi>{ANSWER['explanation']}</bdi>" in after
    assert bob.post(f"{path}/decide", **ANSWER).status_code == 409
    assert bob.get(f"{path}/statement").status_code == 404


def test_an_appeal_is_passed_on(console: Console) -> None:
    """A form takes it in and leads to its file; what is missing, unknown or too late is said beside what was typed."""
    decision = suspicious(console.service, "passed-on")
    case_id = case_of(console.service, decision)
    person(console.service, "ann").resolve(case_id, TAKEDOWN)
    ann = console.person("ann")

    empty = ann.post("/appeals/new", decision=decision.decision_id, seller="s1", statement="")
    unknown = ann.post("/appeals/new", decision="none", seller="s1", statement=HOSTILE)
    passed = ann.post("/appeals/new", decision=decision.decision_id, seller="s1", statement="Genuine.")

    assert (empty.status_code, unknown.status_code) == (422, 404)
    assert f'value="{decision.decision_id}"' in empty.text
    assert "<script>document" not in unknown.text
    assert passed.headers["location"] == f"/appeals/{case_id}"
    assert "Genuine." in ann.get(f"/appeals/{case_id}").text


def test_the_clock_takes_steps(console: Console) -> None:
    """Terms stand with what is left of them; a step is recorded once however often its form is sent."""
    case_id = appealed(console, "clock")
    path, ann = f"/appeals/{case_id}", console.person("ann")
    step = {"kind": "COUNTER_FORWARDED", "time": "2026-01-02T03:04", "reference": HOSTILE, "key": "k1"}

    page = ann.get(path).text
    sent = [ann.post(f"{path}/steps", **step).status_code for _ in range(2)]
    after = ann.get(path).text

    assert "Decide the appeal" in page
    assert "in 2 weeks" in page
    assert sent == [303, 303]
    assert after.count("Seller&#39;s statement sent on to the notifier<br>") == 1
    assert "<script>document" not in after
    for wrong in (
        {"time": "soon"},
        {"time": "2999-01-01T00:00"},
        {"kind": "NONE"},
        {"kind": "COMPLAINT_FILED", "reference": ""},
    ):
        assert ann.post(f"{path}/steps", **(step | {"key": ""} | wrong)).status_code == 422, wrong


def test_statements_are_read_and_exported(console: Console) -> None:
    """In both languages for the seller, and as the register takes them, page after page as one object."""
    case_id = appealed(console, "told")
    ann, audrey = console.person("ann"), console.person("audrey", "auditor")

    english, chinese = (ann.get(f"/appeals/{case_id}/statement?language={one}").text for one in ("en", "zh"))
    register = audrey.get("/register/statements.json")
    nothing = audrey.get("/register/statements.json?from=2020-01-01&to=2020-01-02")

    assert TAKEDOWN.statement.facts in english
    assert "理由" in chinese
    assert 'filename="statements-' in register.headers["content-disposition"]
    assert len(json.loads(register.text)["statements"]) >= 1
    assert json.loads(nothing.text) == {"statements": []}


def test_evidence_is_downloaded(console: Console) -> None:
    """A brand owner's package comes as a zip; one with everything is refused to a moderator on the same page."""
    case_id = appealed(console, "evidence")
    path, ann, lea = f"/appeals/{case_id}/evidence", console.person("ann"), console.person("lea", "lead")

    owners = ann.post(path, audience="BRAND_OWNER", recipient="Aurora GmbH")
    refused = ann.post(path, audience="PLATFORM_COUNSEL", recipient="Counsel")
    without_basis = lea.post(path, audience="AUTHORITY", recipient="Customs")
    full = lea.post(path, audience="AUTHORITY", recipient="Customs", basis="order 7")

    assert owners.headers["content-type"] == full.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(owners.content)) as archive:
        assert archive.testzip() is None
        assert "package.pdf" in archive.namelist()
    assert len(full.content) == int(full.headers["content-length"])
    assert (refused.status_code, without_basis.status_code) == (403, 422)
    assert 'value="Counsel"' in refused.text


def test_forms_of_other_sites_change_nothing(console: Console) -> None:
    """Without the session's token, or from elsewhere, nothing is decided, recorded or given out."""
    case_id = appealed(console, "forged")
    bob = console.person("bob")

    for path in ("claim", "decide", "steps", "evidence"):
        without = bob.client.post(f"/appeals/{case_id}/{path}", data=ANSWER)
        elsewhere = bob.client.post(
            f"/appeals/{case_id}/{path}", data=ANSWER | {"csrf": bob.token()}, headers={"sec-fetch-site": "cross-site"}
        )
        assert (without.status_code, elsewhere.status_code) == (403, 403), path
    case = person(console.service).get(case_id)
    assert (case.state, case.HasField("lease")) == (case_pb2.CASE_STATE_APPEALED, False)
