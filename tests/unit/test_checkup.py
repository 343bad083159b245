"""Each check of the doctor finds the fault that was planted for it, names it, and says how it is mended."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from index.builder import build_index
from index.decision_records import DecisionRecord
from index.errors import SnapshotError, StoreError
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind
from index.store.engine import Database
from index.store.migrate import downgrade
from index.store.store import Store
from serving.app import load_embedder, open_store
from serving.checkup import installation
from serving.checkup.installation import (
    check_collector,
    check_migrations,
    check_outbox,
    check_permissions,
    check_snapshot,
)
from serving.checkup.machine import (
    check_clock,
    check_disks,
    check_memory,
    check_ports,
    check_threads,
    usable_cores,
)
from serving.doctor import examine
from serving.errors import ServingError, SettingsError
from serving.settings import Settings
from vision.embedder import Embedder

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Set an installation up without a model."""
    return Settings(data_dir=tmp_path / "data", embedder="fake", index_backend="exact")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """Open its store."""
    with open_store(settings) as opened:
        yield opened


@pytest.fixture
def listener() -> Iterator[int]:
    """Listen, and answer nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


# --- the machine ---------------------------------------------------------------------------------------------------


def _machine(folder: Path, *, available_kib: int, limit: str = "max", used: int = 0) -> dict[str, Path]:
    (folder / "meminfo").write_text(f"MemTotal: 9000000 kB\nMemAvailable:   {available_kib} kB\n")
    (folder / "memory.max").write_text(limit)
    (folder / "memory.current").write_text(str(used))
    return {"meminfo": folder / "meminfo", "cgroup": folder}


def test_too_little_memory_is_found(tmp_path: Path) -> None:
    """What the kernel can give counts, and what the container may take, whichever is less."""
    assert check_memory(**_machine(tmp_path, available_kib=8 * 2**20)) == "8.0 GiB can be had"
    with pytest.raises(ServingError, match=r"0.5 GiB can be had"):
        check_memory(**_machine(tmp_path, available_kib=2**19))
    with pytest.raises(ServingError, match=r"1.0 GiB can be had.*container"):
        check_memory(**_machine(tmp_path, available_kib=8 * 2**20, limit=str(3 * 2**30), used=2 * 2**30))


def test_system_that_tells_no_memory_is_no_fault(tmp_path: Path) -> None:
    """Without /proc nothing is known, and nothing is wrong."""
    assert "not told" in check_memory(meminfo=tmp_path / "none", cgroup=tmp_path)


def test_threads_that_wait_for_each_other_are_found(settings: Settings) -> None:
    """More threads than cores, a container's share that the model does not see, and far too many workers."""
    assert "8 listings at a time on 4 cores" in check_threads(settings, cores=4)
    with pytest.raises(SettingsError, match=r"threads is 8.*set threads to 2"):
        check_threads(settings.model_copy(update={"threads": 8}), cores=2)
    with pytest.raises(SettingsError, match=r"this process may use 0.5 of"):
        check_threads(settings, cores=0.5)
    with pytest.raises(SettingsError, match="workers is 500"):
        check_threads(settings.model_copy(update={"workers": 500, "threads": 2}), cores=4)


def test_share_of_a_container_counts_as_cores(tmp_path: Path) -> None:
    """Half a core is what two cores are, where the container may use a quarter of each."""
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    limited = usable_cores(cgroup=tmp_path)
    (tmp_path / "cpu.max").write_text("max 100000\n")

    assert limited == 0.5
    assert usable_cores(cgroup=tmp_path) >= 1


def test_disks_are_looked_at_where_they_are(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is not made yet is on its parent's disk; one without room is named."""
    assert str(tmp_path / "data" / "blobs") in check_disks(settings)

    full = SimpleNamespace(f_bavail=256, f_frsize=4096, f_files=0, f_favail=0)
    monkeypatch.setattr("os.statvfs", lambda _: full)
    with pytest.raises(OSError, match=f"{tempfile.gettempdir()}.*make room"):
        check_disks(settings, places=[Path(tempfile.gettempdir())])


def test_disk_that_takes_no_more_files_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk can have room and no place for another file."""
    crowded = SimpleNamespace(f_bavail=2**30, f_frsize=4096, f_files=100, f_favail=3)
    monkeypatch.setattr("os.statvfs", lambda _: crowded)

    with pytest.raises(OSError, match="3 more files"):
        check_disks(settings)


def test_address_that_something_else_has_is_found(settings: Settings, listener: int) -> None:
    """A free address is well; one that something else listens at is told with how to find what it is."""
    free = _free_port()

    assert check_ports([f"127.0.0.1:{free}"], settings) == f"127.0.0.1:{free} is free"
    with pytest.raises(SettingsError, match=rf"127.0.0.1:{listener} is taken.*sport = :{listener}"):
        check_ports([f"127.0.0.1:{listener}"], settings)
    with pytest.raises(SettingsError, match="no HOST:PORT"):
        check_ports(["here"], settings)


def test_address_of_the_running_service_is_well(settings: Settings) -> None:
    """The doctor may be asked while the service runs."""
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    says = check_ports([f"127.0.0.1:{port}"], settings)

    server.stop(None).wait()
    assert says == f"a service answers at 127.0.0.1:{port}"


def test_clock_that_is_behind_the_record_is_found(store: Store) -> None:
    """A decision from the future means that this clock is behind, or that another one was ahead."""
    assert store.newest_time() is None
    assert "as in the database" in check_clock(store)

    later = datetime.now(UTC) + timedelta(hours=2)
    store.record_decision(
        DecisionRecord(
            decision_id="d", listing_id="a", verdict="ALLOW", create_time=later, payload=b"", request_sha256="0" * 64
        )
    )

    with pytest.raises(ServingError, match=r"the newest decision on record is of .* time server"):
        check_clock(store)


def test_clock_that_differs_from_the_databases_is_found(store: Store) -> None:
    """A database of another machine has a clock of its own."""
    with pytest.raises(ServingError, match="s behind the database's"):
        check_clock(store, now=datetime.now(UTC) - timedelta(minutes=3))


# --- the installation ----------------------------------------------------------------------------------------------


def test_secrets_that_others_may_read_are_found(settings: Settings, store: Store, tmp_path: Path) -> None:
    """Keys and the store are their owner's; each fault comes with the command that mends it."""
    key = tmp_path / "server.key"
    key.write_text("secret")
    key.chmod(0o644)
    given = settings.model_copy(update={"tls_key": key})

    with pytest.raises(SettingsError, match=f"chmod o-rwx {key}"):
        check_permissions(given)
    key.chmod(0o640)
    assert "2 files" in check_permissions(given)
    settings.store_path.chmod(0o666)
    with pytest.raises(SettingsError, match=f"chmod o-rwx {settings.store_path}"):
        check_permissions(given)


def test_access_file_that_others_may_change_is_found(settings: Settings, tmp_path: Path) -> None:
    """Whoever changes it lets in whom they like; whoever reads it learns no secret."""
    access = tmp_path / "access.yaml"
    access.write_text("api_keys: true\n")
    access.chmod(0o666)
    given = settings.model_copy(update={"access": access})

    with pytest.raises(SettingsError, match=f"chmod o-w {access}"):
        check_permissions(given)
    access.chmod(0o664)
    assert check_permissions(given)


def test_schema_of_an_older_release_is_found_and_left_alone(settings: Settings) -> None:
    """The doctor does not migrate: it says what will, and looks at nothing that would."""
    assert "no store yet" in check_migrations(settings)
    with open_store(settings):
        pass
    assert check_migrations(settings) == "the schema is this release's"
    database = Database(settings.store_path)
    downgrade(database, "-1")
    database.close()

    with pytest.raises(StoreError, match=r"index\.store\.migrate"):
        check_migrations(settings)
    failures = [finding.check for finding in examine(settings) if not finding.ok]

    assert [name for name in failures if name in {"migrations", "store", "index"}] == ["migrations", "index"]
    with pytest.raises(StoreError):
        check_migrations(settings)


def _add(store: Store, embedder: Embedder, *names: str) -> None:
    store.put_brands([Brand(brand_id="nike", name="Nike")])
    rows = []
    for name in names:
        reference = Reference(reference_id=name, brand_id="nike", kind=ReferenceKind.LOGO, image_sha256=name[-1] * 64)
        vector = np.eye(embedder.dim, dtype=np.float32)[int(name[-1])]
        embedding = ReferenceEmbedding(reference_id=name, variant=0, fingerprint=embedder.fingerprint, vector=vector)
        rows.append((reference, [embedding]))
    store.add_references(rows)


def test_snapshot_that_is_far_behind_is_found(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one nothing is wrong; one that lacks much of the store makes each start slow."""
    embedder = load_embedder(settings)
    fingerprint = embedder.fingerprint
    assert "index build" in check_snapshot(settings, store, fingerprint)
    _add(store, embedder, "r1")
    build_index(store, settings.index_dir, fingerprint, "exact")
    assert "is sound, 0 changes behind" in check_snapshot(settings, store, fingerprint)

    _add(store, embedder, "r2", "r3")
    monkeypatch.setattr(installation, "_MANY_CHANGES", 1)
    with pytest.raises(SnapshotError, match=r"changes behind the store.*index build"):
        check_snapshot(settings, store, fingerprint)


def test_index_elsewhere_that_does_not_follow_is_found(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that nothing takes out of the outbox are told by the index that lacks them."""
    monkeypatch.setattr(installation, "_MANY_EVENTS", 0)
    store.record_decision(
        DecisionRecord(
            decision_id="d", listing_id="a", verdict="ALLOW", create_time=NOW, payload=b"", request_sha256="0" * 64
        )
    )
    store.advance_catalogue("http://milvus:19530 listings", old=None, new=0)

    assert "1 events, http://milvus:19530 listings at 0" in check_outbox(settings, store)
    with pytest.raises(ServingError, match="http://milvus:19530 listings is 1 events behind"):
        check_outbox(settings.model_copy(update={"catalogue_backend": "milvus"}), store)


def test_collector_that_is_away_is_found(settings: Settings, listener: int) -> None:
    """Traces are lost in silence, so the doctor knocks."""
    assert check_collector(settings) == "traces are sent nowhere"
    there = settings.model_copy(update={"trace_endpoint": f"http://127.0.0.1:{listener}"})
    assert f"listens at 127.0.0.1:{listener}" in check_collector(there)

    away = settings.model_copy(update={"trace_endpoint": f"http://127.0.0.1:{_free_port()}"})
    with pytest.raises(SettingsError, match=r"nothing takes traces.*leave trace_endpoint empty"):
        check_collector(away)
    with pytest.raises(SettingsError, match="http://localhost:4317"):
        check_collector(settings.model_copy(update={"trace_endpoint": "collector:4317"}))
