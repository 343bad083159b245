"""What goes to the public register keeps its rules, whatever was decided, and tells of nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from index.decision_records import DecisionRecord
from index.evidence_records import Takedown
from index.records import Brand
from index.reports import Notice, Report, ReporterType
from index.rulings import Ground, Outcome, Resolution, Statement
from index.store.store import Store
from serving.case_opening import CaseOpening
from serving.case_rules import CaseRules, load_case_rules
from serving.legal.register import territory_of, to_register
from serving.legal.register_rules import RegisterBatch, RegisterStatement
from serving.legal.statements import Statements
from touchstone.moderation.v1 import decision_pb2, evidence_pb2

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = load_case_rules()
# Whatever a person typed, or is known by: no such word may reach the register.
PERSON = "Qzpers"
LISTINGS = ("quiet", "noticed", "flagged", "reported")


def a_report(listing_id: str) -> Report:
    """Report a listing in the way that its name says."""
    notice = Notice(
        urls=(f"https://shop.example/{PERSON}",),
        notifier_name=f"{PERSON} Notifier",
        notifier_email=f"{PERSON}@rights.example",
        good_faith_statement=True,
        jurisdiction="EU",
    )
    return Report(
        report_id=f"report-{listing_id}",
        listing_id=listing_id,
        reporter_id=f"{PERSON}-reporter",
        reporter_type=ReporterType.TRUSTED_FLAGGER if listing_id == "flagged" else ReporterType.BUYER,
        reason_code="COUNTERFEIT",
        text=f"{PERSON} sold me a fake",
        notice=None if listing_id == "reported" else notice,
        create_time=NOON - timedelta(hours=1),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Fill a store with a brand, and with listings that were reported in every way."""
    with Store.open(tmp_path_factory.mktemp("register") / "store.db") as opened:
        opened.put_brands([Brand(brand_id="aurora", name="Aurora")])
        opening = CaseOpening(opened, RULES)
        for listing_id in LISTINGS:
            record = a_record(listing_id, decision_pb2.Decision(), verdict="REVIEW", market="DE", suffix="-first")
            opened.record_decision(record)
            if listing_id != "quiet":
                opened.add_report(a_report(listing_id), case=opening.case(record), case_weight=0.0)
        yield opened


def a_record(
    listing_id: str, decision: decision_pb2.Decision, *, verdict: str, market: str, suffix: str = ""
) -> DecisionRecord:
    """Make a decision about a listing of somebody's."""
    return DecisionRecord(
        decision_id=f"decision-{listing_id}{suffix}",
        listing_id=listing_id,
        verdict=verdict,
        create_time=NOON,
        payload=decision.SerializeToString(),
        request_sha256="",
        seller_id=f"{PERSON}-seller",
        brand=f"{PERSON} Originals",
        market=market,
    )


def evidence(kind: Any) -> evidence_pb2.Evidence:
    """Make a piece of evidence of each kind, with a person's words wherever one's may be."""
    made: list[dict[str, Any]] = [
        {"duplicate": evidence_pb2.Duplicate(source=1 + kind % 3, source_id=PERSON, brand=PERSON)},
        {
            "visual_match": evidence_pb2.VisualMatch(
                brand="Aurora", brand_id="aurora", probability=0.9, kind=1 + kind % 7
            )
        },
        {"visual_match": evidence_pb2.VisualMatch(brand=PERSON, probability=0.9)},
        {"text": evidence_pb2.TextHit(kind=1 + kind % 5, matched=f"WeChat {PERSON}", brand="Aurora")},
        {"text": evidence_pb2.TextHit(kind=evidence_pb2.TEXT_KIND_LOOK_ALIKE, matched=PERSON, brand=PERSON)},
        {"category": evidence_pb2.CategoryEvidence(declared=PERSON, mismatch=True)},
        {"price": evidence_pb2.PriceEvidence(ratio=0.12, score=2.0, explanation=PERSON, declared_sale=PERSON)},
        {
            "seller": evidence_pb2.SellerEvidence(
                seller_id=PERSON,
                brand="Aurora",
                authorization=evidence_pb2.SELLER_AUTHORIZATION_NOT_AUTHORIZED,
                strike_count=2,
            )
        },
        {"report": evidence_pb2.ReportEvidence(report_count=3, weight=1.5)},
    ]
    return evidence_pb2.Evidence(**made[kind % len(made)])


STATEMENTS = st.builds(
    Statement,
    ground=st.sampled_from(list(Ground)),
    ground_reference=st.sampled_from(
        [
            "Regulation (EU) 2017/1001, Article 9",
            "Directive 2005/29/EC, Article 6",
            f"the complaint of {PERSON}",
            f"Regulation (EU) 2017/1001, Article 9, as {PERSON} says",
        ]
    ),
    explanation=st.just(f"{PERSON} has no licence"),
    facts=st.just(f"{PERSON}, mail {PERSON}@mail.example, sells fakes"),
    territories=st.sampled_from([(), ("DE", "FR"), ("DE", "US")]),
    end_time=st.sampled_from([None, NOON + timedelta(days=40)]),
    automated_detection=st.booleans(),
)


@st.composite
def takedowns(draw: st.DrawFn) -> Takedown:
    """Draw a takedown: by a machine or a person, with a statement or without, for any reason, on any market."""
    decision = decision_pb2.Decision(
        evidence=[evidence(kind) for kind in draw(st.lists(st.integers(0, 62), max_size=9))],
        reasons=[decision_pb2.Reason(code="OWN", text=f"contact {PERSON}")],
    )
    by_machine = draw(st.booleans())
    record = a_record(
        draw(st.sampled_from(LISTINGS)),
        decision,
        verdict="TAKEDOWN" if by_machine else "REVIEW",
        market=draw(st.sampled_from(["DE", "FR", "IS", ""])),
    )
    if by_machine and draw(st.booleans()):
        return Takedown(time=NOON, decision=record, resolution=None)
    statement = draw(st.none() | STATEMENTS)
    code = draw(st.sampled_from([*RULES.reason_codes, "OPERATORS_OWN"]))
    outcome = Outcome(verdict="TAKEDOWN", reason_code=code, note=f"{PERSON} again", statement=statement)
    resolution = Resolution(
        resolution_id="resolution",
        case_id="case",
        decision_id=record.decision_id,
        outcome=outcome,
        reviewer="reviewer-1",
        resolve_time=NOON,
    )
    return Takedown(time=NOON, decision=record, resolution=resolution)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(taken=takedowns())
def test_every_takedown_is_one_the_register_takes_and_tells_of_nobody(store: Store, taken: Takedown) -> None:
    """Of two hundred takedowns of all kinds each keeps the published rules, and none has a word that a person typed."""
    statement = Statements(store, RULES).of_takedown(taken, language="en")

    told = to_register(statement, offered=NOON - timedelta(days=2))

    batch = RegisterBatch(statements=(told,))
    sent = json.dumps(batch.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
    assert RegisterBatch.model_validate_json(sent) == batch
    for private in (PERSON, "@", "WeChat", "again", "reviewer-"):
        assert private.lower() not in sent.lower()
    assert (told.automated_decision == "AUTOMATED_DECISION_FULLY") == (taken.resolution is None)


@pytest.mark.parametrize(
    ("listing_id", "source"),
    [
        ("quiet", "SOURCE_VOLUNTARY"),
        ("noticed", "SOURCE_ARTICLE_16"),
        ("flagged", "SOURCE_TRUSTED_FLAGGER"),
        ("reported", "SOURCE_TYPE_OTHER_NOTIFICATION"),
    ],
)
def test_the_source_is_what_led_to_it(store: Store, listing_id: str, source: str) -> None:
    """A notice, a trusted flagger's, a mere report, or nobody: as it stands on record."""
    record = a_record(listing_id, decision_pb2.Decision(), verdict="TAKEDOWN", market="DE")
    taken = Takedown(time=NOON, decision=record, resolution=None)

    statement = Statements(store, RULES).of_takedown(taken, language="en")

    assert to_register(statement, offered=NOON).source_type == source


@pytest.mark.parametrize(
    ("market", "territories", "countries"),
    [("DE", ("DE", "US"), ("DE",)), ("US", (), ()), ("CN", ("CN",), ()), ("US", ("FR",), ("FR",))],
)
def test_only_the_eea_is_the_registers(
    store: Store, market: str, territories: tuple[str, ...], countries: tuple[str, ...]
) -> None:
    """A restriction elsewhere is not told, and of one that holds here and there the EEA's part is."""
    record = a_record("quiet", decision_pb2.Decision(), verdict="REVIEW", market=market)
    reasons = Statement(ground=Ground.TERMS, ground_reference="4", explanation="e", facts="f", territories=territories)
    outcome = Outcome(verdict="TAKEDOWN", reason_code="COUNTERFEIT", statement=reasons)
    resolution = Resolution(
        resolution_id="r", case_id="c", decision_id="d", outcome=outcome, reviewer="x", resolve_time=NOON
    )
    taken = Takedown(time=NOON, decision=record, resolution=resolution)

    assert territory_of(Statements(store, RULES).of_takedown(taken, language="en")) == countries


SOUND: dict[str, Any] = {
    "puid": "abc-1",
    "content_type": ["CONTENT_TYPE_PRODUCT"],
    "content_date": date(2026, 2, 1),
    "application_date": date(2026, 3, 1),
    "territorial_scope": ["DE"],
    "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
    "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
    "illegal_content_legal_ground": "a law",
    "illegal_content_explanation": "why",
    "category": "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    "decision_facts": "facts",
    "source_type": "SOURCE_VOLUNTARY",
    "automated_detection": "Yes",
    "automated_decision": "AUTOMATED_DECISION_FULLY",
}


@pytest.mark.parametrize(
    "broken",
    [
        {"puid": "a b"},
        {"puid": "a" * 501},
        {"territorial_scope": ["GB"]},
        {"territorial_scope": []},
        {"decision_facts": "x" * 5_001},
        {"illegal_content_explanation": None},
        {"incompatible_content_ground": "terms"},
        {"category": "STATEMENT_CATEGORY_OTHER"},
        {"source_identity": "somebody"},
        {"end_date_visibility_restriction": date(2026, 2, 1)},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_what_the_register_refuses_is_refused_here(broken: dict[str, Any]) -> None:
    """Each published rule is held: what breaks one does not validate, and what keeps all does."""
    assert RegisterStatement.model_validate(SOUND).puid == "abc-1"

    with pytest.raises(ValidationError):
        RegisterStatement.model_validate(SOUND | broken)


def test_a_batch_is_what_the_register_takes_at_once() -> None:
    """A hundred statements are a batch, one more is none, and no two share an id."""
    many = [SOUND | {"puid": f"p{number}"} for number in range(101)]

    assert len(RegisterBatch.model_validate({"statements": many[:100]}).statements) == 100
    for refused in (many, [SOUND, SOUND]):
        with pytest.raises(ValidationError):
            RegisterBatch.model_validate({"statements": refused})


def test_the_time_to_complain_is_six_months_whatever_the_month() -> None:
    """From any day of a year the default lasts until the same day six months later at least (Article 20(1))."""
    days = CaseRules(**RULES.model_dump()).appeal_days
    for number in range(366):
        day = date(2026, 1, 1) + timedelta(days=number)
        month = (day.month + 5) % 12 + 1
        year = day.year + (day.month > 6)
        last = next(last for last in range(day.day, 27, -1) if _is_day(year, month, last)) if day.day > 28 else day.day

        assert day + timedelta(days=days) >= date(year, month, last)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
