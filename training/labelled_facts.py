"""What was known of a listing, and was it counterfeit? Labelled facts, which fusion is fitted on, in and out of files.

They come from `eval decisions --facts` and from people's verdicts on stored decisions. A file is JSON Lines:

    {"listing_id": "a1", "infringing": true, "facts": {"price.score": 4.1, "seller.verified": false, ...}}

A fact that a line lacks has the value that stands for "nothing found", so that files outlive new facts; names that are
no facts are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from index.errors import CatalogueError
from index.verdicts import HumanVerdict, VerdictSource
from serving.facts import FACTS, Fact, Facts, Value

_BATCH = 1000  # verdicts that are read at a time


@dataclass(frozen=True, kw_only=True)
class LabelledFacts:
    """One listing: what was known when it was decided, and what people found."""

    listing_id: str
    facts: Facts
    infringing: bool


class Verdicts(Protocol):
    """Where people's verdicts are kept: `index.store.verdicts`."""

    def verdicts_after(self, number: int, *, limit: int = 1000) -> tuple[HumanVerdict, ...]:
        """Return up to `limit` verdicts that came after `number`, oldest first."""


FactsOf = Callable[[str], Facts | None]
"""Gives the facts that a decision rested on, by its id; None where they are not kept."""


def read_labelled_facts(path: Path) -> Iterator[LabelledFacts]:
    """Yield the lines of the file at `path`, in order. Raises CatalogueError that names file, line and remedy."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _parsed(line, where=f"{path}:{number}")
    except OSError as error:
        raise CatalogueError(f"{path}: the facts cannot be read: {error.strerror or error}.") from error


def write_labelled_facts(path: Path, rows: Iterable[LabelledFacts]) -> None:
    """Write one line a listing, in order, over what is at `path`; a figure that is none is left out."""
    with path.open("w", encoding="utf-8") as lines:
        for row in rows:
            facts = {name: value for name, value in row.facts.values.items() if _is_finite(value)}
            values = {"listing_id": row.listing_id, "infringing": row.infringing, "facts": facts}
            lines.write(json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n")


def facts_of_verdicts(verdicts: Verdicts, facts_of: FactsOf) -> Iterator[LabelledFacts]:
    """Yield the decisions that people judged with their facts, in the order of the last word on each.

    Undone verdicts count no more; appeals never do, for only who was refused appeals. Decisions without stored facts
    are left out.
    """
    last: dict[str, HumanVerdict] = {}
    number = 0
    while batch := verdicts.verdicts_after(number, limit=_BATCH):
        for verdict in batch:
            last.pop(verdict.decision_id, None)
            last[verdict.decision_id] = verdict
        number = batch[-1].number
    for verdict in last.values():
        if verdict.undone or verdict.source is VerdictSource.APPEAL:
            continue
        facts = facts_of(verdict.decision_id)
        if facts is not None:
            yield LabelledFacts(
                listing_id=verdict.listing_id, facts=_complete(facts.values), infringing=verdict.infringing
            )


def _parsed(line: bytes, *, where: str) -> LabelledFacts:
    try:
        row = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
        listing_id, infringing, values = row["listing_id"], row["infringing"], row["facts"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CatalogueError(
            f"{where}: not a line of labelled facts ({error!r}); a line has listing_id, infringing and facts."
        ) from error
    if not isinstance(infringing, bool) or not isinstance(values, dict):
        raise CatalogueError(f"{where}: infringing must be true or false, and facts an object of values by fact.")
    for name, value in values.items():
        if name in FACTS and not _fits(value, FACTS[name]):
            raise CatalogueError(f"{where}: {name}: {value!r:.80} is not allowed; give a value of {FACTS[name].type}.")
    return LabelledFacts(listing_id=str(listing_id), facts=_complete(values), infringing=infringing)


def _complete(values: Mapping[str, Any]) -> Facts:
    return Facts({name: values.get(name, fact.neutral) for name, fact in FACTS.items()})


def _fits(value: object, fact: Fact) -> bool:
    match fact.type:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "double":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "string":
            return isinstance(value, str)
        case _:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_finite(value: Value) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number")
