"""Under which licences are the packages of the image? Writes docs/licences.md: `make licences`.

What pip-licenses says of each installed package of requirements-image.lock. One that is not installed here (faiss-gpu,
where faiss-cpu is) keeps the row that it has; a package without a row fails tests/unit/test_supply_chain.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_PAGE = _ROOT / "docs" / "licences.md"
_ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def plain(name: str) -> str:
    """Return a package's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Write the table between the page's marks."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603
    page = _PAGE.read_text(encoding="utf-8")
    known = dict(_ROW.findall(page)) | {
        plain(item["Name"]): item["License"] for item in told if item["License"] != "UNKNOWN"
    }
    wanted = sorted(
        {plain(name) for name in _PIN.findall((_ROOT / "requirements-image.lock").read_text(encoding="utf-8"))}
    )
    rows = "\n".join(f"| `{name}` | {known[name]} |" for name in wanted if name in known)
    begin, end = "<!-- licences -->", "<!-- /licences -->"
    table = f"{begin}\n\n| package | licence |\n| --- | --- |\n{rows}\n\n{end}"
    _PAGE.write_text(page[: page.index(begin)] + table + page[page.index(end) + len(end) :], encoding="utf-8")


if __name__ == "__main__":
    main()
