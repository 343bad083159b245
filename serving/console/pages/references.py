"""Which marks does a brand have here? References: uploaded many at once, tried out before, retired."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlencode

import grpc
from google.protobuf.message import Message
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serving.console.failures import failure_of
from serving.console.page import Page
from serving.console.pages.portal import brand_of, brand_path, hit_picture
from serving.console.view import View
from touchstone.moderation.v1.brand_pb2 import ReferenceProvenance, ReferenceState
from touchstone.moderation.v1.brand_service_pb2 import (
    GetBrandRequest,
    ListReferencesRequest,
    PreviewReferenceRequest,
    ReferenceDraft,
    RetireReferenceRequest,
    UploadReferenceHeader,
    UploadReferenceRequest,
    UploadReferenceResponse,
)
from touchstone.moderation.v1.evidence_pb2 import ReferenceKind
from touchstone.moderation.v1.listing_pb2 import Image

KINDS = ("LOGO", "WORDMARK", "PATTERN", "PRODUCT", "PACKAGING", "EXAMPLE", "COUNTERFEIT")
STATES = ("PENDING", "ACTIVE", "QUARANTINED", "REJECTED", "RETIRED")
_PAGE_SIZE = 48
_CHUNK = 1024 * 1024
_FILES_BYTES = 64 * 1024 * 1024
_FILE_BYTES = 26 * 1024 * 1024
_WITHIN_S = 120.0
_LONGEST_NAME = 200


async def show(view: View) -> Response:
    """Show a brand's references, and the ways to add one."""
    return await _list(view)


async def upload(view: View) -> Response:
    """Take files in, and tell what became of each; the page's script sends one at a time, a form all together."""
    brand_id, files = brand_of(view), _files(view)
    parts = _parts(view, brand_id, files)
    answer: UploadReferenceResponse = await view.send(UploadReferenceRequest, parts, timeout_s=_WITHIN_S)
    told = [(_name(file), result) for file, result in zip(files, answer.results, strict=True)]
    if view.by_htmx:
        return view.page("portal/results.html", results=told)
    return await _list(view, results=told)


async def preview(view: View) -> Response:
    """Tell what a picture would hit, without keeping it."""
    brand_id, (file, *_) = brand_of(view), _files(view)
    draft = ReferenceDraft(brand_id=brand_id, kind=_kind(view), image=Image(content=await file.read()))
    try:
        answer = await view.ask(PreviewReferenceRequest(draft=draft), timeout_s=_WITHIN_S)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return await _list(view, status=422, fault=failure_of(error).message)
    return await _list(view, tried=(_name(file), answer))


async def retire(view: View) -> Response:
    """Match a reference no longer."""
    reference_id, etag = (str(view.form.get(name, "")) for name in ("reference_id", "etag"))
    await view.ask(RetireReferenceRequest(reference_id=reference_id, etag=etag))
    view.tell("portal.retired")
    return view.go(brand_path(brand_of(view), "/references"))


async def _list(
    view: View,
    *,
    status: int = 200,
    results: Sequence[tuple[str, Message]] = (),
    tried: tuple[str, Message] | None = None,
    fault: str = "",
) -> Response:
    brand_id, query = brand_of(view), view.request.query_params
    state = query.get("state", "") if query.get("state") in STATES else ""
    states = [ReferenceState.Value(f"REFERENCE_STATE_{state}")] if state else []
    request = ListReferencesRequest(
        brand_id=brand_id, states=states, page_size=_PAGE_SIZE, page_token=query.get("page", "")
    )
    whole, answer = await view.ask(GetBrandRequest(brand_id=brand_id)), await view.ask(request)
    here = brand_path(brand_id, "/references")
    following = {name: value for name, value in (("state", state), ("page", answer.next_page_token)) if value}
    return view.page(
        "portal/references.html",
        status=status,
        brand=whole.brand,
        references=answer.references,
        state=state,
        states=STATES,
        kinds=KINDS,
        kind=_chosen(view),
        results=results,
        tried=tried,
        fault=fault,
        batch=uuid.uuid4().hex,
        hit_picture=hit_picture,
        is_first=not query.get("page"),
        first=here + (f"?state={state}" if state else ""),
        following=f"{here}?{urlencode(following)}" if answer.next_page_token else "",
        may_add=view.may(UploadReferenceRequest),
        may_try=view.may(PreviewReferenceRequest),
    )


async def _parts(view: View, brand_id: str, files: Sequence[UploadFile]) -> AsyncIterator[UploadReferenceRequest]:
    """Yield the stream of an upload. The same form again makes nothing twice: keys hold its number and the file."""
    batch, kind = str(view.form.get("batch", ""))[:32], _kind(view)
    for file in files:
        content = await file.read()
        digest = hashlib.sha256(content).hexdigest()
        header = UploadReferenceHeader(
            brand_id=brand_id,
            mark_id=str(view.form.get("mark_id", "")),
            kind=kind,
            provenance=ReferenceProvenance(file_name=_name(file)),
            content_sha256=digest,
            request_id=f"{batch}-{digest}" if batch.isascii() and batch.isalnum() else "",
        )
        yield UploadReferenceRequest(header=header)
        for start in range(0, len(content), _CHUNK):
            yield UploadReferenceRequest(chunk=content[start : start + _CHUNK])


def _files(view: View) -> list[UploadFile]:
    """Return what was chosen; a form without a choice sends one file without a name."""
    sent = [file for file in view.form.getlist("files") if isinstance(file, UploadFile) and file.filename]
    if not sent:
        raise HTTPException(422)
    return sent


def _name(file: UploadFile) -> str:
    """Return a file's name without folders and signs that do not show, at most 200 characters, for people."""
    last = (file.filename or "").replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in last if sign.isprintable())[:_LONGEST_NAME]


def _chosen(view: View) -> str:
    kind = str(view.form.get("kind", ""))
    return kind if kind in KINDS else KINDS[0]


def _kind(view: View) -> ReferenceKind.ValueType:
    return ReferenceKind.Value(f"REFERENCE_KIND_{_chosen(view)}")


PAGES = (
    Page(method="GET", path="/brands/{brand_id}/references", answer=show),
    Page(method="POST", path="/brands/{brand_id}/references", answer=upload, max_body_bytes=_FILES_BYTES),
    Page(method="POST", path="/brands/{brand_id}/preview", answer=preview, max_body_bytes=_FILE_BYTES),
    Page(method="POST", path="/brands/{brand_id}/retire", answer=retire),
)
