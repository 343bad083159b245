"""Which cases were resolved together? Batches: fixed when they are made, then worked off one case at a time.

A batch that was cut short is asked for again under its idempotency key, and goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select, update

from index.errors import NotFound
from index.rulings import Batch, BatchItem, RequestKey
from index.store.engine import Database, in_batches
from index.store.requests import claim_request
from index.store.resolutions import check_nothing_rests_on
from index.store.rulings import find_resolution
from index.store.tables.cases import batch_cases, batches


class BatchStore:
    """The part of the store that keeps batches."""

    _database: Database

    def start_batch(
        self, batch_id: str, case_ids: Iterable[str], *, time: datetime, request: RequestKey | None = None
    ) -> Batch:
        """Fix the cases of a batch; with a request that came before, return the batch that it made.

        Raises KeyReused when the idempotency key was another request's.
        """
        rows = [
            {"batch_id": batch_id, "position": position, "case_id": case_id, "resolution_id": "", "error": b""}
            for position, case_id in enumerate(case_ids)
        ]
        with self._database.write("start a batch") as connection:
            earlier = claim_request(connection, request, batch_id, time)
            if earlier is None:
                connection.execute(batches.insert().values(batch_id=batch_id, create_time=time))
                for some in in_batches(rows):
                    connection.execute(batch_cases.insert(), some)
            return _batch(connection, earlier or batch_id)

    def get_batch(self, batch_id: str) -> Batch:
        """Return a batch. Raises NotFound."""
        with self._database.read("read a batch") as connection:
            return _batch(connection, batch_id)

    def note_batch_error(self, batch_id: str, case_id: str, error: bytes) -> None:
        """Note why a case of a batch was not resolved."""
        this = (batch_cases.c.batch_id == batch_id, batch_cases.c.case_id == case_id)
        with self._database.write("note an error of a batch") as connection:
            connection.execute(update(batch_cases).where(*this).values(error=error))

    def check_batch_can_be_undone(self, batch_id: str) -> tuple[str, ...]:
        """Return the resolutions of a batch that stand, last first. Raises NotFound, or Conflict: one is built on."""
        with self._database.read("look whether a batch can be undone") as connection:
            made = [item.resolution_id for item in _batch(connection, batch_id).items if item.resolution_id]
            stand = [one for one in (find_resolution(connection, each) for each in made) if one.stands]
            together = frozenset(resolution.resolution_id for resolution in stand)
            for resolution in stand:
                check_nothing_rests_on(connection, resolution, but=together)
            return tuple(resolution.resolution_id for resolution in reversed(stand))


def _batch(connection: Connection, batch_id: str) -> Batch:
    row = connection.execute(select(batches).where(batches.c.batch_id == batch_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no batch with the id {batch_id!r}.")
    listed = select(batch_cases).where(batch_cases.c.batch_id == batch_id).order_by(batch_cases.c.position)
    items = [
        BatchItem(position=item.position, case_id=item.case_id, resolution_id=item.resolution_id, error=item.error)
        for item in connection.execute(listed)
    ]
    return Batch(batch_id=batch_id, create_time=row.create_time, items=tuple(items))
