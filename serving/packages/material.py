"""What goes into an evidence package? Everything on record about a case, read in one state of the store.

Nothing is left out here: `serving.packages.redaction` takes away what an audience is not told.
"""

from __future__ import annotations

from dataclasses import dataclass

from index.brand_records import Right
from index.decision_records import ListingImage
from index.errors import NotFound
from index.evidence_records import Audience, EvidencePackage, ListingHistory
from index.identity import IdentityRecord
from index.photos import PhotoOwner, PhotoState
from index.records import Reference
from index.store.store import Store
from serving.case_file import CaseFile
from serving.cases import CaseDesk
from serving.facts import Facts
from serving.facts_record import unpack
from touchstone.moderation.v1 import decision_pb2


@dataclass(frozen=True, kw_only=True)
class Material:
    """All that is known about a case. `decision` is `file.decision`, read; `verdict` is the one in force.

    `gone` are the sha256 of its photos that were let go or forgotten: their files may still lie there for a while.
    """

    file: CaseFile
    decision: decision_pb2.Decision
    verdict: str
    history: ListingHistory
    photos: tuple[ListingImage, ...]
    gone: frozenset[str]
    facts: Facts | None
    identity: IdentityRecord | None
    ring: tuple[str, ...]
    rights: tuple[Right, ...]
    references: dict[str, Reference]
    mark_rights: dict[str, tuple[str, ...]]
    log: tuple[EvidencePackage, ...]
    previous: EvidencePackage | None


def gather(desk: CaseDesk, case_id: str, audience: Audience) -> Material:
    """Read everything about a case. Raises NotFound."""
    store = desk.store
    with store.reading():
        file = desk.file(case_id)
        decision = decision_pb2.Decision.FromString(file.decision.payload)
        references = _references(store, decision)
        brand_ids = {*file.case.brand_ids, *(one.brand_id for one in references.values())}
        profiles = [store.get_profile(brand_id) for brand_id in sorted(brand_ids) if _is_known(store, brand_id)]
        return Material(
            file=file,
            decision=decision,
            verdict=store.verdict_in_force(file.case.decision_id).verdict,
            history=store.listing_history(file.case.listing_id),
            photos=store.decision_images(file.case.decision_id),
            gone=frozenset(
                photo.sha256
                for photo in store.photos_of(PhotoOwner.DECISION, file.case.decision_id)
                if photo.state is not PhotoState.KEPT
            ),
            facts=_facts(store, file.case.decision_id),
            identity=_identity(store, file.case.seller_id),
            ring=_ring(store, decision),
            rights=tuple(right for profile in profiles for right in profile.rights),
            references=references,
            mark_rights={
                f"{profile.brand.brand_id}/{mark.mark_id}": mark.right_ids
                for profile in profiles
                for mark in profile.marks
            },
            log=store.case_packages(case_id),
            previous=store.last_package(file.case.listing_id, audience),
        )


def _references(store: Store, decision: decision_pb2.Decision) -> dict[str, Reference]:
    found = {}
    for evidence in decision.evidence:
        if evidence.HasField("visual_match"):
            reference_id = evidence.visual_match.reference_id
            try:
                found[reference_id] = store.get_reference(reference_id)
            except NotFound:  # evidence outlives references
                continue
    return found


def _is_known(store: Store, brand_id: str) -> bool:
    return bool(store.brand_names_of([brand_id]))


def _facts(store: Store, decision_id: str) -> Facts | None:
    try:
        return unpack(store.facts_of(decision_id))
    except NotFound:  # of an older release
        return None


def _identity(store: Store, seller_id: str) -> IdentityRecord | None:
    try:
        return store.get_identity(seller_id) if seller_id else None
    except NotFound:
        return None


def _ring(store: Store, decision: decision_pb2.Decision) -> tuple[str, ...]:
    rings = (one.seller.ring_id for one in decision.evidence if one.HasField("seller") and one.seller.ring_id)
    return next((store.ring_members(ring_id) for ring_id in rings), ())
