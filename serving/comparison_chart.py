"""How does a comparison of two policies look at a glance? One SVG: verdicts as they were and as they would be.

On the left the nine combinations, on the right the rules that fire most. The page holds it as it is; for `--png` it is
rendered with a font that comes with Pillow, so that it looks alike on a machine without fonts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup, escape

from serving.comparison import VERDICTS, Comparison, Tally
from serving.drawings import svg_to_png

_WIDTH, _HEIGHT = 1000, 440
_CELL, _LEFT, _TOP = 98, 120, 82  # the matrix, pixels
_BARS_LEFT, _BARS_WIDTH, _BAR = 660, 240, 28
_MOST_RULES = 10
_INK, _FAINT, _PAPER = "#1f2430", "#6b7280", "#ffffff"
_SAME, _GRAVER, _MILDER = "#64748b", "#b42318", "#1d7a46"
_FONT = "Aileron"


def draw(comparison: Comparison) -> Markup:
    """Draw the comparison as SVG; what comes from data (rule ids, the version) is escaped."""
    parts = [*_head(comparison), *_matrix(comparison), *_rules(comparison), *_legend()]
    body = "".join(parts)
    return Markup(  # noqa: S704 - every part is ours or escaped
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="{_FONT}, system-ui, sans-serif" font-size="14" fill="{_INK}">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="{_PAPER}"/>{body}</svg>'
    )


def write_png(path: Path, comparison: Comparison) -> None:
    """Render the drawing to a file, two pixels for each of the drawing's."""
    path.write_bytes(svg_to_png(str(draw(comparison)), width=2 * _WIDTH))


def _head(comparison: Comparison) -> Iterator[str]:
    total = comparison.total
    yield _text(24, 34, f"{total.changed:,} of {total.decisions:,} decisions would change", size=20)
    yield _text(24, 58, comparison.version, colour=_FAINT)
    if comparison.failed or comparison.rule_errors:
        says = f"{comparison.failed:,} could not be evaluated, {comparison.rule_errors:,} rules had no answer"
        yield _text(_WIDTH - 24, 58, says, colour=_GRAVER, anchor="end")


def _matrix(comparison: Comparison) -> Iterator[str]:
    for row, was in enumerate(VERDICTS):
        of_row = sum(comparison.matrix[was, now] for now in VERDICTS)
        yield _text(_LEFT - 10, _middle(_TOP + 26, row), was, anchor="end")
        for column, now in enumerate(VERDICTS):
            count = comparison.matrix[was, now]
            share = count / of_row if of_row else 0.0
            colour = _SAME if row == column else _GRAVER if column > row else _MILDER
            left, top = _LEFT + column * _CELL, _TOP + 26 + row * _CELL
            yield (
                f'<rect x="{left}" y="{top}" width="{_CELL - 4}" height="{_CELL - 4}" rx="6" fill="{colour}" '
                f'fill-opacity="{0.06 if not count else 0.16 + 0.5 * share:.3f}"/>'
            )
            yield _text(left + _CELL // 2 - 2, top + _CELL // 2, f"{count:,}", size=20, anchor="middle")
            if count:
                yield _text(left + _CELL // 2 - 2, top + _CELL // 2 + 22, f"{share:.1%}", anchor="middle")
    for column, now in enumerate(VERDICTS):
        yield _text(_LEFT + column * _CELL + _CELL // 2 - 2, _TOP + 18, now, anchor="middle")


def _rules(comparison: Comparison) -> Iterator[str]:
    shown = sorted(comparison.rules.items(), key=lambda item: (-item[1].decisions, item[0]))[:_MOST_RULES]
    yield _text(_BARS_LEFT, _TOP, "decisions on which a rule fires", colour=_FAINT)
    highest = max((tally.decisions for _, tally in shown), default=1)
    for place, (rule_id, tally) in enumerate(shown):
        top = _TOP + 16 + place * _BAR
        yield _text(
            _BARS_LEFT - 8, top + 14, rule_id if len(rule_id) <= 30 else rule_id[:29] + "…", anchor="end", size=12
        )
        yield _bar(top, tally.decisions / highest, _SAME, 0.35)
        yield _bar(top, tally.changed / highest, _GRAVER, 0.8)
        yield _text(_BARS_LEFT + _BARS_WIDTH * tally.decisions / highest + 6, top + 14, _says(tally), size=12)


def _legend() -> Iterator[str]:
    yield _text(
        24, _HEIGHT - 14, "rows: as decided; columns: by this policy; red: graver, green: milder", colour=_FAINT
    )
    yield _text(_WIDTH - 24, _HEIGHT - 14, "red: decisions that change", colour=_FAINT, anchor="end")


def _says(tally: Tally) -> str:
    return f"{tally.decisions:,}" if not tally.changed else f"{tally.decisions:,} ({tally.changed:,})"


def _bar(top: int, share: float, colour: str, opacity: float) -> str:
    return (
        f'<rect x="{_BARS_LEFT}" y="{top}" width="{_BARS_WIDTH * share:.1f}" height="{_BAR - 10}" rx="3" '
        f'fill="{colour}" fill-opacity="{opacity}"/>'
    )


def _middle(top: int, row: int) -> int:
    return top + row * _CELL + _CELL // 2 + 3


def _text(x: float, y: float, words: str, *, colour: str = _INK, anchor: str = "start", size: int = 14) -> str:
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}" font-size="{size}">{escape(words)}</text>'
