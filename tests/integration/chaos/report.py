"""What did a run of chaos look like? One page: the figures, and a timeline of faults, answers, waits and memory."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.integration.chaos.account import Account
from tests.integration.chaos.faults import Band

_WIDTH, _HEIGHT, _GAP, _LEFT, _TOP = 1200, 150, 46, 60, 24
# Colours told apart by those who see none of them well: https://jfly.uni-koeln.de/color/ (Okabe and Ito).
_OUTCOMES = {
    "OK": "#009e73",
    "WITHOUT STORE": "#e69f00",
    "RESOURCE_EXHAUSTED": "#56b4e9",
    "UNAVAILABLE": "#cc79a7",
    "DEADLINE_EXCEEDED": "#d55e00",
    "other": "#000000",
}
_FAULTS = ("#0072b2", "#e69f00", "#d55e00", "#cc79a7", "#009e73", "#999999", "#56b4e9")
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Chaos</title>
<style>body{{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1320px;padding:0 1em;color:#1a1a1a}}
h1{{font-size:1.4em}}svg{{width:100%;height:auto}}text{{font:12px system-ui,sans-serif}}pre{{background:#f4f4f4;
padding:1em;overflow:auto}}table{{border-collapse:collapse}}td,th{{padding:.2em .8em;
border-bottom:1px solid #ddd;text-align:left}}
</style><h1>{title}</h1><p>{summary}</p>{timeline}<h2>Faults</h2>
<table><tr><th>from</th><th>to</th><th>what</th><th></th></tr>
{bands}</table><h2>Figures</h2><pre>{figures}</pre></html>
"""


def write_report(folder: Path, account: Account, bands: Sequence[Band], figures: dict[str, object]) -> Path:
    """Write `folder`/report.html and figures.json, and return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(figures, indent=2))
    wrong = figures["wrong"]
    assert isinstance(wrong, list)
    seconds = max([call.began_s for call in account.calls] + [band.ended_s for band in bands] + [1.0])
    page = _PAGE.format(
        title="Nothing was wrong" if not wrong else f"What was wrong: {len(wrong)}",
        summary=f"{len(account.calls)} calls in {seconds:.0f} s, {len(bands)} faults. "
        "Each column is one second; the bands say what was broken.",
        timeline=_timeline(account, bands, seconds),
        bands="".join(
            f"<tr><td>{band.began_s:.1f} s<td>{band.ended_s:.1f} s<td>{html.escape(band.fault)}"
            f"<td>{html.escape(band.note)}"
            for band in bands
        ),
        figures=html.escape(json.dumps(figures, indent=2)),
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _timeline(account: Account, bands: Sequence[Band], seconds: float) -> str:
    scale = (_WIDTH - _LEFT) / seconds

    def at(second: float) -> float:
        return _LEFT + second * scale

    names = sorted({band.fault for band in bands})
    lanes = _TOP + 16 * len(names)
    panels = [lanes + _GAP + number * (_HEIGHT + _GAP) for number in range(3)]
    bottom = panels[-1] + _HEIGHT + 30
    parts = [f'<svg viewBox="0 0 {_WIDTH + 190} {bottom}" role="img" aria-label="timeline of faults and answers">']
    for band in bands:
        lane, colour = names.index(band.fault), _FAULTS[names.index(band.fault) % len(_FAULTS)]
        x, width = at(band.began_s), max(2.0, (band.ended_s - band.began_s) * scale)
        parts.append(f'<rect x="{x:.1f}" y="{_TOP + 16 * lane}" width="{width:.1f}" height="12" fill="{colour}"/>')
        parts.append(
            f'<rect x="{x:.1f}" y="{panels[0]}" width="{width:.1f}" height="{bottom - panels[0] - 30}" '
            f'fill="{colour}" opacity="0.08"/>'
        )
    parts += [
        f'<text x="{_WIDTH + 6}" y="{_TOP + 11 + 16 * n}">{html.escape(name)}</text>' for n, name in enumerate(names)
    ]
    parts += _answers(account, at, panels[0], scale)
    parts += _waits(account, at, panels[1])
    parts += _memory(account, at, panels[2])
    parts += [
        f'<text x="{at(mark):.0f}" y="{bottom - 10}" text-anchor="middle">{mark} s</text>'
        for mark in range(0, int(seconds) + 1, max(5, int(seconds / 12) // 5 * 5))
    ]
    return "".join([*parts, "</svg>"])


def _answers(account: Account, at: Callable[[float], float], top: float, scale: float) -> list[str]:
    """Stack the calls that began in each second by how they ended."""
    counted: dict[int, Counter[str]] = {}
    for call in account.calls:
        name = call.outcome if call.outcome in _OUTCOMES else "other"
        counted.setdefault(int(call.began_s), Counter())[name] += 1
    # What is refused while the service ends would dwarf the rest: the axis goes by the 97th percentile.
    totals = sorted(sum(one.values()) for one in counted.values())
    most = totals[int(0.97 * (len(totals) - 1))] if totals else 1
    parts = [_title("calls a second, by how they ended", top), _axis(f"{most}", top)]
    for second, counts in counted.items():
        floor = top + _HEIGHT
        for name, colour in _OUTCOMES.items():
            height = min(_HEIGHT * counts[name] / most, floor - top)
            floor -= height
            if height:
                parts.append(
                    f'<rect x="{at(second):.1f}" y="{floor:.1f}" width="{max(0.8, scale):.2f}" height="{height:.1f}" '
                    f'fill="{colour}"/>'
                )
    for number, (name, colour) in enumerate(_OUTCOMES.items()):
        y = top + 14 * number
        parts.append(f'<rect x="{_WIDTH + 6}" y="{y}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{_WIDTH + 20}" y="{y + 10}">{name.lower().replace("_", " ")}</text>')
    return parts


def _waits(account: Account, at: Callable[[float], float], top: float) -> list[str]:
    """Dot each call by how long it took."""
    most = max((call.took_s for call in account.calls), default=1.0)
    parts = [_title("seconds until the answer", top), _axis(f"{most:.1f} s", top)]
    for call in account.calls:
        colour = _OUTCOMES.get(call.outcome, _OUTCOMES["other"])
        y = top + _HEIGHT * (1 - call.took_s / most)
        parts.append(f'<circle cx="{at(call.began_s):.1f}" cy="{y:.1f}" r="1.2" fill="{colour}" opacity="0.5"/>')
    return parts


def _memory(account: Account, at: Callable[[float], float], top: float) -> list[str]:
    """Draw the service's resident memory."""
    most = max((mib for _, mib in account.memory), default=1.0)
    points = " ".join(f"{at(second):.1f},{top + _HEIGHT * (1 - mib / most):.1f}" for second, mib in account.memory)
    line = f'<polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="1.5"/>'
    return [_title("memory of the service", top), _axis(f"{most:.0f} MiB", top), line]


def _title(text: str, top: float) -> str:
    return f'<text x="{_LEFT}" y="{top - 8}">{text}</text>'


def _axis(most: str, top: float) -> str:
    lines: Iterable[str] = (
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y}" y2="{y}" stroke="#ccc"/>' for y in (top, top + _HEIGHT)
    )
    return "".join(lines) + f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{most}</text>'
