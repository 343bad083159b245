"""How does the service do? Plots for those who answer for it: each figure comes from InsightService.

Time, brand and split stand in the address, so that what somebody looks at can be kept and passed on.
"""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from serving.console.days import DaySpan
from serving.console.insight_plots import InsightPlots, step_of
from serving.console.page import Nav, Page
from serving.console.people_plots import PeoplePlots
from serving.console.view import View
from touchstone.moderation.v1 import insight_service_pb2 as pb

_SPLITS = {
    "verdict": pb.VOLUME_SPLIT_VERDICT,
    "origin": pb.VOLUME_SPLIT_ORIGIN,
    "brand": pb.VOLUME_SPLIT_BRAND,
    "market": pb.VOLUME_SPLIT_MARKET,
}
_MAX_BRAND_CHARACTERS = 200


async def show(view: View) -> Response:
    """Show all plots, of the time and the brand in the address."""
    query = view.request.query_params
    span = DaySpan.of(query, view.formats.zone, view.now)
    brand = query.get("brand", "").strip()[:_MAX_BRAND_CHARACTERS]
    split = query.get("split", "") if query.get("split", "") in _SPLITS else ""
    by = _SPLITS["brand"] if brand else _SPLITS.get(split, pb.VOLUME_SPLIT_UNSPECIFIED)
    audits = query.get("audits") == "1"
    volumes, precision, calibration, thresholds, drift, queue, reviewers = await asyncio.gather(
        view.ask(pb.GetVolumesRequest(**span.limits, step=step_of(span), split=by)),
        view.ask(pb.GetPrecisionRequest(**span.limits)),
        view.ask(pb.GetCalibrationRequest(**span.limits, brand=brand, audits_only=audits)),
        view.ask(pb.ListThresholdsRequest()),
        view.ask(pb.GetDriftRequest(**span.limits, brand=brand)),
        view.ask(pb.GetQueueRequest()),
        view.ask(pb.ListReviewersRequest(**span.limits)),
    )
    plots, people = InsightPlots(view.words, view.formats), PeoplePlots(view.words, view.formats)
    first = drift.drifts[0] if drift.drifts else pb.Drift()
    return view.page(
        "insight/show.html",
        span=span,
        brand=brand,
        split=split,
        splits=_SPLITS,
        audits=audits,
        volumes=plots.volumes(volumes, span, brand=brand, split=split),
        precision=plots.precision(precision, brand=brand, missed=False),
        missed=plots.precision(precision, brand=brand, missed=True),
        calibration=plots.calibration(calibration),
        thresholds=people.thresholds(thresholds),
        tiers=thresholds.thresholds,
        drifts=plots.drifts(drift),
        scores=plots.shift(first.scores, prices=False),
        prices=plots.shift(first.prices, prices=True),
        alarms=drift.alarms,
        queue=queue,
        ages=people.ages(queue),
        dues=people.dues(queue),
        origins=people.origins(queue),
        reviewers=people.reviewers(reviewers, span),
        checks=people.everybodys_checks(reviewers, span),
    )


PAGES = (Page(method="GET", path="/insight", answer=show),)
NAV = Nav(group="insight", path="/insight", needs=pb.GetVolumesRequest, key="i")
