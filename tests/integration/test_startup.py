"""From what does the service refuse to start? From damage and mistakes: it names them, and what to run."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from serving.app import Application, open_application
from serving.errors import SettingsError
from serving.server import serving
from tests.integration.support import (
    KNOWN_FAKE,
    PATIENCE_S,
    Service,
    Start,
    Touchstone,
    draw,
    duplicates,
    environment,
    listing,
    serve_command,
    settings_at,
)
from vision import checkpoint


def test_a_taken_port_is_refused(
    service: Service, own_application: Application, event_loop_thread: asyncio.AbstractEventLoop, touchstone: Touchstone
) -> None:
    """A second server on the same port does not share it: it says which address is taken, and exits."""

    async def second() -> None:
        async with serving(own_application, listen=service.target):
            pass

    with pytest.raises(SettingsError, match=re.escape(service.target)):
        asyncio.run_coroutine_threadsafe(second(), event_loop_thread).result(PATIENCE_S)
    refused = touchstone("--data-dir", own_application.settings.data_dir, "serve", "--listen", service.target)

    assert refused.code == 2
    assert f"cannot listen on {service.target}" in refused.stderr


def test_a_corrupt_checkpoint_is_refused(
    tmp_path: Path, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flipped byte in the weights, and the service does not start: it names the file and what to run."""
    model = tmp_path / "touchstone-s"
    shutil.copytree(checkpoint.MODELS / "touchstone-s", model)
    _flip_byte(model / "model.safetensors")
    monkeypatch.setenv("TOUCHSTONE_EMBEDDER", "torch")
    monkeypatch.setenv("TOUCHSTONE_MODEL", str(model))

    refused = touchstone("--data-dir", tmp_path / "data", "serve", "--listen", "127.0.0.1:0")

    assert refused.code == 1
    assert str(model / "model.safetensors") in refused.stderr
    assert "git restore" in refused.stderr


def test_a_corrupt_snapshot_is_named_and_replaced(filled: Path, touchstone: Touchstone) -> None:
    """`index verify` names a damaged index file, and the command that its message gives mends it."""
    largest = max((filled / "index").rglob("*.*"), key=lambda file: file.stat().st_size)
    _flip_byte(largest)

    unsound = touchstone("--data-dir", filled, "index", "verify")
    mended = touchstone("--data-dir", filled, "index", "build")
    sound = touchstone("--data-dir", filled, "index", "verify")

    assert unsound.code == 1
    assert str(largest) in unsound.stderr
    assert "touchstone index build" in unsound.stderr
    assert (mended.code, sound.code) == (0, 0)


def test_a_corrupt_snapshot_does_not_stop_the_start(
    filled: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The index is a cache of the store: the service builds another one, and says in the log what was wrong."""
    largest = max((filled / "index").rglob("*.*"), key=lambda file: file.stat().st_size)
    _flip_byte(largest)

    with open_application(settings_at(filled)) as application, start(application) as service:
        decision = service.screen(listing(draw(KNOWN_FAKE))).decision

    assert str(largest) in caplog.text
    assert "built anew from the store" in caplog.text
    assert [match.source_id for match in duplicates(decision)]


@pytest.mark.parametrize("damage", ["header", "half"])
def test_a_corrupt_database_is_refused(filled: Path, touchstone: Touchstone, damage: str) -> None:
    """A store that is no database, or half of one, stops the start; the message names the file and the remedy."""
    database = filled / "touchstone.db"
    content = database.read_bytes()
    database.write_bytes(b"no database" * 1000 if damage == "header" else content[: len(content) // 2])

    refused = touchstone("--data-dir", filled, "serve", "--listen", "127.0.0.1:0")

    assert refused.code == 1
    assert str(database) in refused.stderr
    assert "backup" in refused.stderr


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path, touchstone: Touchstone) -> None:
    """A file where the data folder should be is one line on stderr, not a traceback."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    refused = touchstone("--data-dir", tmp_path / "file", "serve", "--listen", "127.0.0.1:0")

    assert refused.code == 1
    assert str(tmp_path / "file") in refused.stderr


def test_the_process_prints_no_traceback(filled: Path) -> None:
    """Run as an operator runs it, a refused start is one line on stderr and exit code 1."""
    (filled / "touchstone.db").write_bytes(b"no database" * 1000)

    ended = subprocess.run(
        serve_command(filled), env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1


def _flip_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-len(content) // 3] ^= 0x55
    file.write_bytes(content)
