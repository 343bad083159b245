"""What is answered while a part is away? The rules of degraded operation, as pure functions (docs/degraded.md).

Whatever is missing, a listing is never let through for want of it: it goes to REVIEW with a reason, or the caller is
told UNAVAILABLE and asks again.
"""

from __future__ import annotations

from dataclasses import replace

from index.errors import Conflict, NotFound, NotPermitted, StoreError
from serving.domain import Decision, Reason, Verdict
from vision.errors import ModelUnavailable

STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
INDEX_STALE = "INDEX_STALE"
STAGE_FAILED = "STAGE_FAILED"

_ANSWERS_OF_THE_STORE = (NotFound, Conflict, NotPermitted)
# Without these nothing was seen of the photos: a person would have to look at each and every listing.
_SEEING = frozenset({"embed"})


def store_is_away(error: BaseException) -> bool:
    """Tell whether an error is the store's absence, and not something that it answered."""
    return isinstance(error, StoreError) and not isinstance(error, _ANSWERS_OF_THE_STORE)


def ends_the_listing(stage: str, error: BaseException) -> bool:
    """Tell whether a stage's error leaves no decision worth taking: what runs the model is away, so nothing was seen.

    The caller gets UNAVAILABLE and asks again, another replica perhaps; as a REVIEW each listing of an outage would
    wait for a person. Any other failure, of a model too, skips its stage and leaves a reason.
    """
    return stage in _SEEING and isinstance(error, ModelUnavailable)


def fault_of(stage: str, error: BaseException) -> Reason:
    """Say what a stage that was skipped means for the decision, which is never ALLOW then."""
    if store_is_away(error):
        return Reason(
            STORE_UNAVAILABLE, f"The store did not answer the {stage} stage, which was skipped; a person must look"
        )
    return Reason(STAGE_FAILED, f"The {stage} stage failed and was skipped; a person must look")


def unrecorded(decision: Decision, *, decision_id: str) -> Decision:
    """Return the decision that stands in for one that the store could not take, to be kept on disk until it can.

    REVIEW at least: ALLOW becomes REVIEW. TAKEDOWN stays one only when its evidence is whole: of a legal hold, say,
    nothing is known while the store is away. It has an id of its own, for the first one's may turn out to be on record.
    """
    partial = any(reason.code in (STORE_UNAVAILABLE, STAGE_FAILED) for reason in decision.reasons)
    takedown = decision.verdict is Verdict.TAKEDOWN and not partial
    reason = Reason(STORE_UNAVAILABLE, "The store could not take the decision; it is recorded when the store is back")
    return replace(
        decision,
        decision_id=decision_id,
        verdict=Verdict.TAKEDOWN if takedown else Verdict.REVIEW,
        certificate_id=decision.certificate_id if takedown else "",
        reasons=(reason, *decision.reasons),
    )


def staleness(age_s: float | None, limit_s: float, version: str) -> Reason | None:
    """Say that the index, `version`, was last known to be the store's so many seconds ago, when that is too long.

    None as age: nothing renews it here, as in a command that runs for one listing.
    """
    if age_s is None or age_s <= limit_s:
        return None
    return Reason(
        INDEX_STALE, f"The index {version} has not been brought up to date for {age_s:.0f} s; a person must look"
    )
