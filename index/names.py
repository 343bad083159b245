"""Do two spellings name the same brand? One normal form for names, used when they are stored and when they are sought.

"Hermès" and "HERMES", "Levi’s" and "Levis", "Coca-Cola" and "Coca Cola" come out equal; the full-width letters of
Chinese and Japanese input come out as plain ones. Look-alikes ("Adibas") are another matter and do not.
"""

from __future__ import annotations

import re
import unicodedata

# Accents of Latin, Greek and Cyrillic; the marks of other scripts (が is not か) change the letter and stay.
_ACCENTS = re.compile("[\u0300-\u036f]")
_APOSTROPHES = re.compile("['`\u00b4\u2018\u2019\u02bc\uff07]")
_GAPS = re.compile(r"[\s\-\u2010-\u2015_]+")


def normalise_name(name: str) -> str:
    """Return the form in which names are compared; "" when nothing of the name is left."""
    decomposed = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", name))
    plain = unicodedata.normalize("NFKC", _ACCENTS.sub("", decomposed)).casefold()
    return _GAPS.sub(" ", unicodedata.normalize("NFKC", plain)).strip()
