"""What does it look like? Pictures for other pages: photos of a case's listing, and references.

The service draws them anew, so that nothing of a file that somebody uploaded reaches a browser but its pixels. They are
addressed by the case that they are looked at for. A browser keeps them for its own person and for a minute; afterwards
the service is asked again, and answers without bytes if they are still right and may still be seen.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

import grpc
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from serving.console.drawing import asset
from serving.console.page import Page
from serving.console.view import View
from touchstone.moderation.v1.evidence_pb2 import Box
from touchstone.moderation.v1.image_service_pb2 import GetImageRequest, GetImageResponse, ImagePlace

# The longer edge of what is asked for, in pixels, by what it is for.
EDGES = {"thumb": 160, "large": 1_280}
# How much of a photo is shown around a region that is compared, as a share of the region's size.
_AROUND = 0.2
_MOST_DIGITS = 4
_KEPT = "private, max-age=60, must-revalidate"
_SIGN = "no-photo.svg"


def photo_address(case_id: str, image_index: int, size: str = "large") -> str:
    """Return the address of a photo of a case's listing."""
    return f"/images/cases/{quote(case_id, safe='')}/{image_index}?size={size}"


def thumbnail_address(case_id: str) -> str:
    """Return the address of the first photo of a case's listing, small; where it is not kept, of a sign for that."""
    return f"{photo_address(case_id, 0, 'thumb')}&lost=sign"


def part_address(case_id: str, image_index: int, box: Box) -> str:
    """Return the address of a part of a photo, with a little around it."""
    edges = ",".join(f"{edge:.4f}" for edge in (box.x1, box.y1, box.x2, box.y2))
    return f"/images/cases/{quote(case_id, safe='')}/{image_index}?{urlencode({'part': edges})}"


def aligned_address(case_id: str, image_index: int, reference_id: str) -> str:
    """Return the address of the part of a photo in which a reference was found, brought into the reference's frame."""
    return f"/images/cases/{quote(case_id, safe='')}/{image_index}?{urlencode({'aligned': reference_id})}"


def reference_address(reference_id: str, *, frame: bool = False) -> str:
    """Return the address of a reference; with `frame`, of that part of it which photos are compared with."""
    return "/images/references?" + urlencode({"id": reference_id} | ({"frame": "1"} if frame else {}))


async def photo(view: View) -> Response:
    """Show a photo of a case's listing: whole, a part of it, or aligned to a reference."""
    path, query = view.request.path_params, view.request.query_params
    place = ImagePlace(id=path["case_id"], image_index=_number(path["image_index"]))
    request = GetImageRequest(case_image=place, max_edge=_edge(view), aligned_to_reference_id=query.get("aligned", ""))
    if "part" in query:
        request.region.CopyFrom(_box(query["part"]))
        request.padding = _AROUND
    return await picture(view, request, or_sign=query.get("lost") == "sign")


async def reference(view: View) -> Response:
    """Show a reference."""
    query = view.request.query_params
    frame = query.get("frame") == "1"
    request = GetImageRequest(reference_id=query.get("id", ""), max_edge=_edge(view), matched_frame=frame)
    return await picture(view, request)


async def picture(view: View, request: GetImageRequest, *, or_sign: bool = False) -> Response:
    """Answer with a picture; with `or_sign`, with a sign in the place of one that is not kept or cannot be had now."""
    if not view.may(GetImageRequest):
        raise HTTPException(404)
    request.if_none_match = view.request.headers.get("if-none-match", "").removeprefix("W/").strip('"')
    try:
        answer: GetImageResponse = await view.ask(request)
    except grpc.aio.AioRpcError as error:
        if not or_sign or error.code() is grpc.StatusCode.UNAUTHENTICATED:
            raise
        return RedirectResponse(asset(_SIGN), 303)
    headers = {"cache-control": _KEPT, "etag": f'"{answer.etag}"'}
    if answer.not_modified:
        return Response(status_code=304, headers=headers)
    return Response(answer.content, headers=headers, media_type=answer.media_type)


def _edge(view: View) -> int:
    return EDGES.get(view.request.query_params.get("size", ""), EDGES["large"])


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise HTTPException(404)
    return int(text)


def _box(text: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(edge) for edge in text.split(","))
    except ValueError as error:
        raise HTTPException(404) from error
    return Box(x1=x1, y1=y1, x2=x2, y2=y2)


PAGES = (
    Page(method="GET", path="/images/cases/{case_id}/{image_index}", answer=photo, background=True),
    Page(method="GET", path="/images/references", answer=reference, background=True),
)
