"""What goes into the image is known, file by file and with its licence; SECURITY.md names what there is."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements-image.lock").read_text(encoding="utf-8")
# Whoever adds one here has read it. Names as packages declare them: SPDX, or a classifier's.
ALLOWED = frozenset(
    {
        "0BSD",
        "3-Clause BSD License",
        "Apache 2.0",
        "Apache License 2.0",
        "Apache Software License",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD",
        "BSD License",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "DFSG approved",
        "GNU Lesser General Public License v2 or later (LGPLv2+)",
        "ISC License (ISCL)",
        "LGPL-2.1-only",
        "LGPL-3.0-only",
        "LicenseRef-NVIDIA-Proprietary",
        "MIT",
        "MIT License",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "Mozilla Public License 2.0 (MPL 2.0)",
        "NVIDIA Proprietary Software",
        "PSF-2.0",
        "Python Software Foundation License",
        "Zlib",
    }
)
# What one package declares of itself too vaguely, read in its own licence file.
READ = {"Other/Proprietary License": "nvidia-"}


def plain(name: str) -> str:
    """Return a package's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Read packages and versions of a lock."""
    return {plain(name): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", text, re.MULTILINE)}


def licences() -> dict[str, str]:
    """Read the table of licences."""
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", page, re.MULTILINE))


def test_every_file_of_the_image_is_held_to_its_hash() -> None:
    """Each package stands with one version and a SHA-256, and at the version that was tested."""
    tested = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    found = pins(LOCK)

    assert len(found) > 60
    assert LOCK.count("--hash=sha256:") >= len(found)
    for entry in re.findall(r"^[A-Za-z0-9._-]+==.*(?:\n    --hash=.*)*", LOCK, re.MULTILINE):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert {name: version for name, version in found.items() if tested.get(name, version) != version} == {}
    assert "faiss-gpu" in found
    assert "faiss-cpu" not in found


def test_what_the_project_asks_for_is_in_the_image() -> None:
    """Whatever pyproject.toml pins for every installation is in the lock at that version."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    base = project.partition("dependencies = [")[2].partition("]\n\n[project.optional")[0]
    asked = re.findall(r'"([A-Za-z0-9._-]+)(?:\[[a-z]+\])?==([^"]+)"', base)
    found = pins(LOCK)

    assert len(asked) > 30
    for name, version in asked:
        assert found.get(plain(name), "").replace("1!", "") == version.replace("1!", ""), name


def test_licence_of_every_package_is_allowed() -> None:
    """Each package has a row, and each part of its licence is on the list or was read."""
    known = licences()

    assert known.keys() == pins(LOCK).keys()
    for name, licence in known.items():
        for part in re.split(r" AND | OR |; |[()](?!S|M|L)", licence):
            allowed = not part.strip() or part.strip() in ALLOWED or name.startswith(READ.get(part.strip(), "\0"))
            assert allowed or licence in ALLOWED, f"{name}: {licence}"


def test_table_of_licences_is_what_packages_say() -> None:
    """The row of each package that is installed is what its metadata declare; one that declares nothing was read."""
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- (`.+?`): ", page.partition("## Rows that were read")[2], re.MULTILINE)
    read = {name for names in listed for name in re.findall(r"`([^`]+)`", names)}
    compared = 0
    for name, licence in licences().items():
        try:
            metadata = distribution(name).metadata
        except PackageNotFoundError:
            continue
        fields = ("License-Expression", "License", "Classifier")
        declared = [value for field in fields for value in metadata.get_all(field) or () if value]
        if not [value for value in declared if "::" not in value or value.startswith("License")]:
            assert name in read, (
                f"{name} declares no licence: read it, and say in docs/licences.md what its row rests on"
            )
            continue
        compared += 1
        for part in licence.split("; "):
            assert any(part in value for value in declared), f"{name}: {licence}, and it declares {declared}"
    assert compared > 40
    assert read <= licences().keys()


def test_security_page_names_what_there_is() -> None:
    """Every file that SECURITY.md gives as an answer is there, and every attacker has what is left."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Za-z_./-]+\.(?:py|md|lock))`", text))

    assert len(named) > 60
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
    attackers = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert len(attackers) == 9
    assert text.count("\n- Left: ") == len(attackers)
