"""What does a buyer ask? BuyerService's requests to domain values.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from index.reports import ReporterType
from serving.case_rules import CaseRules
from serving.errors import FieldViolation
from serving.serials import MAX_SERIAL_CHARACTERS
from serving.wire.advice import check_language
from serving.wire.case import refuse
from serving.wire.complaint import Complaint, check_report_code
from serving.wire.rules import check_id, check_images, check_market, check_request_id, check_text
from touchstone.moderation.v1 import buyer_service_pb2 as pb

MAX_PHOTOS = 3
MAX_PHOTO_BYTES = 8 * 2**20
MAX_TEXT_CHARACTERS = 2_000
MAX_TOKEN_CHARACTERS = 64


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a buyer asks about: a listing, or a seller of a brand's goods; `market` is "" when it is not told."""

    listing_id: str
    brand_id: str
    seller_id: str
    market: str
    language: str


def to_question(request: pb.CheckListingRequest) -> Question:
    """Translate a question about a listing or seller. Raises InvalidListing."""
    target, seller = request.WhichOneof("target"), request.seller
    violations = [*check_market("market", request.market), *_language(request.language)]
    if target is None:
        violations.append(FieldViolation("listing_id", "is missing, and so is seller; name one of them"))
    elif target == "listing_id":
        violations += check_id("listing_id", request.listing_id, required=True)
    else:
        violations += check_id("seller.brand_id", seller.brand_id, required=True)
        violations += check_id("seller.seller_id", seller.seller_id, required=True)
    refuse(violations)
    return Question(
        listing_id=request.listing_id,
        brand_id=seller.brand_id,
        seller_id=seller.seller_id,
        market=request.market,
        language=request.language,
    )


def check_serial_request(request: pb.CheckSerialRequest) -> None:
    """Raise InvalidListing with every rule that a question about a serial number breaks."""
    violations = [
        *check_id("brand_id", request.brand_id, required=True),
        *check_text("serial", request.serial, limit=MAX_SERIAL_CHARACTERS),
        *_language(request.language),
    ]
    if not request.serial.strip():
        violations.append(FieldViolation("serial", f"is empty; send 1 to {MAX_SERIAL_CHARACTERS} characters"))
    refuse(violations)


def check_image_request(request: pb.GetAdviceImageRequest) -> None:
    """Raise InvalidListing with every rule that a question for a picture breaks."""
    refuse(
        [
            *check_id("brand_id", request.brand_id, required=True),
            *check_id("reference_id", request.reference_id, required=True),
        ]
    )


def check_receipt(request: pb.GetReportRequest) -> None:
    """Raise InvalidListing with every rule that a question about a report breaks."""
    refuse(
        [
            *check_id("report_id", request.report_id, required=True),
            *check_text("receipt_token", request.receipt_token, limit=MAX_TOKEN_CHARACTERS),
            *_language(request.language),
        ]
    )


def to_buyers_complaint(request: pb.ReportRequest, rules: CaseRules, *, reporter_id: str) -> Complaint:
    """Translate a buyer's report. Raises InvalidListing."""
    violations = [
        *check_id("listing_id", request.listing_id, required=True),
        *check_report_code(request.reason_code, rules),
        *check_text("text", request.text, limit=MAX_TEXT_CHARACTERS),
        *check_request_id("request_id", request.request_id),
        *_language(request.language),
    ]
    if request.images:
        sizes = [len(image.content) for image in request.images[:MAX_PHOTOS]]
        violations += check_images(
            "images", sizes, count=len(request.images), limit=MAX_PHOTOS, max_bytes=MAX_PHOTO_BYTES
        )
    refuse(violations)
    return Complaint(
        listing_id=request.listing_id,
        reporter_id=reporter_id,
        claimed=ReporterType.BUYER,
        reason_code=request.reason_code,
        text=request.text,
        images=tuple(image.content for image in request.images),
        notice=None,
        of_any_listing=True,
    )


def _language(value: str) -> Iterator[FieldViolation]:
    if value:
        yield from check_language("language", value)
