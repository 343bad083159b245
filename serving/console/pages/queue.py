"""What waits for a person? The queue: filtered, ordered, and taken from one by one.

Filter and order stand in the address, so that a view of the queue can be kept and passed on; taking the next case takes
the first that fits the same filter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import grpc
from starlette.datastructures import QueryParams
from starlette.responses import Response

from serving.console.days import midnight, to_day
from serving.console.page import Nav, Page
from serving.console.pages.images import thumbnail_address
from serving.console.view import View
from touchstone.moderation.v1 import case_pb2, decision_pb2
from touchstone.moderation.v1.case_service_pb2 import (
    CaseFilter,
    CaseOrder,
    ClaimCaseRequest,
    ListCasesRequest,
    ListCasesResponse,
)
from touchstone.moderation.v1.image_service_pb2 import GetImageRequest

_PAGE_SIZE = 50
_MAX_HELD = 100
STATES = ("OPEN", "CLAIMED", "AWAITING_SECOND_REVIEW", "APPEALED", "RESOLVED", "SUPERSEDED")
ORIGINS = ("SCREENING", "SCAN", "REPORT", "AUDIT")
VERDICTS = ("REVIEW", "TAKEDOWN", "ALLOW")
ORDERS = ("expected_harm", "oldest", "newest", "due")
# Every name that an address of the queue may carry besides the page's token.
_TEXTS = ("seller", "listing", "scan", "reason")
_NAMES = ("state", "origin", "verdict", "brand", *_TEXTS, "from", "to", "order")


@dataclass(frozen=True)
class Wanted:
    """What an address of the queue asks for; what it says wrongly is left out."""

    params: Mapping[str, str]

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> Wanted:
        """Read an address, or a form that repeats it."""
        given = {name: str(query.get(name, "")).strip() for name in _NAMES}
        allowed = {"state": STATES, "origin": ORIGINS, "verdict": VERDICTS, "order": ORDERS}
        for name, values in allowed.items():
            given[name] = given[name] if given[name] in values else ""
        for name in ("from", "to"):
            given[name] = given[name] if to_day(given[name]) else ""
        return cls({name: value for name, value in given.items() if value})

    def address(self, **changed: str) -> str:
        """Return the address of the queue with some of it changed; "" leaves a condition out."""
        merged = {**self.params, **changed}
        query = urlencode({name: value for name, value in merged.items() if value})
        return f"/queue?{query}" if query else "/queue"

    def case_address(self, case_id: str, step: str = "") -> str:
        """Return the address of a case, or of a step in it, from which one comes back to this view of the queue."""
        query = self.address().partition("?")[2]
        return f"/cases/{quote(case_id, safe='')}" + (f"/{step}" if step else "") + (f"?{query}" if query else "")

    @property
    def order(self) -> str:
        """In which order."""
        return self.params.get("order", ORDERS[0])

    @property
    def conditions(self) -> Mapping[str, str]:
        """What narrows the queue."""
        return {name: value for name, value in self.params.items() if name != "order"}

    def filter(self, zone: Any) -> CaseFilter:
        """Return the filter; its days are those of a time zone, and the last one is part of it."""
        get = self.params.get
        wanted = CaseFilter(
            states=[case_pb2.CaseState.Value(f"CASE_STATE_{get('state')}")] if get("state") else [],
            origins=[case_pb2.CaseOrigin.Value(f"CASE_ORIGIN_{get('origin')}")] if get("origin") else [],
            verdicts=[decision_pb2.Verdict.Value(f"VERDICT_{get('verdict')}")] if get("verdict") else [],
            brand_ids=[get("brand", "")] if get("brand") else [],
            seller_id=get("seller", ""),
            listing_id=get("listing", ""),
            scan_id=get("scan", ""),
            reason_code=get("reason", ""),
        )
        if first := to_day(get("from", "")):
            wanted.created_from.CopyFrom(midnight(first, zone))
        if last := to_day(get("to", "")):
            wanted.created_before.CopyFrom(midnight(last + timedelta(days=1), zone))
        return wanted


async def show(view: View) -> Response:
    """Show a page of the queue."""
    query: QueryParams = view.request.query_params
    wanted = Wanted.of(query)
    request = ListCasesRequest(
        filter=wanted.filter(view.formats.zone),
        order=CaseOrder.Value(f"CASE_ORDER_{wanted.order.upper()}"),
        page_size=_PAGE_SIZE,
        page_token=query.get("page", ""),
    )
    answer, held = await asyncio.gather(view.ask(request), held_by(view))
    return view.page(
        "queue/list.html",
        cases=answer.cases,
        total=answer.total_count,
        following=wanted.address(page=answer.next_page_token) if answer.next_page_token else "",
        is_first=not query.get("page"),
        wanted=wanted,
        thumbnail_address=thumbnail_address if view.may(GetImageRequest) else None,
        held=held,
        may_claim=view.may(ClaimCaseRequest),
        choices={"state": STATES, "origin": ORIGINS, "verdict": VERDICTS},
        orders=ORDERS,
    )


async def take_next(view: View) -> Response:
    """Take the first case that fits the filter, and open it."""
    wanted = Wanted.of(view.form)
    try:
        answer = await view.ask(ClaimCaseRequest(next=wanted.filter(view.formats.zone)))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        view.tell("queue.nothing_to_take", kind="note")
        return view.go(wanted.address())
    return view.go(wanted.case_address(answer.case.case_id))


async def waiting(view: View) -> int:
    """Count the open cases."""
    answer: ListCasesResponse = await view.ask(ListCasesRequest(page_size=1))
    return answer.total_count


async def held_by(view: View) -> list[case_pb2.Case]:
    """List the cases that this person holds."""
    if not view.name:
        return []
    held = CaseFilter(states=[case_pb2.CASE_STATE_CLAIMED], holder=view.name)
    answer: ListCasesResponse = await view.ask(ListCasesRequest(filter=held, page_size=_MAX_HELD))
    return list(answer.cases)


PAGES = (
    Page(method="GET", path="/queue", answer=show),
    Page(method="POST", path="/queue/next", answer=take_next),
)
NAV = Nav(group="queue", path="/queue", needs=ListCasesRequest, key="q")
