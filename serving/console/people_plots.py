"""What waits for people, what needs none, and how do they decide? Plots of the queue, thresholds and reviewers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode

from serving.console.charts import Bar, Line, Ranged, bars, columns, intervals
from serving.console.days import DaySpan
from serving.console.drawing import enum_name
from serving.console.formats import to_time
from serving.console.plots import Plot, Plotter
from touchstone.moderation.v1 import insight_service_pb2 as pb

MOST_REVIEWERS = 20


@dataclass(frozen=True)
class PeoplePlots(Plotter):
    """Plots of the pages `insight` and `record`."""

    def thresholds(self, answer: pb.ListThresholdsResponse) -> Plot:
        """Plot from which probability on each tier's listings are taken down without a person."""
        t = self.words
        found = [one for one in answer.thresholds if one.certificate_id]
        if not found:
            return Plot(title=t("insight.thresholds.none"), about=t("insight.thresholds.none_about"))
        title = t("insight.thresholds.title", count=sum(one.certified for one in found))
        rows = [Ranged(one.tier, one.threshold, one.threshold, 1.0, good=one.certified) for one in found]
        return Plot(
            title=title,
            about=t("insight.thresholds.about"),
            drawing=intervals(rows, across=t("insight.thresholds.axis"), says=title),
            columns=(
                t("insight.thresholds.tier"), t("insight.thresholds.axis"), t("insight.thresholds.target"),
                t("insight.thresholds.verified"), t("insight.thresholds.audited"), t("insight.thresholds.wealth"),
            ),
            rows=[
                (
                    one.tier, self.percent(one.threshold), self.percent(one.target),
                    f"{self.number(one.error_count)} / {self.number(one.verified_count)}",
                    f"{self.number(one.audited_error_count)} / {self.number(one.audited_count)}",
                    self.number(one.wealth),
                )
                for one in found
            ],
        )  # fmt: skip

    def ages(self, answer: pb.GetQueueResponse) -> Plot:
        """Plot how old what waits is."""
        t = self.words
        if not answer.waiting_count:
            return Plot(title=t("insight.queue.none"))
        half = self.formats.duration(answer.median_age_s)
        title = t("insight.queue.title", waiting=self.number(answer.waiting_count), half=half)
        return self._ranges(answer.ages_s, title=title, across=t("insight.queue.age"))

    def dues(self, answer: pb.GetQueueResponse) -> Plot:
        """Plot how soon what waits is due."""
        t = self.words
        if not sum(one.count for one in answer.due_in_s):
            return Plot(title=t("insight.due.none"))
        title = t("insight.due.title", count=sum(one.count for one in answer.due_in_s if one.high <= 0))
        return self._ranges(answer.due_in_s, title=title, across=t("insight.due.left"))

    def origins(self, answer: pb.GetQueueResponse) -> Plot:
        """Plot why what waits was opened."""
        t = self.words
        rows = [Bar(t.term("origin", enum_name(one, "origin")), one.count) for one in answer.origins if one.count]
        if not rows:
            return Plot(title=t("insight.queue.none"))
        title = t("insight.origins.title", name=max(rows, key=lambda row: row.value).name)
        return self._bars(rows, title=title, of=t("insight.column.of"), across=t("insight.axis.cases"))

    def reviewers(self, answer: pb.ListReviewersResponse, span: DaySpan) -> Plot:
        """Plot who decided how much."""
        t = self.words
        found = answer.reviewers[:MOST_REVIEWERS]
        if not found:
            return Plot(title=t("insight.reviewers.none"))
        title = t("insight.reviewers.title", count=len(answer.reviewers))
        rows = [Bar(one.reviewer, one.answer_count) for one in found]
        links = [_record_of(one.reviewer, span) for one in found]
        about = t("insight.reviewers.about")
        across = t("insight.axis.answers")
        return self._bars(rows, title=title, about=about, of=t("insight.column.of"), across=across, links=links)

    def days(self, answer: pb.GetReviewerResponse, span: DaySpan) -> Plot:
        """Plot somebody's answers day by day."""
        t = self.words
        if not answer.answer_count:
            return Plot(title=t("record.none"), about=t("record.none_about"))
        counts = {to_time(one.start_time).date(): one.count for one in answer.days}
        days = [span.first + timedelta(days=number) for number in range(span.days)]
        values = [counts.get(day, 0) for day in days]
        title = t("record.title", count=answer.answer_count, days=self.number(len(answer.days)))
        labels = [day.isoformat() for day in days]
        return Plot(
            title=title,
            about=t("record.counted"),
            drawing=columns(
                [Line(t("insight.axis.answers"), values)], labels, across=t("record.day"),
                up=t("insight.axis.answers"), says=title,
            ),
            columns=(t("record.day"), t("insight.axis.answers")),
            rows=[(label, self.number(value)) for label, value in zip(labels, values, strict=True) if value],
        )  # fmt: skip

    def agreement(self, answer: pb.GetReviewerResponse) -> Plot:
        """Plot how often others agreed with somebody."""
        t = self.words
        named = [
            (t("record.confirmed"), answer.confirmed),
            (t("record.upheld"), answer.upheld),
            (t("record.undone"), answer.undone),
        ]
        if not any(one.count for _, one in named):
            return Plot(title=t("record.nobody_looked"))
        return self.shares(
            named, title=t("record.agreement"), about=t("record.agreement_about"), across=t("record.share")
        )

    def checks(self, answer: pb.GetReviewerResponse) -> Plot:
        """Plot how often somebody was right where the right answer is sure."""
        t = self.words
        if not answer.checks.count:
            return Plot(title=t("record.checks.none"), about=t("record.checks.none_about"))
        named = [(t("record.checks.right"), answer.checks)]
        return self.shares(
            named, title=t("record.checks.title"), about=t("record.checks.about"), across=t("record.share")
        )

    def everybodys_checks(self, answer: pb.ListReviewersResponse, span: DaySpan) -> Plot:
        """Plot how often each person was right where the right answer is sure."""
        t = self.words
        found = [one for one in answer.reviewers if one.checks.count][:MOST_REVIEWERS]
        if not found:
            return Plot(title=t("insight.checks.none"), about=t("insight.checks.none_about"))
        plot = self.shares(
            [(one.reviewer, one.checks) for one in found],
            title=t("insight.checks.title"),
            about=t("insight.checks.about"),
            across=t("record.share"),
        )
        return replace(plot, links=[_record_of(one.reviewer, span) for one in found])

    def _ranges(self, ranges: Sequence[pb.RangeCount], *, title: str, across: str) -> Plot:
        t = self.words
        labels = [self._range(one) for one in ranges]
        drawn = [Line(t("insight.axis.cases"), [one.count for one in ranges])]
        return Plot(
            title=title,
            drawing=columns(drawn, labels, across=across, up=t("insight.axis.cases"), says=title),
            columns=(across, t("insight.axis.cases")),
            rows=[(label, self.number(one.count)) for label, one in zip(labels, ranges, strict=True)],
        )

    def _range(self, one: pb.RangeCount) -> str:
        if math.isinf(one.low):
            return self.words("insight.overdue")
        if math.isinf(one.high):
            return self.words("insight.over", value=self.formats.duration(one.low))
        return self.words("insight.under", value=self.formats.duration(one.high))

    def _bars(
        self, rows: Sequence[Bar], *, title: str, of: str, across: str, about: str = "", links: Sequence[str] = ()
    ) -> Plot:
        return Plot(
            title=title,
            about=about,
            drawing=bars(rows, across=across, says=title),
            columns=(of, across),
            rows=[(row.name, self.number(row.value)) for row in rows],
            links=links,
        )


def _record_of(reviewer: str, span: DaySpan) -> str:
    said = {"reviewer": reviewer, "from": span.first.isoformat(), "to": span.last.isoformat()}
    return f"/record?{urlencode(said)}"
