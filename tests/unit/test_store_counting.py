"""Are the queue and the figures counted without reading rows? SQLite says which index a statement reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from index.case_records import CaseFilter, CaseState
from index.insight import Span
from index.store.steps import DAY_S
from index.store.store import Store
from serving.case_rules import load_case_rules
from serving.cases import CaseDesk
from tests.contract.test_store_decisions import NOON, a_case, a_decision
from tests.support.databases import with_tables
from tests.support.insight import NOW, fill_insight

ALL = Span(NOW - timedelta(days=90), NOW)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Open a store with decisions and cases, some of them decided, that knows how many it has of each."""
    with Store.open(tmp_path_factory.mktemp("store") / "store.db") as store:
        fill_insight(store, listings=2_000, waiting=1_000)
        yield store


@contextmanager
def plans(store: Store) -> Iterator[list[str]]:
    """Collect how the database finds what it is asked for."""
    found: list[str] = []

    def explain(_connection: object, cursor: Any, statement: str, parameters: Any, *_more: object) -> None:
        if statement.startswith("SELECT"):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.extend(str(row[-1]) for row in rows)

    engine = store._database.engine
    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", explain)


@pytest.mark.parametrize("state", [CaseState.OPEN, CaseState.CLAIMED])
def test_who_waits_is_counted_in_an_index(filled: Store, state: CaseState) -> None:
    """Held or not: the lease stands in the index."""
    with plans(filled) as found:
        page = filled.list_cases(CaseFilter(states=(state,)), now=NOW, limit=1)

    assert page.total == (1_000 if state is CaseState.OPEN else 0)
    assert any("COVERING INDEX ix_cases_state_lease_expire_time" in plan for plan in found)


def test_cases_opened_are_counted_in_an_index(filled: Store) -> None:
    """Whatever they are split by."""
    with plans(filled) as found:
        filled.volumes(ALL, step_s=DAY_S)

    assert any("COVERING INDEX ix_cases_figures" in plan for plan in found)


def test_second_looks_at_an_answer_are_found_by_index(filled: Store) -> None:
    """Also where nearly all answers look at none: reading all answers for each one took seconds."""
    with plans(filled) as found:
        filled.reviewed("reviewer-1", ALL)

    inside = found.index("CORRELATED SCALAR SUBQUERY 1")
    assert "ix_reviews_judges" in found[inside + 1]


def test_a_case_is_read_in_one_transaction(tmp_path: Path) -> None:
    """With its decision, resolutions, reports and appeals: one state of things, at the price of one."""
    begun: list[object] = []
    with Store.open(with_tables(tmp_path / "store.db")) as store:
        record = a_decision("d", listing="l", key="k")
        case = a_case(record)
        store.record_decision(record, case=case)
        event.listen(store._database.engine, "begin", begun.append)
        file = CaseDesk(store, load_case_rules(), clock=lambda: NOON).file(case.case_id)

    assert file.decision.decision_id == "d"
    assert len(begun) == 1
