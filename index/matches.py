"""What do the vectors that a search found mean? Numbers and scores into references and brands, with names.

The last part of the search step: `index.catalogue` asks the layers' indexes for hits and reads them with the functions
here, vectorised over regions and hits; only what is returned is made an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.brand_table import BrandTable
from index.columns import CatalogueColumns
from index.layer import Layer
from index.numbering import Numbering
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


# How many references of a brand are worth verifying: one example seldom shows the mark from the right side. On photos
# of FlickrLogos-27 that the figures do not rest on, six find what ten do, and half a point more than three.
PROPOSED_REFERENCES = 6

# How many examples of a brand must agree. One noisy picture of a mark resembles many things; measured on
# FlickrLogos-27 with 1,260 boxed examples, the mean of three finds 0.67 of the brands and the best alone 0.59.
AGREEING_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class BrandMatch:
    """A brand's best match among all regions: region `region_row` of the query looks like the reference.

    `similarity` is the cosine of that pair, -1..1. `score`, -1..1, ranks brands: the same cosine where a clean
    reference matches, the mean over the brand's three most similar ones where examples do (all, when it has fewer).
    A `kind` of COUNTERFEIT says that the reference is a known fake. `proposed` are the brand's up to six references
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


class HitTable:
    """The references that some hits show, in the order of their ids, and the hits as rows of it.

    hits: of vectors by number (`index.numbering`), all regions of one listing, [r, c].
    """

    def __init__(self, hits: Hits, layers: Sequence[Layer], numbering: Numbering, brands: BrandTable) -> None:
        self._layers, self._brands = layers, brands
        shown = hits.ids != PADDING_ID
        numbers, places = np.unique(hits.ids[shown], return_inverse=True)
        rows = np.full(hits.ids.shape, PADDING_ID, dtype=np.int64)
        rows[shown] = places
        self.hits = Hits(rows, hits.scores)
        layer_of, vector_rows = numbering.places(numbers)
        references = np.empty(len(numbers), dtype=np.int64)
        for number, layer in enumerate(layers):
            here = layer_of == number
            references[here] = layer.columns.vector_references[vector_rows[here]]
        # All vectors of a reference stand together, so where another one begins is enough to tell them apart.
        begins = np.ones(len(numbers), dtype=np.bool_)
        begins[1:] = (layer_of[1:] != layer_of[:-1]) | (references[1:] != references[:-1])
        self.vector_references: NDArray[np.int64] = np.cumsum(begins) - 1
        self._layer_of, self._rows = layer_of[begins], references[begins]
        self.groups = np.empty(len(self._rows), dtype=np.int64)
        for number, layer in enumerate(layers):
            here = self._layer_of == number
            self.groups[here] = layer.tables.groups[self._rows[here]]

    def reference_id(self, reference: int) -> str:
        """Give the id of a reference of this table."""
        reference_id: str = self._columns(reference).reference_ids[self._rows[reference]].decode()
        return reference_id

    def reference_hit(self, reference: int, score: float) -> ReferenceHit:
        """Say which reference it is."""
        brand = int(self.groups[reference] // 2)
        return ReferenceHit(
            score=score,
            reference_id=self.reference_id(reference),
            brand_id=self._brands.ids[brand],
            brand=self._brands.names[brand],
            kind=ReferenceKind(self._columns(reference).reference_kinds[self._rows[reference]].decode()),
        )

    def _columns(self, reference: int) -> CatalogueColumns:
        return self._layers[int(self._layer_of[reference])].columns


def agreeing(group_sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count how many references of each group must agree, int64 [groups], given how many there are."""
    limits = np.tile([1, AGREEING_EXAMPLES], len(group_sizes) // 2)
    needed: NDArray[np.int64] = np.minimum(group_sizes, limits)
    return needed


def distinct_references(table: HitTable, k: int) -> Iterator[tuple[ReferenceHit, ...]]:
    """Give each region's first k different references, best first."""
    for rows, scores in zip(table.hits.ids, table.hits.scores, strict=True):
        references = table.vector_references[rows[rows != PADDING_ID]]
        places = _first_places(references)[:k]
        yield tuple(table.reference_hit(int(references[place]), float(scores[place])) for place in places)


def best_brands(table: HitTable, needed: NDArray[np.int64], most: int, *, unlisted: float) -> tuple[BrandMatch, ...]:
    """Reduce the hits of all regions to the `most` best brands, best score first.

    `needed` says how many references of each group must agree (`agreeing`), and `unlisted` stands for the similarity
    of references that no list shows. Of equals the first reference goes first, then the first region.
    """
    hits = table.hits
    regions, places = np.nonzero(hits.ids != PADDING_ID)
    rows, similarities = hits.ids[regions, places], hits.scores[regions, places]
    order = np.lexsort((regions, rows, -similarities))
    # Best pair of each reference, most similar first, then the references of each group in that order.
    pairs = order[_first_places(table.vector_references[rows[order]])]
    met, groups = np.unique(table.groups[table.vector_references[rows[pairs]]], return_inverse=True)
    scores = _group_scores(groups, similarities[pairs], needed[met], unlisted)
    firsts = _first_places(groups)
    ranked = firsts[np.argsort(-scores[groups[firsts]], kind="stable")]
    brands = met[groups] // 2
    ranked = ranked[_first_places(brands[ranked])[:most]]
    return tuple(
        _brand_match(
            table,
            int(regions[pairs[at]]),
            int(rows[pairs[at]]),
            similarity=float(similarities[pairs[at]]),
            score=float(scores[groups[at]]),
            proposed=_proposed(table, rows[pairs[brands == brands[at]]]),
        )
        for at in ranked
    )


def _group_scores(
    groups: NDArray[np.int64], similarities: NDArray[np.float32], needed: NDArray[np.int64], unlisted: float
) -> NDArray[np.float64]:
    """Average each group's best similarities, given most similar first: float64 [groups]."""
    places = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[places], groups[places], side="left")
    rank = np.empty(len(groups), dtype=np.int64)
    rank[places] = np.arange(len(groups)) - starts
    counted = rank < needed[groups]
    sums = np.bincount(groups[counted], similarities[counted], minlength=len(needed))
    missing = needed - np.bincount(groups[counted], minlength=len(needed))
    return (sums + np.where(missing > 0, missing * unlisted, 0.0)) / np.maximum(needed, 1)


def _first_places(values: NDArray[np.signedinteger]) -> NDArray[np.int64]:
    """Find where each value occurs first, in order of place."""
    return np.sort(np.unique(values, return_index=True)[1])


def _brand_match(
    table: HitTable,
    region: int,
    vector_row: int,
    *,
    similarity: float,
    score: float,
    proposed: tuple[str, ...],
) -> BrandMatch:
    hit = table.reference_hit(int(table.vector_references[vector_row]), similarity)
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


def _proposed(table: HitTable, vector_rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Name the references of a brand's first vectors, given most similar first."""
    references = table.vector_references[vector_rows[:PROPOSED_REFERENCES]]
    return tuple(table.reference_id(int(reference)) for reference in references)
