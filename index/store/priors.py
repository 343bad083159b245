"""What is usual among sellers? The fitted priors, of which the latest of each kind is in force."""

from __future__ import annotations

from sqlalchemy import select

from index.priors import PriorKind, PriorRecord
from index.store.engine import Database
from index.store.tables.sellers import seller_priors

_FIELDS = tuple(PriorRecord.__dataclass_fields__)


class PriorStore:
    """The part of the store that keeps the priors of sellers' rates."""

    _database: Database

    def add_prior(self, prior: PriorRecord) -> None:
        """Put a newly fitted prior into force; earlier ones stay on record."""
        values = {name: getattr(prior, name) for name in _FIELDS}
        with self._database.write("add a prior") as connection:
            connection.execute(seller_priors.insert().values(values | {"kind": str(prior.kind)}))

    def find_prior(self, kind: PriorKind) -> PriorRecord | None:
        """Return the prior of this kind that is in force, or None before the first fit."""
        query = (
            select(*(seller_priors.c[name] for name in _FIELDS))
            .where(seller_priors.c.kind == str(kind))
            .order_by(seller_priors.c.number.desc())
            .limit(1)
        )
        with self._database.read("read a prior") as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else PriorRecord(**row._asdict() | {"kind": kind})
