"""How do I decide? One person's answers and how often others agreed; leads and auditors may look at anybody's."""

from __future__ import annotations

import math

from starlette.responses import Response

from serving.console.days import DaySpan
from serving.console.page import Nav, Page
from serving.console.people_plots import PeoplePlots
from serving.console.view import View
from touchstone.moderation.v1.insight_service_pb2 import GetReviewerRequest, GetReviewerResponse


async def show(view: View) -> Response:
    """Show a record: the caller's own, or that of the reviewer in the address."""
    query = view.request.query_params
    span = DaySpan.of(query, view.formats.zone, view.now)
    asked = query.get("reviewer", "")
    answer: GetReviewerResponse = await view.ask(GetReviewerRequest(reviewer=asked, **span.limits))
    plots = PeoplePlots(view.words, view.formats)
    return view.page(
        "record/show.html",
        span=span,
        reviewer=answer.reviewer,
        asked=asked,
        answers=answer.answer_count,
        handling="" if math.isnan(answer.median_handling_s) else view.formats.duration(answer.median_handling_s),
        timed=answer.timed_count,
        days_plot=plots.days(answer, span),
        agreement=plots.agreement(answer),
        checks=plots.checks(answer),
        check_answers=answer.check_answers,
    )


PAGES = (Page(method="GET", path="/record", answer=show),)
NAV = Nav(group="record", path="/record", needs=GetReviewerRequest, key="m")
