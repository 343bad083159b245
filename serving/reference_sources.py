"""Which references do the seed catalogue and a manifest hold? Read into `NewReference`s, their files kept.

`serving.registry` puts them on record. A file is kept before its reference is, so that none on record lacks its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator

from index.blobs import BlobStore
from index.errors import CatalogueError, NotFound, ReferenceTooSmall
from index.manifest import ReferenceRow
from index.names import normalise_name
from index.records import Brand, Mark, MarkKind, Provenance, ReferenceKind, ReferenceOrigin
from index.store.store import Store
from reference_brands.errors import RenderError
from reference_brands.seed import LICENCE, NOTICE, SeedBrand, SeedMark
from serving.new_reference import SVG, NewReference, Picture, read_picture
from vision.errors import ImageError

_LONGEST_ID = 63

OnError = Callable[[CatalogueError], None]


def seed_references(marks: Iterable[SeedMark], *, blobs: BlobStore | None = None) -> Iterator[NewReference]:
    """Turn the seed catalogue's marks into references, one per mark with its renderings as views."""
    for seed in marks:
        brand, drawing = brand_of(seed.brand), seed.svg.encode()
        if blobs is not None:
            blobs.put(drawing)
        height, width = seed.renderings[0].shape[:2]
        yield NewReference(
            brand=brand,
            mark=Mark(
                mark_id=f"{brand.brand_id}/{seed.mark_id}",
                brand_id=brand.brand_id,
                kind=MarkKind(seed.kind),
                name=seed.name,
            ),
            kind=ReferenceKind(seed.kind),
            picture=Picture(
                views=seed.renderings,
                sha256=hashlib.sha256(drawing).hexdigest(),
                width=width,
                height=height,
                image_format=SVG,
            ),
            box=None,
            provenance=Provenance(origin=ReferenceOrigin.SEED, source_id=seed.source, licence=LICENCE, note=NOTICE),
        )


def brand_of(seed: SeedBrand) -> Brand:
    """Turn a seed brand into a registry brand."""
    return Brand(brand_id=seed.brand_id, name=seed.name, aliases=seed.aliases)


def manifest_references(
    rows: Iterable[ReferenceRow], store: Store, *, on_error: OnError, blobs: BlobStore | None = None
) -> Iterator[NewReference]:
    """Read the images of a reference manifest; a row that cannot be used goes to `on_error`, the others go on."""
    brands: dict[str, Brand] = {}
    for row in rows:
        name = normalise_name(row.brand)
        if not name:
            on_error(CatalogueError(f"{row.where}: brand: {row.brand!r} has no letter or digit; give the brand's name"))
            continue
        try:
            content = row.image.read_bytes()
            picture = read_picture(content, row.box)
        except ReferenceTooSmall as error:
            on_error(ReferenceTooSmall(f"{row.where}: {error}"))
            continue
        except (ImageError, RenderError, OSError) as error:
            on_error(CatalogueError(f"{row.where}: {row.image}: {error}"))
            continue
        if blobs is not None:
            blobs.put(content)
        brand = (
            brands.get(name)
            or store.find_brand(row.brand)
            or Brand(brand_id=free_brand_id(row.brand, store), name=row.brand)
        )
        brands[name] = brand
        yield NewReference(
            brand=brand,
            mark=None,
            kind=row.kind,
            picture=picture,
            box=row.box,
            provenance=Provenance(file_name=row.image.name),
        )


def brand_slug(name: str) -> str:
    """Spell a brand's name as an id: small letters, digits and hyphens; "" when it holds none of them."""
    return re.sub(r"[^a-z0-9]+", "-", normalise_name(name)).strip("-")


def free_brand_id(name: str, store: Store) -> str:
    """Make an id for a brand that nobody goes by yet: 1 to 63 of a-z, 0-9 and "-"; names that differ get others."""
    normal, slug = normalise_name(name), brand_slug(name)
    # A slug that does not say the whole name ("耐克", "H&M"), or is another brand's id, needs something of its own.
    if slug != normal.replace(" ", "-") or len(slug) > _LONGEST_ID or _is_taken(slug, store):
        slug = f"{slug[:50].strip('-') or 'brand'}-{hashlib.sha256(normal.encode()).hexdigest()[:12]}"
    return slug


def _is_taken(brand_id: str, store: Store) -> bool:
    try:
        store.get_brand(brand_id)
    except NotFound:
        return False
    return True
