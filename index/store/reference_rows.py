"""How does a reference lie in its table? Records to rows and back, for `index.store.references` and its neighbours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from index.errors import NotFound, StoreError
from index.records import (
    Provenance,
    Reference,
    ReferenceEmbedding,
    ReferenceKind,
    ReferenceOrigin,
    ReferenceScope,
    ReferenceState,
)
from index.store.tables.references import references
from vision.regions import Box

# Columns that carry a field of the same name, as it is.
_PLAIN = (
    "reference_id",
    "brand_id",
    "mark_id",
    "image_sha256",
    "pdq",
    "pdq_mirrored",
    "state_reason",
    "bank_id",
    "width",
    "height",
    "image_format",
    "revision",
)
_PROVENANCE = ("source_id", "uploaded_by", "file_name", "licence", "note")
_SCOPE = ("false_matches_per_million", "background_images", "collisions")


def find_reference(connection: Connection, reference_id: str) -> Reference | None:
    """Return a reference; None when there is none of that id."""
    row = connection.execute(select(references).where(references.c.reference_id == reference_id)).one_or_none()
    return None if row is None else to_reference(row)


def no_reference(reference_id: str) -> NotFound:
    """Make the error of a reference that is not there."""
    return NotFound(f"There is no reference with the id {reference_id!r}; it may have had another brand or file.")


def reference_row(reference: Reference, now: datetime) -> dict[str, Any]:
    """Lay a reference out as a row; `now` stands where it has no times."""
    box, provenance, created = reference.box, reference.provenance, reference.create_time or now
    return {
        **{name: getattr(reference, name) for name in _PLAIN},
        "kind": str(reference.kind),
        "state": str(reference.state),
        **{edge: box and getattr(box, edge) for edge in ("x1", "y1", "x2", "y2")},
        "origin": str(provenance.origin),
        **{name: getattr(provenance, name) for name in _PROVENANCE},
        **scope_columns(reference.scope),
        "create_time": created,
        "update_time": reference.update_time or created,
    }


def scope_columns(scope: ReferenceScope | None) -> dict[str, Any]:
    """Lay out what a reference would hit."""
    return {name: scope and getattr(scope, name) for name in _SCOPE}


def to_reference(row: Row[Any]) -> Reference:
    """Read a row."""
    columns = row._mapping
    return Reference(
        **{name: columns[name] for name in _PLAIN},
        kind=ReferenceKind(row.kind),
        state=ReferenceState(row.state),
        box=None if row.x1 is None else Box(row.x1, row.y1, row.x2, row.y2),
        provenance=Provenance(origin=ReferenceOrigin(row.origin), **{name: columns[name] for name in _PROVENANCE}),
        scope=None if row.collisions is None else ReferenceScope(**{name: columns[name] for name in _SCOPE}),
        create_time=row.create_time,
        update_time=row.update_time,
    )


def embedding_row(item: ReferenceEmbedding, *, of: Reference | None) -> dict[str, Any]:
    """Lay an embedding out as a row. Raises StoreError unless it is one of the reference `of`, finite float32 [dim]."""
    if of is not None and item.reference_id != of.reference_id:
        raise StoreError(f"An embedding of {item.reference_id!r} was given with the reference {of.reference_id!r}.")
    vector = np.ascontiguousarray(item.vector, dtype="<f4")
    if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
        raise StoreError(
            f"The embedding {item.variant} of {item.reference_id!r} is no row of finite float32 "
            f"(its shape is {vector.shape}); store what Embedder.embed returns, row by row."
        )
    return {
        "fingerprint": item.fingerprint,
        "reference_id": item.reference_id,
        "variant": item.variant,
        "dim": vector.size,
        "vector": vector.tobytes(),
    }
