"""What may become of a reference? The states that follow each state; `index.store.references` asks before a change."""

from __future__ import annotations

from collections.abc import Mapping

from index.errors import Conflict
from index.records import ReferenceState

_FOLLOWING: Mapping[ReferenceState, frozenset[ReferenceState]] = {
    ReferenceState.PENDING: frozenset(
        {ReferenceState.ACTIVE, ReferenceState.QUARANTINED, ReferenceState.REJECTED, ReferenceState.RETIRED}
    ),
    ReferenceState.QUARANTINED: frozenset({ReferenceState.ACTIVE, ReferenceState.REJECTED, ReferenceState.RETIRED}),
    ReferenceState.ACTIVE: frozenset({ReferenceState.QUARANTINED, ReferenceState.RETIRED}),
    ReferenceState.REJECTED: frozenset(),
    ReferenceState.RETIRED: frozenset(),
}


def following(state: ReferenceState) -> frozenset[ReferenceState]:
    """Return the states that may follow; none follows a final one."""
    return _FOLLOWING[state]


def check_transition(reference_id: str, present: ReferenceState, wanted: ReferenceState) -> None:
    """Raise Conflict unless a reference may go from one state to the other."""
    allowed = following(present)
    if wanted not in allowed:
        choice = ", ".join(sorted(allowed)) or "nothing: it is final"
        raise Conflict(
            f"The reference {reference_id!r} is {present} and cannot become {wanted}; what can follow is {choice}."
        )
