"""How does a test make a database slow, or silent? A relay between the service and PostgreSQL's socket."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOCKET = ".s.PGSQL.5432"


class SlowRelay:
    """Passes bytes on between clients of `folder` and the server; `delay_s` holds up whatever the service sends.

    A relay in a thread of its own, with the server's kind of socket, so that nothing but the URL's host differs.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = server / _SOCKET
        self.delay_s = 0.0

    async def _serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        listening = await asyncio.start_unix_server(self._relay, self.folder / _SOCKET)
        (self.folder / _SOCKET).chmod(0o777)
        ready.set()
        await stop.wait()
        listening.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, questions = await asyncio.open_unix_connection(self._server)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass_on(reader, questions, slow=True), self._pass_on(answers, writer, slow=False))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        try:
            while data := await reader.read(65_536):
                due = time.monotonic() + self.delay_s
                while slow and self.delay_s and time.monotonic() < due:  # noqa: ASYNC110 - another thread mends it
                    await asyncio.sleep(0.02)  # what was held up goes on then
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@contextmanager
def relaying(folder: Path, server: Path) -> Iterator[SlowRelay]:
    """Relay between `folder` and the socket in `server` until the block ends."""
    folder.mkdir(exist_ok=True)
    relay, ready = SlowRelay(folder, server), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        loop.run_until_complete(relay._serve(ready, stop))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, name="relay", daemon=True)
    thread.start()
    assert ready.wait(10.0)
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10.0)
