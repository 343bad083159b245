"""What does a brand's name look like where it is simply written? In an installed font, as artwork to be printed.

For `training.calibrate`: the drawn marks of the seed catalogue hold few letters, and the world writes names everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.artworks import Artwork
from training.wordmarks import inked

_SIZE = 64  # pixels of the letters when they are drawn, before the whole is brought to `EDGE`


def write_name(name: str, fonts: Sequence[Path], random: np.random.Generator) -> Artwork:
    """Write `name` in one of the fonts, as it is or in capitals: artwork of one colour.

    Raises:
        ValueError: nothing of it is to be seen.

    """
    letters = name.upper() if random.random() < 0.5 else name
    font = ImageFont.truetype(str(fonts[int(random.integers(len(fonts)))]), _SIZE)
    canvas = Image.new("L", (round(font.getlength(letters)) + 2 * _SIZE, 3 * _SIZE), 0)
    ImageDraw.Draw(canvas).text((_SIZE, _SIZE), letters, 255, font=font)
    if canvas.getbbox() is None:
        raise ValueError(f"{name!r} leaves no ink on the paper")
    return inked(canvas, random.integers(0, 256, 3, dtype=np.uint8), name=f"written/{name}", brand=name)
