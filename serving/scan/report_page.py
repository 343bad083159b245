"""How does a moderator read a scan? One HTML page that needs nothing beside itself and changes nothing.

What comes from listings is hostile until shown otherwise: the template escapes it, `plain` takes away what would
rearrange the page's letters, and the page's own policy lets a browser run this one script, apply this one style sheet
and load nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from serving.features import FEATURES
from serving.html_pages import page_environment
from serving.scan.report import ScanReport, brand_of
from serving.scan.report_charts import bar, breakable, plain, ring, scatter, shortened
from serving.scan.report_pictures import Picture, Pictures
from serving.scan.report_prices import MOST_POINTS
from serving.scan.report_rings import ScanRing
from serving.scan.report_tallies import Kept

_LABELS = {
    "calibration_version": "Calibration",
    "fusion_version": "Fusion of evidence",
    "index_version": "Index",
    "model_fingerprint": "Model",
    "policy_version": "Policy",
    "scan_id": "Scan",
    "touchstone_version": "Touchstone",
}
_FAULTS = {
    "MANIFEST_ROW": "a row breaks the rules of the manifest",
    "DUPLICATE_ID": "a listing came before; its first row counts",
    "IMAGE_MISSING": "a photo is not where the row says",
    "IMAGE_UNREADABLE": "a file is no picture that can be used",
    "FAILED": "a defect; the log has its trace",
}
_TEMPLATES = Path(__file__).parent / "templates"
_EXAMPLE = "--verdict takedown --reason COUNTERFEIT --statement statement.json"
_CARD_EDGE, _RING_PHOTO_EDGE, _LIST_EDGE = 320, 96, 112  # pixels


@dataclass(frozen=True, kw_only=True)
class Card:
    """One of the strongest matches, with its photo."""

    kept: Kept
    brand: str
    picture: Picture
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True, kw_only=True)
class DrawnRing:
    """A ring as it stands on the page."""

    ring: ScanRing
    drawing: Markup
    photos: tuple[Picture, ...]


def write_page(path: Path, report: ScanReport, *, scan: Path, pictures: Pictures) -> None:
    """Write the page over what is at `path`, whole or not at all; `scan` is the Parquet file that it tells of."""
    environment = page_environment(_TEMPLATES)
    environment.filters.update(plain=plain, breakable=breakable, short=shortened)
    script, style = ((_TEMPLATES / f"report.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    html = environment.get_template("report.html").render(
        report=report,
        name=scan.name,
        script=Markup(script),  # noqa: S704 - ours
        style=Markup(style),  # noqa: S704 - ours
        policy=_policy(script=script, style=style),
        chart=scatter(report.prices) if report.prices and report.prices.brands else None,
        cards=[_card(kept, pictures) for kept in report.matches],
        flagged=[(kept.row, _photo(kept.row, pictures, _LIST_EDGE)) for kept in report.flagged],
        rings=list(_rings(report, pictures)),
        flagged_count=report.rows - report.verdicts.get("ALLOW", 0),
        command=f"touchstone cases batch {shlex.quote(str(scan))} selection.json {_EXAMPLE}",
        brand_of=brand_of,
        bar=bar,
        labels=_LABELS,
        meanings={feature.code: feature.text for feature in FEATURES},
        fault_meanings=_FAULTS,
        most_points=MOST_POINTS,
    )
    _replace(path, html)


def _policy(*, script: str, style: str) -> str:
    """Allow the page its own style sheet, script and inlined pictures, and nothing else."""
    of_script, of_style = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{of_style}'; script-src 'sha256-{of_script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _card(kept: Kept, pictures: Pictures) -> Card:
    picture = _photo(kept.row, pictures, _CARD_EDGE)
    return Card(kept=kept, brand=brand_of(kept.row), picture=picture, box=_percents(kept.row["match_box"]))


def _photo(row: dict[str, object], pictures: Pictures, edge: int) -> Picture:
    """Show the photo of a row's match, or the first."""
    images, image = row["images"], row["match_image"] or 0
    assert isinstance(images, list)
    if isinstance(image, int) and 0 <= image < len(images):
        return pictures.show(images[image], edge=edge)
    return Picture(url="", missing="the listing has no such photo")


def _percents(box: object) -> tuple[float, float, float, float] | None:
    """Turn [x1, y1, x2, y2] of 0..1 into x, y, width, height in percent; None when it is no box."""
    if not isinstance(box, list) or len(box) != 4:
        return None
    x1, y1, x2, y2 = (float(np.clip(np.nan_to_num(each), 0, 1)) for each in box)
    return (100 * x1, 100 * y1, 100 * (x2 - x1), 100 * (y2 - y1)) if x2 > x1 and y2 > y1 else None


def _rings(report: ScanReport, pictures: Pictures) -> Iterator[DrawnRing]:
    flagged = {name for name, row in report.ring_sellers.items() if row.flagged}
    for one in report.rings.rings:
        photos = tuple(pictures.show(location, edge=_RING_PHOTO_EDGE) for location in one.examples)
        yield DrawnRing(ring=one, drawing=ring(one, flagged), photos=photos)


def _replace(path: Path, html: str) -> None:
    """Write beside and rename, so that nobody reads half a page."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(html.encode("utf-8", "replace"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
