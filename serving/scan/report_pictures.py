"""How do photos of listings get onto a page? Read within limits, decoded, turned upright, made small, inlined.

Whatever cannot be read leaves a placeholder that says so: a report is read when photos may long be gone.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from serving.scan.blocks import Opener
from vision.decode import DecodeLimits, decode
from vision.errors import ImageError
from vision.thumbnails import thumbnail

_LIMITS = DecodeLimits()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A photo for a page: its `data:` URL, "" when there is none to show, and then why."""

    url: str
    missing: str = ""


@dataclass(frozen=True)
class Pictures:
    """Makes pictures of what `opener` reads."""

    opener: Opener

    def show(self, location: str, *, edge: int) -> Picture:
        """Return a photo whose longer edge is at most `edge` pixels."""
        try:
            jpeg = thumbnail(decode(self.opener.read(location), _LIMITS).pixels, edge=edge)
        except ImageError as error:
            return Picture(url="", missing=str(error.fault))
        except (OSError, ValueError) as error:
            return Picture(url="", missing=getattr(error, "strerror", None) or "it cannot be read")
        return Picture(url="data:image/jpeg;base64," + base64.b64encode(jpeg).decode())
