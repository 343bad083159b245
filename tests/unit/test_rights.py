"""Is a right record one that a register could show, and does it hold here and today? By the pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.brand_records import ExhaustionRegime, Right, RightStatus, RightType
from index.rights import (
    application_number_fault,
    countries_of_right,
    holds,
    is_office,
    is_right_territory,
    right_faults,
)
from index.territories import is_territory

TODAY = date(2025, 9, 1)
MARK = Right(
    right_id="r",
    type=RightType.WORD_MARK,
    mark_text="AURORA",
    office_code="EM",
    application_number="EM500000004176283",
    nice_classes=(25,),
    status=RightStatus.REGISTERED,
    filing_date=date(2004, 11, 22),
    registration_date=date(2006, 2, 1),
    expiry_date=date(2034, 11, 22),
    territories=("EM",),
)


@pytest.mark.parametrize("code", ["DE", "US", "CN", "EM", "BX", "OA", "AP", "GC", "EA", "WO", "IB", "EP"])
def test_offices_have_st3_codes(code: str) -> None:
    """Countries and the organisations that keep registers are offices."""
    assert is_office(code)


@pytest.mark.parametrize("code", ["", "em", "EU", "UK", "XX", "EUIPO", "D", "EM "])
def test_other_codes_are_none(code: str) -> None:
    """What ISO 3166-1 and ST.3 do not have is neither an office nor a territory."""
    assert not is_office(code)
    assert not is_right_territory(code)


@pytest.mark.parametrize("code", ["WO", "IB", "EP", "QZ"])
def test_some_offices_have_no_territory(code: str) -> None:
    """An international registration holds where it designates, not "in WIPO"."""
    assert is_office(code)
    assert not is_right_territory(code)


@pytest.mark.parametrize("territory", ["AP", "BX", "EA", "EM", "GC", "OA"])
def test_regions_are_made_of_countries(territory: str) -> None:
    """Each regional office stands for countries, each of them once."""
    countries = countries_of_right(territory)

    assert len(set(countries)) == len(countries) > 1
    assert all(map(is_territory, countries))


@pytest.mark.parametrize("number", ["EM500000004176283", "US502012085550123", "502012085550123", "WO500000001234567"])
def test_st13_numbers_pass(number: str) -> None:
    """Numbers as the registers of marks print them pass, with and without the office in front."""
    assert application_number_fault(number, latest_year=2025) == ""


@pytest.mark.parametrize(
    ("number", "office", "fault"),
    [
        ("004176283", "", "no ST.13 number"),
        ("EM50000004176283", "", "no ST.13 number"),
        ("EM 50 0000 004176283", "", "no ST.13 number"),
        ("em500000004176283", "", "no ST.13 number"),
        ("EM000000004176283", "", "no ST.13 number"),
        ("EM50000000417628٣", "", "no ST.13 number"),
        ("XX500000004176283", "", "no WIPO ST.3 code"),
        ("EM500000004176283", "DE", "the register is that of 'DE'"),
        ("EM501799004176283", "", "of the year 1799"),
        ("EM502026004176283", "", "of the year 2026"),
    ],
)
def test_other_numbers_are_refused(number: str, office: str, fault: str) -> None:
    """What is no ST.13 number, of another office or of an impossible year is refused, and the message says which."""
    assert fault in application_number_fault(number, office=office, latest_year=2025)


@given(
    office=st.sampled_from(["", "EM", "US", "BX"]),
    kind=st.integers(10, 99),
    year=st.sampled_from([0, 1800, 1999, 2025]),
    serial=st.integers(0, 10**9 - 1),
)
def test_every_number_of_that_structure_passes(office: str, kind: int, year: int, serial: int) -> None:
    """Whatever the type, year and serial number: a number that is put together as ST.13 says passes."""
    number = f"{office}{kind:02}{year:04}{serial:09}"

    assert application_number_fault(number, office=office, latest_year=2025) == ""


def test_good_record_has_no_fault() -> None:
    """A complete record passes, and so does one of which hardly anything is known."""
    assert list(right_faults(MARK, today=TODAY)) == []
    assert list(right_faults(Right(right_id="r", type=RightType.COPYRIGHT), today=TODAY)) == []


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"mark_text": ""}, ["mark_text"]),
        ({"office_code": "ZZ"}, ["office_code"]),
        ({"office_code": "DE"}, ["application_number"]),
        ({"nice_classes": (0, 25, 46, 25)}, ["nice_classes[0]", "nice_classes[2]", "nice_classes[3]"]),
        ({"territories": ("EM", "WO")}, ["territories[1]"]),
        ({"filing_date": date(2025, 9, 2), "registration_date": None}, ["filing_date"]),
        ({"registration_date": date(2004, 11, 21)}, ["registration_date"]),
        ({"expiry_date": date(2004, 11, 21), "registration_date": None}, ["expiry_date"]),
        ({"expiry_date": date(2005, 1, 1)}, ["expiry_date"]),
        ({"exhaustion_territories": ("DE",)}, ["exhaustion_territories"]),
        (
            {"exhaustion_regime": ExhaustionRegime.REGIONAL, "exhaustion_territories": ("EEA",)},
            ["exhaustion_territories[0]"],
        ),
    ],
)  # fmt: skip
def test_contradictions_are_named(changed: dict[str, Any], fields: list[str]) -> None:
    """What contradicts itself, and what no register could show, is named by its field."""
    assert [name for name, _ in right_faults(replace(MARK, **changed), today=TODAY)] == fields


@pytest.mark.parametrize(
    ("changed", "market", "expected"),
    [
        ({}, "DE", True),
        ({}, "US", False),
        ({}, "", True),
        ({"territories": ()}, "FR", True),
        ({"territories": (), "office_code": ""}, "FR", False),
        ({"territories": ("US", "BX")}, "NL", True),
        ({"status": RightStatus.PENDING}, "DE", False),
        ({"status": RightStatus.ENDED}, "DE", False),
        ({"status": RightStatus.EXPIRED}, "DE", False),
        ({"status": RightStatus.UNKNOWN}, "DE", False),
        ({"type": RightType.COPYRIGHT, "status": RightStatus.UNKNOWN}, "DE", True),
        ({"expiry_date": TODAY}, "DE", True),
        ({"expiry_date": date(2025, 8, 31)}, "DE", False),
        ({"expiry_date": None}, "DE", True),
    ],
)
def test_right_holds_while_and_where_it_is_in_force(changed: dict[str, Any], market: str, *, expected: bool) -> None:
    """A right holds when it is registered, to the end of its last day, in the countries of its territories."""
    assert holds(replace(MARK, **changed), market, TODAY) is expected
