"""Does a right come out of its form as it went in, and is it told how it stands? Every field, every standing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from google.type.date_pb2 import Date

from serving.console.right_records import FIELDS, faults_by_field, fields_of, parts, standing, standing_rights, write
from tests.integration.brand_support import a_right
from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1.brand_pb2 import Brand, Mark, RightRecord

TODAY = date(2026, 11, 23)


def day(text: str) -> Date:
    """Make a day."""
    read = date.fromisoformat(text)
    return Date(year=read.year, month=read.month, day=read.day)


def test_a_form_that_is_sent_back_changes_nothing() -> None:
    """What it shows is read as it was, and what it does not show stays."""
    right = a_right()
    before = RightRecord.FromString(right.SerializeToString())

    faults = write(fields_of(right), right)

    assert faults == []
    assert right == before


def test_what_is_emptied_is_gone() -> None:
    """Of the form's fields, that is."""
    right = a_right()

    faults = write(dict.fromkeys(FIELDS, ""), right)

    assert faults == []
    kept = {field.name for field, _ in right.ListFields()}
    hidden = {"mark_image_sha256", "representative", "licensee_names", "exhaustion_regime", "exhaustion_territories"}
    assert kept == {"right_id", *hidden}


@pytest.mark.parametrize(
    ("typed", "faults"),
    [
        ({"expiry_date": "tomorrow"}, ["expiry_date"]),
        ({"filing_date": "2026-02-30"}, ["filing_date"]),
        ({"nice_classes": "18, shoes"}, ["nice_classes"]),
        ({"nice_classes": "1".rjust(400, "9")}, ["nice_classes"]),
        ({"type": "PATENT", "status": "<b>"}, []),  # which the service refuses, or takes for unknown
    ],
)
def test_what_cannot_be_read_is_named(typed: dict[str, str], faults: list[str]) -> None:
    """By its field."""
    right = RightRecord()

    assert write(dict.fromkeys(FIELDS, "") | typed, right) == faults
    assert (right.type, right.status) == (brand_pb2.RIGHT_TYPE_UNSPECIFIED, brand_pb2.RIGHT_STATUS_UNSPECIFIED)


def test_lists_are_read_as_people_write_them() -> None:
    """With commas of either language, in small letters, with an end left open."""
    right = RightRecord()
    write(dict.fromkeys(FIELDS, "") | {"territories": "em， ch,", "nice_classes": "18、25"}, right)

    assert (list(right.territories), list(right.nice_classes)) == (["EM", "CH"], [18, 25])
    assert parts(" , ") == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"status": brand_pb2.RIGHT_STATUS_REGISTERED, "expiry_date": day("2034-11-22")}, "IN_FORCE"),
        ({"status": brand_pb2.RIGHT_STATUS_REGISTERED, "expiry_date": None}, "IN_FORCE"),
        ({"status": brand_pb2.RIGHT_STATUS_REGISTERED, "expiry_date": day("2027-05-22")}, "SOON"),
        ({"status": brand_pb2.RIGHT_STATUS_REGISTERED, "expiry_date": day("2027-05-23")}, "IN_FORCE"),
        ({"status": brand_pb2.RIGHT_STATUS_REGISTERED, "expiry_date": day("2026-11-23")}, "SOON"),
        ({"status": brand_pb2.RIGHT_STATUS_REGISTERED, "expiry_date": day("2026-11-22")}, "EXPIRED"),
        ({"status": brand_pb2.RIGHT_STATUS_EXPIRED, "expiry_date": day("2034-11-22")}, "EXPIRED"),
        ({"status": brand_pb2.RIGHT_STATUS_ENDED, "expiry_date": day("2026-11-22")}, "ENDED"),
        ({"status": brand_pb2.RIGHT_STATUS_PENDING, "expiry_date": None}, "PENDING"),
        ({"status": brand_pb2.RIGHT_STATUS_UNSPECIFIED, "expiry_date": None}, "UNKNOWN"),
        ({"status": brand_pb2.RIGHT_STATUS_UNSPECIFIED, "expiry_date": Date(year=2034)}, "UNKNOWN"),
        (
            {"status": brand_pb2.RIGHT_STATUS_UNSPECIFIED, "type": brand_pb2.RIGHT_TYPE_COPYRIGHT, "expiry_date": None},
            "FREE",
        ),
    ],
)
def test_a_right_is_told_as_it_stands(fields: dict[str, Any], told: str) -> None:
    """By its status, and by its last day, which is part of its time."""
    found = standing(a_right(**fields), [Mark(name="stripes", right_ids=["word"]), Mark(name="cat")], TODAY)

    assert (found.standing, found.ends, found.marks) == (told, told in ("SOON", "EXPIRED"), ["stripes"])


def test_those_that_need_care_come_first() -> None:
    """And those that were given up last."""
    brand = Brand(
        rights=[
            a_right("given-up", status=brand_pb2.RIGHT_STATUS_ENDED),
            a_right("good"),
            a_right("over", expiry_date=day("2020-01-01")),
        ]
    )

    assert [one.record.right_id for one in standing_rights(brand, TODAY)] == ["over", "good", "given-up"]


def test_what_the_service_says_is_told_beside_its_field() -> None:
    """Of the right that was typed; of another one, and of the brand, above the form."""
    said = {
        "brand.rights[1].territories[0]": "is none",
        "brand.rights[1].territories[2]": "is none either",
        "brand.rights[0].type": "is missing",
        "brand.rights[1].representative.name": "is empty",
        "brand.etag": "is no etag",
    }

    own, others = faults_by_field(said, 1)

    assert own == {"territories": "is none; is none either"}
    assert others == [
        "brand.rights[0].type: is missing",
        "brand.rights[1].representative.name: is empty",
        "brand.etag: is no etag",
    ]
