"""Policies in a running service: swapped without losing a request, refused when unusable, in shadow without a trace."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from index.holds import HoldSubject, HoldVerdict, LegalHold
from index.policies import PolicyStep
from serving.app import Application
from serving.doctor import examine
from serving.domain import Verdict
from serving.errors import PolicyError
from serving.facts import Facts
from serving.facts_record import unpack
from serving.judging import Judge
from serving.policy import Policy, Rule
from serving.policy_file import compile_policy
from tests.integration.support import AUTHORISED, KNOWN_FAKE, PATIENCE_S, Service, codes, draw, listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("acts_are_entered")

SWAPS = 20


def a_policy(name: str, *, verdict: str = "REVIEW", when: str = "images.count > 0") -> bytes:
    """Write a policy of one rule, whose code is the policy's name."""
    return (
        f"format_version: 2\nname: {name}\nrules:\n  - id: {name}\n    when: {when}\n"
        f"    verdict: {verdict}\n    code: POLICY_{name.upper()}\n    text: {name} applies\n"
    ).encode()


def by(actor: str) -> PolicyStep:
    """Do something now."""
    return PolicyStep(actor=actor, time=datetime.now(UTC), why="a test")


def put(application: Application, content: bytes) -> str:
    """Submit a policy; return its version."""
    version = compile_policy(content, source=Path("test")).version
    application.store.submit_policy(version, content, by("ann"))
    return version


def activate(application: Application, version: str) -> None:
    """Let a version decide; who serves learns of it by polling."""
    application.store.activate_policy(version, by("ben"), two_people=True)


def screen(application: Application, listing_id: str = "a1", **fields: object) -> decision_pb2.Decision:
    """Screen a listing that resembles nothing, in this process."""
    return application.moderation.screen(pb.ScreenListingRequest(listing=listing(listing_id=listing_id, **fields)))


def test_policy_of_the_settings_decides_until_a_stored_one_is_active(own_application: Application) -> None:
    """Without an active version the bootstrap decides; then the stored one does, until it is rolled back."""
    bootstrap = own_application.policies.current.active.version
    version = put(own_application, a_policy("stored"))
    own_application.policies.refresh()
    drafted = screen(own_application).policy_version

    activate(own_application, version)
    own_application.policies.refresh()
    stored = screen(own_application)
    own_application.store.rollback_policy(by("ben"))
    own_application.policies.refresh()

    assert drafted == bootstrap
    assert (stored.policy_version, codes(stored)) == (version, {"POLICY_STORED"} | codes(stored))
    assert "POLICY_STORED" in codes(stored)
    assert screen(own_application).policy_version == bootstrap


def test_policies_are_swapped_without_dropping_a_request(own_application: Application) -> None:
    """While two versions take turns, every decision names one of them and has its reason alone; none fails."""
    names = {put(own_application, a_policy(name)): f"POLICY_{name.upper()}" for name in ("one", "two")}
    first, second = names
    activate(own_application, first)
    own_application.policies.refresh()
    swapped, between = threading.Event(), list[decision_pb2.Decision]()

    def keep_screening(worker: int) -> list[decision_pb2.Decision]:
        found: list[decision_pb2.Decision] = []
        while not swapped.is_set() or not found:
            found.append(screen(own_application, f"w{worker}-{len(found)}"))
        return found

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(keep_screening, worker) for worker in range(4)]
        for swap in range(SWAPS):
            activate(own_application, second if swap % 2 == 0 else first)
            own_application.policies.refresh()
            between.append(screen(own_application, f"s{swap}"))  # also where swaps are quicker than screening
        swapped.set()
        decisions = between + [decision for work in working for decision in work.result()]

    seen = Counter(decision.policy_version for decision in decisions)
    assert set(seen) == {first, second}, seen
    for decision in decisions:
        (ours,) = codes(decision) & set(names.values())
        assert ours == names[decision.policy_version]
        assert list(decision.rule_ids) == [ours.removeprefix("POLICY_").lower()]


def test_running_server_takes_a_new_policy_by_itself(own_service: Service) -> None:
    """A replica polls the store: without restart or signal the next decisions are by the new version."""
    version = put(own_service.application, a_policy("polled"))
    activate(own_service.application, version)
    patience = time.monotonic() + PATIENCE_S

    while (taken := own_service.screen(listing()).decision.policy_version) != version:
        assert time.monotonic() < patience, f"still {taken}"

    assert own_service.stub.GetCapabilities(pb.GetCapabilitiesRequest()).policy_version == version


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (a_policy("newer").replace(b"format_version: 2", b"format_version: 9"), "format_version"),
        (a_policy("newer", when="moon.phase > 3"), "moon.phase"),
    ],
)
def test_stored_policy_that_cannot_be_compiled_is_refused_loudly(
    own_application: Application, content: bytes, says: str
) -> None:
    """What another release activated and this one cannot read leaves the old policy in use, and the doctor says why."""
    old = own_application.policies.current.active.version
    own_application.store.submit_policy("newer@123456789abc", content, by("ann"))
    activate(own_application, "newer@123456789abc")

    with pytest.raises(PolicyError, match=says):
        own_application.policies.refresh()

    assert screen(own_application).policy_version == old
    assert own_application.policies.stale_since is not None
    (finding,) = [one for one in examine(own_application.settings) if one.check == "policy"]
    assert not finding.ok
    assert "stored policy newer@123456789abc" in finding.detail


def test_stored_policy_whose_text_was_changed_is_refused(own_application: Application) -> None:
    """A version is its text's hash; a text that is not the version's own decides nothing."""
    own_application.store.submit_policy("mine@123456789abc", a_policy("mine"), by("ann"))
    activate(own_application, "mine@123456789abc")

    with pytest.raises(PolicyError, match="was changed"):
        own_application.policies.refresh()


def test_shadow_that_cannot_be_compiled_is_left_out(own_application: Application) -> None:
    """A shadow of another release holds up neither the active policy nor the other shadows."""
    own_application.store.submit_policy("newer@123456789abc", a_policy("newer", when="moon.phase > 3"), by("ann"))
    own_application.store.shadow_policy("newer@123456789abc", by("ann"))
    version = put(own_application, a_policy("other"))
    own_application.store.shadow_policy(version, by("ann"))

    own_application.policies.refresh()

    policies = own_application.policies.current
    assert [policy.version for policy in policies.shadows] == [version]
    assert "newer@123456789abc" in policies.refused[0]


def test_shadow_is_recorded_and_changes_nothing(own_application: Application) -> None:
    """A shadow that is graver leaves the answer as it is; what it said is on record, with the facts."""
    plain = screen(own_application)
    version = put(own_application, a_policy("grave", verdict="TAKEDOWN"))
    own_application.store.shadow_policy(version, by("ann"))
    own_application.policies.refresh()

    decision = screen(own_application)

    assert (decision.verdict, codes(decision)) == (plain.verdict, codes(plain))
    assert decision.policy_version == plain.policy_version
    ((facts, said),) = own_application.store.iter_shadow_outcomes(version)
    assert (facts.decision_id, said.verdict, said.fired) == (decision.decision_id, "REVIEW", ("grave",))
    assert unpack(facts.facts).values["images.count"] == 1


def test_shadow_that_fails_is_counted_and_changes_nothing(own_application: Application) -> None:
    """Whatever goes wrong in a shadow, the decision is taken and recorded, and the failure with it."""

    def broken(_: Facts) -> bool:
        raise RuntimeError("a defect of the expression language")

    rule = Rule(rule_id="broken", verdict=Verdict.REVIEW, code="BROKEN", text="broken", matches=broken)
    policies = replace(own_application.policies.current, shadows=(Policy(version="broken@1", rules=(rule,)),))
    pipeline = replace(own_application.pipeline, judge=lambda: Judge(policies=policies))

    decision = replace(own_application.moderation, pipeline=pipeline).screen(pb.ScreenListingRequest(listing=listing()))

    assert decision.policy_version == policies.active.version
    ((_, said),) = own_application.store.iter_shadow_outcomes("broken@1")
    assert (said.verdict, said.errors) == (None, 1)


def _hold(subject: HoldSubject, subject_id: str, verdict: HoldVerdict, hold_id: str = "hold-1") -> LegalHold:
    return LegalHold(
        hold_id=hold_id,
        subject=subject,
        subject_id=subject_id,
        verdict=verdict,
        why="docket 7",
        author="counsel",
        create_time=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("subject", "subject_id"),
    [(HoldSubject.LISTING, "a1"), (HoldSubject.SELLER, AUTHORISED), (HoldSubject.BRAND, "AURORA sports")],
)
def test_hold_binds_the_next_screening(own_application: Application, subject: HoldSubject, subject_id: str) -> None:
    """A listing that is allowed gets REVIEW as soon as an order covers it, and the decision names the order."""
    offer = {"seller_id": AUTHORISED, "claimed_brand": "Aurora"}
    free = screen(own_application, **offer)
    own_application.store.add_hold(
        _hold(subject, "Aurora" if subject is HoldSubject.BRAND else subject_id, HoldVerdict.REVIEW)
    )

    held = screen(own_application, **offer)

    assert free.verdict == decision_pb2.VERDICT_ALLOW
    assert held.verdict == decision_pb2.VERDICT_REVIEW
    assert held.reasons[0].code == "LEGAL_HOLD"
    assert "hold-1" in held.reasons[0].text
    assert "docket 7" in held.reasons[0].text


def test_hold_keeps_a_known_fake_from_coming_down_and_a_court_takes_it_down(own_application: Application) -> None:
    """An order of REVIEW goes before the takedown of a known counterfeit; an order of TAKEDOWN before an ALLOW."""
    fake = listing(draw(KNOWN_FAKE), listing_id="fake")
    plain = listing(listing_id="plain")
    own_application.store.add_hold(_hold(HoldSubject.LISTING, "fake", HoldVerdict.REVIEW))
    own_application.store.add_hold(_hold(HoldSubject.LISTING, "plain", HoldVerdict.TAKEDOWN, "hold-2"))

    kept, ordered = (
        own_application.moderation.screen(pb.ScreenListingRequest(listing=offer)) for offer in (fake, plain)
    )

    assert (kept.verdict, ordered.verdict) == (decision_pb2.VERDICT_REVIEW, decision_pb2.VERDICT_TAKEDOWN)
    assert {"LEGAL_HOLD", "COPY_OF_KNOWN_COUNTERFEIT"} <= codes(kept)
    assert ordered.certificate_id == ""


def test_orders_that_contradict_each_other_leave_it_to_a_person(own_application: Application) -> None:
    """A court's takedown of the listing and counsel's hold on its seller: both are named, nothing is done by itself."""
    own_application.store.add_hold(_hold(HoldSubject.LISTING, "a1", HoldVerdict.TAKEDOWN))
    own_application.store.add_hold(_hold(HoldSubject.SELLER, "s1", HoldVerdict.REVIEW, "hold-2"))

    decision = screen(own_application, seller_id="s1")

    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert all(name in decision.reasons[0].text for name in ("hold-1", "hold-2"))


def test_lifted_hold_binds_no_more(own_application: Application) -> None:
    """Once lifted, the next screening is as if there had been none."""
    before = screen(own_application)
    own_application.store.add_hold(_hold(HoldSubject.LISTING, "a1", HoldVerdict.REVIEW))
    own_application.store.lift_hold("hold-1", actor="ben", time=datetime.now(UTC), why="withdrawn")

    after = screen(own_application)

    assert (after.verdict, codes(after)) == (before.verdict, codes(before))


def test_holds_that_cannot_be_looked_up_send_to_review(own_application: Application) -> None:
    """Not knowing whether an order stands is no leave to allow."""

    class Unreachable:
        def holds_on(self, **_: object) -> tuple[LegalHold, ...]:
            raise ConnectionError("the store is away")

    pipeline = replace(own_application.pipeline, holds=Unreachable())

    decision = replace(own_application.moderation, pipeline=pipeline).screen(pb.ScreenListingRequest(listing=listing()))

    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert "STAGE_FAILED" in codes(decision)
