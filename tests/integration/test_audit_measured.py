"""What does the audit log cost a decision, and how long do a backup and its restoring take? Figures, and their bars."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from index.audit.entries import Entry
from index.store.audit import enter
from index.store.store import Store
from serving.backup.restoring import restore_backup
from serving.backup.taking import take_backup
from serving.settings import Settings
from tests.contract.test_store_decisions import PHOTOS, a_case, a_decision
from tests.support.postgres import postgres_server

pytestmark = pytest.mark.measure
ROUNDS = 500


def nothing(_connection: Connection, *_entries: Entry) -> None:
    """Enter nothing."""


def cost(place: str | Path, patch: Callable[[object], None]) -> tuple[float, float]:
    """Record decisions, every other one without its entry; return the medians in ms, without and with."""
    took: tuple[list[float], list[float]] = ([], [])
    with Store.open(place) as store:
        for number in range(2 * ROUNDS):
            patch(enter if number % 2 else nothing)
            record = a_decision(f"d{number}", listing=f"l{number}", key=f"k{number}")
            began = time.perf_counter()
            store.record_decision(record, case=a_case(record), images=PHOTOS)
            took[number % 2].append(1_000 * (time.perf_counter() - began))
    return statistics.median(took[0]), statistics.median(took[1])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_cost_of_an_entry(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry adds at most 5% to the recording of a decision, or 0.3 ms; commits are as durable as in production."""

    def patch(function: object) -> None:
        monkeypatch.setattr("index.store.decisions.enter", function)

    if kind == "sqlite":
        without, with_entry = cost(tmp_path / "store.db", patch)
    else:
        with postgres_server(durable=True) as server:
            without, with_entry = cost(server.url(server.create()), patch)

    print(f"\n{kind}: {without:.2f} ms without, {with_entry:.2f} ms with an entry: {with_entry - without:+.2f} ms")
    assert with_entry - without <= max(0.05 * without, 0.3)


def test_how_long_a_backup_takes(tmp_path: Path) -> None:
    """Figures of docs/backup.md: 5,000 decisions with photos' features, backed up, checked and restored."""
    settings = Settings(data_dir=tmp_path / "data", embedder="fake")
    settings.data_dir.mkdir()
    with Store.open(settings.store_path) as store:
        for number in range(5_000):
            record = a_decision(f"d{number}", listing=f"l{number}")
            store.record_decision(record, case=a_case(record), images=PHOTOS)
        began = time.perf_counter()
        sealed = store.seal_audit()
        took_sealing = time.perf_counter() - began
        began = time.perf_counter()
        made = take_backup(store, settings, tmp_path / "backup", actor="ops")
        took = time.perf_counter() - began
    began = time.perf_counter()
    done = restore_backup(tmp_path / "backup", settings.model_copy(update={"data_dir": tmp_path / "other"}))
    took_back = time.perf_counter() - began

    size = (tmp_path / "backup" / "store.db").stat().st_size
    assert sealed is not None
    print(f"\nsealing {sealed.position} entries {took_sealing:.2f} s")
    print(f"{done.rows} rows, {size / 2**20:.0f} MiB: backup {took:.1f} s, restore {took_back:.1f} s")
    assert made.tables["decisions"].rows == 5_000
