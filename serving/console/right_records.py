"""How is a right typed, and how does it stand today? A form's fields to a `RightRecord` and back, for people.

The fields of the form have the names of the record's, so that what the service says of one is told beside it. What the
form does not show, such as licensees, stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from google.type.date_pb2 import Date

from serving.console.days import to_day
from serving.console.drawing import enum_name
from touchstone.moderation.v1.brand_pb2 import Brand, Mark, RightRecord, RightStatus, RightType

TYPES = ("WORD_MARK", "FIGURATIVE_MARK", "DESIGN", "COPYRIGHT")
STATUSES = ("REGISTERED", "PENDING", "EXPIRED", "ENDED")
# So long before its last day a right is told to end soon: offices take renewals six months before it.
SOON = timedelta(days=180)
_TEXTS = (
    "mark_text", "owner_name", "office_code", "registration_number", "application_number",
    "international_registration_number",
)  # fmt: skip
_DAYS = ("filing_date", "registration_date", "expiry_date")
FIELDS = ("type", "status", *_TEXTS, "nice_classes", "territories", *_DAYS)
_CLASS = re.compile("[0-9]{1,2}")
_PATH = re.compile(r"brand\.rights\[(\d+)\]\.([a-z_]+)")


@dataclass(frozen=True, kw_only=True)
class StandingRight:
    """A right as it stands on a day: `standing` is what to tell of it, and `marks` are those that it protects."""

    record: RightRecord
    standing: str
    last_day: date | None
    marks: Sequence[str]

    @property
    def ends(self) -> bool:
        """Whether it has run out, or soon will."""
        return self.standing in ("EXPIRED", "SOON")


def fields_of(right: RightRecord) -> dict[str, str]:
    """Write a right as the form shows it."""
    typed = {name: str(getattr(right, name)) for name in _TEXTS}
    typed |= {name: day.isoformat() if (day := _day(right, name)) else "" for name in _DAYS}
    typed["nice_classes"] = ", ".join(map(str, right.nice_classes))
    typed["territories"] = ", ".join(right.territories)
    for name in ("type", "status"):
        value = enum_name(right, name)
        typed[name] = "" if value == "UNSPECIFIED" else value
    return typed


def write(typed: Mapping[str, str], right: RightRecord) -> list[str]:
    """Put what was typed into a right. Returns the names of fields that cannot be read; the right is of no use then."""
    faults = []
    for name in _TEXTS:
        setattr(right, name, typed[name])
    right.type = RightType.Value(f"RIGHT_TYPE_{typed['type']}" if typed["type"] in TYPES else "RIGHT_TYPE_UNSPECIFIED")
    known = typed["status"] in STATUSES
    right.status = RightStatus.Value(f"RIGHT_STATUS_{typed['status'] if known else 'UNSPECIFIED'}")
    classes = parts(typed["nice_classes"])
    if not all(_CLASS.fullmatch(part) for part in classes):
        faults.append("nice_classes")
    right.nice_classes[:] = [int(part) for part in classes if _CLASS.fullmatch(part)]
    right.territories[:] = [part.upper() for part in parts(typed["territories"])]
    for name in _DAYS:
        right.ClearField(name)  # type: ignore[arg-type]
        day = to_day(typed[name])
        if day is not None:
            getattr(right, name).CopyFrom(Date(year=day.year, month=day.month, day=day.day))
        elif typed[name]:
            faults.append(name)
    return faults


def parts(text: str) -> list[str]:
    """Read what is separated by commas."""
    return [part.strip() for part in re.split("[,，、]", text) if part.strip()]


def faults_by_field(fields: Mapping[str, str], index: int) -> tuple[dict[str, str], list[str]]:
    """Sort what the service says of a brand: of the fields of its right `index`, and of everything else."""
    own: dict[str, str] = {}
    others = []
    for path, text in fields.items():
        found = _PATH.match(path)
        if found and int(found[1]) == index and found[2] in FIELDS:
            own[found[2]] = f"{own[found[2]]}; {text}" if found[2] in own else text
        else:
            others.append(f"{path}: {text}")
    return own, others


def standing(right: RightRecord, marks: Sequence[Mark], today: date) -> StandingRight:
    """Tell how a right stands: IN_FORCE, SOON (it ends), EXPIRED, ENDED, PENDING, FREE of any register, or UNKNOWN."""
    last = _day(right, "expiry_date")
    status = enum_name(right, "status")
    if status in ("ENDED", "PENDING", "EXPIRED"):
        told = status
    elif last is not None and last < today:
        told = "EXPIRED"
    elif status == "REGISTERED":
        told = "SOON" if last is not None and last - today <= SOON else "IN_FORCE"
    else:
        told = "FREE" if enum_name(right, "type") == "COPYRIGHT" else "UNKNOWN"
    named = [mark.name or mark.mark_id for mark in marks if right.right_id in mark.right_ids]
    return StandingRight(record=right, standing=told, last_day=last, marks=named)


def standing_rights(brand: Brand, today: date) -> list[StandingRight]:
    """Tell how a brand's rights stand, those that need somebody's care first, those that were given up last."""
    found = [standing(right, brand.marks, today) for right in brand.rights]
    return sorted(found, key=lambda one: (not one.ends, one.standing == "ENDED"))


def _day(right: RightRecord, name: str) -> date | None:
    """Return a day that is whole; a register may know the year alone."""
    if not right.HasField(name):  # type: ignore[arg-type]
        return None
    day: Date = getattr(right, name)
    try:
        return date(day.year, day.month, day.day)
    except ValueError:
        return None
