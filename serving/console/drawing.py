"""How does a page get its looks? Templates, what they know besides their context, and the addresses of assets."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from serving.console.formats import to_time
from serving.html_pages import page_environment

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = Path(__file__).parent / "static"


@functools.cache
def asset(name: str) -> str:
    """Return the address of a file in `static`, which changes with its bytes, so that browsers may keep it."""
    digest = hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


def enum_name(message: Message, field: str) -> str:
    """Return the name of a field's enum value without the enum's prefix: REVIEW for VERDICT_REVIEW."""
    kind = message.DESCRIPTOR.fields_by_name[field].enum_type
    assert kind is not None, f"{field} of {message.DESCRIPTOR.name} is no enum"
    name = kind.values_by_number[getattr(message, field)].name
    return name.removeprefix(kind.values[0].name.removesuffix("UNSPECIFIED"))


class Drawing:
    """Draws templates. Thread-safe."""

    def __init__(self) -> None:
        self._environment = page_environment(TEMPLATES)
        self._environment.globals["asset"] = asset
        self._environment.filters |= {"enum": enum_name, "moment": to_time}

    def draw(self, template: str, context: Mapping[str, Any]) -> str:
        """Draw a template."""
        return self._environment.get_template(template).render(context)
