"""Which photos of a listing or report are there to be kept? Their records, as `serving.photo_keeping` takes them.

Only what could be read as an image is a photo: a file that cannot be is never given to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from index.decision_records import DecisionRecord
from index.photos import Photo, PhotoOwner
from index.reports import Report
from serving.domain import ImageResult


def photos_of_decision(
    record: DecisionRecord, results: Sequence[ImageResult], files: Sequence[bytes]
) -> tuple[Photo, ...]:
    """Describe the photos of a decision's listing, by what became of each image and its file."""
    owner = PhotoOwner.DECISION, record.decision_id, record.listing_id
    return _photos(owner, record, results, files, time=record.create_time)


def photos_of_report(
    report: Report, about: DecisionRecord | None, results: Sequence[ImageResult], files: Sequence[bytes]
) -> tuple[Photo, ...]:
    """Describe the pictures of a report about the listing of a decision, or about one that nobody knows yet."""
    owner = PhotoOwner.REPORT, report.report_id, report.listing_id
    return _photos(owner, about, results, files, time=report.create_time)


def _photos(
    owner: tuple[PhotoOwner, str, str],
    about: DecisionRecord | None,
    results: Sequence[ImageResult],
    files: Sequence[bytes],
    *,
    time: datetime,
) -> tuple[Photo, ...]:
    kind, owner_id, listing_id = owner
    return tuple(
        Photo(
            owner=kind,
            owner_id=owner_id,
            position=position,
            sha256=result.sha256,
            size=len(file),
            listing_id=listing_id,
            seller_id=about.seller_id if about else "",
            brand=about.brand if about else "",
            create_time=time,
        )
        for position, (result, file) in enumerate(zip(results, files, strict=True))
        if result.fault is None
    )
