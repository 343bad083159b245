"""How do references enter? From the seed catalogue or a manifest: read, hashed, embedded, stored.

A reference's id is derived from what it shows, so that seeding or importing again adds nothing. The index is not
touched: it is rebuilt from the store, here or on a replica that follows it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.errors import CatalogueError, NotFound, ReferenceTooSmall
from index.manifest import ReferenceRow
from index.names import normalise_name
from index.records import (
    Brand,
    Mark,
    MarkKind,
    Provenance,
    Reference,
    ReferenceEmbedding,
    ReferenceFeatures,
    ReferenceKind,
    shows_mark,
)
from index.store.store import Store
from reference_brands.seed import SeedBrand, SeedMark
from serving.batching import BatchingEmbedder
from vision.decode import DecodeLimits, decode
from vision.errors import ImageError
from vision.hashing import pdq
from vision.keypoints import reference_features
from vision.regions import Box, crop, middle

# A crop of a few pixels, blown up, resembles every blurry window: on FlickrLogos-27 the handful of boxes below this
# edge cost 5 points of recall at 1% false positives, and any limit from 12 to 24 pixels wins them back.
SMALLEST_REFERENCE = 16


OnError = Callable[[CatalogueError], None]

_LIMITS = DecodeLimits()
_LONGEST_ID = 63
# References whose views go through the embedder at once.
_BATCH = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class NewReference:
    """A reference on its way in. `views` are its uint8 [H, W, 3] pictures, each embedded as a variant of its own."""

    brand: Brand
    mark: Mark | None
    kind: ReferenceKind
    views: tuple[NDArray[np.uint8], ...]
    image_sha256: str
    box: Box | None
    provenance: Provenance

    @property
    def shows_mark(self) -> bool:
        """Whether the picture is a mark, as a region of a listing is, rather than a whole photo of a product."""
        return shows_mark(self.kind, self.box)

    @property
    def reference_id(self) -> str:
        """Derived from brand, kind, picture and box: the same reference has the same id on every installation."""
        corners = (self.box.x1, self.box.y1, self.box.x2, self.box.y2) if self.box else ()
        key = repr((self.brand.brand_id, str(self.kind), self.image_sha256, corners))
        return hashlib.sha256(key.encode()).hexdigest()[:32]


def add_references(store: Store, embedder: BatchingEmbedder, references: Iterable[NewReference]) -> int:
    """Embed and store references with their brands and marks; skip those on record. Returns how many are new.

    One on record that this model has not embedded yet, another model having been in use, gets its embeddings, and one
    that an older release recorded without keypoints gets those.
    """
    lacking = frozenset(each.reference_id for each in store.references_without_embedding(embedder.fingerprint))
    added = 0
    for batch in _batches(references):
        distinct = {reference.reference_id: reference for reference in batch}
        known = store.known_references(distinct)
        fresh = [reference for key, reference in distinct.items() if key not in known]
        store.put_brands(reference.brand for reference in fresh)
        store.put_marks(reference.mark for reference in fresh if reference.mark)
        added += store.add_references(_embedded(fresh, embedder))
        again = [reference for key, reference in distinct.items() if key in lacking]
        store.add_embeddings(each for _, embeddings in _embedded(again, embedder) for each in embeddings)
        described = store.known_features(distinct)
        store.add_features(_features_of(each) for key, each in distinct.items() if key not in described)
    return added


def seed_references(marks: Iterable[SeedMark]) -> Iterator[NewReference]:
    """Turn the seed catalogue's marks into references, one per mark with its renderings as views."""
    for seed in marks:
        brand = brand_of(seed.brand)
        yield NewReference(
            brand=brand,
            mark=Mark(
                mark_id=f"{brand.brand_id}/{seed.mark_id}",
                brand_id=brand.brand_id,
                kind=MarkKind(seed.kind),
                name=seed.name,
            ),
            kind=ReferenceKind(seed.kind),
            views=seed.renderings,
            image_sha256=hashlib.sha256(seed.svg.encode()).hexdigest(),
            box=None,
            provenance=Provenance(source="seed catalogue (Simple Icons)", licence="CC0-1.0"),
        )


def brand_of(seed: SeedBrand) -> Brand:
    """Turn a seed brand into a registry brand."""
    return Brand(brand_id=seed.brand_id, name=seed.name, aliases=seed.aliases)


def manifest_references(
    rows: Iterable[ReferenceRow], store: Store, *, on_error: OnError, limits: DecodeLimits = _LIMITS
) -> Iterator[NewReference]:
    """Read the images of a reference manifest; a row that cannot be used goes to `on_error`, the others go on."""
    brands: dict[str, Brand] = {}
    for row in rows:
        name = normalise_name(row.brand)
        if not name:
            on_error(CatalogueError(f"{row.where}: brand: {row.brand!r} has no letter or digit; give the brand's name"))
            continue
        try:
            image = decode(row.image.read_bytes(), limits)
        except (ImageError, OSError) as error:
            on_error(CatalogueError(f"{row.where}: {row.image}: {error}"))
            continue
        if (edge := _shorter_edge(image.pixels, row.box)) < SMALLEST_REFERENCE:
            on_error(
                ReferenceTooSmall(
                    f"{row.where}: the reference has a shorter edge of {edge} pixels; give {SMALLEST_REFERENCE}"
                )
            )
            continue
        brand = brands.get(name) or store.find_brand(row.brand) or _new_brand(row.brand, store)
        brands[name] = brand
        yield NewReference(
            brand=brand,
            mark=None,
            kind=row.kind,
            views=_views(image.pixels, row.box),
            image_sha256=image.sha256,
            box=row.box,
            provenance=Provenance(source=row.image.name),
        )


def _shorter_edge(pixels: NDArray[np.uint8], box: Box | None) -> int:
    shown = pixels if box is None else crop(pixels, box)
    return int(min(shown.shape[:2]))


def _views(pixels: NDArray[np.uint8], box: Box | None) -> tuple[NDArray[np.uint8], ...]:
    """Cut out a boxed reference twice: tight, and with some of its surroundings, as a listing's regions see it.

    Measured on FlickrLogos-27 (untrained model, 21 regions): 0.70 of the brands found with both, 0.66 with
    the tight one.
    """
    if box is None:
        return (pixels,)
    return crop(pixels, box), crop(pixels, box.grown(0.2))


def free_brand_id(name: str, store: Store) -> str:
    """Make an id for a brand that nobody goes by yet: 1 to 63 of a-z, 0-9 and "-"; names that differ get others."""
    normal = normalise_name(name)
    slug = re.sub(r"[^a-z0-9]+", "-", normal).strip("-")
    # A slug that does not say the whole name ("耐克", "H&M"), or is another brand's id, needs something of its own.
    if slug != normal.replace(" ", "-") or len(slug) > _LONGEST_ID or _is_taken(slug, store):
        slug = f"{slug[:50].strip('-') or 'brand'}-{hashlib.sha256(normal.encode()).hexdigest()[:12]}"
    return slug


def _new_brand(name: str, store: Store) -> Brand:
    return Brand(brand_id=free_brand_id(name, store), name=name)


def _is_taken(brand_id: str, store: Store) -> bool:
    try:
        store.get_brand(brand_id)
    except NotFound:
        return False
    return True


def _embedded(
    references: Sequence[NewReference], embedder: BatchingEmbedder
) -> Iterator[tuple[Reference, list[ReferenceEmbedding]]]:
    vectors = iter(_embed_views(references, embedder))
    for each in references:
        first = pdq(each.views[0])
        reference = Reference(
            reference_id=each.reference_id,
            brand_id=each.brand.brand_id,
            mark_id=each.mark.mark_id if each.mark else None,
            kind=each.kind,
            image_sha256=each.image_sha256,
            box=each.box,
            pdq=first.bits if first.reliable else None,
            pdq_mirrored=first.mirrored if first.reliable else None,
            provenance=each.provenance,
        )
        embeddings = [
            ReferenceEmbedding(
                reference_id=each.reference_id,
                variant=variant,
                fingerprint=embedder.fingerprint,
                vector=next(vectors),
            )
            for variant in range(len(each.views))
        ]
        yield reference, embeddings


def _embed_views(references: Sequence[NewReference], embedder: BatchingEmbedder) -> Iterator[NDArray[np.float32]]:
    """Embed every view as what a listing's regions are compared with: whole pictures, or marks."""
    photos = [view for each in references if not each.shows_mark for view in each.views]
    whole = iter(embedder.embed([middle(view) for view in photos]))
    marks = iter(embedder.embed_marks([view for each in references if each.shows_mark for view in each.views]))
    for each in references:
        yield from islice(marks if each.shows_mark else whole, len(each.views))


def _features_of(each: NewReference) -> ReferenceFeatures:
    """Find the keypoints of the first view, or of a boxed mark with its surroundings: its edge stands out from them."""
    view = each.views[-1 if each.box else 0]
    return ReferenceFeatures(reference_id=each.reference_id, features=reference_features(view))


def _batches(references: Iterable[NewReference]) -> Iterator[list[NewReference]]:
    source = iter(references)
    while batch := list(islice(source, _BATCH)):
        yield batch
