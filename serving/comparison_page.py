"""How does a person read what another policy would change? One HTML page that needs nothing beside itself.

Everything that comes from listings is escaped by the template; only the drawing of `serving.comparison_chart` goes in
as it is.
"""

from __future__ import annotations

from pathlib import Path

from serving.comparison import Comparison, ranked
from serving.comparison_chart import draw
from serving.html_pages import page_environment

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_ROWS = 30


def write_page(path: Path, comparison: Comparison, *, source: str) -> None:
    """Write the page over what is at `path`; `source` says which decisions were looked at."""
    total = comparison.total
    tallies = {
        "rule": comparison.rules,
        "brand": comparison.brands,
        "category": comparison.categories,
        "market": comparison.markets,
    }
    html = (
        page_environment(_TEMPLATES)
        .get_template("comparison.html")
        .render(
            comparison=comparison,
            title=f"{total.changed:,} of {total.decisions:,} decisions would change",
            source=source,
            chart=draw(comparison),
            examples=sorted(comparison.examples.items(), key=lambda item: -comparison.matrix[item[0]]),
            groups=[
                (heading, ranked(names)[:_MOST_ROWS], max(0, len(names) - _MOST_ROWS))
                for heading, names in tallies.items()
            ],
        )
    )
    path.write_text(html, encoding="utf-8")
