"""Does the gate let through what a certificate in force allows, and nothing else? And the bet that suspends it."""

from __future__ import annotations

import timeit
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from index.errors import NotFound, StoreError
from index.learning import CertificateState
from index.refresh import Holder
from index.store.store import Store
from index.verdicts import VerdictSource
from serving.facts import FACTS, Facts
from serving.gate import Permit, TakedownGate
from serving.guarantee import (
    KILL_SWITCH,
    NOT_CERTIFIED,
    SUSPENDED,
    Certificates,
    CertificateSource,
    CertifiedGate,
    Versions,
    versions_in_use,
)
from tests.support.databases import with_tables
from tests.unit.judging import CERTIFICATE, FUSION, MODEL, NOON, judge, record

VERSIONS = Versions(fusion=FUSION, model=MODEL)
AUDIT = VerdictSource.AUDIT


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store with one certificate for the tier of all brands."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        opened.issue_certificate(CERTIFICATE, actor="ada", reason="proved")
        yield opened


@pytest.fixture
def holder(store: Store) -> Holder[Certificates]:
    """Hold what the store certifies."""
    source = CertificateSource(store)
    return Holder(source.open(), source.renew)


@pytest.fixture
def gate(holder: Holder[Certificates]) -> CertifiedGate:
    """Ask on the day of the certificate."""
    return CertifiedGate(holder, VERSIONS, clock=lambda: NOON)


def facts(probability: float = 0.995, brand: str = "Acme") -> Facts:
    """Say how likely a counterfeit of which brand it is."""
    values = {name: fact.neutral for name, fact in FACTS.items()}
    return Facts(values | {"fused.probability": probability, "brand.name": brand})


def refusal(permit: Permit) -> str:
    """Give code and text of a refusal."""
    assert permit.certificate_id == ""
    assert permit.refusal is not None
    return f"{permit.refusal.code}: {permit.refusal.text}"


def audit(store: Store, name: str, *, infringing: bool, certificate_id: str = "c1") -> None:
    """Take a listing down on a certificate, and let a person audit that."""
    made = record(store, name, verdict="TAKEDOWN", certificate_id=certificate_id)
    judge(store, made, infringing=infringing, source=AUDIT)


def test_probability_that_is_proved_passes(gate: TakedownGate) -> None:
    """From the certified threshold on the gate names the certificate, for any brand of the tier."""
    assert gate.permit(facts(0.99)) == Permit(certificate_id="c1")
    assert gate.permit(facts(1.0, "Bravo")) == Permit(certificate_id="c1")


@pytest.mark.parametrize("probability", [0.0, 0.98999, float("nan")])
def test_probability_below_the_threshold_does_not(gate: TakedownGate, probability: float) -> None:
    """Below the threshold, or with a figure that is none, the refusal names both numbers."""
    assert f"{NOT_CERTIFIED}: The probability {probability:.4f} is below 0.9900" in refusal(
        gate.permit(facts(probability))
    )


def test_listing_without_a_brand_does_not_pass(gate: TakedownGate) -> None:
    """Certificates are about brands; without one at stake a person looks."""
    assert refusal(gate.permit(facts(brand=""))).startswith(f"{NOT_CERTIFIED}: No brand")


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        (Versions(fusion="fusion-2", model=MODEL), "is for the fusion fusion-1; fusion-2 is in use"),
        (Versions(fusion=FUSION, model="other"), "is for the model model; other is in use"),
        (Versions(fusion=FUSION, model=MODEL, calibration="online-2"), "for the calibration online-1; online-2 is"),
    ],
)
def test_certificate_of_other_versions_does_not_hold(
    holder: Holder[Certificates], versions: Versions, says: str
) -> None:
    """What was proved with one fusion, calibration and model says nothing of another."""
    gate = CertifiedGate(holder, versions, clock=lambda: NOON)

    assert says in refusal(gate.permit(facts()))


def test_certificate_expires(holder: Holder[Certificates]) -> None:
    """On the day it expires a certificate allows nothing more, also where the store cannot be asked."""
    gate = CertifiedGate(holder, VERSIONS, clock=lambda: CERTIFICATE.expire_time)

    assert refusal(gate.permit(facts())) == f"{NOT_CERTIFIED}: The certificate c1 is expired"


def test_tier_without_a_certificate(store: Store, holder: Holder[Certificates], gate: TakedownGate) -> None:
    """A brand of another tier does not pass on this tier's certificate; the refusal names the tier."""
    store.put_tier("Acme", "watches", now=NOON - timedelta(days=1))
    holder.refresh()

    assert "No certificate allows takedowns of watches brands" in refusal(gate.permit(facts()))
    assert gate.permit(facts(brand="Bravo")).refusal is None


def test_brand_that_joined_a_tier_later_is_not_covered(
    store: Store, holder: Holder[Certificates], gate: TakedownGate
) -> None:
    """A certificate was proved on the brands of then; one that came later waits for the next certificate."""
    store.put_tier("Acme", "standard", now=NOON + timedelta(hours=1))
    holder.refresh()

    assert "is older than the place of Acme among its brands" in refusal(gate.permit(facts()))


def test_suspension_reaches_every_replica_with_its_next_look(
    store: Store, holder: Holder[Certificates], gate: TakedownGate
) -> None:
    """A person's suspension is refused with who and why; a reinstated certificate allows again."""
    store.change_certificate("c1", CertificateState.SUSPENDED, reason="a wave of errors", actor="bob", now=NOON)
    assert holder.refresh()
    assert refusal(gate.permit(facts())) == f"{SUSPENDED}: The certificate c1 is suspended by bob: a wave of errors"

    store.change_certificate("c1", CertificateState.VALID, reason="was a mistake", actor="ada", now=NOON)
    assert holder.refresh()
    assert gate.permit(facts()).certificate_id == "c1"
    assert not holder.refresh()


def test_wrong_takedowns_suspend_their_certificate(
    store: Store, holder: Holder[Certificates], gate: TakedownGate
) -> None:
    """When audits win the bet, every takedown becomes a refusal that names time and wealth of the alarm."""
    for number in range(40):
        audit(store, f"right-{number}", infringing=True)
    for number in range(3):
        audit(store, f"wrong-{number}", infringing=False)
    holder.refresh()

    said = refusal(gate.permit(facts()))
    last = store.certificate_changes("c1")[-1]

    assert said.startswith(f"{SUSPENDED}: The certificate c1 is suspended by {KILL_SWITCH}: alarm of ")
    assert "a wealth of " in said
    assert (last.state, last.actor) == (CertificateState.SUSPENDED, KILL_SWITCH)


def test_every_audit_counts_once(store: Store, holder: Holder[Certificates]) -> None:
    """However often and by however many replicas the log is read, the bet is over each audit once."""
    other = CertificateSource(store)
    audit(store, "d1", infringing=False)
    holder.refresh()
    other.open()
    audit(store, "d2", infringing=True)
    for _ in range(3):
        holder.refresh()
        other.open()

    bet = store.get_certificate("c1").wager

    assert (bet.verified, bet.errors) == (2, 1)
    assert holder.current.audited("c1") == 2


def test_only_audits_bet(store: Store, holder: Holder[Certificates]) -> None:
    """Reviews, appeals alone, undone audits and other certificates' takedowns leave the bet alone."""
    for number, source in enumerate((VerdictSource.REVIEW, VerdictSource.APPEAL)):
        made = record(store, f"d{number}", verdict="TAKEDOWN", certificate_id="c1")
        judge(store, made, infringing=False, source=source)
    audit(store, "undone", infringing=False)
    judge(store, store.get_decision("undone"), infringing=False, source=AUDIT, undone=True)
    audit(store, "other", infringing=False, certificate_id="c9")
    holder.refresh()

    assert holder.current.audited("c1") == 0


def test_audited_takedown_that_is_reviewed_later_stays_in_the_bet(store: Store, holder: Holder[Certificates]) -> None:
    """Chance chose it: what a review, after a report say, makes of it is its truth, and it does not drop out."""
    audit(store, "d1", infringing=True)
    judge(store, store.get_decision("d1"), infringing=False)
    holder.refresh()

    bet = store.get_certificate("c1").wager

    assert (bet.verified, bet.errors) == (1, 1)


def test_appeal_that_is_upheld_makes_an_audit_an_error(store: Store, holder: Holder[Certificates]) -> None:
    """An audited takedown that an appeal took back was wrong, whatever the auditor said."""
    audit(store, "d1", infringing=True)
    judge(store, store.get_decision("d1"), infringing=False, source=VerdictSource.APPEAL)
    holder.refresh()

    assert store.get_certificate("c1").wager.errors == 1


def test_reinstated_certificate_begins_a_new_bet(store: Store, holder: Holder[Certificates]) -> None:
    """Audits from before the reinstatement are settled; only later ones count."""
    for number in range(3):
        audit(store, f"wrong-{number}", infringing=False)
    holder.refresh()
    store.change_certificate("c1", CertificateState.VALID, reason="cause found", actor="ada", now=NOON)
    audit(store, "right", infringing=True)
    holder.refresh()

    bet = store.get_certificate("c1").wager

    assert (bet.verified, bet.errors) == (1, 0)
    assert store.get_certificate("c1").changed.state is CertificateState.VALID


def test_replica_that_cannot_see_the_store_stops_taking_down(store: Store) -> None:
    """Who has not been able to read the store for a minute may have missed a suspension, and refuses."""

    def fail(_: Certificates) -> Certificates | None:
        raise StoreError("the store is gone")

    holder = Holder(CertificateSource(store).open(), fail, clock=lambda: NOON)
    minute = NOON + timedelta(minutes=1)
    soon = CertifiedGate(holder, VERSIONS, clock=lambda: minute)
    late = CertifiedGate(holder, VERSIONS, clock=lambda: minute + timedelta(seconds=1))
    with pytest.raises(StoreError):
        holder.refresh()

    assert soon.permit(facts()).certificate_id == "c1"
    assert refusal(late.permit(facts())).startswith(f"{SUSPENDED}: The certificate c1 cannot be checked")


def test_takedown_is_decided_in_next_to_no_time(gate: TakedownGate) -> None:
    """The gate answers in less than 0.05 ms (best of 5 runs)."""
    asked = facts()

    seconds = min(timeit.repeat(lambda: gate.permit(asked), number=1000, repeat=5)) / 1000

    print(f"\npermit: {seconds * 1e6:.1f} us")
    assert seconds < 50e-6


def test_versions_in_use_are_those_of_the_newest_decision(store: Store) -> None:
    """Commands know by the newest decision what is in use; before the first one they say what to do."""
    with pytest.raises(NotFound, match="no decision yet"):
        versions_in_use(store)
    record(store, "d1", fusion="fusion-1")
    record(store, "d2", fusion="fusion-2")

    assert versions_in_use(store) == replace(VERSIONS, fusion="fusion-2")
