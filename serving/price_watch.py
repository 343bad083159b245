"""Do a brand's prices or scores drift, and how do they stand? What operators look at; nothing is decided by it.

Prices are those on record with their time, each against what the present model expects of it. Scores are the price
scores of all screened listings, REVIEW among them: a wave of cheap offers shows there first.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from index.decision_records import EventKind
from index.market_records import PriceObservation
from index.names import normalise_name
from index.price_drift import Direction, find_drift
from index.price_query import PriceQuery
from index.pricing import PriceModel
from index.store.store import Store
from serving.moderation import decision_of

log = logging.getLogger(__name__)

Series = list[tuple[datetime, float]]
_PAGE = 1_000


@dataclass(frozen=True)
class BrandDrift:
    """An alarm: the prices or the scores of a brand (`what`) went `direction` at about `since`; seen at `time`.

    `before` and `after` are medians: of prices as shares of the expected price, of scores as they are.
    """

    brand: str
    what: str
    direction: Direction
    since: datetime
    time: datetime
    before: float
    after: float


def price_series(observations: Sequence[PriceObservation], model: PriceModel) -> dict[str, Series]:
    """Return (time, price / expected price) of each brand's dated prices, in the order of time."""
    dated = [one for one in observations if one.observe_time is not None and one.unit_price.amount > 0]
    dated.sort(key=lambda one: one.observe_time or datetime.min)
    queries = [
        PriceQuery(brand=one.brand, category=one.category, condition=one.condition, unit_price=one.unit_price)
        for one in dated
    ]
    series: dict[str, Series] = defaultdict(list)
    for one, assessment in zip(dated, model.score_batch(queries), strict=True):
        if assessment is not None and one.observe_time is not None:
            series[normalise_name(one.brand)].append((one.observe_time, assessment.ratio))
    return dict(series)


def score_series(store: Store) -> dict[str, Series]:
    """Return (time, price score) of each brand's screened listings, in the order of the decisions."""
    series: dict[str, Series] = defaultdict(list)
    after = 0
    while events := store.events_after(after, limit=_PAGE):
        after = events[-1].cursor
        for event in events:
            if event.kind is EventKind.DECIDED and event.decision.brand:
                for evidence in decision_of(event.decision).evidence:
                    if evidence.HasField("price"):
                        series[normalise_name(event.decision.brand)].append((event.create_time, evidence.price.score))
    return dict(series)


def drifts(store: Store, model: PriceModel) -> list[BrandDrift]:
    """Return all alarms of all brands, the latest first, and log each as a warning."""
    prices = price_series(list(store.iter_price_observations()), model)
    found = [
        alarm
        for what, series in (("prices", prices), ("scores", score_series(store)))
        for brand, points in sorted(series.items())
        for alarm in alarms(brand, points, what)
    ]
    for drift in found:
        log.warning("%s", describe(drift))
    return sorted(found, key=lambda drift: drift.time, reverse=True)


def describe(drift: BrandDrift) -> str:
    """Return an alarm as a sentence, without a full stop."""
    change = f"from {drift.before:.2f} to {drift.after:.2f}"
    measure = "of the expected price" if drift.what == "prices" else "(log-likelihood ratio)"
    return f"{drift.brand}: {drift.what} {drift.direction} since about {drift.since:%Y-%m-%d}, {change} {measure}"


def alarms(brand: str, points: Series, what: str) -> Iterator[BrandDrift]:
    """Yield the alarms over one brand's series, in the order of time."""
    for alarm in find_drift([value for _, value in points]):
        yield BrandDrift(
            brand=brand,
            what=what,
            direction=alarm.direction,
            since=points[alarm.since][0],
            time=points[alarm.place][0],
            before=alarm.before,
            after=alarm.after,
        )
