"""What do the rows that an index found mean? Vector rows and scores into references and brands, with names.

The last part of the search step: `index.catalogue` asks its `VectorIndex` for hits and reads them with the functions
here, vectorised over regions and hits; only what is returned is made an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.columns import CatalogueColumns
from index.records import ReferenceKind
from index.vectors import PADDING_ID, Hits


@dataclass(frozen=True, kw_only=True)
class ReferenceHit:
    """A reference that a region looks like; `score` is the cosine of its most similar view, -1..1."""

    score: float
    reference_id: str
    brand_id: str
    brand: str
    kind: ReferenceKind


@dataclass(frozen=True, kw_only=True)
class BrandMatch:
    """A brand's best match among all regions: region `region_row` of the query looks like the reference.

    `similarity` is the cosine, -1..1. A `kind` of COUNTERFEIT says that the nearest reference is a known fake.
    """

    brand_id: str
    brand: str
    reference_id: str
    kind: ReferenceKind
    region_row: int
    similarity: float


def distinct_references(columns: CatalogueColumns, hits: Hits, k: int) -> Iterator[tuple[ReferenceHit, ...]]:
    """Give each region's first k different references, best first; hits hold vector rows, [r, c]."""
    for rows, scores in zip(hits.ids, hits.scores, strict=True):
        references = columns.vector_references[rows[rows != PADDING_ID]]
        places = _first_places(references)[:k]
        yield tuple(_reference_hit(columns, int(references[place]), float(scores[place])) for place in places)


def best_pairs(columns: CatalogueColumns, hits: Hits, most: int) -> tuple[BrandMatch, ...]:
    """Reduce the hits of all regions, vector rows [r, c], to the best pair of region and reference of each brand.

    At most `most` brands, best first; of equal pairs the one with the first vector, then with the first region.
    """
    regions, places = np.nonzero(hits.ids != PADDING_ID)
    rows, scores = hits.ids[regions, places], hits.scores[regions, places]
    order = np.lexsort((regions, rows, -scores))
    brands = columns.reference_brands[columns.vector_references[rows[order]]]
    best = order[_first_places(brands)[:most]]
    return tuple(_brand_match(columns, int(regions[at]), int(rows[at]), float(scores[at])) for at in best)


def _first_places(values: NDArray[np.int32]) -> NDArray[np.int64]:
    """Find where each value occurs first, in order of place."""
    return np.sort(np.unique(values, return_index=True)[1])


def _reference_hit(columns: CatalogueColumns, reference: int, score: float) -> ReferenceHit:
    brand = columns.reference_brands[reference]
    return ReferenceHit(
        score=score,
        reference_id=columns.reference_ids[reference].decode(),
        brand_id=columns.brand_ids[brand].decode(),
        brand=columns.brand_names[brand].decode(),
        kind=ReferenceKind(columns.reference_kinds[reference].decode()),
    )


def _brand_match(columns: CatalogueColumns, region: int, vector_row: int, similarity: float) -> BrandMatch:
    hit = _reference_hit(columns, int(columns.vector_references[vector_row]), similarity)
    return BrandMatch(
        brand_id=hit.brand_id,
        brand=hit.brand,
        reference_id=hit.reference_id,
        kind=hit.kind,
        region_row=region,
        similarity=similarity,
    )
