"""Snapshots that earlier releases wrote stay readable: one folder for each format version (see make_snapshot.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.catalogue import ReferenceCatalogue
from index.records import DuplicateSource, ReferenceKind
from index.snapshot import current_snapshot, load_snapshot

FINGERPRINT = "golden@00000001"


@pytest.mark.parametrize(
    ("folder", "version"), [("snapshot_v1", "6-84266b57"), ("snapshot_v2", "6-4cd162af"), ("snapshot_v3", "6-1ba4d692")]
)
def test_a_snapshot_of_each_format_version_is_read(folder: str, version: str) -> None:
    """The golden snapshot verifies and answers as it did on the day it was written."""
    path = current_snapshot(Path(__file__).parent / folder)
    assert path is not None

    catalogue = ReferenceCatalogue.from_snapshot(load_snapshot(path, fingerprint=FINGERPRINT), "exact")

    views = np.eye(4, dtype=np.float32)
    counterfeit, other, first = catalogue.search(views[[2, 3, 1]], 1, photos=2)
    assert catalogue.version == version
    assert (first[0].reference_id, first[0].brand, first[0].kind) == ("r1", "Acme", ReferenceKind.LOGO)
    assert (counterfeit[0].reference_id, counterfeit[0].kind) == ("r2", ReferenceKind.COUNTERFEIT)
    assert (other[0].reference_id, other[0].brand) == ("r3", "Zoë & Söhne")
    white = np.full((1, 32), 255, dtype=np.uint8)
    (copy,) = catalogue.near_duplicates(white, white, ["0" * 64], usable=np.array([True]))[-1:]
    assert (copy.source, copy.source_id, copy.distance) == (DuplicateSource.REMOVED_LISTING, "l1", 0)
