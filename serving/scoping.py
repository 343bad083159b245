"""How broad is a reference, and with what does it collide? Asked before one becomes active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.records import ReferenceScope, ReferenceState


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


class Assessor(Protocol):
    """Judges references before they are active."""

    def assess(self, brand_id: str, vectors: NDArray[np.float32], *, marks: bool) -> Assessment:
        """Judge a reference of a brand by its views, float32 [n, dim] unit rows; `marks`: it shows a mark."""
