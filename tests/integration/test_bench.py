"""One small run of `touchstone bench`, with the embedder that needs no network: every figure is there and sensible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.bench.plan import Plan
from serving.bench.run import run_against, run_here
from serving.channel import Credentials
from serving.settings import Settings
from tests.integration.support import Service, Touchstone

TINY = Plan(
    repeats=1,
    photos=4,
    batch=4,
    naive_photos=1,
    brands=2,
    in_flight=2,
    saturated_s=1.0,
    loaded_s=1.0,
    decode_s=0.05,
    references=(200, 400),
    decisions=1,
    scanned=4,
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command take seconds."""
    monkeypatch.setattr("serving.cli.bench.QUICK", TINY)


def test_a_run_measures_everything(tmp_path: Path) -> None:
    """All figures of this machine are measured, none of its installation's data is touched."""
    said: list[str] = []

    figures = run_here(Settings(data_dir=tmp_path, embedder="fake", threads=1), TINY, say=said.append)

    document = figures.document()
    assert not list(tmp_path.iterdir())
    rates = ("forward_img_s", "service_img_s", "naive_img_s", "decode_img_s", "scan_listings_s", "gemm_peak_gflops")
    assert all(document[name] > 0 for name in rates)
    assert document["failed"] == 0
    assert document["memory_mib"] > 50
    assert document["p99_ms"] >= document["p50_ms"] > 0
    assert document["search"].keys() == {"200", "400"}
    assert all(each["recall_at_10"] == pytest.approx(1.0) for each in document["search"].values())
    assert document["cost_growth"] > 0
    assert said[-1] == "the service"


def test_a_running_service_is_measured_from_outside(service: Service) -> None:
    """Over gRPC alone: its model, its rate and its latencies, and every listing of the run is on its record."""
    before = service.application.store.counts().decisions

    figures = run_against(service.target, Credentials(), TINY)

    assert figures.model == service.application.embedder.fingerprint
    assert figures.service is not None
    assert figures.service.img_s > 0
    assert figures.service.failed == 0
    assert figures.forward is None
    assert service.application.store.counts().decisions > before


@pytest.mark.usefixtures("tiny")
def test_the_command_prints_one_document_and_draws(touchstone: Touchstone, service: Service, tmp_path: Path) -> None:
    """`--json` prints the figures alone on stdout, `--picture` draws them."""
    picture = tmp_path / "run.svg"

    done = touchstone("--json", "bench", "--quick", "--against", service.target, "--picture", str(picture))

    assert done.code == 0
    assert json.loads(done.stdout)["service_img_s"] > 0
    assert picture.read_text().startswith("<svg")


def test_a_service_that_is_not_there_is_named(touchstone: Touchstone) -> None:
    """What is not reached ends the command with where it was looked for."""
    done = touchstone("bench", "--quick", "--against", "127.0.0.1:1")

    assert done.code == 1
    assert "127.0.0.1:1: UNAVAILABLE" in done.stderr
