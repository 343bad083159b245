"""The seed catalogue's branch of the exception tree drawn in `vision.errors`."""

from __future__ import annotations

from vision.errors import TouchstoneError


class SeedError(TouchstoneError):
    """The seed catalogue breaks its own rules; the message names file, entry and what is allowed."""


class RenderError(TouchstoneError):
    """An SVG cannot be drawn, or is refused because drawing it would be unsafe; the message names the rule it broke."""
