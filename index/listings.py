"""Which listings on sale look like this? What the catalogue index of screened listings is asked and answers.

The seam between whoever searches listings (FindListings, PreviewReference, sweeps) and the backends that hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vision.regions import Box


@dataclass(frozen=True, kw_only=True)
class ListingWhere:
    """Narrows a search; what is empty or None does not. `verdicts` are those in force, such as "ALLOW".

    `brand_ids` are brands of which the latest decision has evidence; `category_path` includes what is below it.
    """

    brand_ids: tuple[str, ...] = ()
    seller_ids: tuple[str, ...] = ()
    category_path: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    screened_from: datetime | None = None
    screened_before: datetime | None = None


EVERYWHERE = ListingWhere()


@dataclass(frozen=True, kw_only=True)
class ListingMatch:
    """A listing, by its latest decision, with the region of its photos that is most similar, by cosine, -1..1."""

    listing_id: str
    decision_id: str
    verdict: str
    image_index: int
    box: Box
    similarity: float
    seller_id: str
    screen_time: datetime


class ListingSource(Protocol):
    """Finds listings already screened."""

    def find_listings(
        self,
        vectors: NDArray[np.float32],
        *,
        marks: bool,
        at_least: float,
        most: int,
        where: ListingWhere = EVERYWHERE,
    ) -> tuple[ListingMatch, ...]:
        """Find up to `most` listings with a region at least so similar to any of the vectors, the most similar first.

        vectors: float32 [n, dim] unit rows of one reference's views. `marks` says whether they are of a mark, which is
        compared with regions, or of a whole product, which is compared with whole photos.
        """
