"""What does signing in cost a request? Figures to read (`pytest -s`); only a gross slip fails."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from index.store.store import Store
from serving.access.admission import AdmissionInterceptor, Gate, Times
from serving.access.api_keys import make_key
from serving.access.identity import ByProxy, Call
from serving.access.signing_in import open_gate
from serving.channel import Credentials
from serving.interceptor import StatusInterceptor
from serving.limits.callers import CallerLimits
from serving.settings import Settings
from serving.tls import CertificateFiles, server_credentials
from tests.integration.access_support import Authority, Issuer, access_file, bearer, issuer_at, token_rules

RPC = "touchstone.moderation.v1.ModerationService/GetCapabilities"
ROUNDS, CALLS = 5, 200
Metadata = tuple[tuple[str, str | bytes], ...]


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    """Issue tokens, ES256."""
    return issuer_at(tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> Iterator[tuple[Store, Metadata]]:
    """Give a store with an API key on record, and the metadata of its calls."""
    made = make_key(
        name="uploads",
        roles=frozenset({"pipeline"}),
        brands=frozenset(),
        created_by="test",
        now=datetime.now(UTC),
        expire_time=None,
    )
    with Store.open(tmp_path / "store.db") as store:
        store.add_key(made.key)
        yield store, bearer(made.text)


@contextmanager
def gate_of(tmp_path: Path, store: Store) -> Iterator[Gate]:
    """Open a gate that knows tokens and keys."""
    path = access_file(tmp_path, tokens=token_rules(), api_keys=True)
    with open_gate(Settings(access=path), store) as gate:
        yield gate


def per_call_us(call: Callable[[int], Coroutine[Any, Any, object]], calls: int) -> float:
    """Return the median over rounds of what one call took, in microseconds."""

    async def rounds() -> float:
        taken = []
        for number in range(ROUNDS):
            start = time.perf_counter()
            for place in range(calls):
                await call(number * calls + place)
            taken.append((time.perf_counter() - start) / calls * 1e6)
        return statistics.median(taken)

    return asyncio.run(rounds())


@pytest.mark.slow
def test_admission(tmp_path: Path, issuer: Issuer, key: tuple[Store, Metadata]) -> None:
    """By itself, without a network: known credentials cost microseconds; new ones what their cryptography costs."""
    store, with_key = key
    known = bearer(issuer.token("ann", roles=["pipeline"]))
    fresh = [bearer(issuer.token(f"ann {number}", roles=["pipeline"])) for number in range(ROUNDS * CALLS)]
    nobody = Gate([ByProxy("loopback")], required=False)

    with gate_of(tmp_path, store) as gate:
        asks: dict[str, tuple[Callable[[int], Coroutine[Any, Any, object]], int]] = {
            "nobody signs in": (lambda _: nobody.admit(RPC, Call((), "ipv4:127.0.0.1:1")), CALLS),
            "token, remembered": (lambda _: gate.admit(RPC, Call(known, "ipv4:127.0.0.1:1")), CALLS),
            "token, verified": (lambda number: gate.admit(RPC, Call(fresh[number], "ipv4:127.0.0.1:1")), CALLS),
            "API key, remembered": (lambda _: gate.admit(RPC, Call(with_key, "ipv4:127.0.0.1:1")), CALLS),
        }
        took = {name: per_call_us(ask, calls) for name, (ask, calls) in asks.items()}
    with gate_of(tmp_path, store) as gate:
        start = time.perf_counter()
        asyncio.run(gate.admit(RPC, Call(with_key, "ipv4:127.0.0.1:1")))
        took["API key, verified (the first call)"] = (time.perf_counter() - start) * 1e6
    for name, us in took.items():
        print(f"{name}: {us:,.1f} us a call")

    assert took["token, remembered"] < 1_000
    assert took["API key, remembered"] < 1_000


@asynccontextmanager
async def echo(gate: Gate | None, certificates: CertificateFiles | None) -> AsyncIterator[int]:
    """Serve an rpc that does nothing, with the interceptors of the service."""
    settings = Settings(reads_per_minute=0, screens_per_minute=0)
    limits, times = CallerLimits(settings), Times.of(settings)
    interceptors = [StatusInterceptor(), *([] if gate is None else [AdmissionInterceptor(gate, limits, times)])]
    server = grpc.aio.server(interceptors=interceptors)

    async def answer(request: bytes, _: object) -> bytes:
        return request

    service, _, method = RPC.partition("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(answer, bytes, bytes)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    credentials = None if certificates is None else server_credentials(certificates)
    where = "127.0.0.1:0"
    port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    await server.start()
    yield port
    await server.stop(0)


def round_trip_us(gate: Gate | None, certificates: CertificateFiles | None, ca: Path, metadata: Metadata) -> float:
    """Return the median of a round trip with an empty message, in microseconds."""

    def calls(port: int) -> float:
        credentials = Credentials(ca=ca if certificates else None)
        options = [("grpc.use_local_subchannel_pool", 1)]
        with credentials.channel(f"127.0.0.1:{port}", options=options) as channel:
            call: Any = channel.unary_unary(f"/{RPC}")
            taken = []
            for _ in range(ROUNDS * CALLS):
                start = time.perf_counter()
                call(b"", metadata=metadata, timeout=60)
                taken.append((time.perf_counter() - start) * 1e6)
        return statistics.median(taken)

    async def serve() -> float:
        async with echo(gate, certificates) as port:
            return await asyncio.to_thread(calls, port)

    return asyncio.run(serve())


@pytest.mark.slow
def test_round_trip(tmp_path: Path, issuer: Issuer, key: tuple[Store, Metadata]) -> None:
    """Over the network of one machine: what TLS and a known credential add to an rpc that does nothing."""
    store, with_key = key
    authority = Authority(tmp_path)
    certificates = CertificateFiles(*authority.issue("localhost"))
    token = bearer(issuer.token(roles=["pipeline"]))
    took = {"plaintext, nobody asks": round_trip_us(None, None, authority.ca, ())}
    for name, metadata in {"token": token, "API key": with_key}.items():
        with gate_of(tmp_path, store) as gate:
            took[f"plaintext, {name}"] = round_trip_us(gate, None, authority.ca, metadata)
    took["TLS, nobody asks"] = round_trip_us(None, certificates, authority.ca, ())
    for name, metadata in {"token": token, "API key": with_key}.items():
        with gate_of(tmp_path, store) as gate:
            took[f"TLS, {name}"] = round_trip_us(gate, certificates, authority.ca, metadata)
    for name, us in took.items():
        print(f"{name}: {us:,.0f} us a call")

    assert took["TLS, token"] < took["plaintext, nobody asks"] + 20_000
