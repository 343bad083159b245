"""Is this right record one that a register could show? `RightRecord` to `index.brand_records.Right`, and back.

What a field may hold by itself is checked here, what fields say together by `index.rights`. Part of
`serving.wire.brand`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from google.type.date_pb2 import Date

from index.brand_records import ExhaustionRegime, Right, RightStatus, RightType
from index.rights import right_faults
from serving.errors import FieldViolation
from serving.wire.rules import check_digests, check_id, check_one_of, check_text, shown
from touchstone.moderation.v1 import brand_pb2

MAX_TEXT_CHARACTERS = 500
MAX_CODE_CHARACTERS = 64
MAX_LICENSEES = 1_000
# More classes, or countries, than there are.
_MAX_CODES = 300

_TEXTS = ("mark_text", "owner_name")
_CODES = ("office_code", "application_number", "registration_number", "international_registration_number")
_DATES = ("filing_date", "registration_date", "expiry_date")

TYPES = {
    RightType.WORD_MARK: brand_pb2.RIGHT_TYPE_WORD_MARK,
    RightType.FIGURATIVE_MARK: brand_pb2.RIGHT_TYPE_FIGURATIVE_MARK,
    RightType.DESIGN: brand_pb2.RIGHT_TYPE_DESIGN,
    RightType.COPYRIGHT: brand_pb2.RIGHT_TYPE_COPYRIGHT,
}
STATUSES = {
    RightStatus.UNKNOWN: brand_pb2.RIGHT_STATUS_UNSPECIFIED,
    RightStatus.PENDING: brand_pb2.RIGHT_STATUS_PENDING,
    RightStatus.REGISTERED: brand_pb2.RIGHT_STATUS_REGISTERED,
    RightStatus.EXPIRED: brand_pb2.RIGHT_STATUS_EXPIRED,
    RightStatus.ENDED: brand_pb2.RIGHT_STATUS_ENDED,
}
REGIMES = {
    ExhaustionRegime.UNKNOWN: brand_pb2.EXHAUSTION_REGIME_UNSPECIFIED,
    ExhaustionRegime.NATIONAL: brand_pb2.EXHAUSTION_REGIME_NATIONAL,
    ExhaustionRegime.REGIONAL: brand_pb2.EXHAUSTION_REGIME_REGIONAL,
    ExhaustionRegime.INTERNATIONAL: brand_pb2.EXHAUSTION_REGIME_INTERNATIONAL,
}
_TYPES = {number: kind for kind, number in TYPES.items()}
_STATUSES = {number: status for status, number in STATUSES.items()}
_REGIMES = {number: regime for regime, number in REGIMES.items()}


def right_violations(field: str, message: brand_pb2.RightRecord) -> Iterator[FieldViolation]:
    """Yield every rule that a right record breaks; none when `to_right` may be called."""
    found = [*_each_field(field, message)]
    yield from found
    if not found:
        right = to_right(message, right_id=message.right_id)
        faults = right_faults(right, today=datetime.now(UTC).date())
        yield from (FieldViolation(f"{field}.{name}", description) for name, description in faults)


def to_right(message: brand_pb2.RightRecord, *, right_id: str) -> Right:
    """Translate a right, once it is checked."""
    return Right(
        right_id=right_id,
        type=_TYPES[message.type],
        mark_text=message.mark_text,
        mark_image_sha256=message.mark_image_sha256,
        office_code=message.office_code,
        application_number=message.application_number,
        registration_number=message.registration_number,
        international_registration_number=message.international_registration_number,
        nice_classes=tuple(message.nice_classes),
        status=_STATUSES[message.status],
        filing_date=_date(message, "filing_date"),
        registration_date=_date(message, "registration_date"),
        expiry_date=_date(message, "expiry_date"),
        territories=tuple(message.territories),
        owner_name=message.owner_name,
        representative=message.representative.name,
        power_of_attorney_sha256=message.representative.power_of_attorney_sha256,
        licensee_names=tuple(message.licensee_names),
        exhaustion_regime=_REGIMES[message.exhaustion_regime],
        exhaustion_territories=tuple(message.exhaustion_territories),
    )


def from_right(right: Right) -> brand_pb2.RightRecord:
    """Translate a right to the wire."""
    message = brand_pb2.RightRecord(
        right_id=right.right_id,
        type=TYPES[right.type],
        mark_text=right.mark_text,
        mark_image_sha256=right.mark_image_sha256,
        office_code=right.office_code,
        application_number=right.application_number,
        registration_number=right.registration_number,
        international_registration_number=right.international_registration_number,
        nice_classes=right.nice_classes,
        status=STATUSES[right.status],
        territories=right.territories,
        owner_name=right.owner_name,
        licensee_names=right.licensee_names,
        exhaustion_regime=REGIMES[right.exhaustion_regime],
        exhaustion_territories=right.exhaustion_territories,
    )
    for name in _DATES:
        day: date | None = getattr(right, name)
        if day is not None:
            getattr(message, name).CopyFrom(Date(year=day.year, month=day.month, day=day.day))
    if right.representative:
        message.representative.name = right.representative
        message.representative.power_of_attorney_sha256 = right.power_of_attorney_sha256
    return message


def _each_field(field: str, message: brand_pb2.RightRecord) -> Iterator[FieldViolation]:
    yield from check_id(f"{field}.right_id", message.right_id, required=False)
    yield from check_one_of(f"{field}.type", message.type, _TYPES, brand_pb2.RightType.Name)
    yield from check_one_of(f"{field}.status", message.status, _STATUSES, brand_pb2.RightStatus.Name)
    regime = message.exhaustion_regime
    yield from check_one_of(f"{field}.exhaustion_regime", regime, _REGIMES, brand_pb2.ExhaustionRegime.Name)
    for name in _TEXTS:
        yield from check_text(f"{field}.{name}", getattr(message, name), limit=MAX_TEXT_CHARACTERS)
    for name in _CODES:
        yield from check_text(f"{field}.{name}", getattr(message, name), limit=MAX_CODE_CHARACTERS)
    for name in _DATES:
        yield from _check_date(f"{field}.{name}", message, name)
    for name in ("nice_classes", "territories", "exhaustion_territories"):
        yield from _check_count(f"{field}.{name}", len(getattr(message, name)), limit=_MAX_CODES)
    for name in ("territories", "exhaustion_territories"):
        for index, code in enumerate(getattr(message, name)[:_MAX_CODES]):
            yield from check_text(f"{field}.{name}[{index}]", code, limit=MAX_CODE_CHARACTERS)
    yield from _check_count(f"{field}.licensee_names", len(message.licensee_names), limit=MAX_LICENSEES)
    for index, name in enumerate(message.licensee_names[:MAX_LICENSEES]):
        yield from _check_required(f"{field}.licensee_names[{index}]", name)
    if message.mark_image_sha256:
        yield from _check_digest(f"{field}.mark_image_sha256", message.mark_image_sha256)
    if message.HasField("representative"):
        yield from _check_required(f"{field}.representative.name", message.representative.name)
        if digest := message.representative.power_of_attorney_sha256:
            yield from _check_digest(f"{field}.representative.power_of_attorney_sha256", digest)


def _check_required(field: str, value: str) -> Iterator[FieldViolation]:
    if not value.strip():
        yield FieldViolation(field, f"is empty; send 1 to {MAX_TEXT_CHARACTERS} characters")
    yield from check_text(field, value, limit=MAX_TEXT_CHARACTERS)


def _check_digest(field: str, value: str) -> Iterator[FieldViolation]:
    yield from (FieldViolation(field, one.description) for one in check_digests(field, [value], limit=1))


def _check_count(field: str, count: int, *, limit: int) -> Iterator[FieldViolation]:
    if count > limit:
        yield FieldViolation(field, f"has {count} values; send at most {limit}")


def _check_date(field: str, message: brand_pb2.RightRecord, name: str) -> Iterator[FieldViolation]:
    try:
        _date(message, name)
    except (ValueError, OverflowError):
        day = getattr(message, name)
        written = shown(f"{day.year}-{day.month}-{day.day}")
        yield FieldViolation(field, f"{written} is no day of the years 1 to 9999; send year, month and day")


def _date(message: Any, name: str) -> date | None:
    if not message.HasField(name):
        return None
    day: Date = getattr(message, name)
    return date(day.year, day.month, day.day)
