"""How fast is the store in bulk? Figures to read (`pytest -s`); only a gross slip fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from index.decision_records import DecisionRecord
from index.market_records import PriceObservation
from index.money import Money
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind
from index.store.store import Store

BRANDS, VIEWS, DIM = 3_473, 6, 1_280
PRICES = 100_000
DECISIONS = 100


@contextmanager
def timed(what: str, count: int) -> Iterator[None]:
    """Print how long the block took, in all and for each of `count`."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    print(f"{what}: {count:,} in {seconds:.2f} s, {seconds / count * 1e6:.1f} us each")


@pytest.mark.slow
def test_bulk_speed(tmp_path: Path) -> None:
    """The seed catalogue with its embeddings, a price history and single decisions are stored, and timed."""
    vectors = np.random.default_rng(0).standard_normal((VIEWS, DIM), dtype=np.float32)
    price = Money(Decimal("49.90"), "EUR")
    with Store.open(tmp_path / "store.db") as store:
        with timed("brands", BRANDS):
            store.put_brands(Brand(brand_id=f"b{n}", name=f"Brand {n}", aliases=(f"B{n}",)) for n in range(BRANDS))
        with timed(f"references with {VIEWS} embeddings", BRANDS):
            store.add_references(
                (
                    Reference(reference_id=f"r{n}", brand_id=f"b{n}", kind=ReferenceKind.LOGO, image_sha256="0" * 64),
                    [
                        ReferenceEmbedding(reference_id=f"r{n}", variant=view, fingerprint="f", vector=vectors[view])
                        for view in range(VIEWS)
                    ],
                )
                for n in range(BRANDS)
            )
        with timed("embeddings read", BRANDS * VIEWS):
            read = sum(len(embeddings) for _, embeddings in store.iter_references("f"))
        with timed("prices", PRICES):
            store.add_price_observations(
                PriceObservation(brand="b", category="c", condition="new", unit_price=price, observation_id=str(n))
                for n in range(PRICES)
            )
        with timed("prices read", PRICES):
            prices = sum(1 for _ in store.iter_price_observations())
        with timed("decisions", DECISIONS):
            for n in range(DECISIONS):
                store.record_decision(
                    DecisionRecord(
                        decision_id=f"d{n}",
                        listing_id=f"l{n}",
                        verdict="ALLOW",
                        create_time=datetime.now(UTC),
                        payload=bytes(3_000),
                        request_sha256="0" * 64,
                    )
                )

    assert (read, prices) == (BRANDS * VIEWS, PRICES)
