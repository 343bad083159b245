"""What is usual among sellers? The fitted priors, of which the latest of each kind is in force."""

from __future__ import annotations

from index.priors import PriorRecord
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
