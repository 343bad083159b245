"""Who decides on a reference, and what becomes of it then? Reviews and retirements, from a wish to the new state.

What is too broad or collides is for somebody else than its owner to release: an owner that could would hold back other
sellers' goods by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.errors import Conflict
from index.records import Reference, ReferenceScope, ReferenceState
from index.store.store import Store
from serving.access.caller import BRAND_OWNER, Caller
from serving.errors import FieldViolation, InvalidListing, PermissionDenied
from serving.narrowing import unless_narrowed
from serving.rejections import unless_rejected_before
from serving.scoping import Assessment, Assessor, as_sent_by
from serving.visibility import visible_reference
from serving.wire.reference import Change


@dataclass(frozen=True)
class Reviews:
    """Changes the state of references. `fingerprint` is the model's whose embeddings are assessed."""

    store: Store
    assessor: Assessor
    fingerprint: str

    def decide(self, change: Change, caller: Caller) -> Reference:
        """Bring a reference into the wanted state, or into quarantine when it proves too broad to be activated.

        Reaching the state that it is in already changes nothing.

        Raises:
            NotFound: there is no such reference, or the caller may not see it.
            PermissionDenied: a brand owner wants to release what is quarantined.
            InvalidListing: what is quarantined is released without a reason.
            Conflict: it was changed since the caller read it, or its state does not allow the wish.

        """
        seen = visible_reference(self.store, change.reference_id, caller)
        if seen.state is change.wanted:
            return seen
        if change.revision not in (None, seen.revision):
            # What is judged below is what was seen here: a revision that is yet to come must not stand for it.
            raise Conflict(f"The reference {seen.reference_id!r} was changed since you read it; read it again.")
        if change.wanted is not ReferenceState.ACTIVE:
            return self._move(change, seen, change.wanted, change.reason, actor=caller.name)
        if seen.state is ReferenceState.QUARANTINED:
            _check_release(change, caller)
        found = as_sent_by(caller, seen.kind, self._assess(seen))
        found = unless_narrowed(found, seen.brand_id, caller, store=self.store)
        if seen.state is ReferenceState.PENDING and found.state is not ReferenceState.ACTIVE:
            return self._move(change, seen, found.state, found.reason, found.scope, actor=caller.name)
        reason = change.reason or found.reason
        return self._move(change, seen, ReferenceState.ACTIVE, reason, found.scope, actor=caller.name)

    def _move(
        self,
        change: Change,
        seen: Reference,
        state: ReferenceState,
        reason: str,
        scope: ReferenceScope | None = None,
        *,
        actor: str,
    ) -> Reference:
        return self.store.set_reference_state(
            change.reference_id, state, reason=reason, scope=scope, revision=seen.revision, actor=actor
        )

    def _assess(self, reference: Reference) -> Assessment:
        embeddings = self.store.embeddings_of(reference.reference_id, self.fingerprint)
        if not embeddings:
            raise Conflict(
                f"The reference {reference.reference_id!r} was embedded by another model only; "
                "upload its file again, then activate it."
            )
        vectors = np.stack([embedding.vector for embedding in embeddings])
        found = self.assessor.assess(reference.brand_id, vectors, marks=reference.shows_mark)
        return unless_rejected_before(found, reference, vectors, store=self.store, fingerprint=self.fingerprint)


def _check_release(change: Change, caller: Caller) -> None:
    if BRAND_OWNER in caller.roles:
        raise PermissionDenied(
            f"The reference {change.reference_id!r} is quarantined; a moderator decides whether it is matched."
        )
    if not change.reason:
        raise InvalidListing((FieldViolation("reason", "is empty; say why it is released from quarantine"),))
