"""How long does the console's server work on a page, with 100,000 decisions in PostgreSQL? Figures (`pytest -s`)."""

from __future__ import annotations

import asyncio
import statistics
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from index.store.engine import in_batches
from index.store.store import Store
from index.store.tables.cases import case_brands, case_reasons, cases
from serving.app import open_application
from tests.integration.case_support import person, suspicious
from tests.integration.console_support import Visitor, console_running
from tests.integration.support import fill, settings_at
from tests.support.decided import copy_decisions, listing_name

DECISIONS, CASES, ASKED = 100_000, 50_000, 120
# Milliseconds in 95 of 100 answers.
BARS = {"/cases/": 50.0, "/queue": 100.0}


@pytest.mark.measure
@pytest.mark.timeout(1_800)
def test_pages_over_many_decisions(tmp_path: Path, postgres_url: str) -> None:
    """100,000 decisions and 50,000 open cases: a case's page within 50 ms, the queue's within 100 ms, both p95."""
    settings = settings_at(tmp_path).model_copy(update={"store": SecretStr(postgres_url), "points": "none"})
    with _loop() as loop, open_application(settings) as application:
        fill(application)
        with console_running(loop, application) as console:
            decisions = [suspicious(console.service, f"first-{number}") for number in range(8)]
            originals = [application.store.get_decision(one.decision_id) for one in decisions]
            copy_decisions(application.store, originals, DECISIONS)
            _open_cases(application.store)
            waiting = person(console.service).list().cases
            visitor = console.person("ann")
            paths = {"/cases/": [f"/cases/{case.case_id}" for case in waiting], "/queue": ["/queue"]}
            took = {name: _taken(visitor, asked) for name, asked in paths.items()}

    _tell(took)
    assert {name: p95 < BARS[name] for name, (_, p95) in took.items()} == dict.fromkeys(BARS, True)


def _taken(visitor: Visitor, paths: list[str]) -> tuple[float, float]:
    """Return p50 and p95 of what the server says it worked, in milliseconds."""
    taken = []
    for number in range(ASKED + 5):
        answer = visitor.get(paths[number % len(paths)])
        assert answer.status_code == 200
        taken.append(float(answer.headers["server-timing"].partition("dur=")[2]))
    taken = sorted(taken[5:])
    return statistics.median(taken), taken[int(0.95 * ASKED)]


def _tell(took: Mapping[str, tuple[float, float]]) -> None:
    for name, (p50, p95) in took.items():
        print(f"\n{name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms ({DECISIONS:,} decisions, {CASES:,} open cases)")


def _open_cases(store: Store) -> None:
    """Open a case for each of the first decisions that were copied, like the ones that are open already."""
    with store._database.write("open cases") as connection:
        models = [row._asdict() for row in connection.execute(select(cases))]
        parts = {
            table: [row._asdict() for row in connection.execute(select(table))] for table in (case_brands, case_reasons)
        }
        for numbers in in_batches(range(CASES), 2_000):
            made = [models[number % len(models)] for number in numbers]
            own = [
                {
                    "case_id": f"case-{number:07d}",
                    "decision_id": f"copy-{number:07d}",
                    "listing_id": listing_name(number),
                    "queue_key": model["queue_key"] * (number * 7919 % CASES) / CASES,
                }
                for number, model in zip(numbers, made, strict=True)
            ]
            connection.execute(cases.insert(), [model | each for model, each in zip(made, own, strict=True)])
            for table, rows in parts.items():
                copied = [
                    row | {"case_id": each["case_id"]}
                    for model, each in zip(made, own, strict=True)
                    for row in rows
                    if row["case_id"] == model["case_id"]
                ]
                if copied:
                    connection.execute(table.insert(), copied)
    with store._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")  # as it does by itself, some time after so many rows


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
