"""Which files exactly go into the image? Writes requirements-image.lock: each package with version and SHA-256.

Run on what the image runs on, Python 3.11 on Linux x86-64: `make image-lock`. pip resolves what pyproject.toml asks
for, held to the versions of requirements.lock, and reports which file it would install of each; none is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_EXTRAS = ("gpu", "console", "triton", "milvus", "ray")
# Only its networks are used: what it depends on would bring a second OpenCV.
_ALONE = ("rapidocr==3.10.0",)
_BUILD = ("hatchling>=1.27",)
_HEAD = """\
# What the image installs, for Python 3.11 on Linux x86-64: each file by its SHA-256. Made by `make image-lock`; nothing
# is resolved when it is installed:
#   pip install --require-hashes --no-deps -r requirements-image.lock
#   pip install --no-deps --no-build-isolation .
"""


def resolved(*arguments: str) -> list[dict[str, Any]]:
    """Return what pip would install."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *arguments], check=True)  # noqa: S603 - words of ours
        installs: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
        return installs


def line(item: dict[str, Any]) -> str:
    """Return the line of one package."""
    name, version = item["metadata"]["name"], item["metadata"]["version"]
    sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{name}=={version} \\\n    --hash=sha256:{sha256}\n"


def main() -> None:
    """Write the lock."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *_BUILD]
    for extra in _EXTRAS:
        wanted += project["optional-dependencies"][extra]
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "constraints.txt"  # faiss-cpu and faiss-gpu install into one folder
        pins = (_ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
        held.write_text("\n".join(pin for pin in pins if not pin.startswith("faiss-cpu==")), encoding="utf-8")
        installs = [*resolved("--constraint", str(held), *wanted), *resolved("--no-deps", *_ALONE)]
    lines = sorted((line(item) for item in installs), key=str.casefold)
    (_ROOT / "requirements-image.lock").write_text(_HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
