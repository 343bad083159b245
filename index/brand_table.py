"""Which brand is meant by a row? The brands of a catalogue under numbers that stay the same while others are added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from index.columns import CatalogueColumns, brand_digest

_DIGEST_LIMIT = 1 << 64


@dataclass(frozen=True, eq=False)
class BrandTable:
    """Brands by row: `ids` and `names`; `rows` finds one. Immutable. `digest` is the sum of theirs, 64 bits."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    rows: Mapping[str, int]
    digest: int

    @classmethod
    def of(cls, columns: CatalogueColumns) -> BrandTable:
        """Read the brands of a catalogue's first layer, row for row."""
        ids = tuple(name.decode() for name in columns.brand_ids.tolist())
        names = tuple(name.decode() for name in columns.brand_names.tolist())
        digest = sum(map(brand_digest, ids, names)) % _DIGEST_LIMIT
        return cls(ids, names, {brand_id: row for row, brand_id in enumerate(ids)}, digest)

    def renamed(self, names: Mapping[str, str]) -> BrandTable:
        """Give brands, by id, other names; those that are new get the next rows. `self` when nothing changes."""
        differing = {
            brand_id: name
            for brand_id, name in names.items()
            if brand_id not in self.rows or self.names[self.rows[brand_id]] != name
        }
        if not differing:
            return self
        ids, known, rows, digest = list(self.ids), list(self.names), dict(self.rows), self.digest
        for brand_id, name in differing.items():
            if brand_id in rows:
                digest -= brand_digest(brand_id, known[rows[brand_id]])
                known[rows[brand_id]] = name
            else:
                rows[brand_id] = len(ids)
                ids.append(brand_id)
                known.append(name)
            digest += brand_digest(brand_id, name)
        return BrandTable(tuple(ids), tuple(known), rows, digest % _DIGEST_LIMIT)
