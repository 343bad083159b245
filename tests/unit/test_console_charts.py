"""Do plots say what they are told, so that it can be read? Labels below an axis: whole, apart, as many as have room."""

from __future__ import annotations

import html
import itertools
import re

import pytest

from serving.console.charts import Line, columns, lines

_TEXT = re.compile(r'<text text-anchor="(middle|end)">((?:<tspan x="([0-9.]+)"[^>]*>[^<]*</tspan>)+)</text>')
_AGES = {
    "en": ["≤ 60 minutes", "≤ 4 hours", "≤ 24 hours", "≤ 3 days", "≤ 7 days", "≤ 4 weeks", "> 4 weeks"],
    "zh": ["≤ 60分钟", "≤ 4小时", "≤ 24小时", "≤ 3天", "≤ 7天", "≤ 4周", "> 4周"],
}


def spans(drawing: str) -> list[tuple[float, float, list[str]]]:
    """Give from where to where each label reaches, by the widths of a wide face, and its lines."""
    found = []
    for anchor, inside, place in _TEXT.findall(drawing):
        rows = [html.unescape(row) for row in re.findall(r">([^<]+)</tspan>", inside)]
        wide = max(sum(12.0 if ord(sign) > 0x2E80 else 7.4 for sign in row) for row in rows)
        begin = float(place) - (wide if anchor == "end" else wide / 2)
        found.append((begin, begin + wide, rows))
    return found


def drawn_apart(drawing: str) -> list[list[str]]:
    """Check that no label touches the next, and give their lines."""
    found = spans(drawing)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(found)), found
    assert all(begin > 0 and end <= 640 for begin, end, _ in found), found
    return [rows for _, _, rows in found]


@pytest.mark.parametrize("language", _AGES)
def test_each_column_is_named(language: str) -> None:
    """What has no room on one line is written on two: no name of a column is left out, none lies over another."""
    steps = _AGES[language]

    drawing = columns([Line("", [1.0] * len(steps))], steps, across="Age", up="Cases", says="Ages")

    assert ["".join(rows).replace(" ", "") for rows in drawn_apart(drawing)] == [
        step.replace(" ", "") for step in steps
    ]


@pytest.mark.parametrize("count", [1, 2, 7, 28, 52, 120])
@pytest.mark.parametrize("day", ["23 Nov 2026", "2026年11月23日", "Mon"])
def test_as_many_days_are_named_as_have_room(count: int, day: str) -> None:
    """The first is always among them, however many there are, for lines and for columns."""
    steps = [f"{day}{'.' * (number % 3)}" for number in range(count)]
    series = [Line("", [1.0] * count)]

    for draw in (lines, columns):
        named = drawn_apart(draw(series, steps, across="Day", up="Cases", says="Days"))

        assert "".join(named[0]).replace(" ", "") == steps[0].replace(" ", "")
        assert len(named) == count or len(named) >= min(count, 3)


def test_words_are_text() -> None:
    """Nothing that a chart is told is markup."""
    drawing = lines([Line("<b>", [1.0])], ["<i>"], across="<u>", up="<s>", says='"><script>')

    assert not re.search(r"<[bius]>|<script", drawing)
