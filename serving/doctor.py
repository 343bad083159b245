"""What is wrong with this installation, and how is it mended? One check after another, each with its remedy.

Checks are ordered by what they rest on; a failed one does not stop those that can still be made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from index.errors import StoreError
from index.money import ExchangeRates
from index.snapshot import check_vectors_file, current_snapshot, load_snapshot
from serving.access.signing_in import describe_access, describe_tls
from serving.app import (
    Application,
    load_calibration,
    load_embedder,
    load_reader,
    open_application,
    open_blobs,
    open_store,
)
from serving.channel import Credentials
from serving.checkup.installation import (
    check_collector,
    check_migrations,
    check_outbox,
    check_permissions,
    check_snapshot,
)
from serving.checkup.machine import check_clock, machine_checks
from serving.checkup.outage import check_spool
from serving.embedders import path_of
from serving.errors import ServingError, SettingsError
from serving.fusion_file import load_fusion
from serving.policy import load_policy
from serving.policy_book import PolicySource
from serving.settings import Settings
from vision.background import Background
from vision.calibration import MatchCalibration, Shown
from vision.clip import resolve_device
from vision.errors import TouchstoneError
from vision.reading import PACKAGE, PACKAGE_VERSION, BlindReader
from vision.taxonomy import load_taxonomy

# Less than this and a store under load fills the disk within hours.
_LEAST_FREE_BYTES = 2 * 2**30
# Nothing names it, so it is collected in time.
_PROBE = b"touchstone doctor was here\n"


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is well, and what was found (when it is not: how to mend it)."""

    check: str
    ok: bool
    detail: str


def examine(settings: Settings, *, listen: Sequence[str] = ()) -> Iterator[Finding]:
    """Check an installation in this process; yields each finding as it is made.

    `listen` are the addresses, "host:port", that a service is to have.
    """
    for check, look in machine_checks(settings, listen):
        yield _try(check, look)
    yield _try("permissions", lambda: check_permissions(settings))
    yield _try("traces", lambda: check_collector(settings))
    sound = True
    for finding in _parts(settings):
        sound = sound and finding.ok
        yield finding
    if not sound:
        yield Finding("index", ok=False, detail="not looked at; mend what failed above first")
        return
    try:
        _check_snapshot(settings)  # before it is replaced: somebody should know
        with open_application(settings) as application:
            yield Finding("index", ok=True, detail=application.knowledge.current.catalogue.version)
            yield from _inside(application)
            fingerprint = application.embedder.fingerprint
            yield _try("snapshot", lambda: check_snapshot(settings, application.store, fingerprint))
            yield _try("outbox", lambda: check_outbox(settings, application.store))
    except (TouchstoneError, OSError) as error:
        yield Finding("index", ok=False, detail=str(error))


def examine_server(target: str, credentials: Credentials | None = None, *, timeout_s: float = 5.0) -> Finding:
    """Ask a running server whether it serves, as a load balancer would. Raises SettingsError, as a client does."""
    with (credentials or Credentials()).channel(target) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.RpcError as error:
            return Finding(
                "server", ok=False, detail=f"{target}: {error.code().name}: {error.details()}; is it running?"
            )
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    healthy = answer.status == health_pb2.HealthCheckResponse.SERVING
    return Finding("server", ok=healthy, detail=f"{target}: {status}" + ("" if healthy else "; see the server's log"))


def _parts(settings: Settings) -> Iterator[Finding]:
    """Check each part by itself: all that an application is put together from."""
    yield _try("data folder", lambda: _data_folder(settings))
    migrated = _try("migrations", lambda: check_migrations(settings))
    yield migrated
    if not migrated.ok:  # whatever looks into the store would migrate it
        return
    yield _try("store", lambda: _store(settings))
    yield _try("spool", lambda: check_spool(settings, lambda: open_store(settings)))
    yield _try("clock", lambda: _clock(settings))
    yield _try("blobs", lambda: _blobs(settings))
    yield _try("policy", lambda: _policy(settings))
    yield _try("fusion", lambda: load_fusion(settings.fusion).version)
    yield _try("taxonomy", lambda: f"{len(load_taxonomy(settings.taxonomy).leaves)} categories")
    yield _try("exchange rates", lambda: f"of {ExchangeRates.load(settings.exchange_rates).day}")
    yield _try("tls", lambda: describe_tls(settings, now=datetime.now(UTC)))
    yield _try("access", lambda: _access(settings))
    yield _try("reader", lambda: _reader(settings))
    model = _try("model", lambda: load_embedder(settings).fingerprint)
    yield model
    if model.ok:
        yield _try("forward", lambda: _forward(settings))
        yield _try("calibration", lambda: _calibration(model.detail))
        yield _try("background", lambda: _background(model.detail, settings))


def _inside(application: Application) -> Iterator[Finding]:
    knowledge = application.knowledge.current
    count = len(knowledge.catalogue)
    yield Finding(
        "references",
        ok=count > 0,
        detail=f"{count}" if count else "none; run `touchstone brands seed`, or `brands import`",
    )
    stale = len(application.store.references_without_embedding(application.embedder.fingerprint))
    yield Finding(
        "embeddings",
        ok=stale == 0,
        detail=f"{stale} references lack one by this model; seed and import them again"
        if stale
        else "all of this model",
    )
    prices = knowledge.prices.observations if knowledge.prices else 0
    hint = "; `touchstone prices drift` tells which have drifted" if prices else "; price checks are off"
    yield Finding("prices", ok=True, detail=f"{prices} observations{hint}")
    yield _try("inference", lambda: _inference(application))


def _check_snapshot(settings: Settings) -> None:
    path = current_snapshot(settings.index_dir)
    if path is not None:
        check_vectors_file(load_snapshot(path, fingerprint=load_embedder(settings).fingerprint))


def _inference(application: Application) -> str:
    application.check()
    return "decode, embed and search work"


def _data_folder(settings: Settings) -> str:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        says = f"{settings.data_dir} cannot be made ({error.strerror}); choose another --data-dir"
        raise SettingsError(says) from error
    if not os.access(settings.data_dir, os.W_OK):
        raise PermissionError(f"{settings.data_dir} is not writable; run as its owner or choose another --data-dir")
    free = shutil.disk_usage(settings.data_dir).free
    if free < _LEAST_FREE_BYTES:
        raise OSError(f"{settings.data_dir}: {free / 2**30:.1f} GiB free; make room for at least 2 GiB")
    return f"{settings.data_dir}, {free / 2**30:.0f} GiB free"


def _store(settings: Settings) -> str:
    with open_store(settings) as store:
        store.verify()
        counts, condition = store.counts(), store.condition()
    if condition.danger:
        raise StoreError(f"{store.name}: {condition.danger}")
    holds = f"{counts.brands} brands, {counts.references} references, {counts.decisions} decisions"
    return f"{holds} in {store.name} ({condition})"


def _clock(settings: Settings) -> str:
    with open_store(settings) as store:
        return check_clock(store)


def _blobs(settings: Settings) -> str:
    """Keep a small file and read it again: the one way to know that place and credentials allow both."""
    shelf = open_blobs(settings)
    shelf.get(shelf.put(_PROBE))
    return f"files are kept in {settings.blob_place.partition('?')[0]} and read back"


def _access(settings: Settings) -> str:
    with open_store(settings) as store:
        return describe_access(settings, store, now=datetime.now(UTC))


def _policy(settings: Settings) -> str:
    taxonomy = cache(lambda: load_taxonomy(settings.taxonomy))
    bootstrap = load_policy(settings.policy, taxonomy=taxonomy)
    with open_store(settings) as store:
        found = PolicySource(store=store, bootstrap=bootstrap, taxonomy=taxonomy).open()
    if found.refused:
        raise ServingError(f"left out of the shadows: {'; '.join(found.refused)}; retire it or submit it anew")
    beside = f", in shadow: {', '.join(policy.version for policy in found.shadows)}" if found.shadows else ""
    return f"{found.active.version} decides{beside}"


def _reader(settings: Settings) -> str:
    if isinstance(load_reader(settings), BlindReader):
        return "none with this embedder: no words in photos are read"
    return f"the networks of {PACKAGE} {PACKAGE_VERSION}, for words in photos"


def _forward(settings: Settings) -> str:
    path = path_of(settings)
    if settings.forward == "auto" and path == "channels_last" and resolve_device(settings.device) == "cpu":
        return f"{path}: OpenVINO, which is faster, is not installed; install the extra 'cpu'"
    return path or "none: no network with this embedder"


def _calibration(fingerprint: str) -> str:
    calibration = load_calibration(fingerprint)
    if calibration == MatchCalibration.uncalibrated(fingerprint):
        return "none of this model: only near-identical pictures count as seen; run python -m training.calibrate"
    least = calibration.curves[Shown.MARK].thresholds[0.05]  # the few strangers measured bear no finer rate
    return f"a mark seen with probability {least:.2f} was a mistake in one photo of twenty when it was calibrated"


def _background(fingerprint: str, settings: Settings) -> str:
    found = Background.for_model(fingerprint, settings.data_dir)
    if found is None:
        return "none of this model: only collisions hold a reference back; run `touchstone brands background`"
    return f"{len(found)} photos to judge by how broad a reference is: {found.source}"


def _try(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, ok=True, detail=look())
    except (TouchstoneError, OSError) as error:
        return Finding(check, ok=False, detail=str(error))
