"""Does the console run as operators run it? Beside the service, apart from it, and over the demo's listings."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.integration.processes import touchstone_process
from tests.integration.support import PATIENCE_S, Touchstone, environment

CONSOLE = r"console on (http://127\.0\.0\.1:\d+/)"


def test_it_runs_beside_the_service_and_apart_from_it(filled: Path) -> None:
    """Both answer; when the service ends, the pages beside it end before it, and those apart say 503 and a way on."""
    with touchstone_process(filled, "serve", "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0") as service:
        beside = service.wait_for(CONSOLE)[1]
        target = service.wait_for(r"serving on (127\.0\.0\.1:\d+)")[1]
        with touchstone_process(filled, "console", "--listen", "127.0.0.1:0", "--server", target) as apart:
            away = apart.wait_for(CONSOLE)[1]
            healths = [httpx2.get(f"{url}healthz", timeout=PATIENCE_S).json() for url in (beside, away)]
            signing = [httpx2.get(f"{url}sign-in", timeout=PATIENCE_S).status_code for url in (beside, away)]
            ended = service.end()
            health, form = (httpx2.get(f"{away}{path}", timeout=PATIENCE_S) for path in ("healthz", "sign-in"))
            ended_apart = apart.end()

    assert (healths, signing) == ([{"serving": True}] * 2, [200, 200])
    assert (health.status_code, form.status_code) == (503, 503)
    assert "Try again" in form.text
    assert (ended, ended_apart) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--console", "0.0.0.0:0"], "no TLS"),
        (["console", "--listen", "0.0.0.0:0"], "no TLS"),
        (["console", "--listen", "127.0.0.1:0", "--server", "elsewhere.example:50051"], "not sent to elsewhere"),
        (["console", "--listen", "nonsense"], "nonsense"),
    ],
)
def test_what_would_be_open_to_strangers_is_refused(
    touchstone: Touchstone, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Neither pages nor credentials leave this machine in plaintext; exit code 2 and what to set."""
    outcome = touchstone("--data-dir", tmp_path, *arguments)

    assert outcome.code == 2
    assert said in outcome.stderr


def test_the_demo_shows_cases(tmp_path: Path) -> None:
    """`make console` prints an address at which the demo's listings come in as cases."""
    command = [sys.executable, "-u", "-m", "serving.demo.console", "--embedder", "fake", "--console", "127.0.0.1:0"]
    variables = environment() | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "the console" in line)
            found = re.search(r"http://127\.0\.0\.1:\d+/", line)
            assert found is not None
            answer = httpx2.get(f"{found[0]}healthz", timeout=PATIENCE_S)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)

    assert answer.json() == {"serving": True}
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []
