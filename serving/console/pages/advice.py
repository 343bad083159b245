"""What are buyers told to look at on a brand's goods? The owner's advice, in each language, with pictures."""

from __future__ import annotations

from typing import Any

import grpc
from starlette.responses import Response

from serving.console.page import Page
from serving.console.pages.brand_terms import faults_of
from serving.console.pages.portal import brand_of, brand_path
from serving.console.view import View
from serving.console.words import LANGUAGES
from touchstone.moderation.v1.brand_pb2 import REFERENCE_STATE_ACTIVE
from touchstone.moderation.v1.brand_service_pb2 import GetBrandRequest, ListReferencesRequest, SetBuyerAdviceRequest
from touchstone.moderation.v1.buyer_pb2 import (
    ADVICE_KIND_UNSPECIFIED,
    AdviceItem,
    AdviceKind,
    BuyerAdvice,
    LocalizedText,
)

KINDS = ("PACKAGING", "HOLOGRAM", "SERIAL_NUMBER", "LOGO", "OTHER")
_MOST = 20
_FREE = 2  # items without a text, to write new ones into
_TO_CHOOSE = 200


async def show(view: View) -> Response:
    """Show the advice as a form."""
    brand = (await view.ask(GetBrandRequest(brand_id=brand_of(view)))).brand
    return await _form(view, brand, brand.buyer_advice)


async def change(view: View) -> Response:
    """Replace the advice; an item without any text is left out."""
    brand_id = brand_of(view)
    advice = BuyerAdvice(items=_items(view), serial_template=str(view.form.get("template", "")).strip())
    request = SetBuyerAdviceRequest(brand_id=brand_id, buyer_advice=advice, etag=str(view.form.get("etag", "")))
    try:
        await view.ask(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        brand = (await view.ask(GetBrandRequest(brand_id=brand_id))).brand
        return await _form(view, brand, advice, faults=faults_of(error))
    view.tell("portal.saved")
    return view.go(brand_path(brand_id, "/advice"))


async def _form(view: View, brand: Any, advice: BuyerAdvice, *, faults: list[str] | None = None) -> Response:
    request = ListReferencesRequest(brand_id=brand.brand_id, states=[REFERENCE_STATE_ACTIVE], page_size=_TO_CHOOSE)
    references = (await view.ask(request)).references
    known = {each.reference_id for each in references}
    free = [AdviceItem() for _ in range(min(_FREE, _MOST - len(advice.items)))]
    told = {text.language: "" for item in advice.items for text in item.texts}
    return view.page(
        "portal/advice.html",
        status=422 if faults else 200,
        brand=brand,
        items=[*advice.items, *free],
        serial_template=advice.serial_template,
        languages_told=[*LANGUAGES, *(one for one in told if one not in LANGUAGES)],
        kinds=KINDS,
        references=references,
        others=[item.reference_id for item in advice.items if item.reference_id and item.reference_id not in known],
        faults=faults or [],
        may_edit=view.may(SetBuyerAdviceRequest),
    )


def _items(view: View) -> list[AdviceItem]:
    found = []
    for number in range(_MOST):
        start = f"text-{number}-"
        texts = [
            LocalizedText(language=name.removeprefix(start), text=text.strip().replace("\r\n", "\n"))
            for name, text in view.form.multi_items()
            if name.startswith(start) and isinstance(text, str) and text.strip()
        ]
        kind = str(view.form.get(f"kind-{number}", ""))
        if texts:
            known = AdviceKind.Value(f"ADVICE_KIND_{kind}") if kind in KINDS else ADVICE_KIND_UNSPECIFIED
            picture = str(view.form.get(f"reference-{number}", ""))
            found.append(AdviceItem(kind=known, texts=texts, reference_id=picture))
    return found


PAGES = (
    Page(method="GET", path="/brands/{brand_id}/advice", answer=show),
    Page(method="POST", path="/brands/{brand_id}/advice", answer=change),
)
