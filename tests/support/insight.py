"""What do the suites about figures count? A store filled at once with decisions, cases, verdicts and answers.

Everything that recording one after the other would write, as far as it is counted; that takes minutes for 100,000.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from index.case_records import CaseState, lot_of
from index.store.engine import in_batches
from index.store.store import Store
from index.store.tables.cases import appeals, cases, reports, resolutions, reviews, verdicts
from index.store.tables.decisions import decisions

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAYS = 60
BRANDS = ("", *(f"Brand {number}" for number in range(40)))

Rows = dict[Any, list[dict[str, Any]]]


def fill_insight(store: Store, *, listings: int, waiting: int, seed: int = 7) -> None:
    """Put so many decisions on record over `DAYS` days before `NOW`; four of five have a case, `waiting` are open."""
    rows = _rows(random.Random(seed), listings, waiting)
    with store._database.write("fill") as connection:
        for table, records in rows.items():
            for batch in in_batches(records):
                connection.execute(table.insert(), batch)
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("ANALYZE")
    if store.condition().engine == "PostgreSQL":
        with store._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")  # as it does by itself, some time after so many rows


def _rows(chance: random.Random, listings: int, waiting: int) -> Rows:
    rows: Rows = {table: [] for table in (decisions, cases, resolutions, reviews, verdicts, appeals, reports)}
    for number in range(listings):
        record = _decision(chance, number, listings)
        rows[decisions].append(record)
        if number % 5:
            _open(chance, rows, record, number, resolved=len(rows[cases]) >= waiting)
    return rows


def _decision(chance: random.Random, number: int, listings: int) -> dict[str, Any]:
    probability = chance.betavariate(0.3, 2.0)
    verdict = "TAKEDOWN" if probability > 0.8 else "REVIEW" if probability > 0.3 else "ALLOW"
    return {
        "decision_id": f"d{number}",
        "listing_id": f"l{number}",
        "seller_id": f"s{number % 997}",
        "brand": chance.choice(BRANDS),
        "verdict": verdict,
        "create_time": NOW - timedelta(days=DAYS) * (1 - (number + 0.5) / listings),
        "request_sha256": "0" * 64,
        "model_fingerprint": "model",
        "index_version": "index",
        "policy_version": "policy",
        "market": chance.choice(("DE", "FR", "US", "")),
        "payload": chance.randbytes(1_500),
        "presumed_strike": False,
        "probability": probability,
        "price_ratio": chance.lognormvariate(0, 0.4) if chance.random() < 0.7 else None,
    }


def _open(chance: random.Random, rows: Rows, record: dict[str, Any], number: int, *, resolved: bool) -> None:
    origin = chance.choice(("screening", "screening", "screening", "report", "audit", "scan"))
    case = {
        **{name: record[name] for name in ("decision_id", "listing_id", "seller_id", "brand", "verdict", "market")},
        "case_id": f"c{number}", "origin": origin, "scan_id": "", "probability": record["probability"],
        "uncalibrated_probability": record["probability"], "certificate_id": "", "drawn": chance.random() < 0.05,
        "expected_harm": 5 * record["probability"], "queue_key": 5 * record["probability"], "lot": lot_of(str(number)),
        "state": str(CaseState.RESOLVED if resolved else CaseState.OPEN), "holder": "", "lease_token": "",
        "audit_share": 0.01 if origin == "audit" else None, "revision": 0, "create_time": record["create_time"],
        "update_time": record["create_time"], "due_time": NOW + timedelta(days=3) if origin == "report" else None,
    }  # fmt: skip
    rows[cases].append(case)
    if origin == "report":
        rows[reports].append(_report(case, number))
    if resolved:
        _resolve(chance, rows, case, number)


def _resolve(chance: random.Random, rows: Rows, case: dict[str, Any], number: int) -> None:
    infringing = chance.random() < case["probability"]
    time = case["create_time"] + timedelta(hours=1)
    verdict, who = ("TAKEDOWN" if infringing else "ALLOW"), f"reviewer-{number % 20}"
    common = {"case_id": case["case_id"], "resolution_id": f"r{number}", "verdict": verdict, "reviewer": who}
    rows[resolutions].append(
        common
        | dict.fromkeys(("reason_code", "note", "second_reviewer", "batch_id", "appeal_id", "undo_reason"), "")
        | {"decision_id": case["decision_id"], "in_force": True, "resolve_time": time, "undone_by": ""}
        | {"removal_changed": False, "undo_time": None}
    )
    held = {"claim_time": time - timedelta(seconds=chance.randint(5, 200)), "answer_time": time}
    rows[reviews].append(common | held | {"kind": "decision", "judges": ""})
    named = ("decision_id", "listing_id", "seller_id", "brand", "probability", "uncalibrated_probability")
    rows[verdicts].append(
        {name: case[name] for name in named}
        | {"number": number + 1, "infringing": infringing, "machine_verdict": case["verdict"], "certificate_id": ""}
        | {"source": "audit" if case["origin"] == "audit" else "review", "create_time": time, "undone": False}
    )
    if infringing and number % 50 == 1:
        rows[appeals].append(_appeal(case, number, time))


def _report(case: dict[str, Any], number: int) -> dict[str, Any]:
    named = {name: case[name] for name in ("listing_id", "seller_id", "case_id", "create_time")}
    words = dict.fromkeys(("text", "decision_id", "settled_by"), "")
    return named | words | {
        "report_id": f"p{number}", "reporter_id": f"b{number % 50}", "reporter_type": "BUYER",
        "reason_code": "COUNTERFEIT", "image_sha256s": [], "state": "RECEIVED",
    }  # fmt: skip


def _appeal(case: dict[str, Any], number: int, time: datetime) -> dict[str, Any]:
    state = ("RECEIVED", "GRANTED", "DENIED")[number % 3]
    return {
        "appeal_id": f"a{number}", "decision_id": case["decision_id"], "case_id": case["case_id"],
        "appellant_id": case["seller_id"], "statement": "genuine", "document_sha256s": [], "state": state,
        "reviewer": "", "answer": "", "create_time": time, "due_time": time + timedelta(days=14),
        "decide_time": None if state == "RECEIVED" else time + timedelta(days=1),
    }  # fmt: skip
