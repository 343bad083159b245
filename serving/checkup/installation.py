"""Are the files of an installation its own, and is anything behind? Permissions, schema, snapshot, outbox, collector.

Each check returns what it found, or raises an error that says how to mend it; `serving.doctor` makes findings of both.
"""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

from index.errors import SnapshotError, StoreError
from index.store.migrate import revision_behind
from index.store.store import Store
from index.verifying import verify_snapshot
from serving.errors import ServingError, SettingsError
from serving.settings import Settings

# A replica reads so many changes in some seconds when it starts (docs/index.md).
_MANY_CHANGES = 20_000
# Events that an index elsewhere has not taken in: minutes of a busy service.
_MANY_EVENTS = 50_000
_OTLP_PORT = 4317
_TIMEOUT_S = 2.0
_OTHERS, _WRITERS = 0o007, 0o002


def check_permissions(settings: Settings) -> str:
    """Check who may read secrets and change what lets people in. Raises SettingsError, with the remedy."""
    secret = [settings.tls_key, settings.evidence_key, *([settings.store_path] if settings.store is None else [])]
    trusted = [settings.access, settings.policy, settings.case_rules, settings.tls_client_ca]
    faults = [
        *(_fault(path, _OTHERS, "everybody on this machine may read or change", "o-rwx") for path in secret),
        *(_fault(path, _WRITERS, "everybody on this machine may change", "o-w") for path in trusted),
    ]
    if found := [fault for fault in faults if fault]:
        raise SettingsError("; ".join(found))
    named = [path for path in (*secret, *trusted) if path is not None and path.exists()]
    return f"{len(named)} files with secrets or rules are their owner's"


def check_migrations(settings: Settings) -> str:
    """Check that the schema is this release's, without touching it. Raises StoreError where an older one waits.

    What keeps the store from being read at all is told by opening it.
    """
    if settings.store is None and not settings.store_path.exists():
        return "there is no store yet; it is made with this release's schema"
    try:
        behind = revision_behind(settings.store_place)
    except StoreError:
        return "the store cannot be asked"
    if behind is None:
        return "the schema is this release's"
    raise StoreError(
        f"the schema is at revision {behind[0]}, this release's is {behind[1]}. Make a backup; then start the service, "
        "which migrates, or run `python -m index.store.migrate` with the store's place, and ask the doctor again"
    )


def check_snapshot(settings: Settings, store: Store, fingerprint: str) -> str:
    """Check the index snapshot against the store. Raises SnapshotError, StoreError."""
    found = verify_snapshot(store, settings.index_dir, fingerprint)
    if found is None:
        return "none: the index is read from the store at each start; `touchstone index build` makes one"
    if not found.sound:
        raise SnapshotError(
            f"{found.snapshot} is not what the store says; `touchstone index verify` names the differences, "
            "`touchstone index build` makes another"
        )
    if found.behind > _MANY_CHANGES:
        raise SnapshotError(
            f"{found.snapshot} is {found.behind} changes behind the store, which each start must read; "
            "run `touchstone index build`, or keep `touchstone index build --follow` running"
        )
    return f"{found.snapshot} is sound, {found.behind} changes behind the store"


def check_outbox(settings: Settings, store: Store) -> str:
    """Say how far indexes elsewhere have followed the outbox. Raises ServingError when one is far behind."""
    head = store.event_head()
    cursors = {name: cursor for name, cursor in store.catalogue_cursors().items() if cursor is not None}
    if settings.catalogue_backend == "milvus":
        late = {name: head - cursor for name, cursor in cursors.items() if head - cursor > _MANY_EVENTS}
        if late:
            name, events = max(late.items(), key=lambda item: item[1])
            raise ServingError(
                f"{name} is {events} events behind the outbox: no service feeds it, or it is away; look at the log of "
                "one that runs, or run `touchstone catalogue build`"
            )
    return f"{head} events" + "".join(f", {name} at {cursor}" for name, cursor in cursors.items())


def check_collector(settings: Settings) -> str:
    """Check that traces can be sent. Raises SettingsError."""
    if not settings.trace_endpoint:
        return "traces are sent nowhere"
    place = urlsplit(settings.trace_endpoint)
    try:
        host, port = place.hostname, place.port or _OTLP_PORT
    except ValueError:
        host = None
    if host is None or place.scheme not in {"http", "https"}:
        raise SettingsError(f"trace_endpoint: {settings.trace_endpoint!r} is no address such as http://localhost:4317")
    try:
        with socket.create_connection((host, port), _TIMEOUT_S):
            return f"a collector of traces listens at {host}:{port}"
    except OSError as error:
        raise SettingsError(
            f"nothing takes traces at {host}:{port} ({error}); start the collector, or leave trace_endpoint empty"
        ) from error


def _fault(path: Path | None, bits: int, says: str, mode: str) -> str:
    if path is None or not path.exists() or not path.stat().st_mode & bits:
        return ""
    return f"{says} {path}: run `chmod {mode} {path}`"
