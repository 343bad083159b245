"""How does the service do, as plots? Volumes, precision, calibration, drift: from InsightService to pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from serving.console.charts import Bar, Line, Ranged, bars, columns, lines, reliability
from serving.console.days import DaySpan
from serving.console.formats import to_time
from serving.console.plots import Plot, Plotter
from touchstone.moderation.v1 import insight_service_pb2 as pb

MOST_ROWS = 12
_MOST_LINES = 5
# Of a volume, with their words.
_FIELDS = {
    "decisions": "insight.volumes.decisions",
    "cases_opened": "insight.volumes.cases_opened",
    "cases_resolved": "insight.volumes.cases_resolved",
    "appeals": "insight.volumes.appeals",
    "reports": "insight.volumes.reports",
}
_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_STEPS = {pb.VOLUME_STEP_HOUR: _HOUR, pb.VOLUME_STEP_DAY: _DAY, pb.VOLUME_STEP_WEEK: _WEEK}
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def step_of(span: DaySpan) -> pb.VolumeStep.ValueType:
    """Choose how long a step is, so that a line has neither three points nor thousands."""
    if span.days <= 2:
        return pb.VOLUME_STEP_HOUR
    return pb.VOLUME_STEP_DAY if span.days <= 120 else pb.VOLUME_STEP_WEEK


@dataclass(frozen=True)
class InsightPlots(Plotter):
    """The plots of the page `insight`."""

    def volumes(self, answer: pb.GetVolumesResponse, span: DaySpan, *, brand: str, split: str) -> Plot:
        """Plot what happened step by step: of all, of a brand, or decisions by what they are split by."""
        t = self.words
        series = [one for one in answer.series if not brand or one.key.casefold() == brand.casefold()]
        starts = _starts(span, self.formats.now)
        if not series or not starts:
            return Plot(title=t("insight.volumes.none"), about=t("insight.volumes.none_about"))
        if split and not brand:
            drawn = [Line(self._key(split, one), _values(one, "decisions", starts)) for one in series[:_MOST_LINES]]
        else:
            drawn = [Line(t(words), _values(series[0], field, starts)) for field, words in _FIELDS.items()]
        totals = {
            field: sum(getattr(one, field) for one_series in series for one in one_series.volumes) for field in _FIELDS
        }
        title = t(
            "insight.volumes.title",
            decisions=self.number(totals["decisions"]),
            opened=self.number(totals["cases_opened"]),
            resolved=self.number(totals["cases_resolved"]),
        )
        labels = [self._step(start, span) for start in starts]
        return Plot(
            title=title,
            about=t("insight.volumes.about"),
            drawing=lines(drawn, labels, across=t("insight.axis.time"), up=t("insight.axis.count"), says=title),
            columns=(t("insight.column.begins"), *(line.name for line in drawn)),
            rows=[
                (label, *(self.number(line.values[at]) for line in drawn))
                for at, label in enumerate(labels)
                if any(line.values[at] for line in drawn)
            ],
        )

    def precision(self, answer: pb.GetPrecisionResponse, *, brand: str, missed: bool) -> Plot:
        """Plot what audits say of takedowns, or of what was allowed."""
        t = self.words
        found = [
            (t("insight.all_brands"), answer.overall),
            *((one.brand or t("insight.no_brand"), one) for one in answer.brands),
        ]
        if brand:
            found = [(name, one) for name, one in found if one.brand.casefold() == brand.casefold()]
        named = [(name, one.missed if missed else one.takedown) for name, one in found]
        named = [(name, one) for name, one in named if one.count][:MOST_ROWS]
        waiting = sum(one.allow_waiting_count if missed else one.takedown_waiting_count for _, one in found[:1])
        about = t("insight.waiting_audits", count=waiting)
        if not named:
            return Plot(title=t("insight.missed.none") if missed else t("insight.precision.none"), about=about)
        first = named[0][1]
        values = {"low": self.percent(first.low), "high": self.percent(first.high), "share": self.percent(first.value)}
        title = t("insight.missed.title", **values) if missed else t("insight.precision.title", **values)
        across = t("insight.missed.axis") if missed else t("insight.precision.axis")
        return self.shares(named, title=title, about=about, across=across)

    def calibration(self, answer: pb.GetCalibrationResponse) -> Plot:
        """Plot the reliability diagram."""
        t = self.words
        if not answer.count:
            return Plot(title=t("insight.calibration.none"), about=t("insight.calibration.none_about"))
        title = t("insight.calibration.title", error=self.percent(answer.expected_calibration_error))
        rows = [Ranged("", one.infringing.value, one.infringing.low, one.infringing.high) for one in answer.bins]
        said = [one.mean_probability for one in answer.bins]
        return Plot(
            title=title,
            about=t("insight.calibration.about", count=answer.count),
            drawing=reliability(
                rows, said, across=t("insight.calibration.said"), up=t("insight.calibration.found"), says=title
            ),
            columns=(
                t("insight.calibration.said"), t("insight.calibration.found"), t("insight.column.interval"),
                t("insight.column.looked_at"),
            ),
            rows=[
                (
                    self.percent(one.mean_probability), self.percent(one.infringing.value),
                    f"{self.percent(one.infringing.low)} – {self.percent(one.infringing.high)}",
                    self.number(one.infringing.count),
                )
                for one in answer.bins
            ],
        )  # fmt: skip

    def drifts(self, answer: pb.GetDriftResponse) -> Plot:
        """Plot how far each brand's scores have moved, against what chance alone does."""
        t = self.words
        found = [one for one in answer.drifts if sum(bin.count for bin in one.scores.bins)][:MOST_ROWS]
        if not found or not any(bin.reference_count for bin in found[0].scores.bins):
            return Plot(title=t("insight.drift.none"), about=t("insight.drift.none_about"))
        rows = [
            Bar(one.brand or t("insight.all_brands"), one.scores.psi, one.scores.psi_by_chance, one.scores.drifted)
            for one in found
        ]
        title = t("insight.drift.title", count=sum(row.bad for row in rows))
        return Plot(
            title=title,
            about=t("insight.drift.about"),
            drawing=bars(rows, across=t("insight.drift.axis"), says=title),
            columns=(t("insight.column.of"), t("insight.drift.axis"), t("insight.drift.by_chance")),
            rows=[(row.name, self.number(row.value), self.number(row.limit)) for row in rows],
        )

    def shift(self, shift: pb.DistributionShift, *, prices: bool) -> Plot:
        """Plot two distributions, of scores or of prices, side by side."""
        t = self.words
        window, reference = sum(one.count for one in shift.bins), sum(one.reference_count for one in shift.bins)
        if not window or not reference:
            return Plot(
                title=t("insight.prices.none") if prices else t("insight.scores.none"),
                about=t("insight.drift.none_about"),
            )
        if prices:
            title = t("insight.prices.moved") if shift.drifted else t("insight.prices.same")
        else:
            title = t("insight.scores.moved") if shift.drifted else t("insight.scores.same")
        labels = [f"{self._edge(one.low)}–{self._edge(one.high)}" for one in shift.bins]
        drawn = [
            Line(t("insight.drift.before"), [100 * one.reference_count / reference for one in shift.bins]),
            Line(t("insight.drift.now"), [100 * one.count / window for one in shift.bins]),
        ]
        across = t("insight.prices.axis") if prices else t("insight.scores.axis")
        return Plot(
            title=title,
            about=t("insight.drift.figures", psi=self.number(shift.psi), chance=self.number(shift.psi_by_chance)),
            drawing=columns(drawn, labels, across=across, up=t("insight.axis.percent"), says=title),
            columns=(across, t("insight.drift.before"), t("insight.drift.now")),
            rows=[
                (label, self.number(one.reference_count), self.number(one.count))
                for label, one in zip(labels, shift.bins, strict=True)
            ],
        )

    def _edge(self, value: float) -> str:
        return self.formats.number(value) if math.isfinite(value) else "∞"

    def _key(self, split: str, series: pb.VolumeSeries) -> str:
        if series.others:
            return self.words("insight.others")
        if not series.key:
            return self.words("insight.without")
        return self.words.term(split, series.key.upper()) if split in ("verdict", "origin") else series.key

    def _step(self, start: datetime, span: DaySpan) -> str:
        return self.formats.time(start) if span.days <= 2 else self.formats.day(start)


def _values(series: pb.VolumeSeries, field: str, starts: Sequence[datetime]) -> list[float]:
    found = {to_time(one.start_time): getattr(one, field) for one in series.volumes}
    return [found.get(start, 0) for start in starts]


def _starts(span: DaySpan, now: datetime) -> list[datetime]:
    """List when the steps of a span begin, as the service cuts them."""
    step = _STEPS[step_of(span)]
    first, end = to_time(span.limits["start_time"]), to_time(span.limits["end_time"])
    at = first - (first - _MONDAY) % step
    count = max(0, -((at - min(end, now)) // step))
    return [at + number * step for number in range(count)]
