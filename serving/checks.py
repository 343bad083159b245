"""How well does somebody decide where the right answer is sure? Checks, handed out in place of the queue's next case.

A check shows a gold case as if it had been opened just before the case whose turn it is: with ids of its own, moved in
time, of the present versions, and without what people decided on it. Until the answer can no longer be undone nothing
that its reviewer may ask of this service tells it from a case; see docs/cases.md for what they may know from elsewhere.
Who may see which cases are gold gets no checks.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from index.case_records import Case, CaseFilter, CaseState
from index.check_records import Beside, Check, Disguise, Gold
from index.decision_records import DecisionRecord
from index.errors import Conflict, NotFound
from index.evidence_records import Takedown
from index.insight import SellerDecision
from index.reports import Report, ReportState
from index.store.resolutions import Undone
from index.store.store import Store
from serving.access.caller import Caller
from serving.access.permissions import Permission, entitled
from serving.case_file import CaseFile
from serving.case_rules import CaseRules
from serving.wire.case import Claim
from touchstone.moderation.v1 import decision_pb2

# How long before the case whose turn it is a check seems to have been opened, at most.
_MOST_EARLIER: Final = timedelta(minutes=1)
# A check stands this much, in parts, before that case: its harm is shown with two digits.
_BEFORE: Final = 1e-6
_VERSIONS: Final = ("model_fingerprint", "index_version", "policy_version", "fusion_version", "calibration_version")


@dataclass(frozen=True)
class CheckDesk:
    """The operations on checks. `clock` gives the time, in UTC, and `chance` a number in 0..1."""

    store: Store
    rules: CaseRules
    clock: Callable[[], datetime]
    chance: Callable[[], float]

    @property
    def told_before(self) -> datetime:
        """Answers that were given until then can no longer be undone, and are told."""
        return self.clock() - timedelta(minutes=self.rules.check_undo_minutes)

    def file(self, check_id: str) -> CaseFile:
        """Return a check with everything that belongs to it. Raises NotFound, as for a case that is not there."""
        check = self.store.find_check(check_id=check_id)
        if check is None:
            raise NotFound(f"There is no case with the id {check_id!r}.")
        reports = self._reports(check)
        return CaseFile(
            case=check.case,
            decision=check.decision,
            resolutions=self.store.check_answers_in([check_id]).get(check_id, ()),
            reports=reports,
            reporters=self.store.reporter_records({report.reporter_id for report in reports}),
            appeals=(),
            read_time=self.clock(),
            check=check,
        )

    def beside(self, wanted: CaseFilter, reviewer: str) -> Beside:
        """Return what somebody's list of cases has among it, and what it leaves out."""
        return self.store.checks_beside(reviewer, wanted, now=self.clock(), told_before=self.told_before)

    def claim_next(self, wanted: CaseFilter, holder: str, *, reviewer: str, duration: timedelta) -> str | None:
        """Give `holder` the lease on a check and return its id; None when it is the turn of the queue.

        A check that they let go comes again in its place, as a case would.
        """
        now = self.clock()
        own = self.beside(replace(wanted, states=(CaseState.OPEN,)), reviewer).checks
        drawn = self.chance() < self.rules.check_share
        if not (own or drawn):  # most often so: the queue is asked once
            return None
        first = self.store.next_case(wanted, reviewer=reviewer, now=now)
        waiting = [(key, case.case_id) for case, key in own if first is None or key >= first[1]]
        if waiting:
            _, check_id = max(waiting)
            with suppress(Conflict):  # unmarked this moment
                self.store.claim_check(check_id, holder, reviewer=reviewer, now=now, duration=duration)
                return check_id
        if first is None or not drawn:
            return None
        gold = self.store.draw_gold(wanted, reviewer=reviewer, now=now, chance=self.chance)
        if gold is None:
            return None
        disguise = self._disguise(gold, *first, wanted)
        given = self.store.hand_out_check(gold, disguise, holder, reviewer=reviewer, now=now, duration=duration)
        return disguise.check_id if given else None

    def claim(self, claim: Claim, name: str, *, reviewer: str) -> None:
        """Take, renew or let go the lease on a check. Raises NotFound and Conflict."""
        if claim.release:
            self.store.release_check(claim.case_id, name, now=self.clock())
            return
        now = self.clock()
        self.store.claim_check(claim.case_id, name, reviewer=reviewer, now=now, duration=claim.duration)

    def undo(self, resolution_id: str, *, reason: str, reviewer: str) -> Undone:
        """Withdraw an answer. Raises NotFound, and Conflict when it was told what is right."""
        return self.store.undo_check_answer(
            resolution_id, reason=reason, time=self.clock(), reviewer=reviewer, told_before=self.told_before
        )

    def veil(
        self, decisions: tuple[SellerDecision, ...], reviewer: str, *, seller_id: str
    ) -> tuple[SellerDecision, ...]:
        """Show among a seller's latest decisions those that somebody has checks with as their checks do."""
        untold = self.store.untold_checks(reviewer, told_before=self.told_before)
        checks = [check for check in untold if check.case.seller_id == seller_id]
        real = {check.gold_case.decision_id for check in checks}
        shown = [one for one in decisions if one.decision_id not in real] + [_as_decided(check) for check in checks]
        return tuple(sorted(shown, key=lambda one: one.create_time, reverse=True)[: len(decisions)])

    def _reports(self, check: Check) -> tuple[Report, ...]:
        """Return the reports that had come before anybody decided on the gold case, as they were then."""
        gold = check.gold_case
        decided = [one.resolve_time for one in self.store.resolutions_in([gold.case_id]).get(gold.case_id, ())]
        moved = check.case.create_time - gold.create_time
        return tuple(
            replace(report, state=ReportState.RECEIVED, create_time=report.create_time + moved)
            for report in self.store.listing_reports(gold.listing_id)
            if not decided or report.create_time <= decided[0]
        )

    def _disguise(self, gold: Gold, first: Case, key: float, wanted: CaseFilter) -> Disguise:
        case = self.store.get_case(gold.case_id)
        opened = first.create_time - self.chance() * _MOST_EARLIER
        if wanted.created_from is not None and opened < wanted.created_from:
            opened = first.create_time
        decision_id, queue_key = uuid.uuid4().hex, key + max(abs(key), 1.0) * _BEFORE
        return Disguise(
            check_id=uuid.uuid4().hex,
            decision_id=decision_id,
            payload=self._payload(case, decision_id, opened - case.create_time, first),
            create_time=opened,
            # Who reads the queue sees its harm fall; a case that was drawn stands anywhere.
            expected_harm=case.expected_harm if first.drawn else queue_key,
            drawn=first.drawn,
            queue_key=queue_key,
        )

    def _payload(self, case: Case, decision_id: str, moved: timedelta, first: Case) -> bytes:
        """Serialise the gold case's decision under another id, moved in time, with the versions of `first`'s."""
        message = _read(self.store.get_decision(case.decision_id))
        present = _read(self.store.get_decision(first.decision_id))
        message.decision_id = decision_id
        if message.HasField("create_time"):
            message.create_time.FromDatetime(message.create_time.ToDatetime() + moved)
        for name in _VERSIONS:
            setattr(message, name, getattr(present, name))
        return message.SerializeToString(deterministic=True)


def is_checked(caller: Caller) -> bool:
    """Tell whether somebody may be given checks: not where they may see which cases are gold, or nobody knows them."""
    return bool(caller.name) and not entitled(caller, Permission.READ_GOLD)


def shown_decision(store: Store, decision_id: str) -> DecisionRecord:
    """Return a decision, or that which a check shows, as it is shown. Raises NotFound."""
    try:
        return store.get_decision(decision_id)
    except NotFound:
        check = store.find_check(decision_id=decision_id)
        if check is None:
            raise
        return check.decision


def refuse_for_check(store: Store, case_id: str) -> None:
    """Raise Conflict for a check: what is to be done would stay on record of its listing."""
    if store.find_check(check_id=case_id) is not None:
        raise Conflict(f"The case {case_id!r} was changed meanwhile; read it again.")


def shown_takedown(check: Check) -> Takedown:
    """Return the takedown by the service that a check shows. Raises NotFound when it shows another verdict."""
    decision = check.decision
    if decision.verdict != "TAKEDOWN":
        raise NotFound(f"Nothing is taken down by the decision {decision.decision_id!r}: it is {decision.verdict}.")
    return Takedown(time=decision.create_time, decision=decision, resolution=None)


def _as_decided(check: Check) -> SellerDecision:
    decision = check.decision
    return SellerDecision(
        decision_id=decision.decision_id,
        listing_id=decision.listing_id,
        verdict=decision.verdict,
        in_force=decision.verdict,
        brand=decision.brand,
        probability=decision.probability,
        create_time=decision.create_time,
    )


def _read(record: DecisionRecord) -> decision_pb2.Decision:
    return decision_pb2.Decision.FromString(record.payload)
