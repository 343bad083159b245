"""A policy decides as its rules say, and what no policy can switch off stays on."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.money import Money
from index.records import DuplicateSource, ReferenceKind
from serving.domain import ImageResult, Listing, Reason, Verdict
from serving.errors import PolicyError
from serving.facts import FACTS, Facts, Value
from serving.findings import (
    CategoryEvidence,
    CategoryGuess,
    Duplicate,
    Evidence,
    PriceEvidence,
    ReportEvidence,
    SellerEvidence,
    TextHit,
    TextKind,
    VisualMatch,
)
from serving.fusion_file import PRIOR
from serving.gate import UNCERTIFIED, Permit
from serving.gathering import gather
from serving.judging import Judge
from serving.policy import Policy, Rule, decide, load_policy
from serving.policy_book import Policies
from vision.errors import ImageFault
from vision.regions import Box

NOTHING_KNOWN = Facts({name: fact.neutral for name, fact in FACTS.items()})
ALL_READ = (ImageResult(sha256="0" * 64, width=640, height=480),)


def _rule(name: str, verdict: Verdict, matches: Callable[[Facts], bool]) -> Rule:
    return Rule(rule_id=name, verdict=verdict, code=name.upper(), text=f"{name} fired", matches=matches)


def _policy(*rules: Rule) -> Policy:
    return Policy(version="test@0", rules=rules)


DEFAULT = load_policy()
TAKE_ALL_DOWN = _policy(_rule("everything", Verdict.TAKEDOWN, lambda _: True))
COPIES = _rule("copies", Verdict.TAKEDOWN, lambda facts: facts.values["duplicate.known_counterfeit"] is True)
ALLOW_ALL = _policy(_rule("nothing", Verdict.TAKEDOWN, lambda _: False))


def _facts(**changes: Value) -> Facts:
    return Facts(NOTHING_KNOWN.values | {name.replace("__", "."): value for name, value in changes.items()})


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_default_policy_compiles_and_allows_a_listing_of_which_nothing_is_known() -> None:
    """Silence is no evidence: with a readable photo and no findings, the default policy allows."""
    outcome = decide(NOTHING_KNOWN, DEFAULT)

    assert outcome.verdict is Verdict.ALLOW
    assert outcome.reasons == ()
    assert DEFAULT.version.startswith("default@")


@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        (
            {"duplicate__known_counterfeit": True, "duplicate__known_counterfeit_distance": 31},
            "TAKEDOWN", "COPY_OF_KNOWN_COUNTERFEIT",
        ),
        (
            {"duplicate__known_counterfeit": True, "duplicate__known_counterfeit_distance": 32},
            "REVIEW", "LIKE_KNOWN_COUNTERFEIT",
        ),
        ({"duplicate__removed_listing": True}, "REVIEW", "COPY_OF_REMOVED_LISTING"),
        (
            {"brand__known": True, "price__known": True, "price__ratio": 0.1, "price__score": 2.0},
            "REVIEW", "PRICE_FAR_BELOW_USUAL",
        ),
        ({"text__replica_wording": True, "text__replica_words": ["1:1", "AAA"]}, "REVIEW", "REPLICA_WORDING"),
        ({"text__claim_mismatch": True}, "REVIEW", "BRAND_CLAIM_MISMATCH"),
        (
            {"category__mismatch": True, "category__probability": 0.95, "brand__known": True},
            "REVIEW", "CATEGORY_MISMATCH",
        ),
        ({"text__look_alike": True, "text__look_alikes": ["Adibas"]}, "REVIEW", "BRAND_LOOK_ALIKE"),
        ({"text__off_platform_contact": True, "brand__known": True}, "REVIEW", "OFF_PLATFORM_CONTACT"),
        ({"seller__strikes": 3, "seller__strike_rate_low": 0.05, "brand__known": True}, "REVIEW", "SELLER_STRIKE_RATE"),
        ({"seller__ring_rate": 0.15, "seller__ring_size": 4, "brand__known": True}, "REVIEW", "SELLER_RING"),
        ({"seller__verification": "FAILED", "brand__known": True}, "REVIEW", "SELLER_VERIFICATION_FAILED"),
        ({"reports__weight": 3.0, "reports__count": 5}, "REVIEW", "REPORTED_BY_BUYERS"),
        ({"fused__probability": 0.5}, "REVIEW", "EVIDENCE_TOGETHER"),
        ({"visual__matched": True, "visual__probability": 0.99, "visual__brand": "Nike"}, "ALLOW", None),
    ],
)  # fmt: skip
def test_default_policy_by_finding(changes: dict[str, Value], verdict: str, code: str | None) -> None:
    """Each finding by itself has the consequence that the default policy states for it."""
    outcome = decide(_facts(**changes), DEFAULT)

    assert outcome.verdict == verdict
    assert [reason.code for reason in outcome.reasons] == ([code] if code else [])


def test_default_policy_asks_for_takedown_beyond_doubt_and_gets_a_person() -> None:
    """What is all but certain is reviewed until a certificate allows its takedown, and the reasons say why."""
    facts = _facts(fused__probability=0.9, price__score=4.0, seller__unauthorised=True)

    outcome = decide(facts, DEFAULT)

    assert outcome.verdict == Verdict.REVIEW
    assert [reason.code for reason in outcome.reasons] == ["COUNTERFEIT_BEYOND_DOUBT", "TAKEDOWN_NOT_CERTIFIED"]
    assert outcome.fired == ("beyond-doubt",)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_gravest_verdict_stands_whatever_the_order(order: tuple[int, ...]) -> None:
    """TAKEDOWN goes before REVIEW and REVIEW before ALLOW; every rule that fired still gives its reason."""
    rules = [*(_rule(str(each).lower(), each, lambda _: True) for each in (Verdict.ALLOW, Verdict.REVIEW)), COPIES]

    outcome = decide(_facts(duplicate__known_counterfeit=True), _policy(*(rules[place] for place in order)))

    assert outcome.verdict is Verdict.TAKEDOWN
    assert outcome.fired == tuple(rules[place].rule_id for place in order)
    assert len(outcome.reasons) == len(rules)


def test_allow_rule_gives_its_reason_but_outweighs_nothing(tmp_path: Path) -> None:
    """A rule with the verdict ALLOW says something good and cannot overrule another rule."""
    good = _rule("good", Verdict.ALLOW, lambda _: True)

    outcome = decide(NOTHING_KNOWN, _policy(_rule("bad", Verdict.REVIEW, lambda _: True), good))

    assert outcome.verdict is Verdict.REVIEW
    assert [reason.code for reason in outcome.reasons] == ["BAD", "GOOD"]


def test_rule_that_cannot_be_evaluated_gives_review(tmp_path: Path) -> None:
    """A missing answer never skips a rule silently, and the other rules are still applied."""
    when = "reports.count == 0 || 10 / (reports.count - 1) > 100"
    policy = load_policy(_write(tmp_path, GOOD.replace("images.count > 2", when)))

    outcome = decide(_facts(reports__count=1), policy)

    assert outcome.verdict is Verdict.REVIEW
    assert outcome.fired == ()
    assert outcome.reasons[0].code == "POLICY_ERROR"
    assert "'first'" in outcome.reasons[0].text
    assert "divide by zero" in outcome.reasons[0].text


@pytest.mark.parametrize("value", ["\ud800", 2**70, None])
def test_fact_that_cel_cannot_take_gives_review(tmp_path: Path, value: object) -> None:
    """A value that the expression language refuses is an evaluation error like any other, not a lost listing."""
    policy = load_policy(_write(tmp_path, GOOD.replace("images.count > 2", "brand.name == 'x'")))

    outcome = decide(_facts(brand__name=value), policy)  # type: ignore[arg-type]  # what should not come

    assert outcome.verdict is Verdict.REVIEW
    assert outcome.reasons[0].code == "POLICY_ERROR"


def test_takedown_without_known_counterfeit_becomes_review() -> None:
    """A policy that asks for TAKEDOWN on anything else gets REVIEW, and the decision says why."""
    outcome = decide(_facts(text__replica_wording=True, seller__strikes=9), TAKE_ALL_DOWN)

    assert outcome.verdict is Verdict.REVIEW
    assert outcome.certificate_id == ""
    assert [reason.code for reason in outcome.reasons] == ["EVERYTHING", "TAKEDOWN_NOT_CERTIFIED"]


# --- legal holds -----------------------------------------------------------------------------------------------------

_ORDER = "Legal hold hold-1 on the listing 'a1': docket 7"


@pytest.mark.parametrize("policy", [DEFAULT, TAKE_ALL_DOWN, ALLOW_ALL, _policy(COPIES)])
@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("ordered", [Verdict.REVIEW, Verdict.TAKEDOWN])
def test_legal_hold_goes_before_every_rule(policy: Policy, copied: bool, ordered: Verdict) -> None:
    """Whatever the rules say, the verdict is what the order says, and the first reason names the order."""
    facts = _facts(
        legal_hold__active=True, legal_hold__verdict=str(ordered), legal_hold__reason=_ORDER,
        duplicate__known_counterfeit=copied, duplicate__known_counterfeit_distance=0,
    )  # fmt: skip

    outcome = decide(facts, policy)

    assert outcome.verdict is ordered
    assert outcome.reasons[0] == Reason("LEGAL_HOLD", _ORDER)
    assert outcome.certificate_id == ""


def test_rules_beside_a_legal_hold_still_say_what_they_found() -> None:
    """Who looks at a held listing sees the rules that applied; that they wanted a takedown is no secret."""
    facts = _facts(legal_hold__active=True, legal_hold__verdict="REVIEW", duplicate__known_counterfeit=True)

    outcome = decide(facts, _policy(COPIES))

    assert (outcome.verdict, outcome.fired) == (Verdict.REVIEW, ("copies",))
    assert [reason.code for reason in outcome.reasons] == ["LEGAL_HOLD", "COPIES"]


def test_placeholders_show_facts_in_words(tmp_path: Path) -> None:
    """A rule's text names facts as people write them, and a seller's own braces are left alone."""
    names = ["brand.name", "price.ratio", "fused.probability", "price.score", "seller.known", "text.replica_words"]
    text = "|".join(f"{{{name}}}" for name in names)
    policy = load_policy(_write(tmp_path, GOOD.replace("Many photos", text)))
    facts = _facts(
        brand__name="{price.ratio}", price__ratio=0.2512, fused__probability=0.5, price__score=0.00123,
        text__replica_words=["1:1", "AAA"], images__count=9,
    )  # fmt: skip

    (reason,) = decide(facts, policy).reasons

    assert reason.text == "{price.ratio}|0.25|0.50|0.0012|no|1:1, AAA"


def test_policy_is_safe_to_use_from_many_threads() -> None:
    """One compiled policy serves all workers at once."""
    many = [_facts(fused__probability=number / 100) for number in range(100)] * 20

    with ThreadPoolExecutor(8) as workers:
        verdicts = list(workers.map(lambda facts: decide(facts, DEFAULT).verdict, many))

    assert verdicts == [Verdict.REVIEW if number >= 50 else Verdict.ALLOW for number in range(100)] * 20


# --- what no policy can switch off -----------------------------------------------------------------------------------

_VALUES: dict[str, st.SearchStrategy[Value]] = {
    "bool": st.booleans(),
    "int": st.integers(0, 2**40),
    "double": st.floats(),
    "string": st.text(max_size=8),
    "list<string>": st.lists(st.text(max_size=4), max_size=3),
}
# But for legal holds, which have tests of their own.
ANY_FACTS = st.fixed_dictionaries(
    {
        name: st.just(fact.neutral) if name.startswith("legal_hold.") else _VALUES[fact.type]
        for name, fact in FACTS.items()
    }
).map(Facts)

_SHARES = st.floats(0, 1)
_PRICES = st.builds(
    PriceEvidence,
    unit_price=st.just(Money(Decimal(5), "EUR")),
    expected=st.just(Money(Decimal(100), "EUR")),
    low=st.just(Money(Decimal(60), "EUR")),
    high=st.just(Money(Decimal(140), "EUR")),
    ratio=st.floats(0, 10),
    score=st.floats(-1e6, 1e6),
    basis=st.just("brand"),
    observations=st.integers(0, 10**6),
    explanation=st.just(""),
)
_MATCHES = st.builds(
    VisualMatch,
    image_index=st.integers(0, 3),
    box=st.just(Box(0, 0, 1, 1)),
    brand_id=st.just("nike"),
    brand=st.just("Nike"),
    reference_id=st.just("r"),
    kind=st.sampled_from(ReferenceKind),
    similarity=st.floats(-1, 1),
    probability=_SHARES,
)
_HONEST_COPIES = st.builds(
    Duplicate,
    image_index=st.integers(0, 3),
    source=st.sampled_from([DuplicateSource.OFFICIAL_REFERENCE, DuplicateSource.REMOVED_LISTING]),
    source_id=st.just("r"),
    brand=st.just("Nike"),
    distance=st.integers(0, 31),
    exact=st.booleans(),
    mirrored=st.booleans(),
)
_HITS = st.builds(
    TextHit,
    kind=st.sampled_from(TextKind),
    field_name=st.just("title"),
    start=st.just(0),
    end=st.just(4),
    matched=st.text(max_size=8),
    brand=st.sampled_from(["", "Nike"]),
)
_CATEGORIES = st.builds(
    CategoryEvidence,
    declared=st.just("shoes"),
    declared_path=st.just(("fashion", "shoes")),
    predicted=st.builds(CategoryGuess, st.just(("fashion", "bags")), _SHARES),
    mismatch=st.booleans(),
)
_SELLERS = st.builds(
    SellerEvidence,
    seller_id=st.just("s"),
    known=st.booleans(),
    brand=st.just("Nike"),
    authorised=st.sampled_from([None, True, False]),
    verified=st.booleans(),
    strikes=st.integers(0, 10**6),
    decisions=st.integers(0, 10**6),
)
_REPORTS = st.builds(ReportEvidence, reports=st.integers(0, 10**6), weight=st.floats(0, 1e6))
_ALL_BUT_KNOWN_FAKES: list[st.SearchStrategy[Evidence]] = [
    _PRICES, _MATCHES, _HONEST_COPIES, _HITS, _CATEGORIES, _SELLERS, _REPORTS
]  # fmt: skip


class _Permissive:
    """A gate that certifies everything."""

    def permit(self, facts: Facts) -> Permit:
        """Permit."""
        return Permit(certificate_id="certificate")


def _gathered(
    evidence: list[Evidence], *, images: tuple[ImageResult, ...] = ALL_READ, faults: tuple[Reason, ...] = ()
) -> Facts:
    listing = Listing(listing_id="a", images=(b"",), claimed_brand="Nike")
    facts = gather(listing, evidence, images=images, brand="Nike", brand_known=True, faults=faults)
    return facts.plus("fused.probability", PRIOR.fuse(facts).probability)


@given(facts=ANY_FACTS)
@settings(max_examples=150, deadline=None)
def test_takedown_only_with_a_known_counterfeit(facts: Facts) -> None:
    """Whatever the facts and whatever the policy wants, TAKEDOWN needs a copy of a known counterfeit."""
    known = facts.values["duplicate.known_counterfeit"]

    assert (decide(facts, _policy(COPIES)).verdict is Verdict.TAKEDOWN) == known
    assert decide(facts, TAKE_ALL_DOWN).verdict is Verdict.REVIEW
    if decide(facts, DEFAULT).verdict is Verdict.TAKEDOWN:
        assert known


@pytest.mark.parametrize("kind", [_PRICES, _MATCHES], ids=["price", "visual match"])
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_one_kind_of_evidence_alone_never_takes_down(kind: st.SearchStrategy[Evidence], data: st.DataObject) -> None:
    """However extreme, prices alone and visual matches alone take nothing down, under any policy and any gate."""
    facts = _gathered(data.draw(st.lists(kind, min_size=1, max_size=4)))

    for gate in (UNCERTIFIED, _Permissive()):
        assert decide(facts, TAKE_ALL_DOWN, gate).verdict is Verdict.REVIEW
        assert decide(facts, DEFAULT, gate).verdict is not Verdict.TAKEDOWN


@given(evidence=st.lists(st.one_of(_ALL_BUT_KNOWN_FAKES), max_size=8))
@settings(max_examples=100, deadline=None)
def test_all_evidence_but_known_counterfeits_never_takes_down(evidence: list[Evidence]) -> None:
    """Not even everything together replaces a copy of a known counterfeit."""
    facts = _gathered(evidence)

    assert decide(facts, TAKE_ALL_DOWN).verdict is Verdict.REVIEW
    assert decide(facts, DEFAULT).verdict is not Verdict.TAKEDOWN


@given(
    evidence=st.lists(st.one_of(_ALL_BUT_KNOWN_FAKES), max_size=4), read=st.lists(st.sampled_from([None, *ImageFault]))
)
@settings(max_examples=100, deadline=None)
def test_photo_that_could_not_be_used_is_never_allowed(evidence: list[Evidence], read: list[ImageFault | None]) -> None:
    """One unreadable photo among good ones, or no photo at all, takes at least a person's look under any policy."""
    images = tuple(ImageResult(sha256="", fault=fault) for fault in read)

    verdict = decide(_gathered(evidence, images=images), ALLOW_ALL).verdict

    assert (verdict is Verdict.ALLOW) == (bool(read) and not any(read))


@given(facts=ANY_FACTS, faults=st.lists(st.builds(Reason, st.just("STAGE_FAILED"), st.text(max_size=5)), min_size=1))
@settings(max_examples=50, deadline=None)
def test_failed_stage_is_never_allowed(facts: Facts, faults: list[Reason]) -> None:
    """A stage that failed takes at least a person's look under any policy, and the decision says which."""
    outcome = decide(Facts(facts.values, tuple(faults)), ALLOW_ALL)

    assert outcome.verdict is Verdict.REVIEW
    assert set(faults) <= set(outcome.reasons)


@pytest.mark.parametrize("name", [name for name, fact in FACTS.items() if fact.type == "double"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_figure_that_is_none_is_never_allowed(name: str, value: float) -> None:
    """Every comparison with NaN is false, so no rule would fire: a person looks instead."""
    outcome = decide(NOTHING_KNOWN.plus(name, value), ALLOW_ALL)

    assert outcome.verdict is Verdict.REVIEW
    assert outcome.reasons[-1].code == "FACT_NOT_A_NUMBER"
    assert name in outcome.reasons[-1].text


# --- files -----------------------------------------------------------------------------------------------------------


GOOD = """\
format_version: 1
name: mine
rules:
  - id: first
    when: images.count > 2
    verdict: REVIEW
    code: MANY_PHOTOS
    text: "Many photos"
"""
SECOND = GOOD.partition("rules:\n")[2].replace("first", "second")


def _write(folder: Path, text: str | bytes) -> Path:
    path = folder / "policy.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + SECOND,
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        "# a comment\n---\n" + GOOD,
        GOOD.replace("images.count > 2", "|\n      images.count > 2 &&\n      !seller.verified"),
        GOOD.replace("images.count > 2", ">-\n      images.count > 2 &&\n      !seller.verified"),
        GOOD.replace("images.count > 2", "images.count > 2 &&\n      !seller.verified"),
        GOOD.replace("images.count > 2", "'text.brands.exists(one, one == brand.name) || images.count > 2'"),
        GOOD.replace("images.count > 2", "double(images.count) > 2.5"),
        GOOD.replace("images.count > 2", "images . count > 2"),
        GOOD.replace("Many photos", "Zu viele Fotos, 照片太多: {images.count}"),
    ],
)
def test_good_policy_fires_on_three_photos(tmp_path: Path, text: str) -> None:
    """Comments, line ends, a byte order mark and expressions over several lines are all as good as the plain file."""
    policy = load_policy(_write(tmp_path, text))

    assert decide(_facts(images__count=3), policy).verdict is Verdict.REVIEW
    assert decide(_facts(images__count=2), policy).verdict is Verdict.ALLOW


def test_version_names_the_file_s_content(tmp_path: Path) -> None:
    """The version changes with every byte of the file and with nothing else."""
    first = load_policy(_write(tmp_path, GOOD)).version
    again = load_policy(_write(tmp_path, GOOD)).version
    other = load_policy(_write(tmp_path, GOOD + "# a note\n")).version

    assert first == again
    assert first != other
    assert first.startswith("mine@")
    assert len(first) == len("mine@") + 12


ALLOWED_KEYS = "id, when, verdict, code, text"
FAULTS: dict[str, tuple[str | bytes, int, str]] = {
    "empty file": ("", 1, "format_version, name, rules"),
    "only a comment": ("# nothing\n", 1, "format_version, name, rules"),
    "list at the top": ("- a\n", 1, "format_version, name, rules"),
    "unknown key at the top": (GOOD + "shadow: true\n", 9, "format_version, name, rules"),
    "key missing at the top": (GOOD.replace("name: mine\n", ""), 1, "lacks name"),
    "other format version": (GOOD.replace(": 1", ": 3"), 1, "must be 1 or 2"),
    "odd name": (GOOD.replace("mine", "my policy"), 2, "letters, digits"),
    "rules are no list": ("format_version: 1\nname: mine\nrules: none\n", 3, "list of at least one rule"),
    "no rules": ("format_version: 1\nname: mine\nrules: []\n", 3, "list of at least one rule"),
    "rule is no mapping": (GOOD + "  - second\n", 9, ALLOWED_KEYS),
    "unknown key in a rule": (GOOD + "    weight: 3\n", 9, ALLOWED_KEYS),
    "key missing in a rule": (GOOD.replace("    code: MANY_PHOTOS\n", ""), 4, "lacks code"),
    "key given twice": (GOOD + "    code: TWICE\n", 9, "'code' twice"),
    "id used twice": (GOOD + SECOND.replace("second", "first"), 9, "'first' is used twice"),
    "empty value": (GOOD.replace("MANY_PHOTOS", ""), 7, "single value"),
    "null value": (GOOD.replace("id: first", "id: ~"), 4, "single value"),
    "list for a value": (GOOD.replace('"Many photos"', "[Many, photos]"), 8, "single value"),
    "unknown verdict": (GOOD.replace("REVIEW", "BLOCK"), 6, "ALLOW, REVIEW, TAKEDOWN"),
    "verdict in small letters": (GOOD.replace("REVIEW", "review"), 6, "ALLOW, REVIEW, TAKEDOWN"),
    "code in small letters": (GOOD.replace("MANY_PHOTOS", "many"), 7, "CAPITALS_AND_UNDERSCORES"),
    "unknown placeholder": (GOOD.replace("Many photos", "{image.count} photos"), 8, "images.count (int)"),
    "brace alone": (GOOD.replace("Many photos", "{images.count photos"), 8, "brace"),
    "half a surrogate pair": (GOOD.replace("Many photos", "\\ud800"), 8, "surrogate"),
    "unknown fact": (GOOD.replace("images.count", "image.count"), 5, "images.count (int)"),
    "double for an int": (GOOD.replace("> 2", "> 2.5"), 5, "(int, double)"),
    "int for a double": (GOOD.replace("images.count > 2", "price.ratio < 1"), 5, "price.ratio (double)"),
    "syntax error": (GOOD.replace("> 2", ">"), 5, "Syntax error"),
    "assignment for a comparison": (GOOD.replace("> 2", "= 2"), 5, "Syntax error"),
    "neither true nor false": (GOOD.replace(" > 2", ""), 5, "true or false, not int"),
    "expression nested too deeply": (GOOD.replace("images.count > 2", "(" * 999 + "true" + ")" * 999), 5, "limit"),
    "second line of a block": (
        GOOD.replace("images.count > 2", "|\n      images.count > 2 &&\n      photo.count > 2"), 7, "photo"
    ),
    "second line of a folded block": (
        GOOD.replace("images.count > 2", ">-\n      images.count > 2 &&\n      photo.count > 2"), 5, "photo"
    ),
    "fails where nothing is known": (
        GOOD.replace("images.count > 2", "'text.replica_words[0] == \"AAA\"'"), 5, "nothing is known"
    ),
    "regular expression that is none": (GOOD.replace("images.count > 2", "brand.name.matches('(')"), 5, "regular"),
    "alias": (GOOD.replace("id: first", "id: &x first") + SECOND.replace("second", "*x"), 9, "aliases"),
    "merge key": (GOOD.replace("- id", "- &x\n    id") + "  - <<: *x\n", 10, "aliases"),
    "list that holds itself": ("&a [*a]\n", 1, "aliases"),
    "tab": (GOOD.replace("    code", "\tcode"), 7, "not YAML"),
    "broken YAML": (GOOD.replace('"Many photos"', '"Many photos'), 9, "not YAML"),
    "two documents": (GOOD + "---\n" + GOOD, 9, "not YAML"),
    "control character": (GOOD.replace("Many", "Many\x01"), 8, "x0001"),
    "not UTF-8": (GOOD.replace("Many", "Zu viele größte").encode("latin-1"), 8, "UTF-8"),
    "nested without end": ("[" * 500, 1, "nested too deeply"),
    "huge": ("#" * (2**20 + 1), 0, "1048576 bytes"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "says"), FAULTS.values(), ids=list(FAULTS))
def test_faulty_policy_is_refused_with_its_line(tmp_path: Path, text: str | bytes, line: int, says: str) -> None:
    """Each fault is found when the file is loaded; the error names the file, the line and what is allowed."""
    path = _write(tmp_path, text)

    with pytest.raises(PolicyError) as caught:
        load_policy(path)

    assert caught.value.file == path
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(("name", "says"), [("none.yaml", "No such file"), ("", "directory")])
def test_missing_file_and_directory_are_refused(tmp_path: Path, name: str, says: str) -> None:
    """What cannot be read is refused with the file's name and the reason."""
    with pytest.raises(PolicyError, match=says):
        load_policy(tmp_path / name)


def test_evidence_that_comes_to_no_figure_is_reviewed_and_can_be_recorded() -> None:
    """The policy sees that there is none; decision and case carry the worst figure, for no store keeps NaN."""
    judgement = Judge(policies=Policies(active=load_policy())).judge(NOTHING_KNOWN.plus("price.score", math.nan))

    assert judgement.outcome.verdict is Verdict.REVIEW
    assert math.isnan(float(str(judgement.facts.values["fused.probability"])))
    assert (judgement.probability, judgement.uncalibrated) == (1.0, 1.0)
