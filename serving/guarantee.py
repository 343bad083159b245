"""Does a certificate allow this takedown? The gate that the policy asks, over a snapshot of what the store certifies.

A certificate says from which probability on takedowns of a tier's brands were proved right (`index.guarantee`); it
holds for the versions that it was proved with. Audits of takedowns bet against it (`index.wager`): when they win, the
certificate suspends itself, and every replica demotes TAKEDOWN to REVIEW at its next look into the store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from index.calibration import PROCEDURE
from index.errors import Conflict, NotFound
from index.learning import (
    DEFAULT_TIER,
    CertificateOnRecord,
    CertificateState,
    TierOfBrand,
    audited,
    overturned,
    standing,
)
from index.refresh import Holder
from index.store.store import Store
from index.verdicts import HumanVerdict
from index.wager import DEMOTE_AT, Wager, wager
from serving.domain import Reason, Verdict
from serving.facts import Facts
from serving.gate import UNCERTIFIED, Permit, TakedownGate
from touchstone.moderation.v1 import decision_pb2

log = logging.getLogger(__name__)

NOT_CERTIFIED = "TAKEDOWN_NOT_CERTIFIED"
SUSPENDED = "TAKEDOWN_SUSPENDED"
KILL_SWITCH = "kill switch"
# A replica that has not read the store for so long may have missed a suspension.
LONGEST_BLIND = timedelta(seconds=60)
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What is in use, and what a certificate must have been proved with."""

    fusion: str
    model: str
    calibration: str = PROCEDURE


def versions_in_use(store: Store) -> Versions:
    """Return the versions that the newest decision names. Raises NotFound before the first decision."""
    newest = store.newest_decision()
    if newest is None:
        raise NotFound(f"{store.name}: there is no decision yet, and so nothing to learn from; screen listings first.")
    fusion = decision_pb2.Decision.FromString(newest.payload).fusion_version
    return Versions(fusion=fusion, model=newest.model_fingerprint)


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """The newest certificate of each tier, and the brands that were given a tier. Immutable."""

    of_tier: Mapping[str, CertificateOnRecord]
    tiers: Mapping[str, TierOfBrand]

    def tier_of(self, brand: str) -> str:
        """Return a brand's tier."""
        return self.tiers[brand].tier if brand in self.tiers else DEFAULT_TIER

    def audited(self, certificate_id: str) -> int:
        """Return how many takedowns that rest on a certificate were audited since it came into force."""
        return sum(
            one.wager.verified for one in self.of_tier.values() if one.certificate.certificate_id == certificate_id
        )


@dataclass(frozen=True)
class CertificateSource:
    """Where certificates come from: the store; and the bets against them, which are kept there."""

    store: Store

    def open(self) -> Certificates:
        """Settle the bets and read everything. Raises StoreError."""
        self._settle_bets()
        return self.read()

    def read(self) -> Certificates:
        """Read everything. Raises StoreError."""
        newest: dict[str, CertificateOnRecord] = {}
        for one in self.store.list_certificates():
            if one.changed.state is not CertificateState.SUPERSEDED:
                newest.setdefault(one.certificate.tier, one)
        return Certificates(of_tier=newest, tiers={one.brand: one for one in self.store.list_tiers()})

    def renew(self, old: Certificates) -> Certificates | None:
        """Do so again; None when nothing changed."""
        new = self.open()
        return None if new == old else new

    def _settle_bets(self) -> None:
        """Bring the bet against every valid certificate to the newest verdict; suspend those that are refuted."""
        reached, head = self.store.wagered_up_to(), self.store.verdict_head()
        for one in self.store.list_certificates():
            name = one.certificate.certificate_id
            seen = max(reached.get(name, 0), one.changed.after_verdict)
            if one.changed.state is not CertificateState.VALID or seen >= head:
                continue
            news = self.store.judged_after(seen, up_to=head, certificate_id=name, limit=1)
            bet = self._bet(one, head) if news else one.wager
            self.store.save_wager(name, bet, number=head)
            if bet.alarmed:
                self._suspend(name, bet)

    def _bet(self, one: CertificateOnRecord, head: int) -> Wager:
        """Compute the bet from the log, so that no verdict counts twice and an undone one does not count."""
        verdicts: list[HumanVerdict] = []
        after = one.changed.after_verdict
        while page := self.store.judged_after(
            after, up_to=head, certificate_id=one.certificate.certificate_id, limit=_PAGE
        ):
            after = page[-1].verdict.number
            verdicts += (judged.verdict for judged in page)
        drawn, taken_back = audited(verdicts), overturned(verdicts)
        wrong = (
            not verdict.infringing or verdict.decision_id in taken_back
            for verdict in standing(verdicts)
            if verdict.decision_id in drawn and verdict.machine_verdict == Verdict.TAKEDOWN
        )
        return wager(wrong, allowed=1.0 - one.certificate.target)

    def _suspend(self, name: str, bet: Wager) -> None:
        now = datetime.now(UTC)
        reason = (
            f"alarm of {now:%Y-%m-%d %H:%M} UTC: of {bet.verified} audited takedowns {bet.errors} were wrong, "
            f"a wealth of {bet.wealth:.1f} (demoted at {DEMOTE_AT:.0f})"
        )
        with suppress(Conflict):  # another replica was first
            self.store.change_certificate(name, CertificateState.SUSPENDED, reason=reason, actor=KILL_SWITCH, now=now)
            log.error("certificate %s suspended: %s", name, reason)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class CertifiedGate:
    """A `serving.gate.TakedownGate` over what the store certifies. Any number of threads may ask."""

    certificates: Holder[Certificates]
    versions: Versions
    clock: Callable[[], datetime] = _now

    def permit(self, facts: Facts) -> Permit:
        """Permit a takedown of a listing whose probability is proved to suffice; else say what is missing."""
        brand, probability = facts.values["brand.name"], facts.values["fused.probability"]
        assert isinstance(brand, str)
        assert isinstance(probability, float)
        known, now = self.certificates.current, self.clock()
        one = known.of_tier.get(known.tier_of(brand))
        if one is None:
            return _refused(f"No certificate allows takedowns of {known.tier_of(brand)} brands without a person")
        certificate = one.certificate
        if (fault := self._fault(one, known.tiers.get(brand), now)) is not None:
            return Permit(refusal=fault)
        if not brand:
            return _refused("No brand is at stake, and certificates are about brands")
        if not probability >= certificate.threshold:
            return _refused(
                f"The probability {probability:.4f} is below {certificate.threshold:.4f}, from which on takedowns are "
                f"allowed by the certificate {certificate.certificate_id}"
            )
        return Permit(certificate_id=certificate.certificate_id)

    def _fault(self, one: CertificateOnRecord, given: TierOfBrand | None, now: datetime) -> Reason | None:
        """Say why a certificate does not hold now, for this brand; None when it does."""
        certificate, name = one.certificate, f"The certificate {one.certificate.certificate_id}"
        blind = self.certificates.stale_since
        if (fault := fault_of(one, self.versions, now)) is not None:
            return fault
        if blind is not None and now - blind > LONGEST_BLIND:
            return Reason(
                SUSPENDED, f"{name} cannot be checked: the store could not be read since {blind:%H:%M:%S} UTC"
            )
        if given is not None and given.since > certificate.create_time:
            return Reason(NOT_CERTIFIED, f"{name} is older than the place of {given.brand} among its brands")
        return None


def fault_of(one: CertificateOnRecord, versions: Versions, now: datetime) -> Reason | None:
    """Say why a certificate holds for no brand of its tier now; None when it does."""
    certificate, name = one.certificate, f"The certificate {one.certificate.certificate_id}"
    match one.state_at(now):
        case CertificateState.SUSPENDED:
            return Reason(SUSPENDED, f"{name} is suspended by {one.changed.actor}: {one.changed.reason}")
        case CertificateState.VALID:
            pass
        case other:
            return Reason(NOT_CERTIFIED, f"{name} is {other}")
    for what, proved, used in (
        ("fusion", certificate.fusion_version, versions.fusion),
        ("calibration", certificate.calibration, versions.calibration),
        ("model", certificate.model_fingerprint, versions.model),
    ):
        if proved != used:
            return Reason(NOT_CERTIFIED, f"{name} is for the {what} {proved}; {used} is in use")
    return None


def gate_of(store: Store) -> TakedownGate:
    """Make the gate for decisions that are on record: over the certificates of now, and the newest decision's versions.

    Nothing passes before the first decision.
    """
    source = CertificateSource(store)
    try:
        versions = versions_in_use(store)
    except NotFound:
        return UNCERTIFIED
    return CertifiedGate(Holder(source.open(), source.renew), versions)


def _refused(text: str) -> Permit:
    return Permit(refusal=Reason(NOT_CERTIFIED, text))
