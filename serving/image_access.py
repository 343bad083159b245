"""Which photos may a caller see? All of cases for those who read cases; for brand owners, those that show their brand.

A photo shows a brand when the decision's evidence saw it there, or is a copy of its pictures, or a sweep of one of its
references hit it. What a caller may not see is answered as what is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from index.errors import NotFound
from index.names import normalise_name
from index.photos import Photo, PhotoOwner
from index.records import ReferenceState
from index.store.store import Store
from serving.access.caller import Caller
from serving.access.permissions import Permission, entitled
from serving.evidence import SEEN
from touchstone.moderation.v1 import decision_pb2, evidence_pb2


@dataclass(frozen=True)
class Subject:
    """Whose photos are asked for: of a "case", a "decision" or a "report", by its id."""

    kind: str
    id: str


@dataclass(frozen=True)
class SeenPhotos:
    """The photos that the caller sees; `decision` is the one that they belong to, None for a report's."""

    photos: tuple[Photo, ...]
    decision: decision_pb2.Decision | None


def reads_cases(caller: Caller) -> bool:
    """Tell whether the caller sees every photo that is kept."""
    return entitled(caller, Permission.READ_CASES)


def visible_photos(store: Store, subject: Subject, caller: Caller) -> SeenPhotos:
    """Return the photos of a subject that the caller sees.

    Raises:
        NotFound: there is no such subject, or the caller may see none of its photos; in the same words.

    """
    try:
        if subject.kind == "report":
            if reads_cases(caller):
                store.get_report(subject.id)
                return SeenPhotos(store.photos_of(PhotoOwner.REPORT, subject.id), None)
        else:
            with store.reading():
                return _of_decision(store, subject, caller)
    except NotFound:
        pass
    raise NotFound(f"There is no {subject.kind} with the id {subject.id!r}; check the id.")


def _of_decision(store: Store, subject: Subject, caller: Caller) -> SeenPhotos:
    decision_id, moved = _decision_of(store, subject)
    decision = decision_pb2.Decision.FromString(store.get_decision(decision_id).payload)
    photos = store.photos_of(PhotoOwner.DECISION, decision_id)
    if moved:
        photos = tuple(replace(photo, create_time=photo.create_time + moved) for photo in photos)
    if not reads_cases(caller):
        shown = set(_showing(decision, store, caller))
        if not shown:
            raise NotFound("none of its photos shows a brand of the caller's")
        photos = tuple(photo for photo in photos if photo.position in shown)
    return SeenPhotos(photos, decision)


def _decision_of(store: Store, subject: Subject) -> tuple[str, timedelta]:
    """Name the decision whose photos are a case's, a decision's or a check's, and how far a check moves them in time.

    Raises NotFound.
    """
    of_case = subject.kind == "case"
    check = store.find_check(check_id=subject.id) if of_case else store.find_check(decision_id=subject.id)
    if check is not None:
        return check.gold_case.decision_id, check.case.create_time - check.gold_case.create_time
    return (store.get_case(subject.id).decision_id if of_case else subject.id), timedelta()


def _showing(decision: decision_pb2.Decision, store: Store, caller: Caller) -> Iterator[int]:
    """Yield the positions of photos that show a brand of the caller's."""
    for evidence in decision.evidence:
        match evidence.WhichOneof("kind"):
            case "visual_match":
                seen = evidence.visual_match
                if seen.probability >= SEEN and seen.brand_id in caller.brands:
                    yield seen.image_index
            case "duplicate":
                if _is_copy_of_own(evidence.duplicate, store, caller):
                    yield evidence.duplicate.image_index
    for hit in store.sweep_hits_on(decision.decision_id):
        if _is_own_in_force(hit.reference_id, store, caller):
            yield hit.image_index


def _is_copy_of_own(copy: evidence_pb2.Duplicate, store: Store, caller: Caller) -> bool:
    """Tell whether what is copied is the caller's: the reference itself; of a removed listing, the brand at stake then.

    By the name that the brand bore when that listing was decided on. An alias, a name that was given since, and one
    that was nobody's then say nothing: owners give their brands names, and a stranger's would open strangers' photos.
    """
    if copy.source == evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING:
        since = store.named_since(copy.source_id, copy.brand) if copy.brand else None
        if since is None:
            return False
        return normalise_name(copy.brand) in store.brand_names_at(caller.brands, since).values()
    try:
        return store.get_reference(copy.source_id).brand_id in caller.brands
    except NotFound:
        return False


def _is_own_in_force(reference_id: str, store: Store, caller: Caller) -> bool:
    """Tell whether a reference is the caller's and in force: what is held back opens no stranger's photos."""
    try:
        reference = store.get_reference(reference_id)
    except NotFound:
        return False
    return reference.state is ReferenceState.ACTIVE and reference.brand_id in caller.brands
