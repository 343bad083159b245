"""Is a serial number written as the brand writes its own? Templates such as AA-9999, and nothing that could run long.

"A" is a letter, "9" a digit, "X" either; any other character is itself, and so is each after a backslash. A number that
fits has the brand's format. That does not make goods genuine: who copies goods copies numbers.
"""

from __future__ import annotations

import string
import unicodedata

MAX_TEMPLATE_CHARACTERS = 64
MAX_SERIAL_CHARACTERS = 100

_ESCAPE = "\\"
_CLASSES = {
    "A": frozenset(string.ascii_uppercase),
    "9": frozenset(string.digits),
    "X": frozenset(string.ascii_uppercase + string.digits),
}


def template_fault(template: str) -> str:
    """Say what is wrong with a template, for its author; "" when nothing is."""
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        return f"has {len(template)} characters; send at most {MAX_TEMPLATE_CHARACTERS}"
    if template != template.strip() or not (template.isascii() and template.isprintable()):
        return "holds something else than printable ASCII, or blanks at an end; remove it"
    if template and _places(template) is None:
        return "ends with a backslash; name the character that it makes stand for itself"
    if template and all(len(place) == 1 for place in _places(template) or ()):
        return "has no A, 9 or X, so that one number only would fit"
    return ""


def fits(template: str, serial: str) -> bool:
    """Tell whether a number has the format; small and full-width letters count as capitals, blanks around it do not."""
    places = _places(template) or []
    written = unicodedata.normalize("NFKC", serial).strip().upper()
    return len(written) == len(places) and all(sign in place for sign, place in zip(written, places, strict=True))


def _places(template: str) -> list[frozenset[str]] | None:
    """Return what may stand at each place; None for a backslash at the end."""
    places: list[frozenset[str]] = []
    signs = iter(template)
    for sign in signs:
        if sign != _ESCAPE:
            places.append(_CLASSES.get(sign, frozenset(sign.upper())))
            continue
        literal = next(signs, "")
        if not literal:
            return None
        places.append(frozenset(literal.upper()))
    return places
