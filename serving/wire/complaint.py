"""What do others say about a listing or a decision? Reports and appeals, to domain values.

A notice must carry what makes it one (Regulation (EU) 2022/2065, Article 16(2)): a reasoned explanation, the exact
addresses, the notifier's name and e-mail address, and the statement of good faith. One under Article 42 of the
E-commerce Law of the PRC also names the right and comes with preliminary evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from index.reports import Notice, ReporterType
from serving.case_rules import CaseRules
from serving.errors import FieldViolation
from serving.wire.case import refuse
from serving.wire.requests import MAX_IMAGE_BYTES
from serving.wire.rules import (
    check_digests,
    check_id,
    check_images,
    check_length,
    check_market,
    check_one_of,
    check_request_id,
    check_text,
    shown,
)
from touchstone.moderation.v1 import case_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb

MAX_REPORT_IMAGES = 10
MAX_DOCUMENTS = 50
MAX_URLS = 100
_MAX_REPORT_CHARACTERS = 5_000
_MAX_APPEAL_CHARACTERS = 10_000
_MAX_URL_CHARACTERS = 2_000
_MAX_NAME_CHARACTERS = 500
_MAX_EMAIL_CHARACTERS = 320  # RFC 3696
_EUROPE, _CHINA = "EU", "CN"

REPORTERS = {
    ReporterType.BUYER: case_pb2.REPORTER_TYPE_BUYER,
    ReporterType.RIGHTS_OWNER: case_pb2.REPORTER_TYPE_RIGHTS_OWNER,
    ReporterType.TRUSTED_FLAGGER: case_pb2.REPORTER_TYPE_TRUSTED_FLAGGER,
    ReporterType.AUTHORITY: case_pb2.REPORTER_TYPE_AUTHORITY,
}
_REPORTERS = {number: kind for kind, number in REPORTERS.items()}


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A report as it came in; `claimed` is the capacity that the reporter names, `images` are encoded files.

    `brand_id` is the brand that an owner says to report for. One `of_any_listing` is kept, too, when the listing was
    never screened.
    """

    listing_id: str
    reporter_id: str
    claimed: ReporterType
    reason_code: str
    text: str
    images: tuple[bytes, ...]
    notice: Notice | None
    brand_id: str = ""
    of_any_listing: bool = False


@dataclass(frozen=True, kw_only=True)
class Objection:
    """An appeal as it came in."""

    decision_id: str
    appellant_id: str
    statement: str
    document_sha256s: tuple[str, ...]


def to_complaint(request: pb.ReportListingRequest, rules: CaseRules) -> Complaint:
    """Translate a report. Raises InvalidListing with every rule that it breaks."""
    kinds = (case_pb2.REPORTER_TYPE_UNSPECIFIED, *_REPORTERS)
    violations = [
        *check_id("listing_id", request.listing_id, required=True),
        *check_id("reporter_id", request.reporter_id, required=True),
        *check_one_of("reporter_type", request.reporter_type, kinds, case_pb2.ReporterType.Name),
        *check_text("text", request.text, limit=_MAX_REPORT_CHARACTERS),
        *check_request_id("request_id", request.request_id),
        *check_id("brand_id", request.brand_id, required=False),
        *_image_violations(request),
        *check_report_code(request.reason_code, rules),
    ]
    if request.HasField("notice"):
        violations += _notice_violations("notice", request.notice)
        if not request.text.strip():
            violations.append(FieldViolation("text", "is empty; a notice explains why the listing is illegal"))
    refuse(violations)
    return Complaint(
        listing_id=request.listing_id,
        reporter_id=request.reporter_id,
        claimed=_REPORTERS.get(request.reporter_type, ReporterType.BUYER),
        reason_code=request.reason_code,
        text=request.text,
        images=tuple(image.content for image in request.images),
        notice=_notice(request.notice) if request.HasField("notice") else None,
        brand_id=request.brand_id,
    )


def to_objection(request: pb.AppealDecisionRequest) -> Objection:
    """Translate an appeal. Raises InvalidListing with every rule that it breaks."""
    violations = [
        *check_id("decision_id", request.decision_id, required=True),
        *check_id("appellant_id", request.appellant_id, required=True),
        *check_text("statement", request.statement, limit=_MAX_APPEAL_CHARACTERS),
        *check_digests("document_sha256s", request.document_sha256s, limit=MAX_DOCUMENTS),
    ]
    if not request.statement.strip():
        limit = f"{_MAX_APPEAL_CHARACTERS} characters"
        violations.append(FieldViolation("statement", f"is empty; say what is wrong, in at most {limit}"))
    refuse(violations)
    return Objection(
        decision_id=request.decision_id,
        appellant_id=request.appellant_id,
        statement=request.statement,
        document_sha256s=tuple(request.document_sha256s),
    )


def check_report_code(code: str, rules: CaseRules) -> Iterator[FieldViolation]:
    """Check a code with which a listing is reported."""
    if code not in rules.report_codes:
        known = ", ".join(rules.report_codes)
        yield FieldViolation("reason_code", f"{shown(code)} is not on the list; send one of {known}")


def _image_violations(request: pb.ReportListingRequest) -> Iterator[FieldViolation]:
    if request.images:
        sizes = [len(image.content) for image in request.images[:MAX_REPORT_IMAGES]]
        count = len(request.images)
        yield from check_images("images", sizes, count=count, limit=MAX_REPORT_IMAGES, max_bytes=MAX_IMAGE_BYTES)


def _notice_violations(field: str, notice: case_pb2.Notice) -> Iterator[FieldViolation]:
    if not 1 <= len(notice.urls) <= MAX_URLS:
        yield FieldViolation(f"{field}.urls", f"has {len(notice.urls)} values; send 1 to {MAX_URLS} exact addresses")
    for index, url in enumerate(notice.urls[:MAX_URLS]):
        yield from _url_violations(f"{field}.urls[{index}]", url)
    yield from check_text(f"{field}.notifier_name", notice.notifier_name, limit=_MAX_NAME_CHARACTERS)
    if not notice.notifier_name.strip():
        yield FieldViolation(f"{field}.notifier_name", "is empty; a notice names who gives it")
    yield from check_length(f"{field}.notifier_email", notice.notifier_email, limit=_MAX_EMAIL_CHARACTERS)
    local, at, domain = notice.notifier_email.rpartition("@")
    if not (local and at and "." in domain) or any(one.isspace() or one == "\0" for one in notice.notifier_email):
        yield FieldViolation(f"{field}.notifier_email", f"{shown(notice.notifier_email)} is no e-mail address")
    if not notice.good_faith_statement:
        yield FieldViolation(f"{field}.good_faith_statement", "is false; without the statement it is a mere report")
    yield from check_id(f"{field}.right_id", notice.right_id, required=notice.jurisdiction == _CHINA)
    yield from check_digests(f"{field}.document_sha256s", notice.document_sha256s, limit=MAX_DOCUMENTS)
    if notice.jurisdiction == _CHINA and not notice.document_sha256s:
        yield FieldViolation(f"{field}.document_sha256s", "is empty; under the law of CN a notice comes with evidence")
    if not notice.jurisdiction:
        yield FieldViolation(f"{field}.jurisdiction", "is empty; send EU or an ISO 3166-1 alpha-2 code")
    elif notice.jurisdiction != _EUROPE:
        yield from check_market(f"{field}.jurisdiction", notice.jurisdiction)


def _url_violations(field: str, url: str) -> Iterator[FieldViolation]:
    yield from check_text(field, url, limit=_MAX_URL_CHARACTERS)
    try:
        parts = urlsplit(url)
        exact = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        exact = False
    if not exact:
        yield FieldViolation(field, f"{shown(url)} is no exact address such as https://shop.example/item/1")


def _notice(message: case_pb2.Notice) -> Notice:
    return Notice(
        urls=tuple(message.urls),
        notifier_name=message.notifier_name,
        notifier_email=message.notifier_email,
        good_faith_statement=message.good_faith_statement,
        jurisdiction=message.jurisdiction,
        right_id=message.right_id,
        document_sha256s=tuple(message.document_sha256s),
    )
