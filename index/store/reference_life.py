"""What becomes of a reference? One upload at a time, changes of state, and pages of one brand's.

A change of state is compared with the state that was read: of two who decide at once exactly one does. Each is logged
as a change of the reference, which is how replicas learn of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, and_, or_, select, update

from index.brand_records import RegistryAction, RegistryEvent
from index.errors import Conflict
from index.records import (
    ChangeKind,
    Reference,
    ReferenceEmbedding,
    ReferenceFeatures,
    ReferenceKind,
    ReferenceScope,
    ReferenceState,
)
from index.reference_states import check_transition
from index.rulings import RequestKey
from index.store.brands import require_brands, require_marks
from index.store.changes import log_changes
from index.store.engine import Database, insert_new
from index.store.reference_rows import (
    embedding_row,
    find_reference,
    no_reference,
    reference_row,
    scope_columns,
    to_reference,
)
from index.store.registry_events import note_change
from index.store.requests import claim_request
from index.store.tables.references import reference_embeddings, reference_features, references

_DONE = {
    ReferenceState.ACTIVE: RegistryAction.REFERENCE_ACTIVATED,
    ReferenceState.QUARANTINED: RegistryAction.REFERENCE_QUARANTINED,
    ReferenceState.REJECTED: RegistryAction.REFERENCE_REJECTED,
    ReferenceState.RETIRED: RegistryAction.REFERENCE_RETIRED,
}


@dataclass(frozen=True, kw_only=True)
class ReferenceFilter:
    """Which references of a brand; empty means all."""

    brand_id: str
    states: tuple[ReferenceState, ...] = ()
    kinds: tuple[ReferenceKind, ...] = ()
    bank_id: str = ""


@dataclass(frozen=True)
class ReferencePlace:
    """Where a page begins: behind the reference of this time and id."""

    create_time: datetime
    reference_id: str


class ReferenceLifeStore:
    """The part of the store that takes references in one by one and changes their state."""

    _database: Database

    def record_reference(
        self,
        reference: Reference,
        embeddings: Sequence[ReferenceEmbedding] = (),
        features: Sequence[ReferenceFeatures] = (),
        *,
        request: RequestKey | None = None,
        actor: str = "",
    ) -> Reference:
        """Add a reference with all that belongs to it, in one transaction; return it as it is on record.

        `actor` is who sent it, for the record of changes.

        One that is on record already is returned as it is there, with the embeddings and keypoints that it lacked; a
        request that came before returns what it made.

        Raises:
            KeyReused: the request's key was used for another one.
            NotFound: its brand or its mark is not stored.
            StoreError: an embedding belongs to another reference, or is no row of finite float32.

        """
        now = datetime.now(UTC)
        rows = [embedding_row(item, of=reference) for item in embeddings]
        points = [{"reference_id": one.reference_id, "features": one.features.to_bytes()} for one in features]
        with self._database.write("record a reference") as connection:
            made = claim_request(connection, request, reference.reference_id, now)
            if made is not None:
                return _found(connection, made)
            require_brands(connection, [reference.brand_id])
            require_marks(connection, [] if reference.mark_id is None else [reference.mark_id])
            changed = insert_new(connection, references, [reference_row(reference, now)])
            changed += insert_new(connection, reference_embeddings, rows)
            insert_new(connection, reference_features, points)
            if changed:
                note_change(connection, _event(RegistryAction.REFERENCE_ADDED, reference, actor=actor, time=now))
                log_changes(connection, ChangeKind.REFERENCE, [reference.reference_id])
            return _found(connection, reference.reference_id)

    def set_reference_state(
        self,
        reference_id: str,
        state: ReferenceState,
        *,
        reason: str = "",
        scope: ReferenceScope | None = None,
        revision: int | None = None,
        actor: str = "",
    ) -> Reference:
        """Move a reference to another state and return it; one that is in it already is left alone.

        `revision`, if given, must be the reference's; `scope`, if given, is put on record with the change, and so is
        `actor`, who made it.

        Raises:
            NotFound: there is no such reference.
            Conflict: it was changed meanwhile, or may not go from its state to this one.

        """
        with self._database.write("change a reference's state") as connection:
            seen = _found(connection, reference_id)
            if seen.state is state:
                return seen
            if revision not in (None, seen.revision):
                raise _changed(reference_id)
            check_transition(reference_id, seen.state, state)
            now = datetime.now(UTC)
            values = {"state": str(state), "state_reason": reason, "update_time": now}
            values |= {"revision": seen.revision + 1} | (scope_columns(scope) if scope else {})
            # On PostgreSQL this waits for a rival and then looks again: whoever comes second finds another revision.
            this = and_(references.c.reference_id == reference_id, references.c.revision == seen.revision)
            won = connection.execute(update(references).where(this).values(**values)).rowcount == 1
            present = _found(connection, reference_id)
            if won:
                note_change(connection, _event(_DONE[state], seen, actor=actor, time=now))
                log_changes(connection, ChangeKind.REFERENCE, [reference_id])
            elif present.state is not state:
                raise _changed(reference_id)
            return present

    def list_references(
        self, wanted: ReferenceFilter, *, after: ReferencePlace | None = None, limit: int = 100
    ) -> tuple[Reference, ...]:
        """Return up to `limit` references of a brand that fit, the newest first, from the first one behind `after`."""
        conditions = [references.c.brand_id == wanted.brand_id]
        if wanted.states:
            conditions.append(references.c.state.in_([str(state) for state in wanted.states]))
        if wanted.kinds:
            conditions.append(references.c.kind.in_([str(kind) for kind in wanted.kinds]))
        if wanted.bank_id:
            conditions.append(references.c.bank_id == wanted.bank_id)
        if after is not None:
            earlier = references.c.create_time < after.create_time
            same = and_(references.c.create_time == after.create_time, references.c.reference_id < after.reference_id)
            conditions.append(or_(earlier, same))
        newest = (references.c.create_time.desc(), references.c.reference_id.desc())
        page = select(references).where(*conditions).order_by(*newest).limit(limit)
        with self._database.read("list references") as connection:
            return tuple(to_reference(row) for row in connection.execute(page))


def _event(action: RegistryAction, reference: Reference, *, actor: str, time: datetime) -> RegistryEvent:
    return RegistryEvent(
        action=action,
        brand_id=reference.brand_id,
        subject_id=reference.reference_id,
        actor=actor,
        create_time=time,
    )


def _found(connection: Connection, reference_id: str) -> Reference:
    found = find_reference(connection, reference_id)
    if found is None:
        raise no_reference(reference_id)
    return found


def _changed(reference_id: str) -> Conflict:
    return Conflict(f"The reference {reference_id!r} was changed meanwhile; read it again and decide anew.")
