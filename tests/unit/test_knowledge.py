"""What listings are compared with is derived from the store, and renewed only where the store has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.errors import SnapshotError, StoreError
from index.market_records import PriceObservation
from index.money import ExchangeRates, Money
from index.named import Named
from index.opening import build_catalogue, open_catalogue
from index.price_bands import PriceBand
from index.price_live import read_all
from index.pricing import PriceModel
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind
from index.refresh import Holder
from index.store.store import Store
from index.upkeep import Upkeep
from index.verifying import verify_snapshot
from serving import knowledge as knowledge_module
from serving.knowledge import Knowledge, KnowledgeSource, catch_up
from serving.known_names import KnownNames, read_known_names
from tests.support.databases import with_tables

MODEL = "model@1"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[KnowledgeSource]:
    """Derive knowledge from a registry of one brand with one reference."""
    with Store.open(with_tables(tmp_path / "store.db")) as store:
        store.put_brands([Brand(brand_id="nike", name="Nike")])
        _add_reference(store, "r0")
        upkeep = Upkeep(store, tmp_path / "index", fingerprint=MODEL, backend="exact")
        yield KnowledgeSource(
            store=store, index_dir=tmp_path / "index", upkeep=upkeep, fingerprint=MODEL, backend="exact",
            rates=ExchangeRates.load(), base_currency="USD",
        )  # fmt: skip


def _add_reference(store: Store, name: str) -> None:
    reference = Reference(reference_id=name, brand_id="nike", kind=ReferenceKind.LOGO, image_sha256="0" * 64)
    vector = np.eye(8, dtype=np.float32)[0]
    store.add_references(
        [(reference, [ReferenceEmbedding(reference_id=name, variant=0, fingerprint=MODEL, vector=vector)])]
    )


def _add_price(store: Store, amount: int) -> None:
    price = Money(Decimal(amount), "USD")
    store.add_price_observations([PriceObservation(brand="Nike", category="shoes", condition="new", unit_price=price)])


def test_knowledge_is_read_from_the_store(source: KnowledgeSource) -> None:
    """References and names are there at once; without prices on record there is no price model."""
    knowledge = source.open()

    assert len(knowledge.catalogue) == 1
    assert knowledge.lexicon.resolve("NIKE") == Brand(brand_id="nike", name="Nike")
    assert knowledge.names.find("NIKE") == Named(brand=Brand(brand_id="nike", name="Nike"), exact=True)
    assert knowledge.prices is None


def test_everyday_words_are_hardly_names(source: KnowledgeSource) -> None:
    """A brand that is called like an everyday word, of those in the wording file, is not surely named by it."""
    red, express = Brand(brand_id="red", name="Red"), Brand(brand_id="express", name="Express")
    source.store.put_brands([red, express])

    names = source.open().names

    assert [names.find(line) for line in ("RED", "Express")] == [
        Named(brand=red, exact=False, distinct=False),
        Named(brand=express, exact=False, distinct=False),
    ]


def test_nothing_changed_nothing_renewed(source: KnowledgeSource) -> None:
    """Looking for changes costs no rebuild while there are none."""
    assert source.renew(source.open()) is None


def test_new_reference_renews_references_and_names_only(source: KnowledgeSource) -> None:
    """A new brand with its reference is found after a renewal, and the price model stays the same object."""
    _add_price(source.store, 100)
    old = source.open()

    source.store.put_brands([Brand(brand_id="puma", name="Puma")])
    _add_reference(source.store, "r1")
    new = source.renew(old)

    assert new is not None
    assert len(new.catalogue) == 2
    assert new.lexicon.resolve("puma") is not None
    assert new.names.find("PUMA") is not None
    assert new.prices is old.prices
    assert old.lexicon.resolve("puma") is None
    assert len(old.catalogue) == 1


def test_a_reference_of_a_known_brand_renews_no_name(source: KnowledgeSource) -> None:
    """Uploads are many and names are few: only a change of a brand makes the tables of names anew."""
    old = source.open()

    _add_reference(source.store, "r1")
    added = source.renew(old)
    assert added is not None
    source.store.put_brands([Brand(brand_id="nike", name="Nike", aliases=("Swoosh",))])
    renamed = source.renew(added)

    assert added.lexicon is old.lexicon
    assert added.names is old.names
    assert renamed is not None
    assert renamed.lexicon.resolve("swoosh") is not None


def test_a_new_base_is_taken_up_and_renews_no_name(source: KnowledgeSource) -> None:
    """A snapshot that another process built takes the place of the one in use, with what came after it."""
    old = source.open()
    _add_reference(source.store, "r1")
    build_catalogue(source.store, source.index_dir, MODEL, "exact")
    _add_reference(source.store, "r2")

    source.upkeep.look(old.catalogue)
    new = source.renew(old)

    assert new is not None
    assert len(new.catalogue) == 3
    assert new.catalogue.base_version == old.catalogue.base_version + 1
    assert new.lexicon is old.lexicon
    assert source.renew(new) is None


def test_new_price_renews_prices_only(source: KnowledgeSource) -> None:
    """A price on record is fitted at the next renewal, and the catalogue stays the same object."""
    old = source.open()

    _add_price(source.store, 100)
    new = source.renew(old)

    assert new is not None
    assert new.catalogue is old.catalogue
    assert new.prices is not None
    assert new.prices.observations == 1
    assert source.renew(new) is None


def test_prices_followed_one_by_one_are_those_read_at_once(source: KnowledgeSource) -> None:
    """A replica that saw a hundred prices come has exactly the model of one that opens the store then."""
    followed = source.open()
    for amount in range(50, 150):
        _add_price(source.store, amount)
        followed = source.renew(followed) or followed

    assert followed.prices is not None
    assert followed.prices.observations == 100
    assert followed.prices == source.open().prices


def test_price_bands_renew_prices(source: KnowledgeSource) -> None:
    """A band that is set makes a model at the next renewal, and taking it away unmakes it."""
    band = PriceBand(low=Money(Decimal(50), "USD"), high=Money(Decimal(90), "USD"))
    old = source.open()

    source.store.set_price_bands("nike", [band])
    new = source.renew(old)
    assert new is not None
    source.store.set_price_bands("nike", [])
    last = source.renew(new)

    assert new.prices is not None
    assert last is not None
    assert last.prices is None


def test_a_fit_of_many_prices_holds_up_no_reference(source: KnowledgeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """While prices are fitted anew, for seconds, an upload is matched at once; the fit is taken up when it is done."""
    monkeypatch.setattr(knowledge_module, "_FITTED_AT_ONCE", 0)
    begun, finish = threading.Event(), threading.Event()

    def slow(*arguments: Any, **options: Any) -> PriceModel:
        begun.set()
        assert finish.wait(30)
        return read_all(*arguments, **options)

    monkeypatch.setattr(knowledge_module, "read_all", slow)
    old = source.open()
    _add_price(source.store, 100)
    _add_reference(source.store, "r1")

    new = source.renew(old)

    assert begun.wait(30)
    assert new is not None
    assert (len(new.catalogue), new.prices) == (2, None)
    assert source.renew(new) is None
    finish.set()
    later = None
    while later is None:
        later = source.renew(new)
        time.sleep(0.01)
    assert later.prices is not None
    assert later.prices.observations == 1


def test_a_fit_that_fails_is_told_and_tried_again(source: KnowledgeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes with a later renewal; references follow in between, and a fit that succeeds is taken up."""
    monkeypatch.setattr(knowledge_module, "_FITTED_AT_ONCE", 0)

    def fail(*_arguments: Any, **_options: Any) -> PriceModel:
        raise StoreError("gone")

    old = source.open()
    _add_price(source.store, 100)
    with monkeypatch.context() as broken:
        broken.setattr(knowledge_module, "read_all", fail)
        assert source.renew(old) is None
        while source.fits.busy:
            time.sleep(0.01)
        with pytest.raises(StoreError, match="gone"):
            source.renew(old)

    later = None
    while later is None:
        later = source.renew(old)
        time.sleep(0.01)
    assert later.prices is not None


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let names be read aside however few there are, and not be ready before the event is set."""
    finish = threading.Event()
    monkeypatch.setattr(knowledge_module, "_NAMED_AT_ONCE", 0)

    def slow(store: Store, version: int, *, last: KnownNames | None = None) -> KnownNames:
        assert last is None or finish.wait(30)
        return read_known_names(store, version, last=last)

    monkeypatch.setattr(knowledge_module, "read_known_names", slow)
    yield finish
    finish.set()


def test_the_names_of_many_brands_hold_up_no_reference(source: KnowledgeSource, slow_names: threading.Event) -> None:
    """While the names of a thousand brands are read anew, for seconds, an upload is matched at once."""
    old = source.open()
    source.store.put_brands([Brand(brand_id="puma", name="Puma")])
    _add_reference(source.store, "r1")

    new = source.renew(old)
    assert new is not None
    _add_reference(source.store, "r2")
    newer = source.renew(new)

    assert newer is not None
    assert (len(new.catalogue), len(newer.catalogue)) == (2, 3)
    assert newer.lexicon.resolve("puma") is None
    version = source.store.version()
    assert not newer.reaches(version)
    slow_names.set()
    holder: Holder[Knowledge] = Holder(newer, source.renew)
    catch_up(holder, version)
    assert holder.current.lexicon.resolve("puma") is not None
    assert holder.current.names.find("PUMA") is not None
    assert holder.current.reaches(version)
    assert source.renew(holder.current) is None


def test_a_brand_that_changes_while_names_are_read_is_known_in_the_end(
    source: KnowledgeSource, slow_names: threading.Event
) -> None:
    """Names that were read of an older state are taken up, and those of the newest one are read after them."""
    source.store.put_brands([Brand(brand_id="puma", name="Puma")])
    holder = Holder(source.open(), source.renew)
    source.store.put_brands([Brand(brand_id="zara", name="Zara")])
    holder.refresh()
    source.store.put_brands([Brand(brand_id="gucci", name="Gucci")])
    holder.refresh()
    slow_names.set()

    catch_up(holder)

    assert holder.current.naming is None
    assert all(holder.current.lexicon.resolve(name) for name in ("zara", "gucci"))


def test_a_brand_that_keeps_its_names_renews_no_table(source: KnowledgeSource) -> None:
    """Most changes of a brand, of its rights or marks say, leave its names as they were: the tables stay, too."""
    old = source.open()
    source.store.put_brands([Brand(brand_id="nike", name="Nike", aliases=("Swoosh",))])
    source.store.put_brands([Brand(brand_id="nike", name="Nike")])

    new = source.renew(old)

    assert new is not None
    assert new.known_names.version == source.store.version() > old.known_names.version
    assert new.lexicon is old.lexicon
    assert new.names is old.names


def test_a_reading_of_names_that_fails_is_told_and_tried_again(
    source: KnowledgeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the names learns of the error; the next renewal begins anew."""
    monkeypatch.setattr(knowledge_module, "_NAMED_AT_ONCE", 0)

    def fail(*_arguments: Any, **_options: Any) -> KnownNames:
        raise StoreError("gone")

    holder = Holder(source.open(), source.renew)
    source.store.put_brands([Brand(brand_id="puma", name="Puma")])
    with monkeypatch.context() as broken:
        broken.setattr(knowledge_module, "read_known_names", fail)
        with pytest.raises(StoreError, match="gone"):
            catch_up(holder)

    catch_up(holder)

    assert holder.current.lexicon.resolve("puma") is not None


def test_opening_again_takes_the_snapshot(source: KnowledgeSource) -> None:
    """A restarted replica has the same index version as the one before it."""
    assert source.open().catalogue.version == source.open().catalogue.version


def test_a_brand_renamed_just_before_a_new_base_is_known_by_its_new_name(source: KnowledgeSource) -> None:
    """A base may be of a state that the names in use have not reached: what changed until then is not passed over."""
    old = source.open()
    source.store.put_brands([Brand(brand_id="nike", name="Nike", aliases=("Swoosh",))])
    build_catalogue(source.store, source.index_dir, MODEL, "exact")

    source.upkeep.look(old.catalogue)
    new = source.renew(old)

    assert new is not None
    assert new.catalogue.snapshot is not None
    assert new.catalogue.snapshot is not old.catalogue.snapshot
    assert new.lexicon.resolve("swoosh") is not None


def test_the_snapshot_of_another_store_of_the_same_version_is_not_taken(
    source: KnowledgeSource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A number says nothing of whose history it counts: references of a store that was replaced match nothing."""
    source.open()
    with Store.open(with_tables(tmp_path / "other.db")) as other:
        other.put_brands([Brand(brand_id="nike", name="Nike")])
        _add_reference(other, "elsewhere")
        assert other.version() == source.store.version()

        with pytest.raises(SnapshotError, match="of another store"):
            verify_snapshot(other, source.index_dir, MODEL)
        opened = open_catalogue(other, source.index_dir, MODEL, "exact")

        assert [hit.reference_id for hit in opened.search(np.eye(1, 8, dtype=np.float32), 5)[0]] == ["elsewhere"]
        assert "of another store" in caplog.text
        found = verify_snapshot(other, source.index_dir, MODEL)
        assert found is not None
        assert found.sound


def test_a_store_that_was_put_back_and_went_on_is_read_anew(source: KnowledgeSource, tmp_path: Path) -> None:
    """Of a backup that meanwhile has more changes than were seen, nothing of the lost history stays, names included."""
    backup = tmp_path / "backup.db"
    with Store.open(backup) as kept:
        source.store.copy_to(kept)
    _add_reference(source.store, "lost")
    old = source.open()
    with Store.open(backup) as restored:
        restored.put_brands([Brand(brand_id="nike", name="Nike", aliases=("Swoosh",))])
        _add_reference(restored, "kept")

        new = replace(source, store=restored).renew(old)

        assert new is not None
        assert [hit.reference_id for hit in new.catalogue.search(np.eye(1, 8, dtype=np.float32), 5)[0]] == [
            "kept",
            "r0",
        ]
        assert new.lexicon.resolve("swoosh") is not None
