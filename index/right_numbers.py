"""Is a registration number one that its office could have given? The form of the larger offices' numbers.

The offices' own pages say how numbers are written: EUIPO (trade marks nine digits, designs nine and four), USPTO (up to
eight), UKIPO (UK and eleven digits, or seven of old), CNIPA (up to nine, and a letter for a part), WIPO (up to seven,
and a letter for a part). Numbers of other offices are taken as they are written.
"""

from __future__ import annotations

import re

from index.brand_records import Right, RightType

_MARKS = {
    "EM": (re.compile(r"\d{9}"), "nine digits, such as 004176283"),
    "US": (re.compile(r"\d{6,8}"), "six to eight digits, such as 1234567"),
    "GB": (re.compile(r"UK\d{11}|\d{6,7}[A-Z]?"), "UK and eleven digits, such as UK00003456789"),
    "CN": (re.compile(r"\d{5,9}[A-Z]?"), "five to nine digits, such as 1234567"),
    "WO": (re.compile(r"\d{5,7}[A-Z]?"), "five to seven digits, such as 1234567"),
    "IB": (re.compile(r"\d{5,7}[A-Z]?"), "five to seven digits, such as 1234567"),
}
_DESIGNS = {"EM": (re.compile(r"\d{9}-\d{4}"), "nine digits, a dash and four, such as 001234567-0001")}
# How people part digits.
_PARTS = str.maketrans("", "", " ,.")


def number_fault(right: Right) -> str:
    """Say what is wrong with a right's registration number; "" when nothing is, or nobody knows."""
    if not right.registration_number or right.type is RightType.COPYRIGHT:
        return ""
    forms = _DESIGNS if right.type is RightType.DESIGN else _MARKS
    known = forms.get(right.office_code)
    if known is None or known[0].fullmatch(right.registration_number.translate(_PARTS).upper()):
        return ""
    return f"{right.registration_number!r} is no number of {right.office_code}; its numbers have {known[1]}"
