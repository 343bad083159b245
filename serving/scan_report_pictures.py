"""How do photos of listings get onto a page? Read within limits, decoded, turned upright, made small, inlined.

Whatever cannot be read leaves a placeholder that says so: a report is read when photos may long be gone.
"""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from serving.scan_blocks import Opener
from vision.decode import DecodeLimits, decode
from vision.errors import ImageError
from vision.thumbnails import thumbnail

_LIMITS = DecodeLimits()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A photo for a page: its `data:` URL, "" when there is none to show, and then why."""

    url: str
    missing: str = ""


class LocalFiles:
    """Reads regular files of this machine, by absolute path; no device, no pipe, and no more than an image may have."""

    def read(self, location: str) -> bytes:
        """Return a file's bytes. Raises OSError."""
        path = Path(location)
        if "\0" in location or not path.is_absolute():
            raise FileNotFoundError("it is no absolute path")
        # A pipe that nobody writes to would keep this waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileNotFoundError("it is no regular file")
            return stream.read(_LIMITS.max_bytes + 1)


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
