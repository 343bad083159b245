"""How are pages drawn from templates? The one Jinja environment of all that Touchstone writes for a browser.

Whatever a template is given is escaped, and a name that it was not given is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def page_environment(templates: Path) -> jinja2.Environment:
    """Read templates from a folder."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
