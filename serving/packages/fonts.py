"""In which letters is a package's PDF written? What a font lacks is shown as its code point, never left out.

By default Latin letters are those of Bitstream Vera, which comes with reportlab and is embedded; Chinese ones are
named, not embedded: a reader of the PDF takes them from its own fonts (Adobe's GB1 collection, which Acrobat, Chrome,
macOS and poppler know). With the setting `evidence_font` everything is in that font, and embedded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from serving.errors import SettingsError

_LATIN, _BOLD, _CHINESE, _OWN = "Vera", "VeraBd", "STSong-Light", "Own"
_registering = threading.Lock()


class Letters:
    """Writes text as reportlab's markup, each run in a font that has its letters."""

    def __init__(self, font: Path | None = None) -> None:
        """Register the fonts. Raises SettingsError when the operator's cannot be used."""
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont
        from reportlab.pdfbase.ttfonts import TTFError, TTFont

        with _registering:
            for name in (_LATIN, _BOLD):
                pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
            pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
            if font is not None:
                try:
                    pdfmetrics.registerFont(TTFont(_OWN, str(font)))
                except (TTFError, OSError) as error:
                    raise SettingsError(
                        f"evidence_font: {font} is no TrueType font that can be embedded: {error}"
                    ) from error
        self.plain = _LATIN if font is None else _OWN
        self.bold = _BOLD if font is None else _OWN
        self._has: frozenset[int] = frozenset(pdfmetrics.getFont(self.plain).face.charToGlyph)

    def markup(self, text: str) -> str:
        """Return text as markup: escaped, and with font tags where the plain one lacks letters."""
        return "".join(self._runs(text))

    def _runs(self, text: str) -> Iterator[str]:
        for font, run in groupby(text, key=self._font_of):
            letters = "".join(run)
            if font is None:
                yield "".join(f"[U+{ord(one):04X}]" for one in letters)
            elif font == self.plain:
                yield escape(letters).replace("\n", "<br/>")
            else:
                yield f'<font name="{font}">{escape(letters)}</font>'

    def _font_of(self, letter: str) -> str | None:
        if letter == "\n" or (ord(letter) in self._has and letter.isprintable()):
            return self.plain
        return _CHINESE if self.plain == _LATIN and letter.isprintable() and _is_gbk(letter) else None


def _is_gbk(letter: str) -> bool:
    """Tell whether Adobe's GB1 collection has a letter: that of GBK, which it was made for."""
    try:
        return len(letter.encode("gbk")) == 2
    except UnicodeEncodeError:
        return False
