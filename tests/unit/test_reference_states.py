"""What may become of a reference is a table, and everything that is not in it is refused."""

from __future__ import annotations

import itertools

import pytest

from index.errors import Conflict
from index.records import ReferenceState
from index.reference_states import check_transition, following

PENDING, ACTIVE, RETIRED, QUARANTINED, REJECTED = ReferenceState
ALLOWED = {
    (PENDING, ACTIVE), (PENDING, QUARANTINED), (PENDING, REJECTED), (PENDING, RETIRED),
    (QUARANTINED, ACTIVE), (QUARANTINED, REJECTED), (QUARANTINED, RETIRED),
    (ACTIVE, QUARANTINED), (ACTIVE, RETIRED),
}  # fmt: skip


@pytest.mark.parametrize(("present", "wanted"), list(itertools.product(ReferenceState, ReferenceState)))
def test_only_what_the_table_holds_may_follow(present: ReferenceState, wanted: ReferenceState) -> None:
    """Of the 25 pairs of states nine are allowed; the error of another names both states and what is possible."""
    if (present, wanted) in ALLOWED:
        check_transition("r", present, wanted)
        return

    with pytest.raises(Conflict, match=f"'r' is {present} and cannot become {wanted}") as refused:
        check_transition("r", present, wanted)

    possible = sorted(after for before, after in ALLOWED if before is present)
    assert str(refused.value).endswith(f"is {', '.join(possible) or 'nothing: it is final'}.")


def test_final_states_are_those_that_nothing_follows() -> None:
    """What is retired or rejected stays so."""
    assert {state for state in ReferenceState if not following(state)} == {RETIRED, REJECTED}
