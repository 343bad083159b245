"""The evidence of brand claim, price and seller: what is at stake, and what is said about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from index.decision_records import DecisionRecord
from index.identity import SalesVolume, SellerIdentity
from index.market_records import AuthorisedSeller, PriceObservation, Seller
from index.money import ExchangeRates, Money
from index.pricing import PriceModel
from index.records import Brand, DuplicateSource, ReferenceKind
from index.reports import ReportOnRecord
from index.rings import Ring
from index.store.store import Store
from index.verification import VerificationState
from serving.domain import Category, Decision, Listing, Verdict
from serving.evidence import (
    BrandAtStake,
    brand_at_stake,
    category_evidence,
    claim_mismatch,
    imitated_by_claim,
    settled,
)
from serving.findings import CategoryGuess, Duplicate, TextHit, TextKind, VisualMatch
from serving.price_evidence import price_evidence, price_fault
from serving.seller_evidence import presumed_strike, seller_evidence
from serving.words.wording import BrandLexicon
from tests.support.databases import with_tables
from vision.regions import Box
from vision.taxonomy import load_taxonomy

NIKE = Brand(brand_id="nike", name="Nike")
PUMA = Brand(brand_id="puma", name="Puma")
FILA = Brand(brand_id="fila", name="Fila")
LEXICON = BrandLexicon.build([NIKE, PUMA, FILA])
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHOES = Category(("shoes",), 0.9)


def _listing(claimed: str = "", *, price: Money | None = None, unit_count: int = 1, category: str = "shoes") -> Listing:
    return Listing(
        listing_id="a", images=(), claimed_brand=claimed, category=category, condition="new", price=price,
        unit_count=unit_count, seller_id="s", market="DE",
    )  # fmt: skip


def _match(brand: Brand, probability: float) -> VisualMatch:
    return VisualMatch(
        image_index=0, box=Box(0, 0, 1, 1), brand_id=brand.brand_id, brand=brand.name, reference_id="r",
        kind=ReferenceKind.LOGO, similarity=0.5, probability=probability,
    )  # fmt: skip


def _named(brand: Brand, field_name: str = "title") -> TextHit:
    return TextHit(
        kind=TextKind.BRAND, field_name=field_name, start=0, end=4, matched=brand.name.lower(), brand=brand.name
    )


# --- the brand at stake --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "hits", "matches", "expected"),
    [
        ("nike", [_named(PUMA)], [_match(FILA, 0.99)], BrandAtStake("Nike", NIKE)),
        ("", [_named(PUMA)], [_match(FILA, 0.5)], BrandAtStake("Fila", FILA)),
        ("", [_named(PUMA)], [_match(FILA, 0.49)], BrandAtStake("Puma", PUMA)),
        ("", [_named(PUMA, "description"), _named(NIKE)], [], BrandAtStake("Puma", PUMA)),
        ("", [], [_match(FILA, 0.49)], BrandAtStake()),
        ("", [], [], BrandAtStake()),
        ("Noname", [], [], BrandAtStake("Noname")),
        ("Noname", [_named(PUMA)], [], BrandAtStake("Puma", PUMA)),
        ("Noname", [], [_match(FILA, 0.9)], BrandAtStake("Fila", FILA)),
    ],
    ids=["claimed", "seen", "named", "named first", "hardly seen", "nothing", "unknown claim", "claim unknown, named",
         "claim unknown, seen"],
)  # fmt: skip
def test_brand_at_stake_is_claimed_else_seen_else_named(
    claimed: str, hits: list[TextHit], matches: list[VisualMatch], expected: BrandAtStake
) -> None:
    """A known claim goes first, then the brand that is seen, then the one in the words, then an unknown claim."""
    assert brand_at_stake(_listing(claimed), LEXICON.resolve(claimed), hits, matches, LEXICON) == expected


def _imitated(brand: Brand, field_name: str = "title") -> TextHit:
    return replace(_named(brand, field_name), kind=TextKind.LOOK_ALIKE)


@pytest.mark.parametrize(
    ("claimed", "hits", "matches", "expected"),
    [
        ("Pumma", [_imitated(PUMA, "claimed_brand"), _named(NIKE)], [_match(FILA, 0.99)], BrandAtStake("Puma", PUMA)),
        ("", [_imitated(PUMA)], [], BrandAtStake("Puma", PUMA)),
        ("Noname", [_imitated(PUMA)], [], BrandAtStake("Puma", PUMA)),
        ("", [_imitated(PUMA), _named(NIKE)], [], BrandAtStake("Nike", NIKE)),
        ("", [_imitated(PUMA)], [_match(FILA, 0.5)], BrandAtStake("Fila", FILA)),
    ],
    ids=["claim imitates", "imitated", "imitated, not the unknown claim", "named goes before", "seen goes before"],
)
def test_an_imitated_brand_is_at_stake(
    claimed: str, hits: list[TextHit], matches: list[VisualMatch], expected: BrandAtStake
) -> None:
    """A claim that imitates counts as the claim of that brand; in the words an imitation comes after a name."""
    assert brand_at_stake(_listing(claimed), LEXICON.resolve(claimed), hits, matches, LEXICON) == expected


def test_an_imitating_claim_is_held_against_words_and_photos() -> None:
    """A claim of Pumma beside another name is a mismatch; an imitation of the claimed brand itself is none."""
    hits = [_imitated(PUMA, "claimed_brand"), _named(NIKE)]
    claimed = imitated_by_claim(hits, LEXICON)

    mismatch = claim_mismatch(_listing("Pumma"), claimed, hits, [])

    assert claimed == PUMA
    assert mismatch is not None
    assert (mismatch.brand, mismatch.matched) == ("Nike", "Pumma")
    assert claim_mismatch(_listing("Puma"), PUMA, [_imitated(PUMA), _named(NIKE)], []) is None
    assert imitated_by_claim([_imitated(PUMA)], LEXICON) is None


@pytest.mark.parametrize(
    ("claimed", "hits", "matches", "other"),
    [
        ("Nike", [], [], None),
        ("Nike", [_named(NIKE)], [], None),
        ("Nike", [_named(PUMA)], [], "Puma"),
        ("Nike", [_named(PUMA), _named(NIKE)], [], None),
        ("Nike", [_named(PUMA, "description")], [], None),
        ("Nike", [], [_match(NIKE, 0.9)], None),
        ("Nike", [], [_match(PUMA, 0.8)], "Puma"),
        ("Nike", [], [_match(PUMA, 0.79)], None),
        ("Nike", [], [_match(PUMA, 0.99), _match(NIKE, 0.3)], None),
        ("Nike", [], [_match(PUMA, 0.99), _match(NIKE, 0.29)], "Puma"),
        ("Nike", [_named(FILA)], [_match(PUMA, 0.99)], "Fila"),
        ("Noname", [_named(PUMA)], [_match(PUMA, 0.99)], None),
        ("", [_named(PUMA)], [_match(PUMA, 0.99)], None),
    ],
)
def test_claim_is_contradicted_by_title_or_photos(
    claimed: str, hits: list[TextHit], matches: list[VisualMatch], other: str | None
) -> None:
    """The title contradicts by naming only others, the photos by clearly showing another and hardly the claimed one."""
    mismatch = claim_mismatch(_listing(claimed), LEXICON.resolve(claimed), hits, matches)

    if other is None:
        assert mismatch is None
    else:
        assert mismatch == TextHit(
            kind=TextKind.BRAND_CLAIM_MISMATCH, field_name="claimed_brand", start=0, end=4, matched="Nike", brand=other
        )


# --- category ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "probability", "others", "expected"),
    [
        (("fashion", "shoes", "sneakers"), 0.5, [("fashion", "shoes", "boots"), ("fashion", "bags", "handbags")], 0.7),
        (("fashion", "shoes", "sneakers"), 0.35, [("fashion", "shoes", "boots")], 0.55),
        (("fashion", "shoes", "sneakers"), 0.35, [("fashion", "bags", "handbags")], None),
        ((), 0.9, [("fashion", "shoes", "boots")], None),
        (("fashion", "shoes", "sneakers"), 0.9, [("fashion", "shoes", "boots")], 1.0),
    ],
    ids=["siblings", "together", "guess", "unknown", "at most 1"],
)
def test_leaves_of_one_kind_settle_a_category_together(
    path: tuple[str, ...], probability: float, others: list[tuple[str, ...]], expected: float | None
) -> None:
    """Which shoe it is may be unsure while a shoe it is; what stays a guess is no evidence."""
    category = Category(path, probability, tuple(CategoryGuess(other, 0.2) for other in others))

    found = settled(category, load_taxonomy())

    if expected is None:
        assert found == Category()
    else:
        assert found.path == path
        assert found.probability == pytest.approx(expected)


def test_category_is_compared_only_where_both_are_known() -> None:
    """Nothing declared is no evidence; unknown words and an unknown prediction contradict nothing."""
    taxonomy = load_taxonomy()
    first, last = taxonomy.leaves[0], taxonomy.leaves[-1]
    guess = CategoryGuess(last.path, 0.9)
    declared = " > ".join(first.path)

    contradicted = category_evidence(_listing(category=declared), guess, taxonomy)
    agreed = category_evidence(_listing(category=declared), CategoryGuess(first.path, 0.9), taxonomy)
    not_seen = category_evidence(_listing(category=declared), CategoryGuess((), 0.0), taxonomy)
    not_known = category_evidence(_listing(category="qwertz"), guess, taxonomy)

    assert category_evidence(_listing(category=""), guess, taxonomy) is None
    assert contradicted is not None
    assert contradicted.mismatch
    assert contradicted.declared_path == first.path
    assert agreed is not None
    assert not agreed.mismatch
    assert not_seen is not None
    assert not not_seen.mismatch
    assert not_known is not None
    assert not not_known.mismatch
    assert not_known.declared_path == ()


# --- price ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prices() -> PriceModel:
    """Know 60 prices of Nike shoes around 100 dollars."""
    observations = [
        PriceObservation(brand="Nike", category="shoes", condition="new", unit_price=Money(Decimal(80 + n % 40), "USD"))
        for n in range(60)
    ]
    return PriceModel.fit(observations, ExchangeRates.load(), base_currency="USD")


AT_STAKE = BrandAtStake("Nike", NIKE)


def test_price_evidence_is_in_the_listing_s_currency(prices: PriceModel) -> None:
    """A seller reads their own currency, and the same worth in another currency is judged alike."""
    rates = ExchangeRates.load()
    dollars = Money(Decimal(20), "USD")

    in_dollars = price_evidence(_listing(price=dollars), AT_STAKE, SHOES, prices)
    in_yen = price_evidence(_listing(price=rates.convert(dollars, "JPY")), AT_STAKE, SHOES, prices)

    assert in_dollars is not None
    assert in_yen is not None
    assert in_dollars.unit_price == dollars
    money = (in_yen.unit_price, in_yen.expected, in_yen.low, in_yen.high)
    assert {amount.currency for amount in money} == {"JPY"}
    assert in_yen.low.amount < in_yen.expected.amount < in_yen.high.amount
    assert in_yen.ratio == pytest.approx(in_dollars.ratio)
    assert in_yen.ratio < 0.3
    assert in_dollars.observations == 60


def test_price_of_a_lot_is_judged_per_piece(prices: PriceModel) -> None:
    """Ten pairs for 1,000 dollars are as usual as one for 100."""
    lot = price_evidence(_listing(price=Money(Decimal(1000), "USD"), unit_count=10), AT_STAKE, SHOES, prices)
    one = price_evidence(_listing(price=Money(Decimal(100), "USD")), AT_STAKE, SHOES, prices)
    cheap_lot = price_evidence(_listing(price=Money(Decimal(100), "USD"), unit_count=10), AT_STAKE, SHOES, prices)

    assert lot is not None
    assert lot.unit_count == 10
    assert replace(lot, unit_count=1) == one
    assert cheap_lot is not None
    assert lot.unit_price == Money(Decimal(100), "USD")
    assert cheap_lot.score > lot.score


def test_predicted_category_stands_in_for_a_missing_one(prices: PriceModel) -> None:
    """The seller's category goes first; without one, the predicted one is looked up."""
    money = Money(Decimal(20), "USD")

    declared = price_evidence(_listing(price=money), AT_STAKE, Category(("bags",), 0.9), prices)
    predicted = price_evidence(_listing(price=money, category=""), AT_STAKE, SHOES, prices)

    assert declared == predicted


def test_no_price_evidence_without_price_brand_or_history(prices: PriceModel) -> None:
    """What cannot be compared is not evidence."""
    priced = _listing(price=Money(Decimal(20), "USD"))

    assert price_evidence(_listing(), AT_STAKE, SHOES, prices) is None
    assert price_evidence(priced, BrandAtStake(), SHOES, prices) is None
    assert price_evidence(priced, AT_STAKE, SHOES, None) is None


# --- seller --------------------------------------------------------------------------------------------------------


def test_a_price_without_an_exchange_rate_is_a_fault_where_a_brand_is_at_stake(prices: PriceModel) -> None:
    """A rare currency is no way round the price check; without a registered brand there is nothing to check."""
    known, unknown = BrandAtStake(NIKE.name, NIKE), BrandAtStake("Noname")
    rare = _listing("Nike", price=Money(Decimal(50), "BTN"))

    fault = price_fault(rare, known, prices)

    assert fault is not None
    assert (fault.code, "BTN" in fault.text) == ("PRICE_NOT_COMPARABLE", True)
    assert price_fault(rare, unknown, prices) is None
    assert price_fault(_listing("Nike", price=Money(Decimal(50), "EUR")), known, prices) is None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Know the brand Nike and nobody who sells it."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        opened.put_brands([NIKE])
        yield opened


@pytest.mark.parametrize(
    ("listed", "authorised"),
    [
        (None, None),
        ([], False),
        ([AuthorisedSeller(seller_id="other")], False),
        ([AuthorisedSeller(seller_id="s")], True),
        ([AuthorisedSeller(seller_id="s", territory="DE")], True),
        ([AuthorisedSeller(seller_id="s", territory="FR")], False),
    ],
    ids=["no list", "empty list", "another", "everywhere", "this market", "another market"],
)
def test_seller_is_authorised_unauthorised_or_the_brand_keeps_no_list(
    store: Store, listed: list[AuthorisedSeller] | None, authorised: bool | None
) -> None:
    """A brand's list speaks for and against a seller; no list says nothing."""
    store.set_authorised_sellers("nike", listed)

    evidence = seller_evidence(_listing(), AT_STAKE, store)

    assert evidence is not None
    assert evidence.authorised is authorised
    assert evidence.brand == "Nike"


def test_seller_nobody_told_of_is_unknown_and_no_failure(store: Store) -> None:
    """Most sellers are not on record when their first listing comes: that is evidence of nothing, not an error."""
    evidence = seller_evidence(_listing(), BrandAtStake("Noname"), store)

    assert evidence is not None
    assert not evidence.known
    assert not evidence.verified
    assert evidence.authorised is None
    assert (evidence.strikes, evidence.decisions) == (0, 0)


def test_seller_s_record_is_read(store: Store) -> None:
    """Verification and strikes come from the store."""
    store.put_seller(Seller(seller_id="s", create_time=NOON, verified=True))
    for number, verdict in enumerate(["ALLOW", "TAKEDOWN", "TAKEDOWN"]):
        store.record_decision(_decision(number, verdict))

    evidence = seller_evidence(_listing(), AT_STAKE, store)

    assert evidence is not None
    assert evidence.known
    assert evidence.verified
    assert (evidence.strikes, evidence.decisions) == (2, 3)


def test_seller_s_rates_are_told_with_what_they_rest_on(store: Store) -> None:
    """Rate, bound, ring, verification, age, territory: each as the store has it, nothing personal among them."""
    now = datetime.now(UTC)
    identity = SellerIdentity(
        seller_id="s", country="DE", legal_name="secret", sales=SalesVolume(total=1000),
        create_time=now - timedelta(days=90),
    )  # fmt: skip
    store.put_identity(identity, now=now)
    store.set_authorised_sellers("nike", [AuthorisedSeller(seller_id="s", territory="DE")])
    for number, (verdict, seller) in enumerate([("TAKEDOWN", "s"), ("ALLOW", "s"), ("TAKEDOWN", "t")]):
        store.record_decision(replace(_decision(number, verdict), create_time=now, seller_id=seller))
    ring = Ring(seller_ids=("s", "t"), shared_photos=3, shared_titles=0)
    store.put_rings([ring], now=now)

    evidence = seller_evidence(_listing(), AT_STAKE, store, _FourReports())

    assert evidence is not None
    others = (1 + 1) / (50 + 1)
    assert evidence.ring_rate == pytest.approx(others)
    assert evidence.strike_rate == pytest.approx((50 * others + 1) / (50 + 2))
    assert 0 < evidence.strike_rate_low < 2 / 52
    assert evidence.decayed_strikes == pytest.approx(1.0, abs=1e-3)
    assert evidence.decayed_decisions == pytest.approx(2.0, abs=1e-3)
    assert (evidence.ring_id, evidence.ring_size) == (ring.ring_id, 2)
    assert (evidence.verification, evidence.age_days, evidence.territory) == (VerificationState.UNVERIFIED, 90, "DE")
    assert (evidence.upheld_reports, evidence.exposure, evidence.sales_known) == (4, 1000, True)
    assert evidence.reports_per_sale == pytest.approx(5 / 1200)
    assert "secret" not in repr(evidence)


class _FourReports:
    """Stands for the store's reports: four were upheld about everybody."""

    def reports_about(self, _listing_id: str) -> tuple[ReportOnRecord, ...]:
        return ()

    def reports_about_seller(self, _seller_id: str) -> int:
        return 4


@pytest.mark.parametrize(
    ("verdict", "source", "presumed"),
    [
        (Verdict.TAKEDOWN, DuplicateSource.KNOWN_COUNTERFEIT, True),
        (Verdict.TAKEDOWN, DuplicateSource.REMOVED_LISTING, False),
        (Verdict.REVIEW, DuplicateSource.KNOWN_COUNTERFEIT, False),
    ],
)
def test_only_a_known_counterfeit_taken_down_is_presumed_a_strike(
    verdict: Verdict, source: DuplicateSource, presumed: bool
) -> None:
    """What the machine alone found out by other evidence counts against nobody before a person agrees."""
    copy = Duplicate(image_index=0, source=source, source_id="r", brand="Nike", distance=3, exact=False, mirrored=False)
    decision = Decision(
        decision_id="d", listing_id="l", verdict=verdict, counterfeit_probability=0.9, reasons=(), evidence=(copy,),
        category=Category(), description="", attributes=(), image_results=(), model_fingerprint="", index_version="",
        policy_version="", create_time=NOON,
    )  # fmt: skip

    assert presumed_strike(decision) is presumed


def test_seller_with_decisions_only_is_known(store: Store) -> None:
    """A seller is known by earlier listings even if the marketplace told nothing else."""
    store.record_decision(_decision(0, "ALLOW"))

    evidence = seller_evidence(_listing(), AT_STAKE, store)

    assert evidence is not None
    assert evidence.known
    assert not evidence.verified


def test_no_seller_no_evidence(store: Store) -> None:
    """A listing that names no seller has no seller evidence."""
    assert seller_evidence(replace(_listing(), seller_id=""), AT_STAKE, store) is None


def _decision(number: int, verdict: str) -> DecisionRecord:
    return DecisionRecord(
        decision_id=f"d{number}", listing_id=f"l{number}", verdict=verdict, create_time=NOON, payload=b"",
        request_sha256="0" * 64, seller_id="s", presumed_strike=verdict == "TAKEDOWN",
    )  # fmt: skip
