"""What is broken, and how is it mended again? One fault at a time, each with what it needs, or why it is skipped.

A fault acts for its time and takes itself back; what it does to the service is seen by the account alone.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.integration.chaos.account import Account
from tests.integration.chaos.proxy import SlowRelay
from tests.integration.processes import Process
from tests.integration.support import environment
from tests.support.postgres import PostgresServer

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@dataclass(frozen=True)
class Band:
    """When something was broken, in seconds since the beginning; `note` says what came of it."""

    fault: str
    began_s: float
    ended_s: float
    note: str = ""


@dataclass
class Victim:
    """What faults are done to: the service's process, its database behind a relay, its folder and its clock."""

    service: Process
    server: PostgresServer
    relay: SlowRelay
    data: Path
    clock: Path | None
    database: str
    chance: random.Random
    stop: threading.Event
    bands: list[Band] = field(default_factory=list)

    def strike(self, fault: str, account: Account) -> None:
        """Break one thing, wait, and mend it."""
        began_s = account.now_s
        note = FAULTS[fault](self)
        self.bands.append(Band(fault, began_s, account.now_s, note))

    def heal(self) -> None:
        """Mend whatever may be broken still."""
        self.relay.delay_s = 0.0
        _limit_files(self.service.popen.pid, None)
        set_clock(self.clock, 0)


def set_clock(clock: Path | None, offset_s: int) -> None:
    """Tell libfaketime how far the service's wall clock is off."""
    if clock is not None:
        clock.write_text(f"{offset_s:+d}s\n")


def clock_environment(clock: Path) -> dict[str, str]:
    """Give what makes a process take its wall clock's offset from a file; empty where libfaketime is not installed."""
    library = Path(os.environ.get("TOUCHSTONE_FAKETIME", FAKETIME))
    if not library.exists():
        return {}
    set_clock(clock, 0)
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _kill_store(victim: Victim) -> str:
    victim.server.kill()
    victim.stop.wait(victim.chance.uniform(1.0, 4.0))
    victim.server.start()
    return ""


def _slow_store(victim: Victim) -> str:
    delay_s = victim.chance.choice((0.05, 0.3, 1.0))
    victim.relay.delay_s = delay_s
    victim.stop.wait(victim.chance.uniform(2.0, 5.0))
    victim.relay.delay_s = 0.0
    return f"{delay_s:g} s a message"


def _hang_store(victim: Victim) -> str:
    victim.relay.delay_s = 3_600.0
    victim.stop.wait(victim.chance.uniform(2.0, 5.0))
    victim.relay.delay_s = 0.0
    return ""


def _full_disk(victim: Victim) -> str:
    """Let no file of the service grow, with the store away in half of the cases: then nothing can be kept at all."""
    away = victim.chance.random() < 0.5
    _limit_files(victim.service.popen.pid, 1)
    if away:
        victim.server.kill()
    victim.stop.wait(victim.chance.uniform(1.0, 3.0))
    _limit_files(victim.service.popen.pid, None)
    if away:
        victim.server.start()
    return "the store away, too" if away else ""


def _limit_files(pid: int, most: int | None) -> None:
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if most is None else most, hard))
    except ProcessLookupError:
        pass


def _kill_decoder(victim: Victim) -> str:
    workers = [child for child in psutil.Process(victim.service.popen.pid).children() if not _is_scan(child)]
    if not workers:
        return "skipped: no worker processes"
    victim.chance.choice(workers).kill()
    return f"one of {len(workers)}"


def _is_scan(process: psutil.Process) -> bool:
    try:
        return "scan" in process.cmdline()
    except psutil.NoSuchProcess:
        return True


def _kill_builder(victim: Victim) -> str:
    """Begin to build an index beside the service, and kill it at a random moment."""
    variables = {"TOUCHSTONE_STORE": victim.database}
    command = [sys.executable, "-m", "serving.cli.main", "--data-dir", str(victim.data), "index", "build"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment() | variables, stdout=quiet, stderr=quiet) as building:
        victim.stop.wait(victim.chance.uniform(1.0, 8.0))
        ended = building.poll() is not None
        building.kill()
    return "it had ended" if ended else ""


def _jump_clock(victim: Victim) -> str:
    if victim.clock is None:
        return "skipped: no libfaketime"
    offset_s = victim.chance.choice((-86_400, -3_600, -5, 5, 3_600, 86_400))
    set_clock(victim.clock, offset_s)
    victim.stop.wait(victim.chance.uniform(2.0, 4.0))
    set_clock(victim.clock, 0)
    return f"{offset_s:+d} s"


FAULTS: dict[str, Callable[[Victim], str]] = {
    "store killed": _kill_store,
    "slow store": _slow_store,
    "store hangs": _hang_store,
    "disk full": _full_disk,
    "decode worker killed": _kill_decoder,
    "index build killed": _kill_builder,
    "clock jump": _jump_clock,
}
