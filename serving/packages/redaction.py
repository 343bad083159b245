"""What is left out of a package's document, and does the document say so? Gaps named, personal fields taken out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from serving.disclosure import Disclosure
from serving.packages.parts import PERSONAL, Part
from serving.packages.schema import Document

P = TypeVar("P", bound=Part)


def finished(document: Document, disclosed: Disclosure) -> Document:
    """Say what is not held, take out what the audience is not told, and say that it was."""
    gaps = tuple(dict.fromkeys(missing(document)))
    withheld: set[str] = set()
    told = document if disclosed.everything else _without_personal(document, "", disclosed, withheld)
    return told.model_copy(update={"not_held": gaps, "withheld": tuple(sorted(withheld))})


def missing(part: Part, prefix: str = "") -> Iterator[str]:
    """Name the fields that hold nothing, with dots; those of any item of a list as `list[].field`."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if value is None:
            yield prefix + name
        elif isinstance(value, Part):
            yield from missing(value, f"{prefix}{name}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], Part):
            for one in value:
                yield from missing(one, f"{prefix}{name}[].")


def _without_personal(part: P, prefix: str, disclosed: Disclosure, withheld: set[str]) -> P:
    changed: dict[str, Any] = {}
    for name, field in type(part).model_fields.items():
        value, path = getattr(part, name), prefix + name
        if PERSONAL in field.metadata:
            by_law = path.startswith("seller.") and name in disclosed.seller_fields
            if value is not None and not by_law:
                changed[name] = None
                withheld.add(path)
        elif isinstance(value, Part):
            changed[name] = _without_personal(value, f"{path}.", disclosed, withheld)
        elif isinstance(value, tuple) and value and isinstance(value[0], Part):
            changed[name] = tuple(_without_personal(one, f"{path}[].", disclosed, withheld) for one in value)
    return part.model_copy(update=changed)
