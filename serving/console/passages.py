"""Which words gave the listing away? Pieces of its text with what was found in them marked.

The service keeps of a listing's text only what stands around a hit; where such pieces meet, they are one passage. What
leaves here is plain text in parts: templates escape it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from serving.console.drawing import enum_name
from touchstone.moderation.v1.evidence_pb2 import TextHit

# What the service keeps on each side of a hit, in characters: a side that has as many goes on.
_AROUND = 80


@dataclass(frozen=True)
class Part:
    """Characters that belong to the same hits; `kinds` is empty for those of none."""

    text: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A piece of one field. `is_cut` tells whether the field goes on before and after it, as far as is known."""

    field_name: str
    parts: tuple[Part, ...]
    hits: tuple[TextHit, ...]
    is_cut: tuple[bool, bool]


def passages_of(hits: Iterable[TextHit]) -> list[Passage]:
    """Put the hits of each field into passages, in the order of the text."""
    fields: dict[str, list[TextHit]] = {}
    for hit in hits:
        fields.setdefault(hit.field_name, []).append(hit)
    return [_passage(name, group) for name, found in fields.items() for group in _meeting(sorted(found, key=_span))]


def _span(hit: TextHit) -> tuple[int, int]:
    return hit.start - len(hit.before), hit.start + len(hit.matched) + len(hit.after)


def _meeting(hits: Sequence[TextHit]) -> Iterator[list[TextHit]]:
    """Group hits whose surroundings meet."""
    group, reach = [hits[0]], _span(hits[0])[1]
    for hit in hits[1:]:
        first, end = _span(hit)
        if first > reach:
            yield group
            group = []
        group.append(hit)
        reach = max(reach, end)
    yield group


def _passage(field_name: str, hits: Sequence[TextHit]) -> Passage:
    first, end = min(_span(hit)[0] for hit in hits), max(_span(hit)[1] for hit in hits)
    characters = [""] * (end - first)
    kinds: list[set[str]] = [set() for _ in characters]
    for hit in hits:
        begin = _span(hit)[0] - first
        for place, character in enumerate(hit.before + hit.matched + hit.after, begin):
            characters[place] = character
        for place in range(hit.start - first, hit.start - first + len(hit.matched)):
            kinds[place].add(enum_name(hit, "kind"))
    return Passage(
        field_name=field_name,
        parts=tuple(_parts(characters, kinds)),
        hits=tuple(hits),
        is_cut=(first > 0, any(_span(hit)[1] == end and len(hit.after) == _AROUND for hit in hits)),
    )


def _parts(characters: Sequence[str], kinds: Sequence[set[str]]) -> Iterator[Part]:
    begin = 0
    for place in range(1, len(characters) + 1):
        if place == len(characters) or kinds[place] != kinds[begin]:
            yield Part("".join(characters[begin:place]), tuple(sorted(kinds[begin])))
            begin = place
