"""Clients that hold a server up: connections that do nothing, and calls whose message trickles. HTTP/2 on bare sockets.

No gRPC library makes ten thousand connections in a test. A connection that shook hands is a preface, settings and their
acknowledgement; a call that goes on is a header, and a byte of data now and then. Pings are not answered.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_HEADERS, _ACK = 4, 1
_AT_ONCE = 100
# A message that is never whole: so many bytes are announced.
_ANNOUNCED = 20 * 2**20


class _Connection(asyncio.Protocol):
    """One connection, from its beginning until either side ends it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.shook_hands = asyncio.Event()
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say that we speak HTTP/2."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_SETTINGS, _ACK, 0, b""))

    def data_received(self, data: bytes) -> None:
        """Note that the server has answered."""
        self.shook_hands.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Note that it is over."""
        self.ended = True
        self.shook_hands.set()

    def call(self, path: str) -> None:
        """Begin a call."""
        self.transport.write(_frame(_HEADERS, _END_HEADERS, 1, _headers(path)))
        self.transport.write(_frame(_DATA, 0, 1, b"\0" + struct.pack(">I", _ANNOUNCED)))

    def trickle(self) -> None:
        """Send one more byte of the message."""
        if not self.ended:
            self.transport.write(_frame(_DATA, 0, 1, b"x"))


@dataclass(frozen=True)
class Held:
    """Connections that were opened."""

    connections: Sequence[_Connection]

    @property
    def open(self) -> int:
        """How many of them the server has not closed."""
        return sum(not connection.ended for connection in self.connections)


@asynccontextmanager
async def held(port: int, *, idle: int, slow: int = 0, path: str = "", every_s: float = 0.5) -> AsyncIterator[Held]:
    """Open `idle` connections that do nothing, and `slow` calls of `path` that send a byte every so often."""
    turns, loop = asyncio.Semaphore(_AT_ONCE), asyncio.get_running_loop()

    async def connect() -> _Connection:
        async with turns:
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            await connection.shook_hands.wait()
            return connection

    connections = await asyncio.gather(*(connect() for _ in range(idle + slow)))
    for connection in connections[:slow]:
        connection.call(path)
    trickling = asyncio.create_task(_trickle(connections[:slow], every_s))
    try:
        yield Held(connections)
    finally:
        trickling.cancel()
        for connection in connections:
            connection.transport.abort()


async def _trickle(connections: Sequence[_Connection], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        for connection in connections:
            connection.trickle()


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + content


def _headers(path: str) -> bytes:
    """Encode a call's headers (HPACK: literals, not indexed, not compressed)."""
    headers = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "127.0.0.1")]
    headers += [("content-type", "application/grpc"), ("te", "trailers")]
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def _text(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()
