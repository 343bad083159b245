"""Which references are searched, and through which vectors? References, and their embeddings by model fingerprint.

`index.catalogue` is built from `iter_references`: the store is the truth, an index can always be made again from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Connection, func, select

from index.audit.entries import Act, Entry
from index.errors import Conflict, NotFound, StoreError
from index.records import ChangeKind, Reference, ReferenceEmbedding, ReferenceState
from index.store.audit import enter
from index.store.brands import require_brands, require_marks
from index.store.changes import log_changes
from index.store.engine import Database, in_batches, insert_new
from index.store.locks import lock_registry
from index.store.reference_rows import embedding_row, find_reference, no_reference, reference_row, to_reference
from index.store.tables.references import reference_embeddings, references

ACTIVE: Collection[ReferenceState] = frozenset({ReferenceState.ACTIVE})

# References with their embeddings in one transaction or one page: 14 vectors of 1,280 float32 each make 36 MiB of 500.
_PAGE = 500

_FLOAT32_BYTES = 4


class ReferenceStore:
    """The part of the store that keeps references and their embeddings."""

    _database: Database

    def add_references(self, records: Iterable[tuple[Reference, Sequence[ReferenceEmbedding]]]) -> int:
        """Add references with their embeddings, and return how many.

        Each 500 go in one transaction, so that the writer is not held while the iterable renders or embeds the next.
        Up to 500 are thus added all or none; what earlier batches added stays. `known_references` helps to go on.

        Raises:
            Conflict: a reference is stored already.
            NotFound: its brand or its mark is not stored.
            StoreError: an embedding belongs to another reference, or is no row of finite float32.

        """
        added = 0
        for batch in in_batches(records, _PAGE):
            now = datetime.now(UTC)
            rows = [reference_row(reference, now) for reference, _ in batch]
            vectors = [embedding_row(item, of=reference) for reference, items in batch for item in items]
            ids = [reference.reference_id for reference, _ in batch]
            with self._database.write("add references") as connection:
                lock_registry(connection)
                require_brands(connection, {reference.brand_id for reference, _ in batch})
                require_marks(
                    connection, {reference.mark_id for reference, _ in batch if reference.mark_id is not None}
                )
                _refuse_stored(connection, ids)
                connection.execute(references.insert(), rows)
                if vectors:
                    connection.execute(reference_embeddings.insert(), vectors)
                enter(connection, *map(_imported, (reference for reference, _ in batch)))
                log_changes(connection, ChangeKind.REFERENCE, ids)
            added += len(batch)
        return added

    def add_embeddings(self, records: Iterable[ReferenceEmbedding]) -> int:
        """Add embeddings of stored references, under another model say; skip those that are there. Return how many."""
        added = 0
        for batch in in_batches(records, _PAGE):
            rows = [embedding_row(item, of=None) for item in batch]
            ids = sorted({item.reference_id for item in batch})
            with self._database.write("add embeddings") as connection:
                lock_registry(connection)
                if missing := set(ids) - _stored(connection, ids):
                    raise NotFound(f"There is no reference with the id {min(missing)!r}; add it with add_references.")
                new = insert_new(connection, reference_embeddings, rows)
                if new:
                    log_changes(connection, ChangeKind.REFERENCE, ids)
            added += new
        return added

    def get_reference(self, reference_id: str) -> Reference:
        """Return a reference. Raises NotFound."""
        with self._database.read("read a reference") as connection:
            found = find_reference(connection, reference_id)
        if found is None:
            raise no_reference(reference_id)
        return found

    def embeddings_of(self, reference_id: str, fingerprint: str) -> tuple[ReferenceEmbedding, ...]:
        """Return a reference's embeddings by the model `fingerprint`, by variant; none when it has none.

        Raises StoreError when one is damaged.
        """
        with self._database.read("read embeddings") as connection:
            found = tuple(_embeddings(connection, fingerprint, [reference_id]).get(reference_id, ()))
        for one in found:
            if not one.vector.size:
                raise StoreError(
                    f"The embedding {one.variant} of {reference_id!r} has not the bytes that were stored; the database "
                    "is damaged: put back a backup of it."
                )
        return found

    def known_references(self, reference_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the ids that are stored, in whatever state."""
        with self._database.read("look up references") as connection:
            return frozenset(_stored(connection, list(reference_ids)))

    def iter_references(
        self, fingerprint: str, *, states: Collection[ReferenceState] = ACTIVE
    ) -> Iterator[tuple[Reference, tuple[ReferenceEmbedding, ...]]]:
        """Yield references in the order of their ids, each with its embeddings under the model `fingerprint`.

        One without any is yielded too: its hashes still find copies. Of an embedding that is damaged the vector has no
        values: `index.usable` names it, and it holds up no other. Each page is a short transaction of its own, so a
        slow reader holds up nobody; read `version` first, and what changes meanwhile has a higher one.
        """
        after = ""
        while True:
            page = (
                select(references)
                .where(references.c.reference_id > after, references.c.state.in_([str(state) for state in states]))
                .order_by(references.c.reference_id)
                .limit(_PAGE)
            )
            with self._database.read("read references") as connection:
                rows = connection.execute(page).all()
                vectors = _embeddings(connection, fingerprint, [row.reference_id for row in rows])
            for row in rows:
                yield to_reference(row), tuple(vectors.get(row.reference_id, ()))
            if len(rows) < _PAGE:
                return
            after = rows[-1].reference_id

    def references_by_id(
        self, reference_ids: Collection[str], fingerprint: str
    ) -> Iterator[tuple[Reference, tuple[ReferenceEmbedding, ...]]]:
        """Yield those of the references that are stored, in whatever state, as `iter_references` does."""
        for batch in in_batches(reference_ids, _PAGE):
            with self._database.read("read references") as connection:
                rows = connection.execute(select(references).where(references.c.reference_id.in_(batch))).all()
                vectors = _embeddings(connection, fingerprint, [row.reference_id for row in rows])
            for row in rows:
                yield to_reference(row), tuple(vectors.get(row.reference_id, ()))

    def references_without_embedding(
        self, fingerprint: str, *, states: Collection[ReferenceState] = ACTIVE
    ) -> tuple[Reference, ...]:
        """Return the references that the model `fingerprint` has not embedded yet, in the order of their ids."""
        embedded = (
            select(reference_embeddings.c.reference_id)
            .where(
                reference_embeddings.c.fingerprint == fingerprint,
                reference_embeddings.c.reference_id == references.c.reference_id,
            )
            .exists()
        )
        wanted = (references.c.state.in_([str(state) for state in states]), ~embedded)
        with self._database.read("find references without embedding") as connection:
            rows = connection.execute(select(references).where(*wanted).order_by(references.c.reference_id))
            return tuple(to_reference(row) for row in rows)

    def count_references(self, *, brand_id: str | None = None, states: Collection[ReferenceState] = ACTIVE) -> int:
        """Return how many references there are, of one brand or of all."""
        query = select(func.count()).where(references.c.state.in_([str(state) for state in states]))
        if brand_id is not None:
            query = query.where(references.c.brand_id == brand_id)
        with self._database.read("count references") as connection:
            return connection.execute(query).scalar_one()


def _stored(connection: Connection, reference_ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for batch in in_batches(reference_ids):
        found.update(connection.scalars(select(references.c.reference_id).where(references.c.reference_id.in_(batch))))
    return found


def _refuse_stored(connection: Connection, reference_ids: Sequence[str]) -> None:
    if stored := _stored(connection, reference_ids):
        raise Conflict(f"The reference {min(stored)!r} is stored already; leave out what known_references returns.")


def _embeddings(
    connection: Connection, fingerprint: str, reference_ids: Sequence[str]
) -> dict[str, list[ReferenceEmbedding]]:
    found: dict[str, list[ReferenceEmbedding]] = {}
    wanted = (reference_embeddings.c.fingerprint == fingerprint, reference_embeddings.c.reference_id.in_(reference_ids))
    for row in connection.execute(select(reference_embeddings).where(*wanted).order_by(reference_embeddings.c.variant)):
        whole = len(row.vector) == row.dim * _FLOAT32_BYTES
        found.setdefault(row.reference_id, []).append(
            ReferenceEmbedding(
                reference_id=row.reference_id,
                variant=row.variant,
                fingerprint=row.fingerprint,
                vector=np.frombuffer(row.vector if whole else b"", dtype="<f4").astype(np.float32, copy=False),
            )
        )
    return found


def _imported(reference: Reference) -> Entry:
    facts = {"reference": reference.reference_id, "kind": str(reference.kind), "image": reference.image_sha256}
    return Entry(act=Act.REFERENCE_IMPORTED, subject=reference.brand_id, facts=facts)
