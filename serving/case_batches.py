"""How are many cases resolved alike? Each for itself, or looked at first and not resolved.

Which cases is said by their ids or by a filter. What became of each is kept with the batch, so that a request that is
sent again goes on where it stopped; `serving.cases.CaseDesk.undo` undoes a batch.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from index.errors import Conflict, NotFound, NotPermitted
from index.rulings import Batch, BatchItem, Outcome, RequestKey, Resolution
from serving.access.caller import Caller
from serving.cases import CaseDesk
from serving.deadline import NEVER, Deadline
from serving.errors import FieldViolation, InvalidListing
from serving.status import to_status
from serving.wire.case import Selection


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
class CaseBatches:
    """The operations on many cases of a desk."""

    desk: CaseDesk

    def preview(self, selection: Selection, outcome: Outcome, caller: Caller) -> BatchOutcome:
        """Say what a batch would do, and do nothing. Raises InvalidListing and Unauthenticated."""
        ruling = self.desk.ruling(outcome, caller)
        items = [
            self._item(case_id, outcome, lambda each: self.desk.store.preview_case(each, ruling))
            for case_id in self._selected(selection)
        ]
        return BatchOutcome(batch_id="", items=tuple(items))

    def resolve(
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
        ruling, earlier = self.desk.ruling(outcome, caller), None
        if request is not None:
            earlier = self.desk.store.find_request(request)
        if earlier is None:
            chosen = self._selected(selection)
            batch = self.desk.store.start_batch(uuid.uuid4().hex, chosen, time=ruling.time, request=request)
        else:
            batch = self.desk.store.get_batch(earlier)
        ruling = replace(ruling, batch_id=batch.batch_id)
        for item in batch.items:
            if not (item.resolution_id or item.error):
                deadline.check("the whole batch was resolved; send it again with the same request_id")
                done = self._item(item.case_id, outcome, lambda each: self.desk.store.resolve_case(each, ruling))
                if done.error:
                    self.desk.store.note_batch_error(batch.batch_id, item.case_id, done.error)
        return self._answer(self.desk.store.get_batch(batch.batch_id))

    def _selected(self, selection: Selection) -> Iterable[str]:
        if selection.case_ids is not None:
            return selection.case_ids
        page = self.desk.store.list_cases(selection.wanted, now=self.desk.clock(), limit=selection.max_cases)
        if page.total == 0:
            raise InvalidListing((FieldViolation("filter", "fits no case; widen it"),))
        if page.total > selection.max_cases:
            remedy = f"fits {page.total} cases; narrow it, or let as many through by max_cases"
            raise InvalidListing((FieldViolation("filter", remedy),))
        return [case.case_id for case in page.cases]

    def _item(self, case_id: str, outcome: Outcome, decide: Callable[[str], Resolution]) -> ItemOutcome:
        listing_id = ""
        try:
            case = self.desk.store.get_case(case_id)
            listing_id = case.listing_id
            self.desk.check_statement(case, outcome)
            return ItemOutcome(case_id=case_id, listing_id=listing_id, resolution=decide(case_id))
        except (NotFound, Conflict, NotPermitted, InvalidListing) as error:
            status = to_status(error).SerializeToString(deterministic=True)
            return ItemOutcome(case_id=case_id, listing_id=listing_id, error=status)

    def _answer(self, batch: Batch) -> BatchOutcome:
        return BatchOutcome(batch_id=batch.batch_id, items=tuple(self._done(item) for item in batch.items))

    def _done(self, item: BatchItem) -> ItemOutcome:
        try:
            listing_id = self.desk.store.get_case(item.case_id).listing_id
        except NotFound:
            listing_id = ""
        resolution = self.desk.store.get_resolution(item.resolution_id) if item.resolution_id else None
        return ItemOutcome(case_id=item.case_id, listing_id=listing_id, resolution=resolution, error=item.error)
