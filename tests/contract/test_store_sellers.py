"""Are sellers' tallies, identities, priors and rings kept right, whoever changes what? One suite for every database."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from index.decision_records import DecisionRecord, ListingImage, RemovalReason
from index.errors import NotFound, SellerDataError, StoreError
from index.identity import PERSONAL, SalesVolume, SellerIdentity, Verification
from index.market_records import Seller, SellerTally
from index.priors import PriorKind, PriorRecord
from index.records import Brand, Reference, ReferenceKind
from index.rings import Ring, SellerListing
from index.store.store import Store
from index.store.verdicts import add_verdict
from index.verdicts import HumanVerdict, VerdictSource
from index.verification import VerificationState
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
HALF_LIFE = timedelta(days=180)
NUMBERS = itertools.count()
COUNTERFEIT = RemovalReason.COUNTERFEIT


def a_decision(
    listing: str, *, presumed: bool = False, seller: str = "s", at: datetime = NOON, title: bytes | None = None
) -> DecisionRecord:
    """Make a decision on a listing, under an id of its own; `presumed` is a takedown as a known counterfeit."""
    return DecisionRecord(
        decision_id=f"d{next(NUMBERS)}", listing_id=listing, verdict="TAKEDOWN" if presumed else "ALLOW",
        create_time=at, payload=b"", request_sha256="0" * 64, seller_id=seller, presumed_strike=presumed,
        title_signature=title,
    )  # fmt: skip


def judge(store: Store, decision: DecisionRecord, *, infringing: bool, undone: bool = False) -> None:
    """Let a person say of a decision whether the listing infringes, or take that back."""
    verdict = HumanVerdict(
        number=0, decision_id=decision.decision_id, listing_id=decision.listing_id, seller_id=decision.seller_id,
        brand="", infringing=infringing, source=VerdictSource.REVIEW, machine_verdict=decision.verdict,
        probability=0.5, uncalibrated_probability=0.5, certificate_id="", create_time=NOON + timedelta(days=1),
        undone=undone,
    )  # fmt: skip
    with store._database.write("judge") as connection:
        add_verdict(connection, verdict)


def tally(store: Store, seller: str = "s", *, now: datetime = NOON) -> SellerTally:
    """Read a seller's tally."""
    return store.seller_standing(seller, now=now).tally


def strikes(store: Store, seller: str = "s") -> tuple[int, int]:
    """Read how many strikes a seller has, in how many listings; weighed without age they must be the same."""
    read = tally(store, seller)
    assert (round(read.decayed.strikes, 6), round(read.decayed.listings, 6)) == (read.strikes, read.decisions)
    return read.strikes, read.decisions


def an_identity(**changes: object) -> SellerIdentity:
    """Make a complete identity; every personal value can be told from every other."""
    told: dict[str, object] = {name: f"secret-{name}" for name in PERSONAL}
    fields = {"seller_id": "s", "country": "DE", "self_certify_time": NOON} | told | changes
    return SellerIdentity(**fields)  # type: ignore[arg-type]


class SellerContract(StoreSuite):
    """What every database must do."""

    # --- tallies -----------------------------------------------------------------------------------------------------

    def test_nobody_knows_a_stranger(self, store: Store) -> None:
        """A seller who was never heard of has a standing, in which nothing is known."""
        stranger = store.seller_standing("stranger", now=NOON)

        assert not stranger.known
        assert (stranger.tally, stranger.ring, stranger.age_days) == (SellerTally(), None, None)
        assert stranger.verification is VerificationState.UNVERIFIED

    def test_listing_counts_once(self, store: Store) -> None:
        """Screening a listing again counts it no second time; a takedown without a known counterfeit is no strike."""
        store.record_decision(a_decision("a"))
        store.record_decision(replace(a_decision("a"), verdict="TAKEDOWN"))
        store.record_decision(a_decision("b"))

        assert strikes(store) == (0, 2)

    def test_known_counterfeit_is_a_strike_until_it_is_cleared(self, store: Store) -> None:
        """A takedown as a known counterfeit counts by itself; a person who finds otherwise lifts it."""
        decision = a_decision("a", presumed=True)
        store.record_decision(decision)
        presumed = strikes(store)

        judge(store, decision, infringing=False)
        cleared = strikes(store)
        judge(store, decision, infringing=False, undone=True)

        assert (presumed, cleared, strikes(store)) == ((1, 1), (0, 1), (1, 1))

    def test_latest_verdict_of_a_decision_counts(self, store: Store) -> None:
        """Infringing is a strike; an undone verdict is none; of two verdicts the later one stands."""
        decision = a_decision("a")
        store.record_decision(decision)
        seen = []
        for infringing, undone in [(True, False), (True, True), (True, False), (False, False), (True, False)]:
            judge(store, decision, infringing=infringing, undone=undone)
            seen.append(strikes(store)[0])

        assert seen == [1, 0, 1, 0, 1]

    def test_removal_is_a_strike_while_it_is_for_a_counterfeit(self, store: Store) -> None:
        """Removed as a counterfeit is a strike; the correction to another reason lifts it; an ended listing is none."""
        store.record_decision(a_decision("a"))
        store.record_decision(a_decision("b"))

        store.remove_listing("a", COUNTERFEIT, NOON)
        store.remove_listing("b", RemovalReason.ENDED_BY_SELLER, NOON)
        removed = strikes(store)
        store.remove_listing("a", RemovalReason.OTHER_VIOLATION, NOON)

        assert (removed, strikes(store)) == ((1, 2), (0, 2))

    def test_later_of_verdict_and_removal_counts(self, store: Store) -> None:
        """A person who clears a listing after it was removed lifts the strike; a removal after that brings it back."""
        first, second = a_decision("a"), a_decision("b")
        store.record_decision(first)
        store.record_decision(second)

        store.remove_listing("a", COUNTERFEIT, NOON)  # judged a day later
        judge(store, first, infringing=False)
        judge(store, second, infringing=False)
        store.remove_listing("b", COUNTERFEIT, NOON + timedelta(days=2))

        assert strikes(store) == (1, 2)

    def test_strike_stays_when_a_listing_is_screened_again(self, store: Store) -> None:
        """A listing that was struck and comes back clean is still a strike, as old as it was."""
        decision = a_decision("a")
        store.record_decision(decision)
        judge(store, decision, infringing=True)

        store.record_decision(a_decision("a", at=NOON + HALF_LIFE))
        read = tally(store, now=NOON + HALF_LIFE)

        assert (read.strikes, read.decisions) == (1, 1)
        assert read.decayed.strikes == read.decayed.listings == pytest.approx(0.5)

    def test_record_fades(self, store: Store) -> None:
        """What is 180 days old counts half, and a listing is as old as its last decision."""
        store.record_decision(a_decision("old", presumed=True))
        store.record_decision(a_decision("again"))
        store.record_decision(a_decision("again", at=NOON + HALF_LIFE))

        read = tally(store, now=NOON + HALF_LIFE)

        assert (read.strikes, read.decisions, read.first_time) == (1, 2, NOON)
        assert read.decayed.strikes == pytest.approx(0.5)
        assert read.decayed.listings == pytest.approx(1.5)

    def test_listing_that_changes_hands_is_each_seller_s(self, store: Store) -> None:
        """The strike stays with who offered the listing then; nobody's listing is nobody's."""
        store.record_decision(a_decision("a", presumed=True))
        store.record_decision(a_decision("a", seller="t"))
        store.record_decision(a_decision("a", seller=""))

        assert (strikes(store), strikes(store, "t"), strikes(store, "")) == ((1, 1), (0, 1), (0, 0))

    def test_tallies_are_what_counting_gives(self, store: Store) -> None:
        """After 300 random decisions and verdicts the sums are what counting all of them anew gives."""
        chance = random.Random(0)
        decided: dict[tuple[str, str], list[DecisionRecord]] = {}
        judged: dict[str, bool] = {}
        counted_at: dict[tuple[str, str], datetime] = {}

        def is_strike(decision: DecisionRecord) -> bool:
            return judged.get(decision.decision_id, decision.presumed_strike)

        for step in range(300):
            key = (f"l{chance.randrange(12)}", f"s{chance.randrange(3)}")
            earlier = decided.setdefault(key, [])
            if earlier and chance.random() < 0.6:
                decision = chance.choice(earlier)
                judged[decision.decision_id] = chance.random() < 0.5
                judge(store, decision, infringing=judged[decision.decision_id])
                continue
            at = NOON - timedelta(days=300 - step)
            decision = a_decision(key[0], seller=key[1], presumed=chance.random() < 0.2, at=at)
            if decision.presumed_strike or not any(map(is_strike, earlier)):
                counted_at[key] = at
            store.record_decision(decision)
            earlier.append(decision)

        for seller in ("s0", "s1", "s2"):
            own = [key for key, time in counted_at.items() if key[1] == seller]
            weights = {key: 0.5 ** ((NOON - counted_at[key]) / HALF_LIFE) for key in own}
            struck = [key for key in own if any(map(is_strike, decided[key]))]
            read = tally(store, seller)
            assert (read.decisions, read.strikes) == (len(own), len(struck))
            assert read.decayed.listings == pytest.approx(sum(weights.values()))
            assert read.decayed.strikes == pytest.approx(sum(weights[key] for key in struck))

    def test_sellers_counted_at_once_are_all_counted(self, store: Store) -> None:
        """Sixteen threads that record a new seller's first listings lose none."""
        decisions = [a_decision(f"l{number}", presumed=number % 2 == 0) for number in range(64)]

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(store.record_decision, decisions))

        assert strikes(store) == (32, 64)

    def test_all_tallies_are_read_page_by_page(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """The fit sees every seller with listings once."""
        monkeypatch.setattr("index.store.tallies.BATCH", 2)
        for number in range(5):
            store.record_decision(a_decision("a", seller=f"s{number}"))

        read = list(store.iter_tallies(now=NOON))

        assert [seller for seller, _ in read] == [f"s{number}" for number in range(5)]
        assert [one.decayed.listings for _, one in read] == pytest.approx([1.0] * 5)

    # --- identities --------------------------------------------------------------------------------------------------

    def test_identity_is_kept_and_moves_the_seller(self, store: Store) -> None:
        """What was put is what comes back; the seller's own row tells the state, and when the account was opened."""
        opened = NOON - timedelta(days=400)
        identity = an_identity(
            verification=Verification("eID", True, NOON), sales=SalesVolume(total=7, annual=5), create_time=opened
        )

        put = store.put_identity(identity, now=NOON)

        assert store.get_identity("s") == put
        assert put.identity == identity
        stands = store.seller_standing("s", now=NOON)
        assert (stands.verification, stands.age_days) == (VerificationState.VERIFIED, 400)
        assert stands.seller is not None
        assert (stands.seller.sales, stands.seller.verified) == (7, True)

    def test_verification_lapses_without_anybody_s_doing(self, store: Store) -> None:
        """A year later the standing says EXPIRED, though nothing was written."""
        store.put_identity(an_identity(verification=Verification("eID", True, NOON)), now=NOON)

        later = store.seller_standing("s", now=NOON + timedelta(days=366))

        assert later.verification is VerificationState.EXPIRED

    def test_marketplace_s_word_does_not_overrule_an_identity(self, store: Store) -> None:
        """Once an identity is on record its state counts, whatever the marketplace puts beside it."""
        store.put_seller(Seller(seller_id="s", create_time=NOON, verified=True))
        before = store.seller_standing("s", now=NOON).verification
        store.put_identity(an_identity(), now=NOON)

        store.put_seller(Seller(seller_id="s", create_time=NOON, verified=True))

        assert before is VerificationState.VERIFIED
        assert store.seller_standing("s", now=NOON).verification is VerificationState.PENDING

    def test_refused_identity_leaves_the_earlier_one(self, store: Store) -> None:
        """A result that cannot follow is refused, and nothing of it is written."""
        failed_check = an_identity(verification=Verification("eID", False, NOON), create_time=NOON)
        failed = store.put_identity(failed_check, now=NOON)

        with pytest.raises(SellerDataError, match="cannot follow FAILED"):
            store.put_identity(an_identity(verification=Verification("post", True, NOON)), now=NOON)

        assert store.get_identity("s") == failed
        with pytest.raises(NotFound, match="'t'"):
            store.get_identity("t")

    def test_errors_do_not_tell_personal_data(self, store: Store) -> None:
        """Whatever the database says of a failed statement, the values stay out of message and traceback."""
        with pytest.raises(StoreError) as refused:
            store.put_identity(an_identity(self_certify_time=datetime(2025, 9, 1)), now=NOON)

        assert "has no zone" in str(refused.value)
        assert "secret" not in str(refused.value) + str(refused.value.__cause__)

    # --- priors and rings --------------------------------------------------------------------------------------------

    def test_latest_prior_of_a_kind_is_in_force(self, store: Store) -> None:
        """Each kind has its own latest; before the first fit the defaults stand."""
        prior = PriorRecord(
            kind=PriorKind.STRIKES, alpha=1.0, beta=9.0, sellers=300, events=30.0, exposure=300.0, fit_time=NOON
        )
        before = store.seller_standing("s", now=NOON)
        store.add_prior(prior)
        store.add_prior(replace(prior, alpha=2.0))
        store.add_prior(replace(prior, kind=PriorKind.REPORTS, alpha=5.0))

        after = store.seller_standing("s", now=NOON)

        assert (before.strike_prior.beta, before.report_prior.beta) == (49.0, 200.0)
        assert (after.strike_prior.alpha, after.strike_prior.beta, after.report_prior.alpha) == (2.0, 9.0, 5.0)

    def test_ring_tells_of_the_others(self, store: Store) -> None:
        """A member's ring has its size, and the strikes of the others only."""
        for listing, seller, presumed in [("a", "s", True), ("b", "t", True), ("c", "t", False), ("d", "x", True)]:
            store.record_decision(a_decision(listing, seller=seller, presumed=presumed))
        ring = Ring(seller_ids=("s", "t", "u"), shared_photos=4, shared_titles=1)

        version = store.put_rings([ring], now=NOON)
        standing = store.seller_standing("s", now=NOON).ring

        assert standing is not None
        assert (standing.ring_id, standing.size, standing.version) == (ring.ring_id, 3, version)
        assert [standing.others.strikes, standing.others.listings] == pytest.approx([1.0, 2.0])
        assert store.ring_members(ring.ring_id) == ("s", "t", "u")
        assert store.seller_standing("x", now=NOON).ring is None

    def test_new_run_replaces_the_rings(self, store: Store) -> None:
        """Who is no longer in a ring is in none; runs are numbered."""
        first = store.put_rings([Ring(seller_ids=("s", "t"), shared_photos=3, shared_titles=0)], now=NOON)
        second = store.put_rings([Ring(seller_ids=("t", "u"), shared_photos=3, shared_titles=0)], now=NOON)
        emptied = store.put_rings([], now=NOON)

        assert (first + 1, second + 1) == (second, emptied)
        assert store.seller_standing("t", now=NOON).ring is None

    def test_what_may_link_sellers_is_read_page_by_page(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Photos and title of each listing's last decision come with its seller; old listings stay out."""
        monkeypatch.setattr("index.store.rings.BATCH", 2)
        photo = ListingImage(sha256="aa" * 32, pdq=bytes(32))
        for number in range(5):
            store.record_decision(a_decision(f"l{number}", seller=f"s{number}", title=b"t"), images=[photo])
        store.record_decision(a_decision("old", seller="old", at=NOON - timedelta(days=2)))
        store.record_decision(a_decision("l0", seller="s0"), images=[])

        read = list(store.iter_seller_listings(since=NOON - timedelta(days=1)))

        shown = SellerListing(seller_id="s1", photos=(("aa" * 32, bytes(32)),), title_signature=b"t")
        assert [one.seller_id for one in read] == [f"s{number}" for number in range(5)]
        assert read[0] == SellerListing(seller_id="s0", photos=())
        assert read[1] == shown

    def test_official_hashes_are_the_brand_owners(self, store: Store) -> None:
        """Hashes of references count as published, those of known counterfeits do not."""
        store.put_brands([Brand(brand_id="acme", name="Acme")])
        for kind, pdq in [(ReferenceKind.PRODUCT, b"p" * 32), (ReferenceKind.COUNTERFEIT, b"c" * 32)]:
            reference = Reference(
                reference_id=str(kind), brand_id="acme", kind=kind, image_sha256="ab" * 32, pdq=pdq, pdq_mirrored=pdq
            )
            store.add_references([(reference, [])])

        assert store.official_hashes() == (b"p" * 32,)


class TestSqliteSellers(OnSqlite, SellerContract):
    """The embedded default."""


class TestPostgresSellers(OnPostgres, SellerContract):
    """The database of an installation with several replicas."""
