"""What is a plot to a page? A title that says what one sees, a drawing, and the same as a table; shares with words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from serving.console.charts import Ranged, intervals
from serving.console.formats import Formats
from serving.console.words import Words
from touchstone.moderation.v1.insight_service_pb2 import Proportion


@dataclass(frozen=True, kw_only=True)
class Plot:
    """`drawing` is None where there is nothing to draw, and `title` says then what is missing."""

    title: str
    about: str = ""
    drawing: Markup | None = None
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    links: Sequence[str] = ()  # where the first cell of each row leads


@dataclass(frozen=True)
class Plotter:
    """Draws in one person's language."""

    words: Words
    formats: Formats

    def number(self, value: float) -> str:
        """Write a count, or another number with two places."""
        if not math.isfinite(value):
            return "∞" if value > 0 else "–"
        return self.formats.number(value) if value == int(value) else self.formats.number(value, digits=2)

    def percent(self, value: float) -> str:
        """Write a share with one place, for small ones matter; a dash for none."""
        return "–" if math.isnan(value) else f"{self.formats.number(100 * value, digits=1)} %"

    def shares(self, named: Sequence[tuple[str, Proportion]], *, title: str, about: str, across: str) -> Plot:
        """Plot shares with their intervals."""
        told = [(name, one) for name, one in named if one.count]
        rows = [Ranged(name, one.value, one.low, one.high) for name, one in told]
        t = self.words
        return Plot(
            title=title,
            about=about,
            drawing=intervals(rows, across=across, says=title),
            columns=(
                t("insight.column.of"), t("insight.column.share"), t("insight.column.interval"),
                t("insight.column.hits"), t("insight.column.looked_at"),
            ),
            rows=[
                (
                    name, self.percent(one.value), f"{self.percent(one.low)} – {self.percent(one.high)}",
                    self.number(one.hit_count), self.number(one.count),
                )
                for name, one in told
            ],
        )  # fmt: skip
