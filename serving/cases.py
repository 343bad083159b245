"""What do people do with cases? The queue, leases, resolutions and their undoing, as CaseService and the commands ask.

Blocking and thread-safe, like `serving.moderation`; each operation is whole or not at all. Who acts comes from the
caller's credential and reaches the store as a pseudonym, which stays the same for one person of an installation.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from index.case_records import Case, CasePage, Place
from index.errors import NotFound
from index.evidence_records import Restriction
from index.rulings import InForce, Outcome, RequestKey, Resolution, Ruling
from index.store.cases import NOTHING_BESIDE
from index.store.resolutions import Undone
from index.store.store import Store
from serving.access.caller import Caller
from serving.case_file import CaseFile
from serving.case_rules import CaseRules
from serving.checks import CheckDesk, is_checked
from serving.errors import FieldViolation, InvalidListing
from serving.wire.case import Claim, Query, Undoing

PSEUDONYMS = "reviewer-pseudonyms"
_PSEUDONYM_DIGITS = 20
# The cases that an answer to an undoing shows; it counts all.
_SHOWN_UNDONE = 1_000


@dataclass(frozen=True)
class CaseDesk:
    """The operations on cases. `clock` gives the time, in UTC, and `chance` a number in 0..1."""

    store: Store
    rules: CaseRules
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    chance: Callable[[], float] = random.random

    @property
    def checks(self) -> CheckDesk:
        """The operations on checks, which look like cases."""
        return CheckDesk(self.store, self.rules, self.clock, self.chance)

    def pseudonym(self, name: str) -> str:
        """Return the name under which a person's decisions are kept."""
        digest = hmac.new(self.store.secret(PSEUDONYMS), name.encode(), hashlib.sha256).hexdigest()
        return f"reviewer-{digest[:_PSEUDONYM_DIGITS]}"

    def list(self, query: Query, caller: Caller, *, after: Place | None = None) -> CasePage:
        """Return a page of cases, as the caller sees them."""
        beside = NOTHING_BESIDE
        if is_checked(caller):
            beside = self.checks.beside(query.wanted, self.pseudonym(caller.required()))
        return self.store.list_cases(
            query.wanted, query.order, now=self.clock(), after=after, limit=query.limit, beside=beside
        )

    def file(self, case_id: str) -> CaseFile:
        """Return a case with everything that belongs to it. Raises NotFound."""
        with self.store.reading():
            try:
                case = self.store.get_case(case_id)
            except NotFound:
                return self.checks.file(case_id)
            reports = self.store.listing_reports(case.listing_id)
            return CaseFile(
                case=case,
                decision=self.store.get_decision(case.decision_id),
                resolutions=self.store.resolutions_in([case_id]).get(case_id, ()),
                reports=reports,
                reporters=self.store.reporter_records({report.reporter_id for report in reports}),
                appeals=self.store.case_appeals(case_id),
                read_time=self.clock(),
            )

    def claim(self, claim: Claim, caller: Caller) -> CaseFile:
        """Take, renew or let go the lease on a case. Raises NotFound, Conflict and Unauthenticated."""
        name = caller.required()
        if not claim.case_id:
            return self.file(self._claim_next(claim, caller))
        try:
            if claim.release:
                self.store.release_case(claim.case_id, name, now=self.clock())
            else:
                self.store.claim_case(claim.case_id, name, now=self.clock(), duration=claim.duration)
        except NotFound:
            self.checks.claim(claim, name, reviewer=self.pseudonym(name))
        return self.file(claim.case_id)

    def resolve(
        self,
        case_id: str,
        outcome: Outcome,
        caller: Caller,
        *,
        lease_token: str,
        etag: str = "",
        request: RequestKey | None = None,
    ) -> tuple[CaseFile, Resolution]:
        """Resolve a case that the caller holds.

        Raises:
            InvalidListing: the takedown lacks the statement that its market's law asks for.
            NotFound, Conflict, NotPermitted, KeyReused, Unauthenticated: see `Store.resolve_case`.

        """
        ruling = replace(
            self.ruling(outcome, caller),
            lease_token=lease_token,
            revision=int(etag) if etag else None,
            request=request,
        )
        earlier = self.store.find_request(request) if request is not None else None
        if earlier is not None:
            return self.file(case_id), self._resolution(earlier)
        resolve: Callable[[str, Ruling], Resolution] = self.store.resolve_case
        try:
            case = self.store.get_case(case_id)
        except NotFound:
            case, resolve = self.checks.file(case_id).case, self.store.answer_check
        self.check_statement(case, outcome)
        resolution = resolve(case_id, ruling)
        return self.file(case_id), resolution

    def undo(self, undoing: Undoing, caller: Caller) -> tuple[tuple[Case, ...], int]:
        """Undo a resolution, or all of a batch that stand; return the first of their cases, and how many were undone.

        Raises NotFound, Unauthenticated, and Conflict when something rests on one of them: then nothing is undone.
        """
        who = self.pseudonym(caller.required())
        if undoing.resolution_id:
            undone = self._undo(undoing.resolution_id, undoing.reason, who)
            return (undone.case,), int(undone.changed)
        cases: list[Case] = []
        count = 0
        for resolution_id in self.store.check_batch_can_be_undone(undoing.batch_id):
            undone = self._undo(resolution_id, undoing.reason, who)
            count += undone.changed
            if len(cases) < _SHOWN_UNDONE:
                cases.append(undone.case)
        return tuple(cases), count

    def resolutions_in(self, case_ids: Sequence[str], caller: Caller) -> Mapping[str, tuple[Resolution, ...]]:
        """Return what was decided in each of these cases, of which some may be checks of the caller's."""
        made = self.store.resolutions_in(case_ids)
        return made | self.store.check_answers_in(case_ids) if is_checked(caller) else made

    def in_force(self, file: CaseFile) -> InForce:
        """Return the verdict on a case's decision that holds, or that holds as a check shows it."""
        if file.check is not None:
            return InForce(verdict=file.decision.verdict, since=file.decision.create_time)
        return self.store.verdict_in_force(file.case.decision_id)

    def restriction(self, file: CaseFile) -> Restriction | None:
        """Return what takes a case's listing down; a check shows no earlier decisions that did."""
        if file.check is None:
            return self.store.restriction_under(file.case.decision_id)
        shown = self.in_force(file)
        return Restriction(since=shown.since) if shown.verdict == "TAKEDOWN" else None

    def _undo(self, resolution_id: str, reason: str, reviewer: str) -> Undone:
        if self.store.find_check_answer(resolution_id) is not None:
            return self.checks.undo(resolution_id, reason=reason, reviewer=reviewer)
        return self.store.undo_resolution(resolution_id, reason=reason, time=self.clock(), reviewer=reviewer)

    def _resolution(self, resolution_id: str) -> Resolution:
        return self.store.find_check_answer(resolution_id) or self.store.get_resolution(resolution_id)

    def _claim_next(self, claim: Claim, caller: Caller) -> str:
        name, reviewer = caller.required(), self.pseudonym(caller.required())
        if is_checked(caller):
            check_id = self.checks.claim_next(claim.wanted, name, reviewer=reviewer, duration=claim.duration)
            if check_id is not None:
                return check_id
        now = self.clock()
        return self.store.claim_next(claim.wanted, name, reviewer=reviewer, now=now, duration=claim.duration).case_id

    def ruling(self, outcome: Outcome, caller: Caller) -> Ruling:
        """Return what a caller rules at this moment. Raises Unauthenticated."""
        name = caller.required()
        return Ruling(
            outcome=outcome,
            holder=name,
            reviewer=self.pseudonym(name),
            time=self.clock(),
            second_review_harm=self.rules.second_review_harm,
        )

    def check_statement(self, case: Case, outcome: Outcome) -> None:
        """Raise InvalidListing when a takedown lacks the statement that its market needs."""
        if outcome.takes_down and outcome.statement is None and self.rules.needs_statement(case.market):
            market = case.market or "an unknown market"
            remedy = f"is missing; a takedown on {market} needs one, for the seller"
            raise InvalidListing((FieldViolation("outcome.statement", remedy),))
