"""`touchstone catalogue`: fill the index of screened listings, hold it against the store, move it to Milvus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
import numpy as np

from index.catalogue_following import OutsideFollowing
from index.listing_catalogue import ListingCatalogue
from index.listing_regions import ListingEntry
from index.store.store import Store
from serving.app import load_embedder, open_store
from serving.catalogues import follow_catalogue, milvus_following
from serving.cli.common import counting, print_json, settings_of, wants_json
from serving.settings import Settings

# Listings looked up again in the index by their own regions.
_SAMPLE = 100
# A listing finds itself by a cosine of 1, but for rounding.
_ITSELF = 0.999


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How an index stands against the store: regions that both hold, and sampled listings that find themselves."""

    backend: str
    stored: int
    indexed: int
    sampled: int
    found: int

    @property
    def sound(self) -> bool:
        """Whether nothing is missing."""
        return self.indexed >= self.stored and self.found == self.sampled


@click.group()
def catalogue() -> None:
    """Keep the index of screened listings that FindListings asks: a cache of the store, filled at any time."""


@catalogue.command()
@click.pass_context
def build(context: click.Context, /) -> None:
    """Fill the index in Milvus anew from the store; one in memory is built by each process for itself."""
    with _opened(settings_of(context)) as (settings, store, fingerprint, dim):
        if settings.catalogue_backend != "milvus":
            raise click.UsageError(f"nothing to build: {settings.catalogue_backend} lives in the service's memory")
        _fill(milvus_following(settings, store, fingerprint, dim), store.catalogue_size(fingerprint)[0])
        _show(context, _verify(settings, store, fingerprint, dim))


@catalogue.command()
@click.pass_context
def verify(context: click.Context, /) -> None:
    """Count the regions in store and index, and let sampled listings find themselves."""
    with _opened(settings_of(context)) as (settings, store, fingerprint, dim):
        _show(context, _verify(settings, store, fingerprint, dim))


@catalogue.command()
@click.option("--to", "backend", type=click.Choice(["milvus"]), required=True)
@click.option("--uri", metavar="URI", help="Where it answers. [the setting milvus_uri]")
@click.pass_context
def move(context: click.Context, /, backend: str, uri: str | None) -> None:
    """Fill another backend from the store while the service runs on, and verify it; then change the setting."""
    with _opened(settings_of(context, catalogue_backend=backend, milvus_uri=uri)) as (settings, store, model, dim):
        _fill(milvus_following(settings, store, model, dim), store.catalogue_size(model)[0])
        _show(context, _verify(settings, store, model, dim))
    if not wants_json(context):
        click.echo(f"now set catalogue_backend: {backend} and milvus_uri: {settings.milvus_uri}, and restart")


@catalogue.command()
@click.argument("listing_ids", nargs=-1, required=True, metavar="LISTING...")
@click.pass_context
def forget(context: click.Context, /, listing_ids: tuple[str, ...]) -> None:
    """Delete what listings are found by, for good: the vectors of their regions. Decisions stay."""
    with open_store(settings_of(context)) as store:
        forgotten = [listing_id for listing_id in listing_ids if store.forget_listing(listing_id)]
    if wants_json(context):
        print_json({"forgotten": forgotten})
    else:
        click.echo(f"{len(forgotten)} of {len(listing_ids)} listings were in the catalogue and are no longer")


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Settings, Store, str, int]]:
    embedder = load_embedder(settings)
    with open_store(settings) as store:
        yield settings, store, embedder.fingerprint, embedder.dim


def _fill(following: OutsideFollowing, listings: int) -> None:
    done = 0
    with counting("filling") as progress:

        def count(more: int) -> None:
            nonlocal done
            done += more
            progress(done, listings)

        following.fill(count)


def _verify(settings: Settings, store: Store, fingerprint: str, dim: int) -> Verification:
    holder = follow_catalogue(settings, store, fingerprint, dim)
    holder.refresh()
    index = holder.current.index
    assert index is not None
    sample = _sample(store, fingerprint)
    source = ListingCatalogue(store, fingerprint, lambda: index)
    return Verification(
        backend=settings.catalogue_backend,
        stored=store.catalogue_size(fingerprint)[1],
        indexed=len(index),
        sampled=len(sample),
        found=sum(_finds_itself(source, entry) for entry in sample),
    )


def _sample(store: Store, fingerprint: str) -> list[ListingEntry]:
    """Draw listings with regions, evenly from all, the same each time."""
    generator = np.random.default_rng(0)
    kept: list[ListingEntry] = []
    for seen, entry in enumerate(entry for page in store.iter_catalogue(fingerprint) for entry in page):
        if seen < _SAMPLE:
            kept.append(entry)
        elif (place := int(generator.integers(0, seen + 1))) < _SAMPLE:
            kept[place] = entry
    return kept


def _finds_itself(source: ListingCatalogue, entry: ListingEntry) -> bool:
    """Tell whether a listing is among the listings that have its last region."""
    marks = entry.photos < len(entry.vectors)
    hits = source.find_listings(entry.vectors[-1:], marks=marks, at_least=_ITSELF, most=1_000)
    return any(hit.listing_id == entry.listing_id for hit in hits)


def _show(context: click.Context, result: Verification) -> None:
    if wants_json(context):
        names = ("backend", "stored", "indexed", "sampled", "found")
        print_json({name: getattr(result, name) for name in names} | {"sound": result.sound})
    else:
        click.echo(
            f"{result.backend}: {result.indexed} regions for the store's {result.stored}; "
            f"{result.found} of {result.sampled} sampled listings find themselves"
        )
    if not result.sound:
        raise click.ClickException("the index lacks listings that the store has; run touchstone catalogue build")
