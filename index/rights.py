"""Is a right one that a register could show, and does it hold here and today? Codes, numbers, dates and territories.

Offices are WIPO ST.3 codes. Application numbers follow WIPO ST.13 (revision of 2008): two digits for the type of right,
four for the year, nine for the serial number, after the office's code where that is written too. TMview and the Global
Brand Database name marks so, with 0000 where an office does not number by the year, as in EM500000004176283.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from index.brand_records import ExhaustionRegime, Right, RightStatus, RightType
from index.territories import is_territory, regions

# The classes of the Nice classification, 12th edition: 34 of goods, 11 of services.
NICE_CLASSES = range(1, 46)
# No register goes further back; the oldest mark in force in Britain was filed in 1876.
_FIRST_YEAR = 1800

# Members of the regional offices that register marks or designs, for whose whole territory one registration counts or
# may count: Benelux Convention; Bangui Agreement; Banjul Protocol, where each application designates some of them;
# Eurasian Patent Convention, designs; Patent Office of the Gulf Cooperation Council.
_REGIONAL = {
    "AP": ("BW", "CV", "GM", "LR", "LS", "MW", "MZ", "NA", "ST", "SZ", "TZ", "UG", "ZW"),
    "BX": ("BE", "LU", "NL"),
    "EA": ("AM", "AZ", "BY", "KG", "KZ", "RU", "TJ", "TM"),
    "GC": ("AE", "BH", "KW", "OM", "QA", "SA"),
    "OA": (
        *("BF", "BJ", "CF", "CG", "CI", "CM", "GA", "GN", "GQ"),
        *("GW", "KM", "ML", "MR", "NE", "SN", "TD", "TG"),
    ),
}
# Without a territory of marks or designs: EPO, WIPO (twice), plant varieties (CPVO, UPOV), and patent institutes.
_WITHOUT_TERRITORY = frozenset({"EP", "IB", "QZ", "WO", "XN", "XU", "XV"})
_ST13 = re.compile(r"(?P<office>[A-Z]{2})?(?P<type>[1-9][0-9])(?P<year>[0-9]{4})(?P<serial>[0-9]{9})")


def is_office(code: str) -> bool:
    """Tell whether it is a WIPO ST.3 code: a country's, or an organisation's that keeps a register."""
    return is_right_territory(code) or code in _WITHOUT_TERRITORY


def is_right_territory(code: str) -> bool:
    """Tell whether a right can hold there: an ISO 3166-1 alpha-2 code, or the ST.3 code of a regional office."""
    return code == "EM" or code in _REGIONAL or is_territory(code)


def countries_of_right(territory: str) -> tuple[str, ...]:
    """Return the countries in which a right of this territory may hold."""
    if territory == "EM":
        return regions()["EU"]
    return _REGIONAL.get(territory, (territory,))


def application_number_fault(number: str, *, office: str = "", latest_year: int) -> str:
    """Say what is wrong with an application number in ST.13 form; "" when nothing is.

    `office` is the register's ST.3 code, "" when it is not known; a code in front of the number must be the same.
    """
    parts = _ST13.fullmatch(number)
    if parts is None:
        return "is no ST.13 number: [office code,] two digits of type, four of year, nine of serial, without blanks"
    if parts["office"] and not is_office(parts["office"]):
        return f"begins with {parts['office']!r}, which is no WIPO ST.3 code"
    if parts["office"] and office and parts["office"] != office:
        return f"begins with {parts['office']!r}, and the register is that of {office!r}"
    year = int(parts["year"])
    if year and not _FIRST_YEAR <= year <= latest_year:
        return f"is of the year {year}; an ST.13 year lies in {_FIRST_YEAR} to {latest_year}, or is 0000"
    return ""


def right_faults(right: Right, *, today: date) -> Iterator[tuple[str, str]]:
    """Yield what contradicts itself or no register could show, each as the field's name and a description."""
    if right.office_code and not is_office(right.office_code):
        yield "office_code", f"{right.office_code!r} is no WIPO ST.3 code; send one such as EM or US"
    office = right.office_code if is_office(right.office_code) else ""
    if right.application_number:
        fault = application_number_fault(right.application_number, office=office, latest_year=today.year)
        if fault:
            yield "application_number", f"{right.application_number!r} {fault}"
    for name in ("territories", "exhaustion_territories"):
        for index, code in enumerate(getattr(right, name)):
            if not is_right_territory(code):
                yield f"{name}[{index}]", f"{code!r} is no ISO 3166-1 code and no regional office's, such as EM or BX"
    for index, number in enumerate(right.nice_classes):
        if number not in NICE_CLASSES:
            yield f"nice_classes[{index}]", f"{number} is no Nice class; send {NICE_CLASSES[0]} to {NICE_CLASSES[-1]}"
        elif number in right.nice_classes[:index]:
            yield f"nice_classes[{index}]", f"{number} stands there twice; remove one"
    yield from _contradictions(right, today)


def _contradictions(right: Right, today: date) -> Iterator[tuple[str, str]]:
    if right.type is RightType.WORD_MARK and not right.mark_text:
        yield "mark_text", "is missing; a word mark has the text that is protected"
    if right.filing_date and right.filing_date > today:
        yield "filing_date", f"{right.filing_date} is yet to come; correct it"
    if right.filing_date and right.registration_date and right.registration_date < right.filing_date:
        yield "registration_date", f"{right.registration_date} is before the filing on {right.filing_date}; correct one"
    if right.filing_date and right.expiry_date and right.expiry_date < right.filing_date:
        yield "expiry_date", f"{right.expiry_date} is before the filing on {right.filing_date}; correct one of them"
    if right.registration_date and right.expiry_date and right.expiry_date < right.registration_date:
        yield "expiry_date", f"{right.expiry_date} is before the registration on {right.registration_date}; correct one"
    if right.exhaustion_territories and right.exhaustion_regime is not ExhaustionRegime.REGIONAL:
        yield "exhaustion_territories", "are those of a region; send the regional regime with them, or leave them out"


def holds(right: Right, market: str, day: date) -> bool:
    """Tell whether a right is in force on `day` in `market`, an ISO 3166-1 alpha-2 code; "" asks for any.

    Its status must be registered and its last day not be over; a copyright needs no register, so that an unknown status
    does. Without territories it holds where its office is; a right of which neither is known holds nowhere for certain.
    """
    registered = right.status is RightStatus.REGISTERED
    unregistered = right.type is RightType.COPYRIGHT and right.status is RightStatus.UNKNOWN
    if not (registered or unregistered) or (right.expiry_date is not None and right.expiry_date < day):
        return False
    territories = right.territories or ((right.office_code,) if right.office_code else ())
    return not market or any(market in countries_of_right(territory) for territory in territories)
