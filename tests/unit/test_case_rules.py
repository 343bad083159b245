"""By which rules do cases open, wait and close? Rules files, callers, expected harm, page tokens, and their page."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.case_records import CaseOrder, CaseOrigin, Place
from index.decision_records import DecisionRecord
from index.records import Brand
from index.reports import ReporterType
from serving.access.caller import ACTOR, NOBODY, ROLES, Caller, Trust, caller_of
from serving.case_opening import CaseOpening
from serving.case_pages import to_place, to_token
from serving.case_rules import CaseRules, load_case_rules
from serving.errors import InvalidListing, SettingsError, Unauthenticated
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import decision_pb2, evidence_pb2

PAGE = Path(__file__).parents[2] / "docs" / "cases.md"
NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


class OneBrand:
    """A registry of one brand."""

    def find_brand(self, name_or_alias: str) -> Brand | None:
        """Find it by its name."""
        return Brand(brand_id="acme-id", name="Acme") if name_or_alias == "Acme" else None


def a_record(*evidence: evidence_pb2.Evidence, brand: str = "Acme") -> DecisionRecord:
    """Make a decision with a probability of 0.5."""
    decision = decision_pb2.Decision(
        counterfeit_probability=0.5,
        uncalibrated_probability=0.25,
        certificate_id="certificate",
        evidence=evidence,
        reasons=[decision_pb2.Reason(code=code) for code in ("DUPLICATE", "PRICE_LOW", "DUPLICATE")],
    )
    return DecisionRecord(
        decision_id="d",
        listing_id="l",
        verdict="REVIEW",
        create_time=NOON,
        payload=decision.SerializeToString(),
        request_sha256="",
        seller_id="s",
        brand=brand,
        market="DE",
    )


def test_rules_of_a_file_replace_those_that_ship(tmp_path: Path) -> None:
    """A file that names some rules leaves the others as they ship; the example on the page is one."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "case-rules.yaml"
    path.write_text(example, encoding="utf-8")

    rules = load_case_rules(path)

    assert (rules.brand_weight("ROLEX"), rules.brand_weight("nike"), rules.brand_weight("Other")) == (5, 2, 1)
    assert (rules.second_review_harm, rules.appeal_days) == (4, 200)
    assert rules.reason_codes == load_case_rules().reason_codes


@pytest.mark.parametrize(
    "line", ["colour: red", "random_share: 2", "brand_weights: {Nike: -1}", "reason_codes: [lower]", "- a list", "{"]
)
def test_faulty_rules_are_refused(tmp_path: Path, line: str) -> None:
    """An unknown rule, a value out of range and a file that is no mapping are refused with the file's name."""
    path = tmp_path / "case-rules.yaml"
    path.write_text(line, encoding="utf-8")

    with pytest.raises(SettingsError, match=r"case-rules\.yaml"):
        load_case_rules(path)


def test_rules_on_the_page_are_those_of_the_code() -> None:
    """Every rule is documented with its default; upon failure, paste what is printed."""
    rules = load_case_rules()
    rows = [
        f"| `{name}` | {_shown(rules, name)} | {field.description} |"
        for name, field in type(rules).model_fields.items()
    ]
    expected = "\n".join(["| rule | default | meaning |", "| --- | --- | --- |", *rows])

    found = PAGE.read_text(encoding="utf-8").partition("<!-- rules -->")[2].partition("<!-- /rules -->")[0].strip()

    assert found == expected, f"docs/cases.md must hold between its rules marks:\n\n{expected}\n"


def _shown(rules: CaseRules, name: str) -> str:
    value = getattr(rules, name)
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return "none" if value == {} else f"`{value}`"


def test_expected_harm_is_probability_times_reach_times_weight() -> None:
    """A brand that weighs 4, a seller of 7 listings and a probability of one half: 0.5 x (1 + 3) x 4."""
    rules = load_case_rules().model_copy(update={"brand_weights": {"Acme": 4.0}})
    seller = evidence_pb2.Evidence(seller=evidence_pb2.SellerEvidence(decision_count=7))
    opening = CaseOpening(OneBrand(), rules)

    case, unknown = opening.case(a_record(seller)), opening.case(a_record(brand=""))

    assert math.isclose(case.expected_harm, 8.0)
    assert math.isclose(unknown.expected_harm, 0.5)


def test_case_knows_what_its_decision_says() -> None:
    """Brands by match and by name, reasons once each, and the figures that verdicts are learnt with."""
    evidence = (
        evidence_pb2.Evidence(visual_match=evidence_pb2.VisualMatch(brand_id="seen-id", brand="Seen")),
        evidence_pb2.Evidence(text=evidence_pb2.TextHit(brand="Acme")),
        evidence_pb2.Evidence(duplicate=evidence_pb2.Duplicate(brand="Nobody's")),
    )

    case = CaseOpening(OneBrand(), load_case_rules()).case(a_record(*evidence), origin=CaseOrigin.REPORT)

    assert case.brand_ids == ("seen-id", "acme-id")
    assert case.reason_codes == ("DUPLICATE", "PRICE_LOW")
    assert (case.probability, case.uncalibrated_probability, case.certificate_id) == (0.5, 0.25, "certificate")
    assert (case.seller_id, case.market, case.origin) == ("s", "DE", CaseOrigin.REPORT)
    assert case.due_time is not None


def test_share_of_cases_that_are_drawn() -> None:
    """Of many cases about the share that the rules ask for is drawn."""
    opening = CaseOpening(OneBrand(), load_case_rules().model_copy(update={"random_share": 0.2}))
    record = a_record()

    drawn = sum(opening.case(record).drawn for _ in range(2_000))

    assert 300 <= drawn <= 500  # more than five standard deviations around 400


@pytest.mark.parametrize(
    ("trust", "peer", "name"),
    [
        ("loopback", "ipv4:127.0.0.1:5000", "ann"),
        ("loopback", "ipv6:%5B::1%5D:5000", "ann"),
        ("loopback", "unix:/run/touchstone", "ann"),
        ("loopback", "ipv4:10.0.0.1:5000", ""),
        ("loopback", "ipv6:%5B2001:db8::127%5D:5000", ""),
        ("always", "ipv4:10.0.0.1:5000", "ann"),
        ("never", "ipv4:127.0.0.1:5000", ""),
    ],
)
def test_who_calls_is_believed_from_where_the_setting_says(trust: Trust, peer: str, name: str) -> None:
    """Metadata about who calls counts from this machine only, from everywhere, or from nowhere."""
    assert caller_of([(ACTOR, "ann"), ("other", "x")], peer, trust).name == name


def test_a_name_that_is_none_is_refused() -> None:
    """A name that comes twice, is endless or holds control characters is refused; without one nobody may act."""
    for metadata in ([(ACTOR, "ann"), (ACTOR, "ben")], [(ACTOR, "x" * 257)], [(ACTOR, "a\tb")], [(ROLES, "")] * 2):
        with pytest.raises(Unauthenticated):
            caller_of(metadata, "unix:", "loopback")

    assert caller_of([], "unix:", "loopback") == NOBODY
    with pytest.raises(Unauthenticated, match=ACTOR):
        NOBODY.required()


def test_roles_prove_capacities() -> None:
    """A claimed capacity counts when a role proves just that one."""
    caller = caller_of([(ACTOR, "ann"), (ROLES, "rights-owner, , other")], "unix:", "loopback")

    assert caller == Caller("ann", frozenset({"rights-owner", "other"}))
    assert caller.proves(ReporterType.RIGHTS_OWNER) is ReporterType.RIGHTS_OWNER
    assert caller.proves(ReporterType.AUTHORITY) is ReporterType.BUYER


@pytest.mark.parametrize("place", [Place(0.1 + 0.2, "c"), Place(NOON, "c")])
def test_page_token_leads_back(place: Place) -> None:
    """A token leads to the very place that it was made for, for the same filter and order only."""
    harm = isinstance(place.key, float)
    order, number = (
        (CaseOrder.EXPECTED_HARM, pb.CASE_ORDER_EXPECTED_HARM) if harm else (CaseOrder.OLDEST, pb.CASE_ORDER_OLDEST)
    )
    request = pb.ListCasesRequest(order=number)
    token = to_token(place, request)

    assert to_place(pb.ListCasesRequest(order=number, page_token=token, page_size=7), order) == place
    with pytest.raises(InvalidListing):
        to_place(pb.ListCasesRequest(order=number, page_token=token, filter=pb.CaseFilter(seller_id="s")), order)
    assert to_token(None, request) == ""


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda data: b64encode(data).decode()))
def test_no_token_breaks_the_service(token: str) -> None:
    """Whatever is sent for a token is a place or refused."""
    request = pb.ListCasesRequest(page_token=token.encode(errors="ignore").decode())

    try:
        place = to_place(request, CaseOrder.OLDEST)
    except InvalidListing:
        return
    assert place is None
