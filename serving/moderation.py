"""What does the service do for its callers? Screen once per idempotency key, record, look up, remove, follow.

The servicer and the in-process command line both stand on this, so they answer alike. Requests come in as protobuf
messages, because their bytes are what an idempotency key is held against; everything between is the domain's.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from index.decision_records import DecisionEvent, DecisionRecord, EventKind, RemovalReason, RemovedListing
from index.errors import KeyReused, StoreAway, StoreError
from index.photos import Photo
from index.store.store import Store
from serving.auditing import Auditor
from serving.checks import shown_decision
from serving.deadline import NEVER, Deadline
from serving.domain import Listing, Verdict
from serving.errors import FieldViolation, InvalidListing
from serving.outage.guard import StoreGuard
from serving.outage.rules import store_is_away, unrecorded
from serving.outage.spool import Spool
from serving.photo_keeping import PhotoKeeper
from serving.photo_records import photos_of_decision
from serving.pipeline import Pipeline, Screening
from serving.recording import Recorder, Recording, recording_of
from serving.wire.requests import to_listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

log = logging.getLogger(__name__)

ScreenRequest = pb.ScreenListingRequest | pb.ScreenListingsRequest

_CAUSES = {
    EventKind.DECIDED: pb.VERDICT_CAUSE_SCREENED,
    EventKind.REMOVED: pb.VERDICT_CAUSE_REMOVED,
    EventKind.RESOLVED: pb.VERDICT_CAUSE_CASE_RESOLVED,
    EventKind.UNDONE: pb.VERDICT_CAUSE_RESOLUTION_UNDONE,
    EventKind.APPEAL_DECIDED: pb.VERDICT_CAUSE_APPEAL_DECIDED,
}


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What was asked for: a listing, under which idempotency key or "", and the digest of the request."""

    listing: Listing
    request_id: str
    digest: str


@dataclass(frozen=True)
class Moderation:
    """The application's operations: blocking, thread-safe, and each one whole or not at all."""

    pipeline: Pipeline
    recorder: Recorder
    auditor: Auditor
    photos: PhotoKeeper
    guard: StoreGuard
    spool: Spool

    @property
    def store(self) -> Store:
        """Where decisions are on record."""
        return self.recorder.store

    def screen(self, request: ScreenRequest, *, deadline: Deadline = NEVER) -> decision_pb2.Decision:
        """Decide on a listing and record the decision; with a `request_id` used before, return what stands.

        While the store is away the decision is REVIEW at least and is kept on disk: see `serving.outage.rules`.

        Raises:
            InvalidListing: the request breaks a rule, or its `request_id` was used for another listing.
            DeadlineExceeded, Overloaded, ModelUnavailable: from the pipeline; nothing was recorded.
            NotKept: the decision could be kept neither in the store nor on disk.
            StoreError: the store refused the decision.

        """
        digest = hashlib.sha256(request.listing.SerializeToString(deterministic=True)).hexdigest()
        asked = _Asked(listing=to_listing(request), request_id=request.request_id, digest=digest)
        try:
            earlier = self._earlier(asked, deadline)
            if earlier is not None:
                return decision_of(earlier)
            screening = self.pipeline.screen(asked.listing, deadline=deadline)
            with self.pipeline.telemetry.stage("record"):
                record, given = self._recorded(screening, asked, deadline)
            if record.decision_id == given.decision.decision_id:  # one that was given before was counted then
                self.pipeline.telemetry.decided(given.decision, brand=given.counted_brand)
            return decision_of(record)
        except KeyReused as error:
            raise InvalidListing((FieldViolation("request_id", str(error)),)) from error

    def decision(self, decision_id: str) -> decision_pb2.Decision:
        """Return a decision that was given, byte for byte, whether it is on record or waits. Raises NotFound."""
        waiting = self.spool.of_id(decision_id)
        return decision_of(waiting if waiting is not None else shown_decision(self.store, decision_id))

    def remove(self, listing_id: str, reason: RemovalReason, *, note: str = "") -> RemovedListing:
        """Record that the marketplace removed a listing. Raises NotFound when it was never screened."""
        if self.spool.holds(listing_id):
            raise StoreAway("a decision on the listing waits to be recorded; try again later")
        return self.store.remove_listing(listing_id, reason, datetime.now(UTC), note=note)

    def _earlier(self, asked: _Asked, deadline: Deadline) -> DecisionRecord | None:
        """Find what the request's key led to before; None also when the store cannot be asked."""
        key = asked.request_id
        if not key:
            return None
        waiting = self.spool.of_key(key, asked.digest)
        if waiting is not None:
            return waiting
        try:
            return self.guard.ask(
                lambda: self.store.find_idempotent(key, request_sha256=asked.digest), deadline=deadline
            )
        except StoreError as error:
            if not store_is_away(error):
                raise
            return None

    def _recorded(self, screening: Screening, asked: _Asked, deadline: Deadline) -> tuple[DecisionRecord, Screening]:
        """Record a decision, or keep the one that stands in for it until the store takes it.

        Return what is answered, an earlier decision where there is one, and the screening that was to be recorded.
        """
        if not self.spool.holds(asked.listing.listing_id):  # what waits goes first
            try:
                return self._on_record(screening, asked, deadline), screening
            except StoreError as error:
                if not store_is_away(error):
                    raise
                log.info("the decision on %s is not on record yet: %s", asked.listing.listing_id, error)
        screening = replace(screening, decision=unrecorded(screening.decision, decision_id=uuid.uuid4().hex))
        recording = self._with_photos(self._recording(screening, asked), screening, asked.listing, deadline)
        deadline.check("the decision was kept")
        return self.spool.put(recording), screening

    def _on_record(self, screening: Screening, asked: _Asked, deadline: Deadline) -> DecisionRecord:
        self.guard.check()
        recording = self._recording(screening, asked)
        if recording.looked_at:
            recording = self._with_photos(recording, screening, asked.listing, deadline)
        given_up = threading.Event()

        def may_commit() -> None:
            deadline.check("the decision was recorded")
            if given_up.is_set():  # another decision was given in its place
                raise StoreAway("the store took too long")

        try:
            outcome = self.guard.ask(
                lambda: self.recorder.record(recording, commit_guard=may_commit), deadline=deadline
            )
        finally:
            given_up.set()
        if outcome.case_id and not recording.looked_at:
            self._keep_photos_later(recording.record, screening, asked.listing, deadline)
        return outcome.record

    def _recording(self, screening: Screening, asked: _Asked) -> Recording:
        """Say what goes on record; whatever a person must look at, and what is audited, is looked at."""
        decision = screening.decision
        share = self.auditor.share_of(decision.certificate_id)
        audited = self.auditor.draw(decision.decision_id) < share
        return recording_of(
            screening,
            asked.listing,
            request_id=asked.request_id,
            digest=asked.digest,
            audit_share=share if audited else None,
            looked_at=audited or _needs_person(screening),
        )

    def _with_photos(
        self, recording: Recording, screening: Screening, listing: Listing, deadline: Deadline
    ) -> Recording:
        return replace(recording, photos=self._keep_photos(recording.record, screening, listing, deadline))

    def _keep_photos(
        self, record: DecisionRecord, screening: Screening, listing: Listing, deadline: Deadline
    ) -> tuple[Photo, ...]:
        """Make a listing's photos durable for whoever looks at its case; it is decided without them, too."""
        photos = photos_of_decision(record, screening.decision.image_results, listing.images)
        return self.photos.keep(photos, listing.images, deadline=deadline)

    def _keep_photos_later(
        self, record: DecisionRecord, screening: Screening, listing: Listing, deadline: Deadline
    ) -> None:
        """Keep the photos of an ALLOW whose case was opened for what people said: nobody knew of it before."""
        try:
            self.store.add_photos(self._keep_photos(record, screening, listing, deadline))
        except StoreError as error:  # the decision stands, and so does its case
            log.warning("the photos of the decision %s are not kept: %s", record.decision_id, error)


def decision_of(record: DecisionRecord) -> decision_pb2.Decision:
    """Read the decision as it was recorded."""
    return decision_pb2.Decision.FromString(record.payload)


def event_of(event: DecisionEvent) -> pb.WatchDecisionsResponse:
    """Tell a follower of one event. A removal is the marketplace's own act: the verdict stays as it is."""
    decision = decision_of(event.decision)
    response = pb.WatchDecisionsResponse(
        cursor=str(event.cursor),
        listing_id=event.decision.listing_id,
        verdict=decision_pb2.Verdict.Value(f"VERDICT_{event.verdict}"),
        cause=_CAUSES[event.kind],
        decision=decision,
        case_id=event.case_id,
    )
    response.event_time.FromDatetime(event.create_time)
    return response


def _needs_person(screening: Screening) -> bool:
    """Whatever a person must look at becomes a case; a takedown is looked at too, for the seller may appeal."""
    return screening.decision.verdict is not Verdict.ALLOW
