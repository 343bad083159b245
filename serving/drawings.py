"""How does a drawing of ours become a PNG? With the font that comes with Pillow: alike on a machine without fonts."""

from __future__ import annotations

import tempfile
from pathlib import Path


def svg_to_png(svg: str, *, width: int) -> bytes:
    """Render SVG whose font is "Aileron", `width` pixels wide."""
    import resvg_py
    from PIL import ImageFont

    font = ImageFont.load_default(14)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels have FreeType
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "font.ttf")
        file.write_bytes(font.font_bytes)
        return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True, font_files=[str(file)]))
