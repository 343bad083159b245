"""Which photos does evidence open to a brand owner? Those of the owner's own brand, whatever it calls itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
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
from tests.contract.test_store_decisions import NOON, a_decision
from tests.contract.test_store_photos import a_photo
from tests.support.databases import with_tables
from touchstone.moderation.v1 import decision_pb2, evidence_pb2

OWNER = Caller("olga", frozenset({BRAND_OWNER}), frozenset({"acme"}))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store in which a brand's owner gave it the name of one that nobody registered as an alias."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        opened.put_brands(
            [Brand(brand_id="acme", name="Acme", aliases=("Stranger",)), Brand(brand_id="b", name="Bravo")],
            now=NOON - timedelta(days=9),
        )
        opened.add_references([(replace(a_reference("own"), brand_id="acme", mark_id=None), [])])
        opened.add_references([(replace(a_reference("other"), brand_id="b", mark_id=None), [])])
        yield opened


def taken_down(store: Store, brand: str, *, listing: str = "l9", time: datetime = NOON) -> None:
    """Have a listing decided on as one of a brand, by the name that it bears or that the seller gave it."""
    named = replace(a_decision(f"{listing} of {brand} at {time}", listing=listing), brand=brand, create_time=time)
    store.record_decision(named)


def a_copy(brand: str, listing: str = "l9") -> evidence_pb2.Duplicate:
    """Give the evidence of a photo of a removed listing."""
    source = evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING
    return evidence_pb2.Duplicate(image_index=0, source=source, source_id=listing, brand=brand)


def call(store: Store, name: str, *aliases: str, time: datetime) -> None:
    """Give the owner's brand another name."""
    store.put_brands([Brand(brand_id="acme", name=name, aliases=aliases)], actor="olga", now=time)


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
    taken_down(store, brand)
    copy = evidence_pb2.Duplicate(image_index=0, source=source, source_id=source_id, brand=brand)

    assert bool(seen(store, copy)) is opens


def test_a_name_that_was_given_since_opens_no_copies(store: Store) -> None:
    """Those of a listing that was taken down under a stranger's name, also when it is screened again afterwards."""
    taken_down(store, "Zebrafinch")
    call(store, "Zebrafinch", time=NOON + timedelta(days=1))
    taken_down(store, "Zebrafinch", time=NOON + timedelta(days=2))

    assert seen(store, a_copy("Zebrafinch")) == ()


def test_what_was_at_stake_stays_open_under_a_new_name(store: Store) -> None:
    """What was the brand's when it was taken down is so still, through any number of renamings."""
    taken_down(store, "Acme")
    taken_down(store, "Acme Works", listing="l10", time=NOON + timedelta(days=2))
    call(store, "Acme Works", time=NOON + timedelta(days=1))
    call(store, "Acme Group", time=NOON + timedelta(days=3))

    assert seen(store, a_copy("Acme"))


def test_a_name_that_another_brand_let_go_of_opens_nothing_of_it(store: Store) -> None:
    """Whoever takes it over has no part in what was decided before."""
    taken_down(store, "Bravo")
    store.put_brands([Brand(brand_id="b", name="Bravissimo")], now=NOON + timedelta(days=1))
    call(store, "Bravo", time=NOON + timedelta(days=2))

    assert seen(store, a_copy("Bravo")) == ()


def test_a_brand_made_later_opens_nothing_that_was_nobodys(store: Store) -> None:
    """The name stood there in a seller's words alone."""
    taken_down(store, "Acme", time=NOON - timedelta(days=10))

    assert seen(store, a_copy("Acme")) == ()
