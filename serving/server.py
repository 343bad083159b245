"""How does the service live? A grpc.aio server with health, reflection and a drain: it stops without losing work.

Health says SERVING only while the canary passes; on SIGTERM it turns NOT_SERVING first, so that load balancers look
elsewhere; then new requests are refused and running ones get `drain_s` seconds.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_health.v1.health import aio as aio_health
from grpc_reflection.v1alpha import reflection

from index.background import failing
from index.store.changes import CHANGES
from index.store.feed import ChangeFeed
from serving.access.admission import AdmissionInterceptor, Gate, Times
from serving.access.signing_in import check_listening, open_gate
from serving.app import Application
from serving.errors import ServingError, SettingsError
from serving.hung import Hung
from serving.interceptor import DrainInterceptor, StatusInterceptor
from serving.limits.callers import CallerLimits
from serving.limits.connections import channel_options
from serving.outage.opening import recovering
from serving.read_your_write import ReadYourWrite
from serving.report_bodies import ReportBodies
from serving.rpc_services import SERVICES, add_services
from serving.telemetry.metrics import WORK, WORK_LIMIT, Fault
from serving.telemetry.rpc import RequestInterceptor
from serving.telemetry.sampling import sampling
from serving.tls import CertificateFiles, server_credentials
from serving.work import Work

log = logging.getLogger(__name__)

# The canary runs at start and then this often; it costs one small picture's forward pass.
CANARY_INTERVAL_S = 15.0
# A worker that matters and fails for so long takes the replica out.
FAILING_S = 10.0
# How long requests are still refused in so many words once the last one is answered: a few round trips.
_LAME_DUCK_S = 0.3
# What answers on their way out get after that; watchers of health, who never leave by themselves, are cut off.
_FLUSH_S = 1.0
_OFFERED = tuple(service.full_name for service in SERVICES)


@dataclass(frozen=True)
class Running:
    """A server that listens. `port` is the one it got, also when 0 was asked for.

    `stop` ends it. `stuck` is set before that when inference hangs, which only a new process mends.
    """

    port: int
    stop: asyncio.Event
    stuck: asyncio.Event


@asynccontextmanager
async def serving(application: Application, *, listen: str, socket: Path | None = None) -> AsyncIterator[Running]:
    """Serve `application` at `listen` ("host:port") for as long as the block runs, then drain.

    With `socket`, it also answers there, in plaintext: for what runs in this process, in a folder that nobody else may
    enter.

    Raises:
        SettingsError: the address cannot be bound, or must not be for want of TLS or authentication; or a file that
            one of them needs cannot be used.
        TouchstoneError: the first canary failed; nothing was served.

    """
    settings = application.settings
    check_listening(listen, settings)
    certificates = CertificateFiles.of(settings)
    credentials = None if certificates is None else server_credentials(certificates)
    signing_in = ExitStack()
    try:
        gate = await asyncio.to_thread(signing_in.enter_context, open_gate(settings, application.store))
        async with _serving(application, gate, listen, credentials, socket) as running:
            yield running
    finally:
        await asyncio.to_thread(signing_in.close)


@asynccontextmanager
async def _serving(
    application: Application, gate: Gate, listen: str, credentials: grpc.ServerCredentials | None, socket: Path | None
) -> AsyncIterator[Running]:
    settings = application.settings
    await asyncio.to_thread(application.check)
    workers = ThreadPoolExecutor(settings.workers, thread_name_prefix="answer")
    screeners = ThreadPoolExecutor(settings.workers, thread_name_prefix="screen")
    draining, limits = asyncio.Event(), CallerLimits(settings)
    interceptors = [
        RequestInterceptor(application.telemetry),
        DrainInterceptor("/touchstone.", draining),
        ReportBodies(settings.trust_caller),
        StatusInterceptor(),
        AdmissionInterceptor(gate, limits, Times.of(settings)),
        ReadYourWrite(application.knowledge),
    ]
    server = grpc.aio.server(interceptors=interceptors, options=channel_options(settings))
    work, screening = (
        Work(threads, at_once=settings.workers, max_waiting=settings.max_waiting) for threads in (workers, screeners)
    )
    pools = {"answer": work, "screen": screening}
    application.telemetry.gauge(WORK, lambda: {name: pool.unfinished for name, pool in pools.items()})
    application.telemetry.gauge(WORK_LIMIT, lambda: dict.fromkeys(pools, settings.max_waiting))
    polling = ExitStack()
    feed = await asyncio.to_thread(polling.enter_context, application.store.following())
    add_services(server, application, work, screening=screening, gate=gate, limits=limits, feed=feed, draining=draining)
    health = aio_health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((*_OFFERED, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    try:
        port = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
        if socket is not None:
            server.add_insecure_port(f"unix:{socket}")
    except RuntimeError as error:
        for threads in (workers, screeners):
            threads.shutdown()
        polling.close()
        raise SettingsError(f"cannot listen on {listen}: {error}; choose a free HOST:PORT") from error
    await server.start()
    await _announce(application, health, health_pb2.HealthCheckResponse.SERVING)
    running = Running(port, asyncio.Event(), asyncio.Event())
    canary = asyncio.create_task(_watch_inference(application, health, running))
    polling.enter_context(_at_work(application, feed))
    try:
        yield running
    finally:
        canary.cancel()
        draining.set()
        application.telemetry.ready(ready=False)
        await health.enter_graceful_shutdown()
        await _finish(work, screening, within_s=settings.drain_s)
        await server.stop(_FLUSH_S)
        await asyncio.to_thread(polling.close)  # a renewal under way is waited for, but not on the event loop
        for threads in (workers, screeners):
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)  # what still runs ends by its own deadline


async def serve_until_signalled(
    application: Application, *, listen: str, announce: Callable[[int, int | None], None], console: str | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, with a console at `console` ("host:port") if one is wanted.

    `announce` is called with the port, and the console's, once requests are answered.

    Raises ServingError when it ended because inference hangs: whoever watches over the process starts a new one.
    """
    async with AsyncExitStack() as parts:
        socket = parts.enter_context(private_socket()) if console else None
        running = await parts.enter_async_context(serving(application, listen=listen, socket=socket))
        pages = None
        if console and socket:
            from serving.console.opening import console_of

            pages = await parts.enter_async_context(
                console_of(f"unix:{socket}", application.settings, listen=console, telemetry=application.telemetry)
            )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.stop.set)
        announce(running.port, pages)
        await running.stop.wait()
        log.info("draining: running requests get %.0f s", application.settings.drain_s)
    if running.stuck.is_set():
        raise ServingError("the embedder has hung for too long; this process ends so that a new one can begin")


@contextmanager
def private_socket() -> Iterator[Path]:
    """Give a place for a socket that only this user reaches."""
    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        yield Path(folder) / "grpc"


@contextmanager
def _at_work(application: Application, feed: ChangeFeed) -> Iterator[None]:
    """Let the threads work that follow the store, record what waits, scan and sample, until the block ends."""
    settings = application.settings
    with ExitStack() as beside:
        begin = beside.enter_context
        changed, in_use = partial(feed.calling, topic=CHANGES), application.knowledge
        begin(in_use.polling(interval_s=settings.refresh_s, announcer=changed))
        begin(application.upkeep.running(lambda: in_use.current.catalogue, interval_s=settings.refresh_s))
        begin(application.in_force.polling(interval_s=settings.refresh_s, feed=feed))
        begin(application.listings.polling(interval_s=settings.refresh_s))
        moderation = application.moderation
        begin(recovering(moderation.guard, moderation.spool, moderation.recorder))
        begin(application.audit.polling(interval_s=settings.refresh_s))
        begin(application.scans.worker.running(interval_s=settings.refresh_s))
        begin(sampling(application))
        yield


async def _finish(*works: Work, within_s: float) -> None:
    """Wait for what is in work, and a moment longer for those who have not seen yet that this server goes away."""
    try:
        async with asyncio.timeout(within_s):
            for work in works:
                await work.finished()
            await asyncio.sleep(_LAME_DUCK_S)
    except TimeoutError:
        log.warning("requests still in work after %.0f s are given up", within_s)


async def _announce(
    application: Application,
    health: aio_health.HealthServicer,
    status: health_pb2.HealthCheckResponse.ServingStatus.ValueType,
) -> None:
    application.telemetry.ready(ready=status == health_pb2.HealthCheckResponse.SERVING)
    for name in ("", *_OFFERED):
        await health.set(name, status)


async def _watch_inference(application: Application, health: aio_health.HealthServicer, running: Running) -> None:
    """Let health follow the canary and the workers that matter; give up the process when inference hangs."""
    hung = Hung(application.settings.stuck_s)
    while True:
        await asyncio.sleep(CANARY_INTERVAL_S)
        error = await asyncio.to_thread(_fault_of, application)
        if error is None:
            await _announce(application, health, health_pb2.HealthCheckResponse.SERVING)
        else:
            log.error("not serving until it is over: %s", error, exc_info=error)
            application.telemetry.fault(Fault.CANARY, type(error).__name__)
            await _announce(application, health, health_pb2.HealthCheckResponse.NOT_SERVING)
        if hung.after(error, now_s=time.monotonic()) and not running.stop.is_set():
            log.critical("inference has hung for over %.0f s: the process ends", application.settings.stuck_s)
            running.stuck.set()
            running.stop.set()


def _fault_of(application: Application) -> Exception | None:
    """Run the canary and look after the workers: what goes wrong, or None."""
    try:
        application.check()
    except Exception as error:  # noqa: BLE001 - whatever it is, this replica must not say that it serves
        return error
    stopped = failing(longer_than_s=FAILING_S)
    return ServingError(f"workers fail again and again: {', '.join(one.name for one in stopped)}") if stopped else None
