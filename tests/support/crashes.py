"""What had a process acknowledged when it was killed at a random moment? Kills processes for tests.

The process prints one line, flushed, once what the line names is committed: who reads the line has been promised it.
What it printed is read to the end after the kill, so that nothing acknowledged is missed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue

PATIENCE_S = 60.0


def python(code: str, *arguments: str) -> list[str]:
    """Give the command that runs code in a process of its own."""
    return [sys.executable, "-c", code, *arguments]


def killed_at_random(
    command: Sequence[str],
    chance: random.Random,
    *,
    most_lines: int = 40,
    kill: Callable[[subprocess.Popen[str]], object] = subprocess.Popen.kill,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Start a process, kill it a random moment after a random number of its lines, and return all whole lines.

    With another `kill`, something else is killed, on which the process must end by itself.
    """
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))}
    own = dict(os.environ if environment is None else environment) | paths
    with subprocess.Popen(list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        read: Queue[str] = Queue()
        output, errors = process.stdout, list[str]()
        readers = [
            threading.Thread(target=lambda: deque(map(read.put, output), maxlen=0)),
            threading.Thread(target=errors.extend, args=(process.stderr,)),
        ]
        for reader in readers:
            reader.start()
        try:
            lines = [_next(read, errors) for _ in range(chance.randint(1, most_lines))]
            threading.Event().wait(chance.uniform(0, 0.02))  # into the middle of whatever comes next
            kill(process)
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            for reader in readers:
                reader.join(PATIENCE_S)
    lines += list(read.queue)
    return [line[:-1] for line in lines if line.endswith("\n")]


def _next(read: Queue[str], errors: Sequence[str]) -> str:
    try:
        return read.get(timeout=PATIENCE_S)
    except Empty:
        raise AssertionError(f"the process said nothing more:\n{''.join(errors)}") from None
