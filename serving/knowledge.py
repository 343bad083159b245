"""What is a listing compared with? References, brand names and usual prices, as one immutable view kept current.

Each part is derived from the store and renewed only when the store says that it changed: references by the registry's
version, names when a brand changed; prices follow the observations one by one as they arrive (`index.price_live`), and
are read anew when a brand's price bands were set or enough has arrived. That takes seconds with tens of thousands of
prices, so it is done aside: a new reference matches meanwhile, and prices stay as they were.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from index.catalogue import ReferenceCatalogue
from index.money import ExchangeRates
from index.named import NameTable
from index.opening import open_catalogue
from index.price_live import follow, read_all
from index.pricing import PriceModel
from index.store.store import Store
from index.upkeep import Upkeep
from serving.aside import Aside
from serving.wording import BrandLexicon
from serving.wording_file import load_wording

log = logging.getLogger(__name__)

# So many prices are fitted within a renewal: some tenths of a second.
_FITTED_AT_ONCE = 1_000


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
    band_version: int = 0


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

    def open(self) -> Knowledge:
        """Read everything; the index from its snapshot when that is of the store's state. Raises SnapshotError."""
        catalogue = open_catalogue(self.store, self.index_dir, self.fingerprint, self.backend)
        head, bands = self.store.price_head(), self.store.price_band_version()
        return Knowledge(
            catalogue=catalogue,
            lexicon=self._lexicon(),
            names=self._names(),
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
        if catalogue.brand_version != old.catalogue.brand_version:
            new = replace(new, lexicon=self._lexicon(), names=self._names())
        head, bands = self.store.price_head(), self.store.price_band_version()
        if (head, bands) != (old.price_head, old.band_version):
            prices = self._followed(old, head, bands)
            if prices is not None:
                new = replace(new, prices=prices.model, price_head=prices.head, band_version=prices.bands)
        return None if new is old else new

    def _lexicon(self) -> BrandLexicon:
        return BrandLexicon.build(self.store.iter_brands(), self.store.brand_keywords())

    def _names(self) -> NameTable:
        everyday = (" ".join(words) for words in load_wording().common)
        return NameTable(self.store.iter_brands(), everyday=everyday)

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
