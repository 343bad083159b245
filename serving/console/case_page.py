"""What does the page of a case show? Everything that the service says of it, put in the order in which people look."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from serving.console.failures import Failure
from serving.console.pages.appeals import AUDIENCES
from serving.console.pages.queue import STATES, Wanted
from serving.console.pages.sellers import seller_address
from serving.console.passages import passages_of
from serving.console.pictures import chosen, photos_of
from serving.console.price_plot import price_plot
from serving.console.view import View
from serving.console.working import Done, last_done
from touchstone.moderation.v1 import case_pb2
from touchstone.moderation.v1.case_service_pb2 import (
    CASE_ORDER_NEWEST,
    CaseFilter,
    ClaimCaseRequest,
    ExportEvidenceRequest,
    GetCaseRequest,
    GetCaseResponse,
    ListCasesRequest,
    ListCasesResponse,
    MarkGoldCaseRequest,
    ResolveCaseRequest,
    UndoResolutionRequest,
)
from touchstone.moderation.v1.image_service_pb2 import ListImagesRequest, StoredImage
from touchstone.moderation.v1.insight_service_pb2 import GetSellerRequest

# Earlier cases of the listing that are shown.
_MOST_EARLIER = 20
_STATES = [case_pb2.CaseState.Value(f"CASE_STATE_{name}") for name in STATES]
_KINDS = ("price", "seller", "category", "report")
# Of the codes that ship, those that speak for a listing: no takedown rests on them.
_INNOCENT = frozenset({"GENUINE", "AUTHORISED_SELLER", "NOT_ENOUGH_EVIDENCE"})
_DIALOGS = ("takedown", "undo")


async def case_page(
    view: View,
    case_id: str,
    wanted: Wanted,
    *,
    failure: Failure | None = None,
    dialog: str = "",
    done: Done | None = None,
) -> Response:
    """Draw the page of a case: with what went wrong, and `dialog` open; `done` is what was decided just now."""
    (answer, earlier), stored = await asyncio.gather(_with_earlier(view, case_id), _stored(view, case_id))
    path = wanted.case_address(case_id)
    done = done or last_done(view)
    return view.page(
        "case/show.html",
        status=failure.status if failure else 200,
        headers={"hx-push-url": path} if view.by_htmx else {},
        failure=failure,
        dialog=dialog if dialog in _DIALOGS else "",
        typed=view.form,
        earlier=earlier,
        stood=standing(answer.case),
        done=done,
        back=path,
        answer=answer,
        codes=[code for code in answer.reason_codes if code not in _INNOCENT],
        request_ids=[uuid.uuid4().hex for _ in _DIALOGS],
        may_resolve=view.may(ResolveCaseRequest),
        sees_sellers=view.may(GetSellerRequest),
        seller_address=seller_address,
        audiences=AUDIENCES if view.may(ExportEvidenceRequest) else [],
        may_undo=view.may(UndoResolutionRequest),
        may_mark=view.may(MarkGoldCaseRequest),
        **looks(view, answer.case, stored, wanted),
        **_evidence(answer.case),
    )


async def viewer_part(view: View, case_id: str, wanted: Wanted) -> Response:
    """Draw the photos of a case alone."""
    asked = view.ask(GetCaseRequest(case_id=case_id))
    answer, stored = await asyncio.gather(asked, _stored(view, case_id))
    return view.page("case/viewer.html", **looks(view, answer.case, stored, wanted))


def looks(view: View, case: case_pb2.Case, stored: list[StoredImage], wanted: Wanted) -> dict[str, Any]:
    """Give what the photos are drawn with, and what every part of the page takes."""
    photos = photos_of(case, stored)
    photo, finding = chosen(photos, view.request.query_params)
    return {
        "case": case,
        "wanted": wanted,
        "address": lambda step="": wanted.case_address(case.case_id, step),
        "more": {"photo": str(photo.index) if photo else "", "finding": str(finding.number) if finding else ""},
        "photos": photos,
        "photo": photo,
        "finding": finding,
        "may_claim": view.may(ClaimCaseRequest),
        "is_mine": holds(view, case),
    }


def holds(view: View, case: case_pb2.Case) -> bool:
    """Tell whether this person holds the case."""
    return bool(view.name) and case.lease.holder == view.name


def standing(case: case_pb2.Case) -> case_pb2.Resolution | None:
    """Return the last resolution that is not undone."""
    stood = [one for one in case.resolutions if not one.HasField("undo_time")]
    return stood[-1] if stood else None


def _evidence(case: case_pb2.Case) -> Mapping[str, Any]:
    """Sort the evidence that is not in photos by its kind; of those that come once, the first."""
    found: dict[str, Any] = dict.fromkeys(_KINDS)
    for evidence in case.decision.evidence:
        kind = evidence.WhichOneof("kind")
        if kind in found and found[kind] is None:
            found[kind] = getattr(evidence, kind)
    texts = [one.text for one in case.decision.evidence if one.WhichOneof("kind") == "text"]
    weights = [abs(reason.weight) for reason in case.decision.reasons]
    return found | {
        "passages": passages_of(texts),
        "plot": price_plot(found["price"]) if found["price"] is not None else None,
        "heaviest": max([*weights, 1e-9]),
    }


async def _with_earlier(view: View, case_id: str) -> tuple[GetCaseResponse, list[case_pb2.Case]]:
    """Return a case, and the other cases of its listing, which the case names."""
    answer: GetCaseResponse = await view.ask(GetCaseRequest(case_id=case_id))
    return answer, await _earlier(view, answer.case)


async def _earlier(view: View, case: case_pb2.Case) -> list[case_pb2.Case]:
    """List the other cases of the listing, the newest first."""
    wanted = CaseFilter(listing_id=case.decision.listing_id, states=_STATES, except_case_ids=[case.case_id])
    request = ListCasesRequest(filter=wanted, order=CASE_ORDER_NEWEST, page_size=_MOST_EARLIER)
    answer: ListCasesResponse = await view.ask(request)
    return list(answer.cases)


async def _stored(view: View, case_id: str) -> list[StoredImage]:
    """List which photos are kept; none where the service keeps none or this person may not see them."""
    if not view.may(ListImagesRequest):
        return []
    return list((await view.ask(ListImagesRequest(case_id=case_id))).images)
