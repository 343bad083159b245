"""How does an evaluation look to a person? One self-contained HTML page: figures, charts, tables, failure sheets.

`training.report_brands` and `training.report_categories` fill a `Page`; the template beside this file draws it. All
text is escaped, pictures are inlined, and nothing is loaded from anywhere.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from serving.html_pages import page_environment
from vision.decode import decode
from vision.errors import ImageError
from vision.regions import Box
from vision.thumbnails import thumbnail

_TEMPLATES = Path(__file__).with_name("templates")
_PHOTO_EDGE = 320  # pixels: 40 photos take half a megabyte

FAILURES_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A headline figure, ready to read, with what it means."""

    label: str
    value: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart as inline SVG of our own making, with its title and what to see in it."""

    title: str
    svg: Markup
    caption: str


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A row of the table of brands or categories; shares are 0..1, nan where there is none."""

    name: str
    n: int
    recall: float
    recall_above: float | None
    precision: float
    confused_with: str


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often each of `names` (rows: true) was answered with each of `names` and lastly with anything else."""

    names: Sequence[str]
    counts: Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A query that went wrong: its photo, what is true of it and what was answered.

    `reference` is the JPEG of the reference that it matched, b"" when there is none to show.
    """

    listing_id: str
    photo: Path | None
    truth: str
    answer: str
    score: float | None
    note: str = ""
    truth_boxes: tuple[Box, ...] = ()
    box: Box | None = None
    reference: bytes = b""


@dataclass(frozen=True, kw_only=True)
class FailureSheet:
    """Failures of one kind, worst first; `total` counts those that are not shown as well."""

    title: str
    meaning: str
    total: int
    failures: Sequence[Failure]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything on one page. `what` is the kind of the classes: brands or categories."""

    title: str
    summary: str
    what: str
    figures: Sequence[Figure]
    charts: Sequence[Chart]
    classes: Sequence[ClassRow]
    sheets: Sequence[FailureSheet]
    confusion: Confusion | None = None


def write_page(path: Path, page: Page) -> None:
    """Write the page over what is at `path`."""
    environment = page_environment(_TEMPLATES)
    environment.filters.update(share=share, jpeg=_data_url, photo=_photo_url, percent=_percent)
    html = environment.get_template("report.html").render(page=page)
    path.write_text(html, encoding="utf-8")


def share(value: float | None) -> str:
    """Write a share of 0..1 with three digits; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def spread(sizes: Sequence[int], total: int) -> list[int]:
    """Say how many of each kind to show, `total` in all: equal parts, and what one kind leaves goes to the others."""
    shown = [0] * len(sizes)
    for _ in range(min(total, sum(sizes))):
        open_kinds = [kind for kind, size in enumerate(sizes) if shown[kind] < size]
        shown[min(open_kinds, key=lambda kind: (shown[kind], kind))] += 1
    return shown


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _photo_url(photo: Path | None) -> str:
    """Inline a photo as it was screened; nothing for one that cannot be read, which may be why it failed."""
    try:
        return "" if photo is None else _data_url(thumbnail(decode(photo.read_bytes()).pixels, edge=_PHOTO_EDGE))
    except (ImageError, OSError):
        return ""


def _percent(value: float) -> str:
    return f"{100 * value:.2f}%"
