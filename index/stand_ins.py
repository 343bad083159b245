"""What stands in for a catalogue of many references where measuring needs one? Columns around any vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.columns import CatalogueColumns, text

_PER_BRAND = 250


def columns_of(vectors: NDArray[np.float32]) -> CatalogueColumns:
    """Lay out a catalogue of marks, one for each vector, float32 [n, dim] with unit rows, 250 to a brand.

    Their ids sort behind those of real references, which are hexadecimal.
    """
    count = len(vectors)
    random = np.random.default_rng(0)
    ids = text(f"s{number:031x}" for number in range(count))
    brands = text(f"stand-in-{number:06}" for number in range(-(-count // _PER_BRAND)))
    return CatalogueColumns(
        vectors=vectors,
        vector_references=np.arange(count, dtype=np.int32),
        reference_ids=ids,
        reference_kinds=np.full(count, b"logo"),
        reference_brands=(np.arange(count) // _PER_BRAND).astype(np.int32),
        reference_marks=np.ones(count, np.bool_),
        reference_digests=random.integers(0, 2**64, count, dtype=np.uint64),
        brand_ids=brands,
        brand_names=brands,
        copy_pdq=random.integers(0, 256, (count, 32), dtype=np.uint8),
        copy_has_pdq=np.ones(count, np.bool_),
        copy_sha256=random.integers(0, 256, (count, 32), dtype=np.uint8),
        copy_sources=np.full(count, b"OFFICIAL_REFERENCE"),
        copy_source_ids=ids,
        copy_brands=brands[np.arange(count) // _PER_BRAND],
        copy_digests=np.zeros(count, np.uint64),
        lookalike_vectors=np.empty((0, 0), np.float16),
        lookalike_copies=np.empty(0, np.int32),
    )
