"""What did earlier releases write? Their columns, completed to those of today, so that old snapshots stay readable.

Format version 1 had neither `reference_marks` nor `copy_vectors`; 2 had a row in `copy_vectors` for each picture, zero
where there was none; neither had digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.records import ReferenceKind, shows_mark

Arrays = Mapping[str, NDArray[Any]]

NEW_IN_3 = {"reference_digests", "copy_digests", "lookalike_vectors", "lookalike_copies"}
NEW_IN_2 = {"reference_marks"}


def columns_of(format_version: int, now: set[str]) -> set[str]:
    """Name the columns of a format version, given those of today."""
    if format_version >= 3:
        return now
    since_2 = (now - NEW_IN_3) | {"copy_vectors"}
    return since_2 if format_version == 2 else since_2 - {*NEW_IN_2, "copy_vectors"}


def completed(arrays: Arrays) -> Arrays:
    """Add what an older format version did not have. Digests are zero: the manifest names the index's version."""
    if arrays.keys() >= NEW_IN_3:
        return arrays
    kinds = [ReferenceKind(kind.decode()) for kind in arrays["reference_kinds"]]
    marks = [kind is ReferenceKind.EXAMPLE or shows_mark(kind, None) for kind in kinds]
    rows = arrays.get("copy_vectors", np.zeros((len(arrays["copy_sha256"]), 0), np.float16))
    embedded = np.flatnonzero(rows.any(axis=1))
    kept = {name: array for name, array in arrays.items() if name != "copy_vectors"}
    return {
        "reference_marks": np.array(marks, np.bool_),
        "reference_digests": np.zeros(len(kinds), np.uint64),
        "copy_digests": np.zeros(len(rows), np.uint64),
        "lookalike_vectors": rows[embedded],
        "lookalike_copies": embedded.astype(np.int32),
        **kept,
    }
