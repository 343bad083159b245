"""How broad is a reference, and with what does it collide? Asked before one becomes active."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.records import ReferenceKind, ReferenceScope, ReferenceState
from serving.access.caller import BRAND_OWNER, Caller

_COUNTERFEIT = "Listings with copies of a counterfeit are taken down, so a moderator looks at its picture first."


@dataclass(frozen=True, kw_only=True)
class Collision:
    """A reference of another brand that looks the same, by cosine, -1..1."""

    reference_id: str
    brand_id: str
    brand: str
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What a reference would hit, and the state that it would get for it: ACTIVE, or QUARANTINED with the reason."""

    scope: ReferenceScope
    collisions: tuple[Collision, ...]
    state: ReferenceState
    reason: str


def as_sent_by(caller: Caller, kind: ReferenceKind, found: Assessment) -> Assessment:
    """Hold back what is not a brand owner's to put in force: a copy of a known counterfeit is taken down unseen."""
    if kind is not ReferenceKind.COUNTERFEIT or BRAND_OWNER not in caller.roles:
        return found
    if found.state is not ReferenceState.ACTIVE:
        return found
    return replace(found, state=ReferenceState.QUARANTINED, reason=_COUNTERFEIT)


class Assessor(Protocol):
    """Judges references before they are active."""

    def assess(self, brand_id: str, vectors: NDArray[np.float32], *, marks: bool) -> Assessment:
        """Judge a reference of a brand by its views, float32 [n, dim] unit rows; `marks`: it shows a mark."""
