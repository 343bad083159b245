"""How fast does a seller with a long record answer? Figures to read (`pytest -s`); only a gross slip fails."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from index.decision_records import DecisionRecord
from index.market_records import AuthorisedSeller
from index.records import Brand
from index.rings import Ring
from index.store.store import Store
from index.store.tables.decisions import decisions
from index.store.tables.sellers import seller_listings, seller_tallies
from index.strikes import weight_at
from serving.domain import Listing
from serving.evidence import BrandAtStake
from serving.seller_evidence import seller_evidence

LISTINGS, ASKED = 100_000, 400
NIKE = Brand(brand_id="nike", name="Nike")


@pytest.mark.slow
def test_seller_with_many_listings_answers_at_once(tmp_path: Path) -> None:
    """100,000 decisions on record, a list of authorised sellers and a ring of 50: some milliseconds at most."""
    now = datetime.now(UTC)
    listing = Listing(listing_id="a", images=(), seller_id="s", market="DE")
    with Store.open(tmp_path / "store.db") as store:
        store.put_brands([NIKE])
        store.set_authorised_sellers("nike", [AuthorisedSeller(seller_id="s", territory="DE")])
        _put_listings(store, now)
        store.put_rings(
            [Ring(seller_ids=("s", *(f"s{n}" for n in range(49))), shared_photos=3, shared_titles=0)], now=now
        )
        took = []
        for _ in range(ASKED):
            start = time.perf_counter()
            evidence = seller_evidence(listing, BrandAtStake(NIKE.name, NIKE), store)
            took.append(time.perf_counter() - start)
    median = sorted(took)[ASKED // 2] * 1000
    print(f"seller evidence, {LISTINGS:,} decisions on record: {median:.2f} ms (median of {ASKED})")

    assert evidence is not None
    assert evidence.decisions == LISTINGS
    assert median < 20


def _put_listings(store: Store, now: datetime) -> None:
    """Put the decisions on record at once; recording each one takes ten minutes and comes to the same."""
    record = vars(DecisionRecord(
        decision_id="", listing_id="", verdict="ALLOW", create_time=now, payload=b"", request_sha256="0" * 64,
        seller_id="s",
    ))  # fmt: skip
    counted = {"seller_id": "s", "decide_time": now, "struck": False}
    ids = [{"decision_id": f"d{n}", "listing_id": f"l{n}"} for n in range(LISTINGS)]
    total = {"listings_weight": LISTINGS * weight_at(now), "strikes_weight": 0.0, "first_time": now}
    with store._database.write("put listings") as connection:
        connection.execute(decisions.insert(), [record | each for each in ids])
        connection.execute(seller_listings.insert(), [counted | each for each in ids])
        connection.execute(seller_tallies.insert(), {"seller_id": "s", "listings": LISTINGS, "strikes": 0} | total)
