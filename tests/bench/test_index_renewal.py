"""How long does one upload keep a replica? From the commit to the catalogue that has it: 50 ms at most."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import numpy as np

from index.catalogue import ReferenceCatalogue
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind, ReferenceState
from index.stand_ins import columns_of
from index.store.store import Store
from training.real_vectors import unit

# docs/index.md states what TOUCHSTONE_BENCH_REFERENCES=1000000 measures.
REFERENCES = int(os.environ.get("TOUCHSTONE_BENCH_REFERENCES", "5000"))
DIM, CHANGES = 64, 100
MODEL = "model@1"
BAR_MS = 50.0


def test_renewal_is_a_matter_of_milliseconds(tmp_path: Path) -> None:
    """A hundred references come and go, one at a time, above a large base: the median renewal is within the bar."""
    random = np.random.default_rng(0)
    vectors = unit(random.standard_normal((REFERENCES, DIM), dtype=np.float32))
    base = ReferenceCatalogue.of(
        columns_of(vectors), fingerprint=MODEL, store_version=0, store_mark="", backend="exact"
    )
    taken = []
    with Store.open(tmp_path / "store.db") as store:
        store.put_brands([Brand(brand_id="acme", name="Acme")])
        catalogue = base.up_to_date(store)
        for number in range(CHANGES):
            name = f"new-{number // 2}"
            if number % 2 == 0:
                reference = Reference(
                    reference_id=name, brand_id="acme", kind=ReferenceKind.LOGO, image_sha256=f"{number:064x}"
                )
                view = ReferenceEmbedding(reference_id=name, variant=0, fingerprint=MODEL, vector=vectors[number])
                store.add_references([(reference, [view])])
            else:
                store.set_reference_state(name, ReferenceState.RETIRED)
            began = time.perf_counter()
            catalogue = catalogue.up_to_date(store)
            taken.append(1e3 * (time.perf_counter() - began))

    print(f"{REFERENCES} references: {statistics.median(taken):.1f} ms, slowest {max(taken):.1f} ms")
    assert len(catalogue) == REFERENCES
    assert statistics.median(taken) < BAR_MS
