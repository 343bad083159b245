"""The doctor finds what is left of an outage, and what stands in the way of the next one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from index.errors import StoreAway
from index.store.store import Store
from serving.app import open_store
from serving.case_opening import CaseOpening
from serving.case_rules import load_case_rules
from serving.checkup.outage import check_spool
from serving.errors import ServingError
from serving.outage.opening import spool_folder
from serving.outage.set_aside import REFUSED
from serving.outage.spool import Spool
from serving.recording import Recorder
from serving.settings import Settings
from tests.support.waiting import NOON, a_recording

SOON = NOON + timedelta(minutes=9)
LATE = NOON + timedelta(minutes=11)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Set an installation up whose data folder is there."""
    data = tmp_path / "data"
    data.mkdir()
    return Settings(data_dir=data, spool_mib=1)


@contextmanager
def _spool(settings: Settings) -> Iterator[Spool]:
    with closing(Spool(spool_folder(settings), most_bytes=2**20)) as spool:
        yield spool


def _check(settings: Settings, *, now: datetime = SOON) -> str:
    return check_spool(settings, lambda: open_store(settings), now=now)


def test_nothing_that_waits_is_well(settings: Settings) -> None:
    """Before the first outage there is not even a folder."""
    assert _check(settings) == "nothing waits"
    assert "listings are refused" in _check(settings.model_copy(update={"spool_mib": 0}))


def test_what_waits_is_counted_beside_the_process_that_keeps_it(settings: Settings) -> None:
    """Its files are read while it has them locked, and stay as they are."""
    with _spool(settings) as spool:
        spool.put(a_recording("d1"))
        spool.put(a_recording("d2"))

        assert _check(settings) == "2 decisions wait, the oldest for 540 s"
        with pytest.raises(ServingError, match=r"2 decisions wait, the oldest for 660 s: .*start a service"):
            _check(settings, now=LATE)
        assert [waiting.decision_id for waiting in spool.first(9)] == ["d1", "d2"]


def test_what_is_on_record_waits_no_longer(settings: Settings) -> None:
    """A file is emptied when all of it is recorded, so a line that is there may be done."""
    with _spool(settings) as spool:
        spool.put(a_recording("d1"))
        spool.put(a_recording("d2"))
        with open_store(settings) as store:
            Recorder(store, CaseOpening(store, load_case_rules())).record(a_recording("d1"))

        assert _check(settings) == "1 decisions wait, the oldest for 540 s"


def test_without_the_store_all_of_it_counts(settings: Settings) -> None:
    """That the store is away is another check's finding."""

    def away() -> AbstractContextManager[Store]:
        raise StoreAway("away")

    with _spool(settings) as spool:
        spool.put(a_recording("d1"))

        assert check_spool(settings, away, now=SOON).startswith("1 decisions wait")


def test_what_was_set_aside_is_told_and_can_be_put_back(settings: Settings) -> None:
    """The remedy that is named works: moved back, the file is taken up."""
    with _spool(settings) as spool:
        spool.put(a_recording("d1"))
        spool.refuse(spool.first(1)[0], "no")
    (refused,) = (spool_folder(settings) / REFUSED).iterdir()

    with pytest.raises(ServingError, match=rf"1 decisions could not be recorded and lie in .*{REFUSED}.*move the file"):
        _check(settings)

    refused.rename(spool_folder(settings) / refused.name)
    with _spool(settings) as spool:
        assert spool.adopt() == 1
        assert [waiting.decision_id for waiting in spool.first(9)] == ["d1"]
        assert _check(settings).startswith("1 decisions wait")


def test_lack_of_room_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool that is nearly full, and a disk that is before the spool is."""
    with _spool(settings) as spool:
        spool.put(a_recording("d1"))
        monkeypatch.setattr("serving.checkup.outage._NEARLY_FULL", 0.0)
        with pytest.raises(ServingError, match="set spool_mib higher"):
            _check(settings)
        monkeypatch.undo()
        assert _check(settings)

        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**19))
        with pytest.raises(ServingError, match="may take 1 MiB more, and 0 are free; make room"):
            _check(settings)


def test_place_that_cannot_be_written_to_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether something stands in the folder's way or it is somebody else's."""
    spool_folder(settings).write_text("in the way")
    with pytest.raises(ServingError, match="no decision can be kept in"):
        _check(settings)

    spool_folder(settings).unlink()
    spool_folder(settings).mkdir()
    assert _check(settings)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ServingError, match="service's user"):
        _check(settings)


def test_files_that_may_not_be_read_name_who_may(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the service's own, and the doctor may have been run by another."""
    with _spool(settings) as spool:
        spool.put(a_recording("d1"))

        def refuse(path: Path, *_: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(ServingError, match=r"jsonl may not be read: run the doctor as the service's user"):
            _check(settings)
