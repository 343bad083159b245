"""Which photos does evidence open to a brand owner? Those of the owner's own brand, whatever it calls itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from index.decision_records import DecisionRecord
from index.errors import NotFound
from index.photos import Photo, PhotoOwner
from index.records import Brand
from index.store.store import Store
from serving.access.caller import BRAND_OWNER, Caller
from serving.image_access import Subject, visible_photos
from tests.contract.test_store import a_reference
from tests.contract.test_store_decisions import a_decision
from tests.contract.test_store_photos import a_photo
from touchstone.moderation.v1 import decision_pb2, evidence_pb2

OWNER = Caller("olga", frozenset({BRAND_OWNER}), frozenset({"acme"}))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store in which a brand's owner gave it the name of one that nobody registered as an alias."""
    with Store.open(tmp_path / "store.db") as opened:
        opened.put_brands(
            [Brand(brand_id="acme", name="Acme", aliases=("Stranger",)), Brand(brand_id="b", name="Bravo")]
        )
        opened.add_references([(replace(a_reference("own"), brand_id="acme", mark_id=None), [])])
        opened.add_references([(replace(a_reference("other"), brand_id="b", mark_id=None), [])])
        yield opened


def seen(store: Store, copy: evidence_pb2.Duplicate) -> tuple[Photo, ...]:
    """Ask as the owner for the photos of a decision whose evidence is a copy."""
    decision = decision_pb2.Decision(decision_id="d", evidence=[evidence_pb2.Evidence(duplicate=copy)])
    record: DecisionRecord = replace(a_decision("d"), payload=decision.SerializeToString())
    store.record_decision(record, photos=[a_photo("d", owner=PhotoOwner.DECISION)])
    try:
        return visible_photos(store, Subject("decision", "d"), OWNER).photos
    except NotFound:
        return ()


@pytest.mark.parametrize(
    ("source", "source_id", "brand", "opens"),
    [
        (evidence_pb2.DUPLICATE_SOURCE_OFFICIAL_REFERENCE, "own", "Acme", True),
        (evidence_pb2.DUPLICATE_SOURCE_KNOWN_COUNTERFEIT, "other", "Bravo", False),
        (evidence_pb2.DUPLICATE_SOURCE_OFFICIAL_REFERENCE, "other", "Acme", False),
        (evidence_pb2.DUPLICATE_SOURCE_OFFICIAL_REFERENCE, "gone", "Acme", False),
        (evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING, "l9", "acme", True),
        (evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING, "l9", "Stranger", False),
        (evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING, "l9", "", False),
    ],
)
def test_copies_open_photos_of_the_own_brand_only(
    store: Store, source: evidence_pb2.DuplicateSource.ValueType, source_id: str, brand: str, *, opens: bool
) -> None:
    """A copy of an own reference opens a photo, and of a removed listing by the brand's name; an alias opens none."""
    copy = evidence_pb2.Duplicate(image_index=0, source=source, source_id=source_id, brand=brand)

    assert bool(seen(store, copy)) is opens
