"""What follows when somebody reports a listing, or a seller appeals? Receipts, and cases for people to decide.

A report never takes a listing down. It joins the listing's unresolved case, or opens one of origin REPORT at once when
it is a notice or comes from a proven rights owner, trusted flagger or authority, and else when those who report the
listing are reliable enough together (`CaseRules.report_case_weight`). Blocking and thread-safe.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from index.case_records import CaseOrigin
from index.decision_records import DecisionRecord
from index.errors import Conflict, DecidedAnew, NotFound
from index.photos import Photo
from index.reports import Report, ReporterType
from index.rulings import UNDECIDED, Appeal, RequestKey
from index.store.store import Store
from serving.access.caller import BRAND_OWNER, Caller
from serving.case_opening import CaseOpening
from serving.case_rules import CaseRules
from serving.deadline import Deadline
from serving.decoding import Decoder, decode_here
from serving.domain import ImageResult
from serving.errors import FieldViolation, InvalidListing, Overloaded
from serving.photo_keeping import PhotoKeeper
from serving.photo_records import photos_of_report
from serving.stages import Stages
from serving.visibility import visible_brand
from serving.visual import read_photos
from serving.wire.complaint import Complaint, Objection
from vision.decode import DecodeLimits

_DAY = timedelta(days=1)
# How often a report is tried whose listing is decided anew at the same moment.
_ATTEMPTS = 3
# Who reports by the thousand, and answers for it.
_UNLIMITED = (ReporterType.TRUSTED_FLAGGER, ReporterType.AUTHORITY)


@dataclass(frozen=True)
class Complaints:
    """Takes in reports and appeals. `clock` gives the time, in UTC."""

    store: Store
    opening: CaseOpening
    photos: PhotoKeeper
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    decoder: Decoder = decode_here
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def rules(self) -> CaseRules:
        """The operator's rules."""
        return self.opening.rules

    def report(
        self,
        complaint: Complaint,
        caller: Caller,
        *,
        request: RequestKey | None = None,
        check: Callable[[], None] = lambda: None,
        deadline: Deadline,
    ) -> tuple[Report, tuple[ImageResult, ...]]:
        """Record a report and say what became of its images; a request that came before returns its report.

        `check` is called before a new one is recorded, and refuses it by whatever it raises.

        Raises:
            NotFound: the listing was never screened, and the report is not of any; or the caller owns no such brand.
            Overloaded: the reporter reports too often.
            KeyReused: the idempotency key was another request's.
            DecidedAnew: the listing is decided again and again meanwhile.
            DeadlineExceeded: nothing was recorded.

        """
        brand_id = self._brand_of(complaint, caller)
        results, _ = read_photos(complaint.images, self.limits, Stages(deadline), self.decoder)
        earlier = self.store.find_request(request) if request is not None else None
        if earlier is not None:
            return self.store.get_report(earlier), results
        now, capacity = self.clock(), caller.proves(complaint.claimed)
        if capacity not in _UNLIMITED:
            self._check_pace(complaint.reporter_id, now)
        check()
        report = Report(
            report_id=uuid.uuid4().hex,
            listing_id=complaint.listing_id,
            reporter_id=complaint.reporter_id,
            reporter_type=capacity,
            reason_code=complaint.reason_code,
            text=complaint.text,
            notice=complaint.notice,
            image_sha256s=tuple(result.sha256 for result in results),
            create_time=now,
            brand_id=brand_id,
            filed_by=caller.name,
        )
        kept: tuple[Photo, ...] | None = None
        for left in reversed(range(_ATTEMPTS)):
            decision = self._decision(complaint)
            if kept is None:
                pictures = photos_of_report(report, decision, results, complaint.images)
                kept = self.photos.keep(pictures, complaint.images, deadline=deadline)
            try:
                return self._record(report, decision, kept, request), results
            except DecidedAnew:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def appeal(self, objection: Objection) -> Appeal:
        """Record an appeal; while the seller's first one is undecided, return that.

        Raises:
            InvalidListing: the decision takes nothing down, or the appellant is not its seller.
            NotFound: there is no such decision.
            Conflict: an appeal was decided already, or the time to appeal is over.

        """
        decision = self.store.get_decision(objection.decision_id)
        if decision.seller_id and decision.seller_id != objection.appellant_id:
            raise InvalidListing((FieldViolation("appellant_id", "is not the seller of the decision's listing"),))
        for earlier in self.store.appeals_against(decision.decision_id):
            if earlier.state in UNDECIDED and earlier.appellant_id == objection.appellant_id:
                return earlier
            raise Conflict(f"An appeal against {decision.decision_id!r} was made already: it is {earlier.state.name}.")
        now, in_force = self.clock(), self.store.verdict_in_force(decision.decision_id)
        if in_force.verdict != "TAKEDOWN":
            remedy = f"takes nothing down: its verdict is {in_force.verdict}"
            raise InvalidListing((FieldViolation("decision_id", remedy),))
        last_day = in_force.since + timedelta(days=self.rules.appeal_days)
        if last_day < now:
            raise Conflict(f"The time to appeal against {decision.decision_id!r} was over on {last_day.date()}.")
        appeal = Appeal(
            appeal_id=uuid.uuid4().hex,
            decision_id=decision.decision_id,
            case_id="",
            appellant_id=objection.appellant_id,
            statement=objection.statement,
            document_sha256s=objection.document_sha256s,
            create_time=now,
            due_time=now + timedelta(days=self.rules.appeal_due_days),
        )
        return self.store.add_appeal(appeal, case=self.opening.case(decision, time=now))

    def _brand_of(self, complaint: Complaint, caller: Caller) -> str:
        """Return the brand whose owner reports, "" for somebody else's report. Raises NotFound, InvalidListing."""
        if BRAND_OWNER not in caller.roles:
            if complaint.brand_id:
                raise InvalidListing((FieldViolation("brand_id", "is a brand owner's to say; leave it out"),))
            return ""
        if complaint.brand_id:
            return visible_brand(self.store, complaint.brand_id, caller).brand_id
        if len(caller.brands) > 1:
            # Each brand's notices count for it alone: one of no brand in particular would count for none.
            remedy = f"is missing; name the one of your {len(caller.brands)} brands for which you report"
            raise InvalidListing((FieldViolation("brand_id", remedy),))
        return next(iter(caller.brands), "")

    def _decision(self, complaint: Complaint) -> DecisionRecord | None:
        """Find what the complaint is about; None when nobody knows the listing yet, and that is allowed."""
        decision = self.store.latest_decision(complaint.listing_id)
        if decision is None and not complaint.of_any_listing:
            raise NotFound(f"The listing {complaint.listing_id!r} was never screened; check the id.")
        return decision

    def _record(
        self, report: Report, decision: DecisionRecord | None, photos: tuple[Photo, ...], request: RequestKey | None
    ) -> Report:
        if decision is None:
            return self.store.keep_report(report, request=request, photos=photos)
        at_once = report.notice is not None or report.reporter_type is not ReporterType.BUYER
        return self.store.add_report(
            replace(report, seller_id=decision.seller_id),
            case=self.opening.case(decision, origin=CaseOrigin.REPORT, time=report.create_time),
            case_weight=0.0 if at_once else self.rules.report_case_weight,
            request=request,
            # Who reported while the listing was decided for the first time did not know whose it is.
            photos=[replace(one, seller_id=decision.seller_id, brand=decision.brand) for one in photos],
        )

    def _check_pace(self, reporter_id: str, now: datetime) -> None:
        times, most = self.store.report_times(reporter_id, since=now - _DAY), self.rules.reports_per_day
        if len(times) >= most:
            wait = times[-most] + _DAY - now
            raise Overloaded(
                f"this reporter made {len(times)} reports in 24 hours; at most {most} are taken in",
                retry_after_s=wait.total_seconds(),
            )
