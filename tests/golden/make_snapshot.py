"""Writes the golden snapshot of the present format version: tiny, from fixed data, committed once and never changed.

A new format version gets a folder of its own (python tests/golden/make_snapshot.py tests/golden/snapshot_vN), and the
old folders stay, so that tests/golden/test_golden_snapshot.py proves each version readable.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from index.decision_records import RemovedImage
from index.fake_source import FakeSource
from index.opening import build_catalogue
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind

FINGERPRINT = "golden@00000001"


def golden_source() -> FakeSource:
    """Two brands, three references (one a known counterfeit, one with two views), one removed photo."""
    source = FakeSource()
    source.put_brand(Brand(brand_id="b1", name="Acme"))
    source.put_brand(Brand(brand_id="b2", name="Zoë & Söhne"))
    for number, (reference_id, brand_id, kind, axes) in enumerate(
        [
            ("r1", "b1", ReferenceKind.LOGO, (0, 1)),
            ("r2", "b1", ReferenceKind.COUNTERFEIT, (2,)),
            ("r3", "b2", ReferenceKind.PRODUCT, (3,)),
        ]
    ):
        views = [
            ReferenceEmbedding(
                reference_id=reference_id,
                variant=variant,
                fingerprint=FINGERPRINT,
                vector=np.eye(4, dtype=np.float32)[axis],
            )
            for variant, axis in enumerate(axes)
        ]
        reference = Reference(
            reference_id=reference_id,
            brand_id=brand_id,
            kind=kind,
            image_sha256=f"{number:064x}",
            pdq=None if number == 2 else bytes([number]) * 32,
        )
        source.put_reference(reference, views)
    source.add_removed_image(RemovedImage(listing_id="l1", sha256="f" * 64, pdq=b"\xff" * 32, brand="Acme"))
    return source


if __name__ == "__main__":
    build_catalogue(golden_source(), Path(sys.argv[1]), FINGERPRINT, "exact")
