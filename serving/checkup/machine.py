"""Does the machine bear a service? Memory, processors, disks, its clock, and whether the addresses are free.

Each check returns what it found, or raises an error that says how to mend it; `serving.doctor` makes findings of both.
"""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from index.store.store import Store
from serving.errors import ServingError, SettingsError
from serving.settings import Settings

# A choice: the model that ships and its reader with some listings in work stay below it.
_LEAST_MEMORY_BYTES = 1.5 * 2**30
_LEAST_FREE_BYTES, _LEAST_FREE_FILES = 2 * 2**30, 10_000
# Beyond this, leases, tokens and the law's clock are wrong.
_MOST_SKEW = timedelta(seconds=30)
_WORKERS_A_CORE = 32
_TIMEOUT_S = 2.0
_CGROUP = Path("/sys/fs/cgroup")

Check = Callable[[], str]


def machine_checks(settings: Settings, listen: Sequence[str]) -> Iterator[tuple[str, Check]]:
    """Name the checks of the machine, in their order; `listen` are the addresses that a service is to have."""
    yield "memory", check_memory
    yield "threads", lambda: check_threads(settings)
    yield "disks", lambda: check_disks(settings)
    yield "ports", lambda: check_ports(listen, settings)


def check_memory(*, meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> str:
    """Say how much memory can be had. Raises ServingError when it is too little for the model that ships."""
    available = _available_bytes(meminfo, cgroup)
    if available is None:
        return "not told by this system"
    if available < _LEAST_MEMORY_BYTES:
        raise ServingError(
            f"{available / 2**30:.1f} GiB can be had, and a service takes {_LEAST_MEMORY_BYTES / 2**30:.1f}; "
            "end something else, or give the container more"
        )
    return f"{available / 2**30:.1f} GiB can be had"


def check_threads(settings: Settings, *, cores: float | None = None) -> str:
    """Say how threads and cores fit. Raises SettingsError when they are in each other's way."""
    have = usable_cores() if cores is None else cores
    seen = os.cpu_count() or 1
    if settings.threads > max(have, 1):
        raise SettingsError(
            f"threads is {settings.threads}, and this process may use {have:g} cores: they wait for each other; "
            f"set threads to {max(int(have), 1)}, or to 0"
        )
    if settings.threads == 0 and have < seen / 2:
        raise SettingsError(
            f"this process may use {have:g} of {seen} cores, and the model takes a thread for each of the {seen}; "
            f"set threads to {max(int(have), 1)}"
        )
    if settings.workers > _WORKERS_A_CORE * max(have, 1):
        raise SettingsError(
            f"workers is {settings.workers} on {have:g} cores: more than {_WORKERS_A_CORE} a core only wait in memory; "
            "set workers lower, and let max_waiting bound what waits"
        )
    model = f"{settings.threads} threads" if settings.threads else "as many threads as it chooses"
    return f"{settings.workers} listings at a time on {have:g} cores, {model} for the model"


def usable_cores(*, cgroup: Path = _CGROUP) -> float:
    """Return how many cores this process may use: those it may run on, and what its container is given."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else min(cores, int(quota) / int(period))


def check_disks(settings: Settings, *, places: Sequence[Path] | None = None) -> str:
    """Say what is free where files are kept besides the data folder. Raises OSError where it is too little."""
    found = []
    for place in _places(settings) if places is None else places:
        there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
        disk = os.statvfs(there)
        free = disk.f_bavail * disk.f_frsize
        if free < _LEAST_FREE_BYTES:
            raise OSError(f"{place}: {free / 2**30:.1f} GiB free; make room for at least 2 GiB")
        if disk.f_files and disk.f_favail < _LEAST_FREE_FILES:
            raise OSError(f"{place}: {disk.f_favail} more files can be made there; delete some, or use another disk")
        found.append(f"{place} {free / 2**30:.0f} GiB free")
    return ", ".join(found)


def check_ports(listen: Sequence[str], settings: Settings) -> str:
    """Say whether the addresses are free, or a service answers there. Raises SettingsError for one that neither is."""
    found = []
    for address in listen:
        host, _, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not port.isdecimal():
            raise SettingsError(f"{address} is no HOST:PORT")
        if _is_free(host, int(port)):
            found.append(f"{address} is free")
        elif _answers(address) or (settings.tls_certificate is not None and _speaks_tls(host, int(port))):
            found.append(f"a service answers at {address}")
        else:
            raise SettingsError(
                f"{address} is taken, and not by a service of this kind; end what listens there "
                f"(`ss -ltnp 'sport = :{port}'` names it), or serve with another --listen"
            )
    return ", ".join(found) or "none asked about"


def check_clock(store: Store, *, now: datetime | None = None) -> str:
    """Compare this machine's clock with the database's and with what is on record. Raises ServingError."""
    here = now or datetime.now(UTC)
    there, newest = store.clock(), store.newest_time()
    skew = here - there if now is not None or store.is_remote else timedelta(0)
    if abs(skew) > _MOST_SKEW:
        way = "ahead of" if skew > timedelta(0) else "behind"
        raise ServingError(
            f"the clock is {abs(skew).total_seconds():.0f} s {way} the database's; "
            "let both follow a time server (chrony, NTP)"
        )
    if newest is not None and newest - here > _MOST_SKEW:
        raise ServingError(
            f"the newest decision on record is of {newest:%Y-%m-%d %H:%M:%S} UTC, and here it is "
            f"{here:%Y-%m-%d %H:%M:%S}: this clock is behind, or another's was ahead; "
            "let all follow a time server (chrony, NTP)"
        )
    return f"{here:%Y-%m-%d %H:%M:%S} UTC, as in the database"


def _available_bytes(meminfo: Path, cgroup: Path) -> float | None:
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        available = float(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None
    try:
        limit, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return available if limit == "max" else min(available, int(limit) - int(used))
    except (OSError, ValueError):
        return available


def _places(settings: Settings) -> list[Path]:
    blobs = [] if "://" in settings.blob_place else [Path(settings.blob_place)]
    return [*blobs, Path(tempfile.gettempdir())]


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _answers(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S)
        except grpc.RpcError:
            return False
    return True


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whose it is, is not asked
    try:
        with socket.create_connection((host, port), _TIMEOUT_S) as plain, context.wrap_socket(plain):
            return True
    except ssl.SSLError as error:
        return "CERTIFICATE_REQUIRED" in str(error).upper()
    except OSError:
        return False
