"""What became of a brand's marks and notices? A brand's page for its owner: figures, hits, the fate of notices."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from serving.console.page import Nav, Page
from serving.console.pages import images
from serving.console.right_records import standing_rights
from serving.console.view import View
from touchstone.moderation.v1.brand_portal_service_pb2 import (
    ApplyForBrandRequest,
    DecideApplicationRequest,
    GetPortalRequest,
    ListApplicationsRequest,
    ListHitsRequest,
    ListNoticesRequest,
)
from touchstone.moderation.v1.brand_service_pb2 import GetBrandRequest, ListBrandsRequest
from touchstone.moderation.v1.image_service_pb2 import GetImageRequest, ImagePlace

_PAGE_SIZE = 24
_INDEX = re.compile("[0-9]{1,4}")


def brand_path(brand_id: str, part: str = "") -> str:
    """Return the address of a brand's page, or of a part of it."""
    return f"/brands/{quote(brand_id, safe='')}{part}"


def brand_of(view: View) -> str:
    """Return the brand that an address names."""
    return str(view.request.path_params["brand_id"])


def hit_picture(decision_id: str, image_index: int) -> str:
    """Return the address of a photo of the listing that a decision is about."""
    return f"/images/decisions/{quote(decision_id, safe='')}/{image_index}"


async def choose(view: View) -> Response:
    """List the brands that the person may see, and applications for more."""
    query = view.request.query_params
    brands, following = [], ""
    if view.may(ListBrandsRequest):
        answer = await view.ask(ListBrandsRequest(page_token=query.get("page", "")))
        brands, following = answer.brands, answer.next_page_token
    applied = await view.ask(ListApplicationsRequest(page_token=query.get("applied", "")))
    return view.page(
        "portal/brands.html",
        brands=brands,
        following=f"/brands?{urlencode({'page': following})}" if following else "",
        applications=applied.applications,
        more_applied=f"/brands?{urlencode({'applied': applied.next_page_token})}" if applied.next_page_token else "",
        is_first="page" not in query and "applied" not in query,
        may_apply=view.may(ApplyForBrandRequest),
        may_decide=view.may(DecideApplicationRequest),
    )


async def show(view: View) -> Response:
    """Show a brand's figures, its latest hits and notices."""
    brand_id, query = brand_of(view), view.request.query_params
    wanted = {name: query.get(name, "") for name in ("reference", "hits", "notices")}
    hits = ListHitsRequest(
        brand_id=brand_id, reference_id=wanted["reference"], page_size=_PAGE_SIZE, page_token=wanted["hits"]
    )
    notices = ListNoticesRequest(brand_id=brand_id, page_size=_PAGE_SIZE, page_token=wanted["notices"])
    whole, figures, hit_page, notice_page = await asyncio.gather(
        view.ask(GetBrandRequest(brand_id=brand_id)),
        view.ask(GetPortalRequest(brand_id=brand_id)),
        view.ask(hits),
        view.ask(notices),
    )

    def address(**changed: str) -> str:
        kept = {name: value for name, value in (wanted | changed).items() if value}
        return brand_path(brand_id) + (f"?{urlencode(kept)}" if kept else "")

    return view.page(
        "portal/show.html",
        brand=whole.brand,
        figures=figures,
        ending=sum(one.ends for one in standing_rights(whole.brand, view.formats.today)),
        most_hits=max((week.hit_count for week in figures.weeks), default=0),
        hits=hit_page.hits,
        notices=notice_page.notices,
        reference=wanted["reference"],
        address=address,
        hit_picture=hit_picture,
        first_hits=address(hits="") if wanted["hits"] else "",
        more_hits=address(hits=hit_page.next_page_token) if hit_page.next_page_token else "",
        first_notices=address(notices="") if wanted["notices"] else "",
        more_notices=address(notices=notice_page.next_page_token) if notice_page.next_page_token else "",
    )


async def picture(view: View) -> Response:
    """Show a photo of a hit, or in its place a sign that it is not kept."""
    path = view.request.path_params
    if not _INDEX.fullmatch(path["image_index"]):
        raise HTTPException(404)
    place = ImagePlace(id=path["decision_id"], image_index=int(path["image_index"]))
    return await images.picture(
        view, GetImageRequest(decision_image=place, max_edge=2 * images.EDGES["thumb"]), or_sign=True
    )


PAGES = (
    Page(method="GET", path="/brands", answer=choose),
    Page(method="GET", path="/brands/{brand_id}", answer=show),
    Page(method="GET", path="/images/decisions/{decision_id}/{image_index}", answer=picture, background=True),
)
NAV = Nav(group="portal", path="/brands", needs=ListApplicationsRequest, key="b")
