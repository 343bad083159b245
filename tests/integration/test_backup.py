"""Is a backup that was taken under load whole? Does it come back the same elsewhere, and serve? The drill."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from index.errors import BackupError, Conflict, StoreError
from index.records import Brand
from index.store.engine import Database
from index.store.migrate import downgrade, revision_behind
from index.store.store import Store
from serving.app import Application, open_application, open_blobs, open_store
from serving.backup.manifest import BLOBS, MANIFEST, Manifest, with_sum
from serving.backup.restoring import check_backup, restore_backup
from serving.backup.taking import take_backup
from serving.settings import Settings
from tests.integration.support import (
    AURORA_SHOE,
    BOREALIS_BAG,
    KNOWN_FAKE,
    Service,
    Start,
    Touchstone,
    draw,
    healthy,
    listing,
)


@contextmanager
def screening(service: Service, *, beside: int = 2) -> Iterator[list[str]]:
    """Screen listings all the while, some of which need a person; gives the ids of those that were acknowledged."""
    acknowledged: list[str] = []
    stop, numbers = threading.Event(), count()

    def screen() -> None:
        while not stop.is_set():
            number = next(numbers)
            offer = listing(draw(AURORA_SHOE if number % 2 else number), listing_id=f"under-load-{number}")
            acknowledged.append(service.screen(offer).decision.decision_id)

    with ThreadPoolExecutor(beside) as pool:
        running = [pool.submit(screen) for _ in range(beside)]
        try:
            yield acknowledged
        finally:
            stop.set()
            for one in running:
                one.result()


def elsewhere(settings: Settings, folder: Path) -> Settings:
    """Make the settings of an installation that holds nothing yet."""
    return settings.model_copy(update={"data_dir": folder})


def keep_files(application: Application) -> None:
    """Keep the files of the registry's references, which `fill` does not."""
    for seed in (AURORA_SHOE, BOREALIS_BAG, KNOWN_FAKE):
        application.blobs.put(draw(seed))


@pytest.fixture
def taken(own_service: Service, tmp_path: Path) -> Path:
    """Take a backup of a service that screened a listing."""
    own_service.screen(listing(draw(AURORA_SHOE), listing_id="before"))
    application = own_service.application
    keep_files(application)
    take_backup(application.store, application.settings, tmp_path / "backup", actor="ops")
    return tmp_path / "backup"


def test_drill(own_service: Service, start: Start, tmp_path: Path) -> None:
    """A backup under load holds whatever was acknowledged before it, and comes back the same, chain and all."""
    application, folder = own_service.application, tmp_path / "backup"
    keep_files(application)
    with screening(own_service) as acknowledged:
        while len(acknowledged) < 4:
            own_service.screen(listing())
        before = list(acknowledged)
        take_backup(application.store, application.settings, folder, actor="ops")
        during = len(acknowledged)
        while len(acknowledged) < during + 2:
            own_service.screen(listing())
    manifest = check_backup(folder)

    settings = elsewhere(application.settings, tmp_path / "restored")
    done = restore_backup(folder, settings)

    with Store.open(settings.store_path) as store:
        assert store.sums() == manifest.tables
        for decision_id in before:
            assert store.get_decision(decision_id) == application.store.get_decision(decision_id)
        for digest in store.all_named_blobs():
            assert open_blobs(settings).get(digest) == application.blobs.get(digest)
    assert (done.manifest, done.differing) == (manifest, ())
    assert manifest.missing == ()
    assert manifest.blobs >= 3
    with open_application(settings) as restored, start(restored) as serving:
        assert healthy(serving)
        seen = serving.screen(listing(draw(AURORA_SHOE), listing_id="after")).decision
        assert "Aurora" in str(seen.evidence)
        restored.store.seal_audit()
        position, _, value = manifest.audit_head.partition(":")
        restored.store.check_audit(known={int(position): value}, trusted=lambda _: True)


def test_commands_take_check_and_restore(taken: Path, touchstone: Touchstone, tmp_path: Path) -> None:
    """`restore --check` finds a backup whole, `restore` puts it back, and `audit verify` finds the log sound."""
    data = tmp_path / "restored"

    checked = touchstone("restore", taken, "--check")
    restored = touchstone("--data-dir", data, "--json", "restore", taken)
    verified = touchstone("--data-dir", data, "--json", "audit", "verify", "--store")
    again = touchstone("--data-dir", data, "--json", "backup", tmp_path / "second", "--as", "ops")

    assert (checked.code, restored.code, verified.code, again.code) == (0, 0, 0, 0), restored.stderr
    assert "whole" in checked.stdout
    assert json.loads(verified.stdout)["compared"]["decisions"] == 1
    first, second = Manifest.read(taken), Manifest.read(tmp_path / "second")
    logs = ("audit_entries", "audit_heads")  # which the second backup itself is in
    assert {name: table for name, table in first.tables.items() if name not in logs} == {
        name: table for name, table in second.tables.items() if name not in logs
    }
    assert json.loads(restored.stdout)["audit_head"] == first.audit_head


def test_place_in_use_is_refused(taken: Path, own_service: Service, tmp_path: Path) -> None:
    """Neither a store, nor files, nor an index are written over; a second backup needs a new folder."""
    application = own_service.application
    used = application.settings
    blobs_only = elsewhere(used, tmp_path / "blobs")
    open_blobs(blobs_only).put(b"somebody's")
    index_only = elsewhere(used, tmp_path / "index")
    index_only.index_dir.mkdir(parents=True)

    for settings, what in ((used, "exists already"), (blobs_only, "holds files"), (index_only, "index of another")):
        with pytest.raises(BackupError, match=what):
            restore_backup(taken, settings)
    with pytest.raises(BackupError, match="not empty"):
        take_backup(application.store, used, taken, actor="ops")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_database_in_use_is_refused_before_anything_is_written(
    taken: Path, own_service: Service, tmp_path: Path, bare_postgres_url: str
) -> None:
    """Whether a store is kept there, of this release or an older one, or something else's tables are."""
    source = own_service.application.settings
    settings = elsewhere(source, tmp_path / "there").model_copy(update={"store": SecretStr(bare_postgres_url)})

    with closing(Database(bare_postgres_url)) as database:
        with database.write("keep something else") as connection:
            connection.exec_driver_sql("CREATE TABLE orders (number int)")
        with pytest.raises(StoreError, match="a database of something else"):
            restore_backup(taken, settings)
        with database.write("let go of it") as connection:
            connection.exec_driver_sql("DROP TABLE orders")

        with open_store(settings) as store:
            store.put_brands([Brand(brand_id="theirs", name="Theirs")])
        downgrade(database, "0022")
    with pytest.raises(Conflict, match=r"holds \w+ already"):
        restore_backup(taken, settings)
    assert revision_behind(bare_postgres_url) is not None  # nor was it migrated
    assert _files(settings.data_dir) == []

    with open_store(settings) as store, pytest.raises(Conflict, match=r"holds \w+ already"):
        restore_backup(taken, settings)
    assert _files(settings.data_dir) == []


def test_backup_goes_into_a_database_that_is_prepared_and_empty(
    taken: Path, own_service: Service, tmp_path: Path, bare_postgres_url: str
) -> None:
    """The schema alone, as a restore that failed leaves it, is nothing in use."""
    source = own_service.application.settings
    settings = elsewhere(source, tmp_path / "there").model_copy(update={"store": SecretStr(bare_postgres_url)})
    with open_store(settings):
        pass

    done = restore_backup(taken, settings)

    with open_store(settings) as store:
        assert store.sums() == done.manifest.tables


@pytest.mark.parametrize("part", ["store.db", "settings/settings.json", "blobs.txt", BLOBS, MANIFEST])
def test_damaged_part_is_named(taken: Path, own_service: Service, tmp_path: Path, part: str) -> None:
    """One byte that was changed in any part is found before anything is written, and the part is named."""
    path = taken / part
    if path.is_dir():
        path = max((one for one in path.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))
    settings = elsewhere(own_service.application.settings, tmp_path / "restored")

    with pytest.raises(BackupError, match=part if part != BLOBS else path.name[-40:]):
        restore_backup(taken, settings)
    assert not settings.store_path.exists()


def test_unfinished_or_foreign_backup_is_refused(taken: Path, own_service: Service, tmp_path: Path) -> None:
    """A folder without a manifest is no backup; another format is refused with the release that made it."""
    settings = elsewhere(own_service.application.settings, tmp_path / "restored")
    manifest = json.loads((taken / MANIFEST).read_text())

    (taken / MANIFEST).write_text(json.dumps(manifest | {"format": 9, "release": "9.1"}))
    with pytest.raises(BackupError, match=r"format 9.*'9\.1'"):
        restore_backup(taken, settings)
    outside = with_sum(manifest | {"files": {"../data/touchstone.db": "00"}})
    (taken / MANIFEST).write_text(json.dumps(outside))
    with pytest.raises(BackupError, match="outside of the backup"):
        restore_backup(taken, settings)
    (taken / MANIFEST).unlink()
    with pytest.raises(BackupError, match="no backup"):
        restore_backup(taken, settings)


def test_backup_holds_no_key_or_password(own_service: Service, tmp_path: Path) -> None:
    """Passwords in settings, and the files of private keys, stay out of the folder, which only its owner may enter."""
    application = own_service.application
    key = tmp_path / "key.pem"
    key.write_text("PRIVATE")
    secret = application.settings.model_copy(update={"tls_key": key})
    settings = Settings(**{**secret.model_dump(exclude={"store"}), "console_secret": "hunter2" * 6})

    take_backup(application.store, settings, tmp_path / "backup", actor="ops")

    for path in (tmp_path / "backup").rglob("*"):
        assert path.is_dir() or not any(word in path.read_bytes() for word in (b"hunter2", b"PRIVATE"))
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
