"""Are two names one person's? What differs by case, width or spaces alone is, wherever two people must agree."""

from __future__ import annotations

import unicodedata


def same_person(one: str, other: str) -> bool:
    """Tell whether two names are spellings of one. Names that differ otherwise may still be one person's."""
    return _spelled(one) == _spelled(other)


def _spelled(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
