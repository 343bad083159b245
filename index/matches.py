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


# How many references of a brand are worth verifying: one example seldom shows the mark from the right side.
PROPOSED_REFERENCES = 3

# How many examples of a brand must agree. One noisy picture of a mark resembles many things; measured on
# FlickrLogos-27 with 1,260 boxed examples, the mean of three finds 0.67 of the brands and the best alone 0.59.
AGREEING_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class BrandMatch:
    """A brand's best match among all regions: region `region_row` of the query looks like the reference.

    `similarity` is the cosine of that pair, -1..1. `score`, -1..1, ranks brands: the same cosine where a clean
    reference matches, the mean over the brand's three most similar ones where examples do (all, when it has fewer).
    A `kind` of COUNTERFEIT says that the reference is a known fake. `proposed` are the brand's up to three references
    that are most similar to any region, the best first.
    """

    brand_id: str
    brand: str
    reference_id: str
    kind: ReferenceKind
    region_row: int
    similarity: float
    score: float
    proposed: tuple[str, ...] = ()


def distinct_references(columns: CatalogueColumns, hits: Hits, k: int) -> Iterator[tuple[ReferenceHit, ...]]:
    """Give each region's first k different references, best first; hits hold vector rows, [r, c]."""
    for rows, scores in zip(hits.ids, hits.scores, strict=True):
        references = columns.vector_references[rows[rows != PADDING_ID]]
        places = _first_places(references)[:k]
        yield tuple(_reference_hit(columns, int(references[place]), float(scores[place])) for place in places)


def best_brands(columns: CatalogueColumns, hits: Hits, most: int, *, unlisted: float) -> tuple[BrandMatch, ...]:
    """Reduce the hits of all regions, vector rows [r, c], to the `most` best brands, best score first.

    `unlisted` stands for the similarity of references that no list shows. Of equals the first reference goes first,
    then the first region.
    """
    regions, places = np.nonzero(hits.ids != PADDING_ID)
    rows, similarities = hits.ids[regions, places], hits.scores[regions, places]
    order = np.lexsort((regions, rows, -similarities))
    # Best pair of each reference, most similar first, then the references of each group in that order.
    pairs = order[_first_places(columns.vector_references[rows[order]])]
    groups = _groups(columns)[columns.vector_references[rows[pairs]]]
    scores = _group_scores(groups, similarities[pairs], _agreeing(columns), unlisted)
    firsts = _first_places(groups)
    ranked = firsts[np.argsort(-scores[groups[firsts]], kind="stable")]
    ranked = ranked[_first_places(groups[ranked] // 2)[:most]]
    return tuple(
        _brand_match(
            columns,
            int(regions[pairs[at]]),
            int(rows[pairs[at]]),
            similarity=float(similarities[pairs[at]]),
            score=float(scores[groups[at]]),
            proposed=_proposed(columns, rows[pairs[groups // 2 == groups[at] // 2]]),
        )
        for at in ranked
    )


def _groups(columns: CatalogueColumns) -> NDArray[np.int64]:
    """Give each reference the group in which it must agree, int64 [references]: two a brand, odd for its examples."""
    examples = columns.reference_kinds == ReferenceKind.EXAMPLE.encode()
    groups: NDArray[np.int64] = columns.reference_brands.astype(np.int64) * 2 + examples
    return groups


def _agreeing(columns: CatalogueColumns) -> NDArray[np.int64]:
    """Count how many references of each group must agree, int64 [groups]."""
    searched = np.unique(columns.vector_references)
    sizes = np.bincount(_groups(columns)[searched], minlength=2 * len(columns.brand_ids))
    limits = np.tile([1, AGREEING_EXAMPLES], len(columns.brand_ids))
    agreeing: NDArray[np.int64] = np.minimum(sizes, limits)
    return agreeing


def _group_scores(
    groups: NDArray[np.int64], similarities: NDArray[np.float32], agreeing: NDArray[np.int64], unlisted: float
) -> NDArray[np.float64]:
    """Average each group's best similarities, given most similar first; float64 [groups], 0 for groups never met."""
    places = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[places], groups[places], side="left")
    rank = np.empty(len(groups), dtype=np.int64)
    rank[places] = np.arange(len(groups)) - starts
    counted = rank < agreeing[groups]
    sums = np.bincount(groups[counted], similarities[counted], minlength=len(agreeing))
    seen = np.bincount(groups[counted], minlength=len(agreeing))
    missing = np.where(seen > 0, agreeing - seen, 0)
    return (sums + np.where(missing > 0, missing * unlisted, 0.0)) / np.maximum(agreeing, 1)


def _first_places(values: NDArray[np.signedinteger]) -> NDArray[np.int64]:
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


def _brand_match(
    columns: CatalogueColumns,
    region: int,
    vector_row: int,
    *,
    similarity: float,
    score: float,
    proposed: tuple[str, ...],
) -> BrandMatch:
    hit = _reference_hit(columns, int(columns.vector_references[vector_row]), similarity)
    return BrandMatch(
        brand_id=hit.brand_id,
        brand=hit.brand,
        reference_id=hit.reference_id,
        kind=hit.kind,
        region_row=region,
        similarity=similarity,
        score=score,
        proposed=proposed,
    )


def _proposed(columns: CatalogueColumns, vector_rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Name the references of a brand's first vectors, given most similar first."""
    references = columns.vector_references[vector_rows[:PROPOSED_REFERENCES]]
    return tuple(columns.reference_ids[reference].decode() for reference in references)
