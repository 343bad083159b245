"""What happened to a listing, so that nobody can change or leave out a line unseen? The hash chain of a package.

Every event carries the hash of the one before it. What is personal in an event is not in it but committed to: a salted
hash stands in its place, so that the chain is the same for every audience, and who is told the value can check it.
Salts are keyed hashes of the installation's, so that a short value cannot be guessed from its commitment.

Canonical JSON: keys in order, no blanks, UTF-8, as in RFC 8785 for what stands here (strings, integers, true, false,
lists and objects; no other numbers).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from index.evidence_records import ListingHistory
from index.reports import Report
from index.rulings import Appeal, Resolution, Statement

GENESIS = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened: `content` anybody may know, `personal` not. Values are strings, booleans and lists."""

    kind: str
    event_id: str
    time: datetime
    content: Mapping[str, Any]
    personal: Mapping[str, str] = field(default_factory=dict)


def canonical(value: Any) -> bytes:
    """Write a value in the one way that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def commitment(salt: str, value: str) -> str:
    """Return what stands in a chain for a personal value; `salt` is hexadecimal."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical(value)).hexdigest()


def link_hash(link: Mapping[str, Any]) -> str:
    """Return the hash of a line of a chain, over all that is in it but the hash."""
    return hashlib.sha256(canonical({name: value for name, value in link.items() if name != "hash"})).hexdigest()


def chain(events: Iterable[Event], secret: bytes, *, disclose: bool) -> dict[str, Any]:
    """Link events, given in their order; with `disclose` the personal values stand beside the chain."""
    links, disclosed, previous = [], [], GENESIS
    for number, event in enumerate(events, start=1):
        commitments = {}
        for name, value in sorted(event.personal.items()):
            salt = _salt(secret, event, name)
            commitments[name] = commitment(salt, value)
            disclosed.append({"number": number, "field": name, "salt": salt, "value": value})
        link = {
            "number": number,
            "kind": event.kind,
            "id": event.event_id,
            "time": stamp(event.time),
            "content": dict(event.content),
            "commitments": commitments,
            "previous": previous,
        }
        previous = link_hash(link)
        links.append(link | {"hash": previous})
    return {"events": links, "head": previous, "disclosed": disclosed if disclose else []}


def events_of(history: ListingHistory) -> list[Event]:
    """Return what happened to a listing in the order of time; of one moment, in the order of the kinds below."""
    found = [
        *_decisions(history),
        *map(_reported, history.reports),
        *(event for appeal in history.appeals for event in _appealed(appeal)),
        *(event for resolution in history.resolutions for event in _resolved(resolution)),
        *_steps(history),
    ]
    return sorted(found, key=lambda event: event.time)


def stamp(moment: datetime) -> str:
    """Write down a time: ISO 8601 in UTC, to the microsecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _decisions(history: ListingHistory) -> Iterator[Event]:
    for one in history.decisions:
        content = {
            "listing_id": one.listing_id,
            "verdict": one.verdict,
            "model_fingerprint": one.model_fingerprint,
            "index_version": one.index_version,
            "policy_version": one.policy_version,
            "record_sha256": hashlib.sha256(one.payload).hexdigest(),
        }
        yield Event(
            kind="decision",
            event_id=one.decision_id,
            time=one.create_time,
            content=content,
            personal={"seller_id": one.seller_id},
        )


def _reported(report: Report) -> Event:
    notice = report.notice
    content = {
        "reporter_type": str(report.reporter_type),
        "reason_code": report.reason_code,
        "notice": notice is not None,
        "jurisdiction": notice.jurisdiction if notice else "",
        "right_id": notice.right_id if notice else "",
        "urls": list(notice.urls) if notice else [],
        "document_sha256s": list(notice.document_sha256s) if notice else [],
        "image_sha256s": list(report.image_sha256s),
    }
    personal = {"reporter_id": report.reporter_id, "text": report.text}
    if notice:
        personal |= {"notifier_name": notice.notifier_name, "notifier_email": notice.notifier_email}
    return Event(kind="report", event_id=report.report_id, time=report.create_time, content=content, personal=personal)


def _appealed(appeal: Appeal) -> Iterator[Event]:
    yield Event(
        kind="appeal",
        event_id=appeal.appeal_id,
        time=appeal.create_time,
        content={"decision_id": appeal.decision_id, "document_sha256s": list(appeal.document_sha256s)},
        personal={"appellant_id": appeal.appellant_id, "statement": appeal.statement},
    )
    if appeal.decide_time is not None:
        yield Event(
            kind="appeal_decided",
            event_id=appeal.appeal_id,
            time=appeal.decide_time,
            content={"state": str(appeal.state), "reviewer": appeal.reviewer},
            personal={"answer": appeal.answer},
        )


def _resolved(one: Resolution) -> Iterator[Event]:
    content = {
        "decision_id": one.decision_id,
        "case_id": one.case_id,
        "verdict": one.outcome.verdict,
        "reason_code": one.outcome.reason_code,
        "reviewer": one.reviewer,
        "second_reviewer": one.second_reviewer,
        "in_force": one.in_force,
        "batch_id": one.batch_id,
        "appeal_id": one.appeal_id,
    }
    personal = {"note": one.outcome.note, "statement": _written(one.outcome.statement)}
    yield Event(
        kind="resolution", event_id=one.resolution_id, time=one.resolve_time, content=content, personal=personal
    )
    if one.undo_time is not None:
        yield Event(
            kind="undoing",
            event_id=one.resolution_id,
            time=one.undo_time,
            content={"undone_by": one.undone_by},
            personal={"reason": one.undo_reason},
        )


def _written(statement: Statement | None) -> str:
    if statement is None:
        return ""
    end = statement.end_time
    return canonical(asdict(statement) | {"end_time": None if end is None else stamp(end)}).decode()


def _steps(history: ListingHistory) -> Iterator[Event]:
    for step in history.steps:
        content = {"kind": str(step.kind), "case_id": step.case_id, "reviewer": step.reviewer, "at": stamp(step.time)}
        yield Event(
            kind="legal_step",
            event_id=step.step_id,
            time=step.record_time,
            content=content,
            personal={"reference": step.reference},
        )


def _salt(secret: bytes, event: Event, name: str) -> str:
    return hmac.new(secret, canonical([event.kind, event.event_id, name]), hashlib.sha256).hexdigest()
