"""What do people do with cases? The queue, leases, resolutions and their undoing, as CaseService and the commands ask.

Blocking and thread-safe, like `serving.moderation`; each operation is whole or not at all. Who acts comes from the
caller's credential and reaches the store as a pseudonym, which stays the same for one person of an installation.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from index.case_records import Case, CasePage, Place
from index.decision_records import DecisionRecord
from index.errors import Conflict, NotFound, NotPermitted
from index.reports import Report, ReporterRecord
from index.rulings import Appeal, Batch, BatchItem, Outcome, RequestKey, Resolution, Ruling
from index.store.resolutions import Undone
from index.store.store import Store
from serving.access.caller import Caller
from serving.case_rules import CaseRules
from serving.deadline import NEVER, Deadline
from serving.errors import FieldViolation, InvalidListing
from serving.status import to_status
from serving.wire.case import Claim, Query, Selection, Undoing

PSEUDONYMS = "reviewer-pseudonyms"
_PSEUDONYM_DIGITS = 20
# The cases that an answer to an undoing shows; it counts all.
_SHOWN_UNDONE = 1_000


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """A case with everything that belongs to it, as of `read_time`."""

    case: Case
    decision: DecisionRecord
    resolutions: tuple[Resolution, ...]
    reports: tuple[Report, ...]
    reporters: Mapping[str, ReporterRecord]
    appeals: tuple[Appeal, ...]
    read_time: datetime


@dataclass(frozen=True, kw_only=True)
class ItemOutcome:
    """What became of one case of a batch: a resolution, or a serialised `google.rpc.Status`."""

    case_id: str
    listing_id: str
    resolution: Resolution | None = None
    error: bytes = b""


@dataclass(frozen=True, kw_only=True)
class BatchOutcome:
    """What became of a batch; a preview has no id."""

    batch_id: str
    items: tuple[ItemOutcome, ...]

    @property
    def resolved(self) -> int:
        """How many cases have a resolution."""
        return sum(item.resolution is not None for item in self.items)


@dataclass(frozen=True)
class CaseDesk:
    """The operations on cases. `clock` gives the time, in UTC."""

    store: Store
    rules: CaseRules
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def pseudonym(self, name: str) -> str:
        """Return the name under which a person's decisions are kept."""
        digest = hmac.new(self.store.secret(PSEUDONYMS), name.encode(), hashlib.sha256).hexdigest()
        return f"reviewer-{digest[:_PSEUDONYM_DIGITS]}"

    def list(self, query: Query, *, after: Place | None = None) -> CasePage:
        """Return a page of cases."""
        return self.store.list_cases(query.wanted, query.order, now=self.clock(), after=after, limit=query.limit)

    def file(self, case_id: str) -> CaseFile:
        """Return a case with everything that belongs to it. Raises NotFound."""
        with self.store.reading():
            case = self.store.get_case(case_id)
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
        name, now = caller.required(), self.clock()
        if claim.release:
            case = self.store.release_case(claim.case_id, name, now=now)
        elif claim.case_id:
            case = self.store.claim_case(claim.case_id, name, now=now, duration=claim.duration)
        else:
            reviewer = self.pseudonym(name)
            case = self.store.claim_next(claim.wanted, name, reviewer=reviewer, now=now, duration=claim.duration)
        return self.file(case.case_id)

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
            self._ruling(outcome, caller),
            lease_token=lease_token,
            revision=int(etag) if etag else None,
            request=request,
        )
        earlier = self.store.find_request(request) if request is not None else None
        if earlier is None:
            self._check_statement(self.store.get_case(case_id), outcome)
            resolution = self.store.resolve_case(case_id, ruling)
        else:
            resolution = self.store.get_resolution(earlier)
        return self.file(case_id), resolution

    def preview(self, selection: Selection, outcome: Outcome, caller: Caller) -> BatchOutcome:
        """Say what a batch would do, and do nothing. Raises InvalidListing and Unauthenticated."""
        ruling = self._ruling(outcome, caller)
        items = [
            self._item(case_id, outcome, lambda each: self.store.preview_case(each, ruling))
            for case_id in self._selected(selection)
        ]
        return BatchOutcome(batch_id="", items=tuple(items))

    def resolve_batch(
        self,
        selection: Selection,
        outcome: Outcome,
        caller: Caller,
        *,
        request: RequestKey | None = None,
        deadline: Deadline = NEVER,
    ) -> BatchOutcome:
        """Resolve many cases alike, each for itself; a request that came before goes on where it stopped.

        Raises:
            InvalidListing: no case fits, or too many do.
            KeyReused: the idempotency key was another request's.
            DeadlineExceeded: cases resolved until then stay resolved.

        """
        ruling, earlier = self._ruling(outcome, caller), None
        if request is not None:
            earlier = self.store.find_request(request)
        if earlier is None:
            chosen = self._selected(selection)
            batch = self.store.start_batch(uuid.uuid4().hex, chosen, time=ruling.time, request=request)
        else:
            batch = self.store.get_batch(earlier)
        ruling = replace(ruling, batch_id=batch.batch_id)
        for item in batch.items:
            if not (item.resolution_id or item.error):
                deadline.check("the whole batch was resolved; send it again with the same request_id")
                done = self._item(item.case_id, outcome, lambda each: self.store.resolve_case(each, ruling))
                if done.error:
                    self.store.note_batch_error(batch.batch_id, item.case_id, done.error)
        return self._answer(self.store.get_batch(batch.batch_id))

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

    def _undo(self, resolution_id: str, reason: str, reviewer: str) -> Undone:
        return self.store.undo_resolution(resolution_id, reason=reason, time=self.clock(), reviewer=reviewer)

    def _ruling(self, outcome: Outcome, caller: Caller) -> Ruling:
        name = caller.required()
        return Ruling(
            outcome=outcome,
            holder=name,
            reviewer=self.pseudonym(name),
            time=self.clock(),
            second_review_harm=self.rules.second_review_harm,
        )

    def _check_statement(self, case: Case, outcome: Outcome) -> None:
        if outcome.takes_down and outcome.statement is None and self.rules.needs_statement(case.market):
            market = case.market or "an unknown market"
            remedy = f"is missing; a takedown on {market} needs one, for the seller"
            raise InvalidListing((FieldViolation("outcome.statement", remedy),))

    def _selected(self, selection: Selection) -> Iterable[str]:
        if selection.case_ids is not None:
            return selection.case_ids
        page = self.store.list_cases(selection.wanted, now=self.clock(), limit=selection.max_cases)
        if page.total == 0:
            raise InvalidListing((FieldViolation("filter", "fits no case; widen it"),))
        if page.total > selection.max_cases:
            remedy = f"fits {page.total} cases; narrow it, or let as many through by max_cases"
            raise InvalidListing((FieldViolation("filter", remedy),))
        return [case.case_id for case in page.cases]

    def _item(self, case_id: str, outcome: Outcome, decide: Callable[[str], Resolution]) -> ItemOutcome:
        listing_id = ""
        try:
            case = self.store.get_case(case_id)
            listing_id = case.listing_id
            self._check_statement(case, outcome)
            return ItemOutcome(case_id=case_id, listing_id=listing_id, resolution=decide(case_id))
        except (NotFound, Conflict, NotPermitted, InvalidListing) as error:
            status = to_status(error).SerializeToString(deterministic=True)
            return ItemOutcome(case_id=case_id, listing_id=listing_id, error=status)

    def _answer(self, batch: Batch) -> BatchOutcome:
        return BatchOutcome(batch_id=batch.batch_id, items=tuple(self._done(item) for item in batch.items))

    def _done(self, item: BatchItem) -> ItemOutcome:
        try:
            listing_id = self.store.get_case(item.case_id).listing_id
        except NotFound:
            listing_id = ""
        resolution = self.store.get_resolution(item.resolution_id) if item.resolution_id else None
        return ItemOutcome(case_id=item.case_id, listing_id=listing_id, resolution=resolution, error=item.error)
