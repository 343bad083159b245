"""What is a listing compared with? References, brand names and usual prices, as one immutable view kept current.

Each part is derived from the store and renewed only when the store says that it changed: references and brands by the
registry's version, prices by the number of the newest observation.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from index.catalogue import ReferenceCatalogue, open_catalogue
from index.money import ExchangeRates
from index.named import NameTable
from index.pricing import PriceModel
from index.store.store import Store
from serving.wording import BrandLexicon
from serving.wording_file import load_wording

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """One consistent view; a listing takes it once and keeps it to the end. `prices` is None while there are none.

    Brands are known by the words of a text (`lexicon`) and by those that are read in a photo (`names`).
    """

    catalogue: ReferenceCatalogue
    lexicon: BrandLexicon
    names: NameTable
    prices: PriceModel | None
    price_head: int = 0


@dataclass(frozen=True, kw_only=True)
class KnowledgeSource:
    """Where knowledge comes from: the store, and how it is turned into an index and a price model."""

    store: Store
    index_dir: Path
    fingerprint: str
    backend: str
    rates: ExchangeRates
    base_currency: str

    def open(self) -> Knowledge:
        """Read everything; the index from its snapshot when that is of the store's state. Raises SnapshotError."""
        catalogue = open_catalogue(self.store, self.index_dir, self.fingerprint, self.backend)
        head = self.store.price_head()
        return Knowledge(
            catalogue=catalogue,
            lexicon=self._lexicon(),
            names=self._names(),
            prices=self._prices(head),
            price_head=head,
        )

    def renew(self, old: Knowledge) -> Knowledge | None:
        """Read what has changed since `old`; None when nothing has."""
        new = old
        if (catalogue := old.catalogue.renewed(self.store)) is not None:
            new = replace(new, catalogue=catalogue, lexicon=self._lexicon(), names=self._names())
            log.info("references %s replace %s", catalogue.version, old.catalogue.version)
        if (head := self.store.price_head()) != old.price_head:
            new = replace(new, prices=self._prices(head), price_head=head)
            log.info("prices fitted anew up to observation %d", head)
        return None if new is old else new

    def _lexicon(self) -> BrandLexicon:
        return BrandLexicon.build(self.store.iter_brands())

    def _names(self) -> NameTable:
        everyday = (" ".join(words) for words in load_wording().common)
        return NameTable(self.store.iter_brands(), everyday=everyday)

    def _prices(self, head: int) -> PriceModel | None:
        if head == 0:
            return None
        return PriceModel.fit(self.store.iter_price_observations(), self.rates, base_currency=self.base_currency)
