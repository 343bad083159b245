"""How does a person read an evidence package? A PDF of what package.json says, with the pictures of the matches.

Made from the document after redaction, so that it can say nothing that the document does not. The same document makes
the same bytes with the same versions of reportlab and Pillow.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from serving.decoding import Decoder, decode_here
from serving.packages.fonts import Letters
from serving.packages.parts import Match, Part
from serving.packages.schema import Document
from vision.errors import ImageError

_MARGIN, _WIDTH = 48, 595 - 2 * 48  # points of an A4 page
_EDGE = 900  # pixels of a picture as it stands in the PDF
_QUALITY = 85


def pdf_of(
    document: Document,
    statement: str,
    files: Mapping[str, bytes],
    *,
    font: Path | None = None,
    decoder: Decoder = decode_here,
) -> bytes:
    """Write the PDF; `statement` is what the seller is told, as text, "" without a takedown. Raises SettingsError."""
    from reportlab.platypus import SimpleDocTemplate

    page = _Page(Letters(font), decoder)
    stream = io.BytesIO()
    template = SimpleDocTemplate(
        stream,
        pagesize=(595, 842),
        title=f"Evidence package {document.package_id}",
        author="Touchstone",
        invariant=1,
        **dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), _MARGIN),
    )
    template.build(list(_story(page, document, statement, files)), onFirstPage=page.foot, onLaterPages=page.foot)
    return stream.getvalue()


def _story(page: _Page, document: Document, statement: str, files: Mapping[str, bytes]) -> Iterator[Any]:
    yield page.title(f"Evidence package {document.package_id}")
    listing = document.listing
    yield page.table(
        {
            "Case": document.case_id,
            "Made": document.created_at,
            "For": document.disclosure.audience,
            "Recipient": document.disclosure.recipient,
            "Basis": document.disclosure.basis,
            "Told": document.disclosure.redaction,
            "Keep until": document.disclosure.retain_until,
            "Package before": document.previous_package_sha256 or "none",
            "Chain": f"{document.chain_length} events, head {document.chain_head}",
        }
    )
    yield page.heading("Decision")
    yield page.table(_shown(document.decision, without=("reasons", "prior_decisions", "appeals", "steps")))
    for reason in document.decision.reasons:
        yield page.text(f"{reason.code} ({reason.weight:+.2f})  {reason.text or ''}")
    yield page.heading("Listing")
    yield page.table(_shown(listing, without=("photos",)))
    for photo in listing.photos:
        yield page.text(f"Photo {photo.index}: {photo.sha256}, {photo.width} x {photo.height}, {photo.status}")
        picture = photo.overlay or photo.file
        if picture is not None:
            yield from page.pictures([files[picture]])
    for number, match in enumerate(document.matches):
        yield from _match(page, number, match, files)
    yield from _sections(page, document)
    if statement:
        yield page.heading("What the seller is told")
        yield page.text(statement)
    yield from _gaps(page, document)


def _match(page: _Page, number: int, match: Match, files: Mapping[str, bytes]) -> Iterator[Any]:
    yield page.heading(f"Match {number}: {match.brand}, {match.reference_kind}")
    yield page.table(_shown(match, without=("box", "outline", "crop", "reference_file", "brand", "reference_kind")))
    yield from page.pictures([files[path] for path in (match.crop, match.reference_file) if path is not None])


def _sections(page: _Page, document: Document) -> Iterator[Any]:
    for heading, parts in (
        ("Copies", document.copies),
        ("Wording", document.wording),
        ("Price", (document.price,)),
        ("Seller", (document.seller,)),
        ("Reports", (document.reports,)),
        ("Rights", document.rights),
        ("Other decisions on the listing", document.decision.prior_decisions),
        ("Appeals", document.decision.appeals),
        ("Steps of the procedure", document.decision.steps),
        ("Who received packages", document.disclosure.log),
    ):
        rows = [shown for part in parts if (shown := _shown(part))]
        if rows:
            yield page.heading(heading)
            yield from map(page.table, rows)


def _gaps(page: _Page, document: Document) -> Iterator[Any]:
    for heading, names in (("Not held", document.not_held), ("Withheld", document.withheld)):
        if names:
            yield page.heading(heading)
            yield page.text(", ".join(names))


def _shown(part: Part, without: Iterable[str] = ()) -> dict[str, str]:
    """Return the fields of a part that hold something, as text."""
    values = {name: getattr(part, name) for name in type(part).model_fields if name not in without}
    return {name.replace("_", " "): _text(value) for name, value in values.items() if value not in (None, (), "", {})}


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(one)}" for name, one in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, tuple) else str(value)


class _Page:
    """Makes reportlab's flowables, in one style."""

    def __init__(self, letters: Letters, decoder: Decoder) -> None:
        from reportlab.lib.styles import ParagraphStyle

        self._letters, self._decoder = letters, decoder
        self._text = ParagraphStyle("text", fontName=letters.plain, fontSize=8, leading=11, wordWrap="CJK")
        self._heading = ParagraphStyle(
            "heading", fontName=letters.bold, fontSize=11, leading=15, spaceBefore=10, keepWithNext=1
        )
        self._title = ParagraphStyle("title", fontName=letters.bold, fontSize=13, leading=18, spaceAfter=6)

    def title(self, text: str) -> Any:
        return self._paragraph(text, self._title)

    def heading(self, text: str) -> Any:
        return self._paragraph(text, self._heading)

    def text(self, text: str) -> Any:
        return self._paragraph(text, self._text)

    def table(self, rows: Mapping[str, str]) -> Any:
        from reportlab.platypus import Spacer, Table

        cells = [[self.text(name), self.text(value)] for name, value in rows.items() if value]
        if not cells:
            return Spacer(1, 1)
        lines = [("LINEBELOW", (0, 0), (-1, -1), 0.25, (0.8, 0.8, 0.8)), ("VALIGN", (0, 0), (-1, -1), "TOP")]
        return Table(cells, colWidths=[110, _WIDTH - 110], style=lines, spaceAfter=6)

    def pictures(self, contents: list[bytes]) -> Iterator[Any]:
        """Set pictures side by side, none larger than half the page's width."""
        from reportlab.platypus import Table

        found = [image for content in contents if (image := _image(content, self._decoder)) is not None]
        if found:
            yield Table([found], hAlign="LEFT")

    def foot(self, canvas: Any, template: Any) -> None:
        canvas.setFont(self._letters.plain, 7)
        canvas.drawString(_MARGIN, _MARGIN / 2, template.title)
        canvas.drawRightString(595 - _MARGIN, _MARGIN / 2, str(canvas.getPageNumber()))

    def _paragraph(self, text: str, style: Any) -> Any:
        from reportlab.platypus import Paragraph

        return Paragraph(self._letters.markup(text), style)


def _image(content: bytes, decoder: Decoder) -> Any:
    """Return a picture made small, None for what is no photo, such as a drawing of a mark."""
    from reportlab.platypus import Image

    try:
        small = Pillow.fromarray(decoder(content).pixels)
    except ImageError:
        return None
    small.thumbnail((_EDGE, _EDGE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    scale = (_WIDTH / 2 - 12) / max(small.size)
    return Image(stream, width=small.width * scale, height=small.height * scale)
