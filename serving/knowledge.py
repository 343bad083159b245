"""What is a listing compared with? References, brand names and usual prices, as one immutable view kept current.

Each part is derived from the store and renewed only when the store says that it changed: references by the registry's
version, names when a brand changed; prices follow the observations one by one as they arrive (`index.price_live`), and
are read anew when a brand's price bands were set or enough has arrived. That takes seconds with tens of thousands of
prices, and names do with a thousand brands, so it is done aside: a new reference matches meanwhile, and prices and
names stay as they were. Who must have the new ones waits with `catch_up`.
"""

from __future__ import annotations

import logging
import math
from concurrent import futures
from dataclasses import dataclass, field, replace
from pathlib import Path

from index.catalogue import ReferenceCatalogue
from index.money import ExchangeRates
from index.named import NameTable
from index.opening import open_catalogue
from index.price_live import follow, read_all
from index.pricing import PriceModel
from index.refresh import Holder
from index.store.store import Store
from index.upkeep import Upkeep
from serving.aside import Aside
from serving.known_names import KnownNames, read_known_names
from serving.words.wording import BrandLexicon

log = logging.getLogger(__name__)

# So many prices are fitted within a renewal: some tenths of a second.
_FITTED_AT_ONCE = 1_000
# The names of so many brands are read within a renewal: some tenths of a second.
_NAMED_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """One consistent view; a listing takes it once and keeps it to the end. `prices` is None while there are none.

    `naming` is under way while a brand changed since `known_names` were read.
    """

    catalogue: ReferenceCatalogue
    known_names: KnownNames
    prices: PriceModel | None
    price_head: int = 0
    band_version: int = 0
    naming: futures.Future[KnownNames] | None = None

    @property
    def lexicon(self) -> BrandLexicon:
        """Brands by the words of a text."""
        return self.known_names.lexicon

    @property
    def names(self) -> NameTable:
        """Brands by the words that are read in a photo."""
        return self.known_names.table

    def reaches(self, version: float) -> bool:
        """Tell whether all that the store had in state `version` is known, names included."""
        named = self.naming is None or self.known_names.version >= version
        return named and self.catalogue.store_version >= version


def catch_up(knowledge: Holder[Knowledge], version: float = math.inf) -> None:
    """Read what the store has, and wait for the names of state `version` when they are made aside; without, for all.

    Raises StoreError.
    """
    knowledge.refresh()
    while (naming := knowledge.current.naming) is not None and knowledge.current.known_names.version < version:
        futures.wait([naming])
        knowledge.refresh()


@dataclass(frozen=True, kw_only=True)
class _Prices:
    """A price model, of which observations and of which state of the bands."""

    model: PriceModel | None
    head: int
    bands: int


@dataclass(frozen=True, kw_only=True)
class KnowledgeSource:
    """Where knowledge comes from: the store, and how it is turned into an index and a price model."""

    store: Store
    index_dir: Path
    upkeep: Upkeep
    fingerprint: str
    backend: str
    rates: ExchangeRates
    base_currency: str
    fits: Aside[_Prices] = field(default_factory=lambda: Aside("prices"), compare=False)
    namings: Aside[KnownNames] = field(default_factory=lambda: Aside("names"), compare=False)

    def open(self) -> Knowledge:
        """Read everything; the index from its snapshot when that is of the store's state. Raises SnapshotError."""
        catalogue = open_catalogue(self.store, self.index_dir, self.fingerprint, self.backend)
        head, bands = self.store.price_head(), self.store.price_band_version()
        return Knowledge(
            catalogue=catalogue,
            known_names=read_known_names(self.store, catalogue.brand_version),
            prices=self._prices(head),
            price_head=head,
            band_version=bands,
        )

    def renew(self, old: Knowledge) -> Knowledge | None:
        """Read what has changed since `old`; None when nothing has."""
        new = old
        catalogue = self.upkeep.taken(old.catalogue).up_to_date(self.store)
        if catalogue is not old.catalogue:
            new = replace(new, catalogue=catalogue)
            log.info("references %s replace %s", catalogue.version, old.catalogue.version)
        new = self._named(new)
        head, bands = self.store.price_head(), self.store.price_band_version()
        if (head, bands) != (old.price_head, old.band_version):
            prices = self._followed(old, head, bands)
            if prices is not None:
                new = replace(new, prices=prices.model, price_head=prices.head, band_version=prices.bands)
        return None if new is old else new

    def _named(self, new: Knowledge) -> Knowledge:
        """Give the names of its brands to `new`, or the newest there are while those are being read."""
        if (read := self.namings.take()) is not None:
            new = replace(new, known_names=read, naming=None)
        last, wanted = new.known_names, new.catalogue.brand_version
        if last.version == wanted or self.namings.busy:
            return new
        # Numbers that go back are those of a store that was put back: no name of its lost history may stay.
        if len(new.catalogue.brands.ids) <= _NAMED_AT_ONCE or wanted < last.version:
            return replace(new, known_names=read_known_names(self.store, wanted, last=last), naming=None)
        self.namings.begin(lambda: read_known_names(self.store, wanted, last=last))
        return replace(new, naming=self.namings.under_way)

    def _prices(self, head: int) -> PriceModel | None:
        """Read all prices up to the number `head`, and all bands; None without any."""
        observations = list(self.store.iter_price_observations(through=head))
        bands = self.store.all_price_bands()
        if not observations and not bands:
            return None
        log.info("prices fitted anew: %d observations, %d price bands", len(observations), len(bands))
        return read_all(observations, self.rates, base_currency=self.base_currency, bands=bands)

    def _followed(self, old: Knowledge, head: int, bands: int) -> _Prices | None:
        """Give newer prices than those of `old`; None while they are being fitted."""
        if self.fits.busy:
            return None
        if (fitted := self.fits.take()) is not None:
            return fitted  # what arrived since is for the next renewal
        if old.prices is not None and bands == old.band_version:
            arrived = list(self.store.iter_price_observations(after=old.price_head, through=head))
            followed = follow(old.prices, arrived)
            if followed is not None:
                return _Prices(model=followed, head=head, bands=bands)

        def fit() -> _Prices:
            return _Prices(model=self._prices(head), head=head, bands=bands)

        if head <= _FITTED_AT_ONCE:
            return fit()
        self.fits.begin(fit)
        return None
