"""Many listings already screened, made of a few that were: their decisions copied under other ids, in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import select

from index.decision_records import DecisionRecord
from index.store.engine import in_batches
from index.store.store import Store
from index.store.tables.decisions import decisions, listing_images
from index.store.tables.policies import decision_facts

_TABLES = (decisions, decision_facts, listing_images)


def listing_name(number: int) -> str:
    """Name a copy; the names' order is the numbers'."""
    return f"listing-{number:07d}"


def copy_decisions(store: Store, originals: Sequence[DecisionRecord], count: int) -> None:
    """Record `count` listings whose decisions are the originals', one after the other, with facts and photos."""
    facts = {one.decision_id: store.facts_of(one.decision_id) for one in originals}
    photos = {one.decision_id: store.decision_images(one.decision_id) for one in originals}
    with store._database.write("copy decisions") as connection:
        assert connection.execute(select(decisions.c.number).limit(1)).first() is not None
        for numbers in in_batches(range(count), 2_000):
            rows: dict[str, list[dict[str, object]]] = {table.name: [] for table in _TABLES}
            for number in numbers:
                original = originals[number % len(originals)]
                decision_id = f"copy-{number:07d}"
                own = {"decision_id": decision_id, "listing_id": listing_name(number), "idempotency_key": None}
                rows["decisions"].append(asdict(original) | own | {"verdict": str(original.verdict)})
                rows["decision_facts"].append({"decision_id": decision_id, "facts": facts[original.decision_id]})
                rows["listing_images"] += [
                    {"decision_id": decision_id, "position": position} | asdict(photo)
                    for position, photo in enumerate(photos[original.decision_id])
                ]
            for table in _TABLES:
                connection.execute(table.insert(), rows[table.name])
