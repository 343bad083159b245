"""Which references is an evaluation run against? The seed catalogue that ships, or a reference manifest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from index.errors import CatalogueError, ReferenceTooSmall
from index.manifest import ReferenceRow, read_references
from reference_brands.seed import seed_brands, seed_marks
from serving.app import Application
from serving.new_reference import NewReference
from serving.reference_sources import manifest_references, seed_references

log = logging.getLogger(__name__)

SEED = "seed"


class ReferenceSource:
    """The curated seed catalogue, or the references of a manifest, of each brand the first `max_per_brand`.

    References that are too small to be imported are left out and logged.
    """

    def __init__(self, references: str, *, max_per_brand: int | None = None) -> None:
        self._rows = None if references == SEED else list(_first_of_each(Path(references), max_per_brand))
        self.expected = (
            sum(len(brand.marks + brand.earlier_marks) for brand in seed_brands())
            if self._rows is None
            else len(self._rows)
        )

    def references(self, application: Application) -> Iterable[NewReference]:
        """Give what a throw-away registry is filled with. Raises CatalogueError for a row that cannot be used."""
        if self._rows is None:
            return seed_references(seed_marks())
        return manifest_references(self._rows, application.store, on_error=_refuse)


def _first_of_each(manifest: Path, most: int | None) -> Iterator[ReferenceRow]:
    seen: Counter[str] = Counter()
    for row in read_references(manifest):
        seen[row.brand] += 1
        if most is None or seen[row.brand] <= most:
            yield row


def _refuse(error: CatalogueError) -> None:
    if not isinstance(error, ReferenceTooSmall):
        raise error
    log.warning("left out: %s", error)
