"""The doctor finds each thing that is wrong with an installation, and says how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind
from serving.app import EMBEDDERS, READERS, load_embedder, open_store
from serving.doctor import Finding, _forward, examine, examine_server
from serving.settings import Settings
from vision import checkpoint
from vision.calibration import Curve, MatchCalibration, Shown
from vision.embedder import Embedder
from vision.errors import CheckpointError, ModelError
from vision.reading import PACKAGE, Reader

MACHINE = ["memory", "threads", "disks", "ports", "permissions", "traces"]
MODEL_PARTS = [
    *MACHINE,
    "data folder",
    "migrations",
    "store",
    "spool",
    "clock",
    "blobs",
    "policy",
    "fusion",
    "taxonomy",
    "exchange rates",
    "tls",
    "access",
    "reader",
    "model",
    "forward",
    "calibration",
    "background",
]
INSIDE = ["index", "references", "embeddings", "prices", "inference", "snapshot", "outbox"]


@pytest.fixture(autouse=True)
def _roomy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what this machine is short of be no finding of an installation's; tests/unit/test_checkup.py looks at it."""
    for name in ("check_memory", "check_threads", "check_disks"):
        monkeypatch.setattr(f"serving.checkup.machine.{name}", lambda *_: "enough")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Set an installation up without a model."""
    return Settings(data_dir=tmp_path / "data", embedder="fake", index_backend="exact")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what belongs to models in a folder of the test's own."""
    monkeypatch.setattr(checkpoint, "MODELS", tmp_path / "models")
    folder = tmp_path / "models" / "fake"
    folder.mkdir(parents=True)
    return folder


def _add_reference(settings: Settings, *, fingerprint: str, dim: int) -> None:
    reference = Reference(reference_id="r", brand_id="nike", kind=ReferenceKind.LOGO, image_sha256="0" * 64)
    vector = np.eye(dim, dtype=np.float32)[0]
    with open_store(settings) as store:
        store.put_brands([Brand(brand_id="nike", name="Nike")])
        embedding = ReferenceEmbedding(reference_id="r", variant=0, fingerprint=fingerprint, vector=vector)
        store.add_references([(reference, [embedding])])


def _finding(settings: Settings, check: str) -> Finding:
    """Examine no further than this check."""
    return next(finding for finding in examine(settings) if finding.check == check)


def _failures(settings: Settings) -> dict[str, str]:
    return {finding.check: finding.detail for finding in examine(settings) if not finding.ok}


def test_sound_installation_passes_every_check(settings: Settings) -> None:
    """With a registry and a working model, all is well, and each check says what it found."""
    embedder = load_embedder(settings)
    _add_reference(settings, fingerprint=embedder.fingerprint, dim=embedder.dim)

    findings = list(examine(settings))

    assert [finding.check for finding in findings] == MODEL_PARTS + INSIDE
    assert all(finding.ok and finding.detail for finding in findings), findings


def test_page_names_every_check() -> None:
    """Whoever reads a finding finds on the page what its check looks for."""
    page = (Path(__file__).parents[2] / "docs/operating.md").read_text(encoding="utf-8")
    table = page.partition("## The doctor")[2].partition("\n## ")[0]

    named = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)))

    assert sorted(named) == sorted([*MODEL_PARTS, *INSIDE])


def test_fresh_installation_lacks_only_references(settings: Settings) -> None:
    """A new data folder is made, and the one thing left to do is named with its command."""
    failures = _failures(settings)

    assert list(failures) == ["references"]
    assert "touchstone brands seed" in failures["references"]


def test_model_without_calibration_is_told_but_well(settings: Settings) -> None:
    """A model nobody calibrated works, with caution, and the doctor says how to calibrate it."""
    finding = _finding(settings, "calibration")

    assert finding.ok
    assert "training.calibrate" in finding.detail


def test_calibration_of_the_model_is_told(settings: Settings, models: Path) -> None:
    """A calibrated model says from where on a match is hardly ever a mistake."""
    curve = Curve(bias=-10, score=20, strength=1, read=1, thresholds={0.001: 0.9, 0.01: 0.625, 0.05: 0.5})
    fitted = MatchCalibration(fingerprint=load_embedder(settings).fingerprint, curves=dict.fromkeys(Shown, curve))
    fitted.save(models / "calibration.json")

    says = "a mark seen with probability 0.50 was a mistake in one photo of twenty when it was calibrated"
    assert _finding(settings, "calibration") == Finding("calibration", ok=True, detail=says)


def test_damaged_calibration_is_named(settings: Settings, models: Path) -> None:
    """A calibration that cannot be used is a finding with file and remedy, not a crash."""
    (models / "calibration.json").write_text("{}")

    finding = _finding(settings, "calibration")

    assert not finding.ok
    assert str(models / "calibration.json") in finding.detail
    assert "training.calibrate" in finding.detail


def test_data_folder_that_cannot_be_made_is_named(settings: Settings) -> None:
    """Where a file stands in the way of the folder, the doctor names it and the option to choose another."""
    settings.data_dir.write_text("in the way")

    finding = _finding(settings, "data folder")

    assert not finding.ok
    assert str(settings.data_dir) in finding.detail
    assert "--data-dir" in finding.detail


def test_damaged_store_is_named(settings: Settings) -> None:
    """A store that is no database is named with its file."""
    settings.data_dir.mkdir()
    settings.store_path.write_bytes(b"not a database" * 1000)

    failures = _failures(settings)

    assert str(settings.store_path) in failures["store"]
    assert "not looked at" in failures["index"]


@pytest.mark.parametrize(
    ("field", "check"),
    [("policy", "policy"), ("fusion", "fusion"), ("taxonomy", "taxonomy"), ("exchange_rates", "exchange rates")],
)
@pytest.mark.parametrize("text", [None, "rules: 5\n"])
def test_file_that_cannot_be_used_is_named(
    settings: Settings, tmp_path: Path, field: str, check: str, text: str | None
) -> None:
    """A missing, wrong or broken file fails its own check by name; the other parts are looked at all the same."""
    path = tmp_path / "wrong.yaml"
    if text is not None:
        path.write_text(text)

    findings = list(examine(settings.model_copy(update={field: path})))

    failures = {finding.check: finding.detail for finding in findings if not finding.ok}
    assert list(failures) == [check, "index"]
    assert str(path) in failures[check]
    assert [finding.check for finding in findings] == [*MODEL_PARTS, "index"]


def test_the_path_of_the_networks_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor says which path the networks take, and where the fast one is missing what to install."""
    real = settings.model_copy(update={"embedder": "torch", "device": "cpu"})
    assert _forward(settings) == "none: no network with this embedder"
    assert _forward(real) == "openvino"

    monkeypatch.setattr("vision.forward._has_openvino", lambda: False)

    assert "install the extra 'cpu'" in _forward(real)
    with pytest.raises(ModelError, match="needs OpenVINO"):
        _forward(real.model_copy(update={"forward": "openvino"}))


def refuse_model(settings: Settings) -> Embedder:
    """Load as `serving.embedders` would where the weights are missing."""
    raise CheckpointError(f"{settings.model}: no weights; run make install")


def test_model_that_cannot_be_loaded_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its model nothing that needs one is looked at, and what the loader says is passed on."""
    monkeypatch.setitem(EMBEDDERS, "fake", f"{__name__}:refuse_model")

    failures = _failures(settings)

    assert list(failures) == ["model", "index"]
    assert failures["model"] == "touchstone-s: no weights; run make install"


def refuse_reader(settings: Settings) -> Reader:
    """Load as `serving.embedders` would where the package is missing."""
    raise CheckpointError(f"package {PACKAGE}, whose networks read words, is not installed: pip install brings it")


def test_reader_that_cannot_be_loaded_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the networks that read words nothing starts, and the doctor says what brings them."""
    monkeypatch.setitem(READERS, "fake", f"{__name__}:refuse_reader")

    failures = _failures(settings)

    assert list(failures) == ["reader", "index"]
    assert "rapidocr, whose networks read words, is not installed: pip install" in failures["reader"]


def test_an_embedder_without_a_reader_is_told(settings: Settings) -> None:
    """Where no words are read by design, that is said, and is no fault."""
    finding = _finding(settings, "reader")

    assert finding.ok
    assert "no words in photos are read" in finding.detail


def test_damaged_index_is_named(settings: Settings) -> None:
    """A snapshot that was tampered with is refused by name."""
    embedder = load_embedder(settings)
    _add_reference(settings, fingerprint=embedder.fingerprint, dim=embedder.dim)
    assert _failures(settings) == {}
    manifests = list(settings.index_dir.rglob("*.json"))
    assert manifests
    for manifest in manifests:
        manifest.write_text("{}")

    failures = _failures(settings)

    assert list(failures) == ["index"]
    assert str(settings.index_dir) in failures["index"]


def test_references_of_another_model_are_counted(settings: Settings) -> None:
    """After a change of model the references lack embeddings; the remedy is to bring them in again."""
    _add_reference(settings, fingerprint="another@1", dim=8)

    failures = _failures(settings)

    assert list(failures) == ["embeddings"]
    assert "1 references lack one" in failures["embeddings"]
    assert "import them again" in failures["embeddings"]


# --- a running server ----------------------------------------------------------------------------------------------


@pytest.fixture
def servicer() -> health.HealthServicer:
    """Answer for a server's health."""
    return health.HealthServicer()


@pytest.fixture
def target(servicer: health.HealthServicer) -> Iterator[str]:
    """Serve health, and nothing else, on a free port."""
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(1).wait()


@pytest.mark.parametrize(
    ("status", "ok", "says"),
    [
        (health_pb2.HealthCheckResponse.SERVING, True, "SERVING"),
        (health_pb2.HealthCheckResponse.NOT_SERVING, False, "NOT_SERVING; see the server's log"),
    ],
)
def test_running_server_is_asked_whether_it_serves(
    servicer: health.HealthServicer,
    target: str,
    status: health_pb2.HealthCheckResponse.ServingStatus.ValueType,
    ok: bool,
    says: str,
) -> None:
    """The doctor asks as a load balancer does, and passes on the answer."""
    servicer.set("", status)

    assert examine_server(target) == Finding("server", ok=ok, detail=f"{target}: {says}")


def test_server_that_does_not_answer_is_named() -> None:
    """Nobody at the address is a finding with the address, within the time given."""
    finding = examine_server("127.0.0.1:1", timeout_s=1.0)

    assert not finding.ok
    assert finding.detail.startswith("127.0.0.1:1: ")
    assert finding.detail.endswith("is it running?")
