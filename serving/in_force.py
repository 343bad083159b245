"""What decides right now? Policies, calibration and certificates, each kept as the store says.

The three change by themselves: a policy is activated, verdicts are learnt from, a bet suspends a certificate. Every
replica looks into the store at the same pace as for the registry, and each listing takes one `Judge` of what is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from index.refresh import Holder
from index.store.feed import ChangeFeed
from index.store.policies import POLICIES
from index.store.store import Store
from serving.auditing import SECRET, Auditor
from serving.calibrating import CalibrationSource, Calibrator
from serving.fusion import FusionModel
from serving.guarantee import Certificates, CertificateSource, CertifiedGate, Versions
from serving.judging import Judge
from serving.policy_book import Policies, PolicySource
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The last stage's parts, each renewed by itself: one that cannot be read stays as it was, and says since when."""

    policies: Holder[Policies]
    calibrator: Holder[Calibrator]
    certificates: Holder[Certificates]
    fusion: FusionModel
    gate: CertifiedGate

    @classmethod
    def open(cls, store: Store, policies: PolicySource, fusion: FusionModel, *, model: str) -> InForce:
        """Read everything; `model` is the embedder's fingerprint. Raises PolicyError, StoreError."""
        calibration, certificates = CalibrationSource(store, fusion.version), CertificateSource(store)
        proved = Holder(certificates.open(), certificates.renew)
        return cls(
            policies=Holder(policies.open(), policies.renew),
            calibrator=Holder(calibration.open(), calibration.renew),
            certificates=proved,
            fusion=fusion,
            gate=CertifiedGate(proved, Versions(fusion=fusion.version, model=model)),
        )

    def judge(self) -> Judge:
        """Take what decides on a listing that comes in now."""
        return Judge(
            policies=self.policies.current,
            fusion=self.fusion,
            calibrator=self.calibrator.current,
            gate=self.gate,
        )

    def auditor(self, store: Store, settings: Settings) -> Auditor:
        """Make what draws the decisions that people audit at random."""
        return Auditor(
            secret=store.secret(SECRET),
            share=settings.audit_share,
            takedown_share=settings.takedown_audit_share,
            audited=self._audited,
        )

    @contextmanager
    def polling(self, *, interval_s: float, feed: ChangeFeed) -> Iterator[None]:
        """Renew each part every `interval_s` seconds until the block ends, the policies as soon as one is activated."""
        with ExitStack() as stack:
            activated = partial(feed.calling, topic=POLICIES)
            stack.enter_context(self.policies.polling(interval_s=interval_s, announcer=activated))
            for holder in (self.calibrator, self.certificates):
                stack.enter_context(holder.polling(interval_s=interval_s))
            yield

    def _audited(self, certificate_id: str) -> int:
        return self.certificates.current.audited(certificate_id)
