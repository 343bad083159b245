"""`touchstone blobs` keeps the files of references in order, and `doctor` looks after them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.blobs import open_blobs
from index.local_blobs import LocalBlobs
from serving.app import Application
from tests.integration.support import Touchstone

FILE = b"a file that nothing names"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a data folder that is not there yet."""
    monkeypatch.setenv("TOUCHSTONE_EMBEDDER", "fake")
    return tmp_path / "data"


def test_what_nothing_names_is_collected_when_it_is_old(data: Path, touchstone: Touchstone) -> None:
    """A new file stays; two days later a dry run counts it and a real one deletes it."""
    name = LocalBlobs(data / "blobs").put(FILE)
    path = data / "blobs" / name[:2] / name

    new = touchstone("--data-dir", data, "--json", "blobs", "collect")
    then = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(path, (then, then))
    young = touchstone("--data-dir", data, "--json", "blobs", "collect", "--older-than", "3d")
    dry = touchstone("--data-dir", data, "blobs", "collect", "--dry-run")
    done = touchstone("--data-dir", data, "--json", "blobs", "collect")

    assert [json.loads(each.stdout)["deleted"] for each in (new, young, done)] == [0, 0, 1]
    assert "1 files of 25 bytes would be deleted" in dry.stdout
    assert not path.exists()


@pytest.mark.parametrize("span", ["24", "yesterday", "10m", "-1h"])
def test_grace_that_is_none_is_refused(data: Path, touchstone: Touchstone, span: str) -> None:
    """A span without a unit, or one in which an upload may be under way, is refused with what is allowed."""
    refused = touchstone("--data-dir", data, "blobs", "collect", "--older-than", span)

    assert refused.code == 2
    assert "1h" in refused.stderr or "24h" in refused.stderr


def test_damaged_file_is_found_and_not_copied(data: Path, tmp_path: Path, touchstone: Touchstone) -> None:
    """Verification names what is damaged and ends with 3; a copy takes the sound files only."""
    sound, damaged = (LocalBlobs(data / "blobs").put(content) for content in (FILE, b"another"))
    (data / "blobs" / damaged[:2] / damaged).write_bytes(b"anothex")

    verified = touchstone("--data-dir", data, "--json", "blobs", "verify")
    copied = touchstone("--data-dir", data, "--json", "blobs", "copy", "--to", tmp_path / "copy")

    assert (verified.code, json.loads(verified.stdout)) == (3, {"files": 2, "damaged": 1, "missing": 0})
    assert damaged in verified.stderr
    assert (copied.code, json.loads(copied.stdout)) == (3, {"files": 1, "damaged": 1})
    assert [blob.sha256 for blob in open_blobs(tmp_path / "copy").blobs()] == [sound]


def test_reference_without_its_file_is_named(own_application: Application, touchstone: Touchstone) -> None:
    """A reference of an older release, or one whose file was lost, is named by its id, and the command ends with 3."""
    store, data = own_application.store, own_application.settings.data_dir
    without = [reference for reference, _ in store.iter_references(own_application.embedder.fingerprint)]
    kept = LocalBlobs(data / "blobs").put(FILE)
    store.add_references([(replace(without[0], reference_id="kept", image_sha256=kept), [])])

    verified = touchstone("--data-dir", data, "--json", "blobs", "verify")

    assert (verified.code, json.loads(verified.stdout)) == (3, {"files": 1, "damaged": 0, "missing": len(without)})
    assert all(reference.reference_id in verified.stderr for reference in without)
    assert kept not in verified.stderr


def test_doctor_names_a_blob_store_that_cannot_be_used(
    data: Path, tmp_path: Path, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place that cannot be written to, and a URL that is none, fail their own check."""
    (tmp_path / "file").write_text("in the way")
    found = []
    for place in (tmp_path / "file" / "blobs", "ftp://host/x"):
        monkeypatch.setenv("TOUCHSTONE_BLOBS", str(place))
        found.append(touchstone("--data-dir", data, "doctor"))

    assert [each.code for each in found] == [1, 1]
    assert "make the folder writable" in found[0].stdout
    assert "no place for blobs" in found[1].stdout
