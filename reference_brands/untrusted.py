"""How is a stranger's SVG drawn without risk to the service? In a child process that may crash, hang or starve alone.

Uploads by brand owners go through here. Even a document that passes every rule of `safe_svg` can make the renderer
abort its process (extreme coordinates did in 66 of 2,380 mutated drawings, and Python cannot catch that) or draw for
minutes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reference_brands.errors import RenderError
from reference_brands.render import check_edge, decode_png
from reference_brands.safe_svg import check_svg

TIMEOUT_S = 10.0
"""Seconds; a brand's mark takes a tenth of one, most of it Python's start."""

_CHILD = Path(__file__).with_name("draw_child.py")
_REMEDY = "simplify its paths, keep its coordinates within the view box, or upload a PNG"


def render_untrusted(svg: bytes | str, *, longest_edge: int, timeout_s: float = TIMEOUT_S) -> NDArray[np.uint8]:
    """Draw an SVG that nobody vouches for: what `render` does, in a process of its own.

    Returns:
        uint8 [H, W, 4] RGBA, alpha not premultiplied; the longer of H and W is `longest_edge`.

    Raises:
        RenderError: the SVG is malformed, unsafe, too large, takes too long, or crashes the renderer; the message names
            the rule and the remedy.

    """
    check_edge(longest_edge)
    safe = check_svg(svg)
    command = [sys.executable, "-I", str(_CHILD), str(longest_edge)]
    try:
        # No environment is passed on: what the child could leak, it does not have.
        child = subprocess.run(  # noqa: S603 -- our own interpreter and file; the document goes through stdin
            command, input=safe.encode(), capture_output=True, timeout=timeout_s, env={}, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RenderError(f"the SVG takes longer to draw than {timeout_s:g} s: {_REMEDY}") from error
    if child.returncode < 0:
        raise RenderError(f"the SVG crashes the renderer (signal {-child.returncode}): {_REMEDY}")
    if child.returncode:
        lines = child.stderr.decode(errors="replace").strip().splitlines()
        raise RenderError(f"the SVG cannot be drawn ({lines[-1] if lines else 'no reason given'}): {_REMEDY}")
    return decode_png(child.stdout)
