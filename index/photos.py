"""Which photos does somebody have to look at, and are they still there? Frozen records of photos that were kept.

A photo is kept for a decision that opened a case, or for a report that came with pictures; its file lies in the blob
store. `index.store.photos` keeps the records, `serving.photo_keeping` the files. docs/photos.md says how long and why.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from index.holds import HoldSubject, LegalHold
from index.names import normalise_name


class PhotoOwner(enum.StrEnum):
    """What a photo belongs to."""

    DECISION = "decision"
    REPORT = "report"


class PhotoState(enum.StrEnum):
    """What became of a photo's file."""

    KEPT = "kept"
    LOST = "lost"  # the blob store failed when it was to be kept
    EXPIRED = "expired"  # its time was over
    FORGOTTEN = "forgotten"  # somebody had it erased


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photo of a decision's listing or of a report: `position` is its place there, from 0.

    `sha256` names the file of `size` bytes. `listing_id`, `seller_id` and `brand` are the decision's, by which it is
    found when it must be forgotten or held. Until `needed_until` it stays whatever its age.
    """

    owner: PhotoOwner
    owner_id: str
    position: int
    sha256: str
    size: int
    listing_id: str
    create_time: datetime
    seller_id: str = ""
    brand: str = ""
    state: PhotoState = PhotoState.KEPT
    needed_until: datetime | None = None

    def held_by(self, holds: Iterable[LegalHold], *, brands: Collection[str] = ()) -> LegalHold | None:
        """Return the first of the holds that covers it: on its listing, its seller or a brand.

        Besides the brand at stake, those count that anything else about the listing names: `brands`, as
        `index.names.normalise_name` writes them.
        """
        about = {normalise_name(self.brand), *brands} - {""}
        own = {HoldSubject.LISTING: self.listing_id, HoldSubject.SELLER: self.seller_id}
        for hold in holds:
            if hold.subject is HoldSubject.BRAND:
                covered = normalise_name(hold.subject_id) in about
            else:
                covered = bool(hold.subject_id) and own[hold.subject] == hold.subject_id
            if covered:
                return hold
        return None


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What forgetting did: the photos that are no longer kept, and those that a legal hold keeps, by the hold's id."""

    photos: tuple[Photo, ...]
    held: tuple[tuple[str, Photo], ...]
