"""Do policies, legal holds, facts and shadow outcomes fare alike in every database? One suite, one class each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from index.decision_records import DecisionRecord
from index.errors import Conflict, NotFound
from index.holds import HoldSubject, HoldVerdict, LegalHold
from index.policies import PolicyAction, PolicyState, PolicyStep, ShadowOutcome, StoredPolicy
from index.store.store import Store
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
ANN, BEN = (PolicyStep(actor=name, time=NOON, why="because") for name in ("ann", "ben"))


def a_decision(number: int) -> DecisionRecord:
    """Make a decision, taken `number` hours after noon."""
    return DecisionRecord(
        decision_id=f"d{number}",
        listing_id=f"l{number}",
        verdict="REVIEW",
        create_time=NOON + timedelta(hours=number),
        payload=b"payload",
        request_sha256="00" * 32,
        brand="Acme",
        policy_version="p@1",
    )


def a_hold(
    subject: HoldSubject, subject_id: str, *, hold_id: str = "hold-1", until: datetime | None = None
) -> LegalHold:
    """Make an order that a person looks."""
    return LegalHold(
        hold_id=hold_id,
        subject=subject,
        subject_id=subject_id,
        verdict=HoldVerdict.REVIEW,
        why="docket 7",
        author="counsel",
        create_time=NOON,
        expire_time=until,
    )


class PolicyContract(StoreSuite):
    """What every database must do."""

    # --- versions ----------------------------------------------------------------------------------------------------

    def test_policy_goes_its_way_and_every_step_is_on_record(self, store: Store) -> None:
        """Draft, shadow, active, superseded: each step has who, when, why, and the states before and after."""
        submitted = store.submit_policy("p@1", b"one", ANN)
        store.shadow_policy("p@1", ANN)
        store.activate_policy("p@1", BEN, two_people=True)
        store.submit_policy("q@2", b"two", BEN)
        store.activate_policy("q@2", ANN, two_people=True)

        trail = [(event.action, event.step, event.before, event.after) for event in store.policy_events("p@1")]

        assert submitted == StoredPolicy(version="p@1", content=b"one", author="ann", create_time=NOON)
        assert trail == [
            (PolicyAction.SUBMIT, ANN, None, PolicyState.DRAFT),
            (PolicyAction.SHADOW, ANN, PolicyState.DRAFT, PolicyState.SHADOW),
            (PolicyAction.ACTIVATE, BEN, PolicyState.SHADOW, PolicyState.ACTIVE),
            (PolicyAction.SUPERSEDE, ANN, PolicyState.ACTIVE, PolicyState.RETIRED),
        ]
        assert {one.version: one.state for one in store.list_policies()} == {"p@1": "retired", "q@2": "active"}
        numbers = [event.number for event in store.policy_events()]
        assert numbers == sorted(set(numbers))
        assert store.policy_revision() == numbers[-1]

    def test_in_force_are_the_active_one_and_the_shadows(self, store: Store) -> None:
        """Drafts and retired versions decide nothing; the revision changes with every step."""
        assert store.policies_in_force().active is None
        for version in ("a@1", "b@2", "c@3", "d@4"):
            store.submit_policy(version, version.encode(), ANN)
        store.activate_policy("a@1", BEN, two_people=True)
        store.shadow_policy("c@3", ANN)
        store.shadow_policy("b@2", ANN)
        before = store.policies_in_force()
        store.retire_policy("b@2", ANN)
        after = store.policies_in_force()

        assert before.active is not None
        assert before.active.version == "a@1"
        assert [one.version for one in before.shadows] == ["b@2", "c@3"]
        assert [one.version for one in after.shadows] == ["c@3"]
        assert after.revision == store.policy_revision() > before.revision

    def test_versions_are_immutable(self, store: Store) -> None:
        """The same text submitted again stays the first author's; another text under the version is a conflict."""
        first = store.submit_policy("p@1", b"one", ANN)

        assert store.submit_policy("p@1", b"one", BEN) == first
        with pytest.raises(Conflict, match="another text"):
            store.submit_policy("p@1", b"two", BEN)
        assert [event.action for event in store.policy_events()] == ["submit"]

    @pytest.mark.parametrize("actor", ["ann", " Ann ", "ａｎｎ"])
    def test_author_does_not_activate_where_two_people_must_agree(self, store: Store, actor: str) -> None:
        """One person in two spellings is one person; nothing changes, and somebody else may go on."""
        store.submit_policy("p@1", b"one", ANN)

        with pytest.raises(Conflict, match="policy_two_people"):
            store.activate_policy("p@1", PolicyStep(actor=actor, time=NOON), two_people=True)

        assert store.policies_in_force().active is None
        assert store.activate_policy("p@1", BEN, two_people=True).state is PolicyState.ACTIVE

    def test_author_activates_where_one_person_suffices(self, store: Store) -> None:
        """Without the rule of two, the author's activation is on record as any other."""
        store.submit_policy("p@1", b"one", ANN)

        assert store.activate_policy("p@1", ANN, two_people=False).state is PolicyState.ACTIVE
        assert store.policy_events()[-1].step.actor == "ann"

    def test_rollback_goes_back_step_by_step(self, store: Store) -> None:
        """Each rollback brings back what was active before, in the end none; then there is nothing to go back from."""
        for version in ("a@1", "b@2", "c@3"):
            store.submit_policy(version, version.encode(), ANN)
            store.activate_policy(version, BEN, two_people=True)

        back = [store.rollback_policy(ANN) for _ in range(3)]

        assert [one and one.version for one in back] == ["b@2", "a@1", None]
        assert store.policies_in_force().active is None
        with pytest.raises(Conflict, match="none to go back from"):
            store.rollback_policy(ANN)

    def test_rollback_after_a_rollback_knows_what_was_before(self, store: Store) -> None:
        """What was rolled back is not come back to; what was activated since is."""
        for version in ("a@1", "b@2", "c@3"):
            store.submit_policy(version, version.encode(), ANN)
        for version in ("a@1", "b@2"):
            store.activate_policy(version, BEN, two_people=True)
        store.rollback_policy(BEN)
        store.activate_policy("c@3", BEN, two_people=True)

        assert (one := store.rollback_policy(BEN)) is not None
        assert one.version == "a@1"

    def test_steps_that_make_no_sense_are_conflicts(self, store: Store) -> None:
        """The active version is neither retired nor put in shadow nor activated again; an unknown one is NotFound."""
        store.submit_policy("p@1", b"one", ANN)
        store.activate_policy("p@1", BEN, two_people=True)

        with pytest.raises(Conflict, match="active"):
            store.retire_policy("p@1", ANN)
        with pytest.raises(Conflict, match="active"):
            store.shadow_policy("p@1", ANN)
        with pytest.raises(Conflict, match="active"):
            store.activate_policy("p@1", BEN, two_people=True)
        with pytest.raises(NotFound, match="'no@0'"):
            store.activate_policy("no@0", BEN, two_people=True)

    def test_of_many_activations_at_once_one_version_is_active(self, store: Store) -> None:
        """Whoever races, at most one version decides, and the audit trail tells the order."""
        versions = [f"p@{number}" for number in range(8)]
        for version in versions:
            store.submit_policy(version, version.encode(), ANN)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda version: store.activate_policy(version, BEN, two_people=True), versions))

        active = [one.version for one in store.list_policies() if one.state is PolicyState.ACTIVE]
        activations = [event.version for event in store.policy_events() if event.action is PolicyAction.ACTIVATE]
        assert active == activations[-1:]
        assert sorted(activations) == versions

    # --- legal holds -------------------------------------------------------------------------------------------------

    def test_hold_covers_its_subject_alone(self, store: Store) -> None:
        """A listing's hold covers the listing, a seller's all of the seller's, a brand's every spelling of its name."""
        holds = [
            a_hold(HoldSubject.LISTING, "l1", hold_id="hold-1"),
            a_hold(HoldSubject.SELLER, "s1", hold_id="hold-2"),
            a_hold(HoldSubject.BRAND, "Hermès", hold_id="hold-3"),
        ]
        for hold in holds:
            store.add_hold(hold)

        def found(listing_id: str, seller_id: str, *brands: str) -> list[str]:
            covering = store.holds_on(listing_id=listing_id, seller_id=seller_id, brands=brands, at=NOON)
            return [hold.hold_id for hold in covering]

        assert found("l1", "") == ["hold-1"]
        assert found("l2", "s1") == ["hold-2"]
        assert found("l2", "", "Acme", "HERMES") == ["hold-3"]
        assert found("l1", "s1", "hermes") == ["hold-1", "hold-2", "hold-3"]
        assert found("s1", "l1", "l1") == []
        assert store.list_holds() == tuple(holds)

    def test_hold_ends_when_it_expires_or_is_lifted(self, store: Store) -> None:
        """An expired or lifted hold covers nothing; it stays on record with who lifted it and why."""
        store.add_hold(a_hold(HoldSubject.LISTING, "l1", hold_id="hold-1", until=NOON + timedelta(days=1)))
        store.add_hold(a_hold(HoldSubject.LISTING, "l1", hold_id="hold-2"))

        later = NOON + timedelta(days=1)
        lifted = store.lift_hold("hold-2", actor="ben", time=NOON, why="withdrawn")

        standing = store.holds_on(listing_id="l1", seller_id="", brands=(), at=NOON)
        assert [hold.hold_id for hold in standing] == ["hold-1"]
        assert store.holds_on(listing_id="l1", seller_id="", brands=(), at=later) == ()
        assert (lifted.lifted_by, lifted.lift_time, lifted.lift_why) == ("ben", NOON, "withdrawn")
        assert [hold.hold_id for hold in store.list_holds(standing_at=NOON)] == ["hold-1"]
        assert len(store.list_holds()) == 2

    def test_hold_is_lifted_once(self, store: Store) -> None:
        """A second lifting does not overwrite the first; an unknown hold is NotFound; ids are given once."""
        store.add_hold(a_hold(HoldSubject.SELLER, "s1"))
        store.lift_hold("hold-1", actor="ben", time=NOON, why="withdrawn")

        with pytest.raises(Conflict, match="'ben'"):
            store.lift_hold("hold-1", actor="ann", time=NOON, why="again")
        with pytest.raises(NotFound, match="'hold-9'"):
            store.lift_hold("hold-9", actor="ann", time=NOON, why="?")
        with pytest.raises(Conflict):
            store.add_hold(a_hold(HoldSubject.SELLER, "s2"))

    # --- facts and shadow outcomes -----------------------------------------------------------------------------------

    def test_facts_and_shadow_outcomes_come_with_their_decision(self, store: Store) -> None:
        """What was recorded with a decision is read newest first, bounded by time and number."""
        said = ShadowOutcome(policy_version="q@2", verdict="ALLOW", fired=("one", "two"), errors=1)
        failed = ShadowOutcome(policy_version="r@3", verdict=None, errors=1)
        for number in range(5):
            store.record_decision(a_decision(number), facts=f"facts {number}".encode(), shadows=[said, failed])
        store.record_decision(a_decision(5))  # as an earlier release did

        everything = list(store.iter_facts())
        window = list(store.iter_facts(since=NOON + timedelta(hours=1), limit=3))
        outcomes = list(store.iter_shadow_outcomes("q@2", since=NOON + timedelta(hours=4)))

        assert [one.decision_id for one in everything] == ["d4", "d3", "d2", "d1", "d0"]
        assert [one.decision_id for one in window] == ["d4", "d3", "d2"]
        assert [(facts.decision_id, facts.facts, outcome) for facts, outcome in outcomes] == [("d4", b"facts 4", said)]
        assert [outcome for _, outcome in store.iter_shadow_outcomes("r@3", limit=1)] == [failed]
        first = everything[-1]
        assert (first.listing_id, first.brand, first.verdict, first.policy_version) == ("l0", "Acme", "REVIEW", "p@1")
        assert (first.create_time, store.facts_of("d0")) == (NOON, b"facts 0")
        with pytest.raises(NotFound, match="'d5'"):
            store.facts_of("d5")

    def test_many_facts_are_read_page_by_page(self, store: Store) -> None:
        """More decisions than a page holds come all, each once, also up to a limit."""
        for number in range(603):
            store.record_decision(a_decision(number), facts=b"f")

        assert [one.decision_id for one in store.iter_facts()] == [f"d{number}" for number in reversed(range(603))]
        assert len(list(store.iter_facts(limit=550))) == 550

    def test_failed_recording_leaves_no_facts(self, store: Store) -> None:
        """Facts and outcomes are in the decision's transaction: when its guard raises, nothing stays."""

        def too_late() -> None:
            raise TimeoutError

        said = ShadowOutcome(policy_version="q@2", verdict="ALLOW")
        with pytest.raises(TimeoutError):
            store.record_decision(a_decision(0), facts=b"f", shadows=[said], commit_guard=too_late)

        assert list(store.iter_facts()) == []
        assert list(store.iter_shadow_outcomes("q@2")) == []


class TestSqlitePolicies(OnSqlite, PolicyContract):
    """The embedded default."""


class TestPostgresPolicies(OnPostgres, PolicyContract):
    """The database of an installation with several replicas."""


def test_whole_brand_cannot_be_ordered_down() -> None:
    """Which brand is at stake is a guess, so an order of TAKEDOWN names a listing or a seller."""
    with pytest.raises(ValueError, match="listing or the seller"):
        LegalHold(
            hold_id="h",
            subject=HoldSubject.BRAND,
            subject_id="Acme",
            verdict=HoldVerdict.TAKEDOWN,
            why="docket 7",
            author="counsel",
            create_time=NOON,
        )
