"""How quick is a Triton server beside the networks in the service? `pytest -s -m measure`, on a quiet machine."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.support.triton import find_wheel, triton_server
from training.measure_triton import measure_server
from training.triton_config import Serving
from training.triton_repository import write_repository
from vision.networks import DEFAULT_MODEL, load_network
from vision.triton.naming import IMAGES, MARKS

LEAST = 0.8


@pytest.mark.measure
def test_a_server_embeds_nearly_as_much(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On one machine's processors, photos and marks pass through the server at 0.8 of the rate without it at least."""
    find_wheel()
    models = tmp_path / "models"
    write_repository(models, load_network(DEFAULT_MODEL, downloads=False), Serving(threads=os.cpu_count() or 1))

    with triton_server(models, tmp_path, roles=[IMAGES, MARKS]) as server:
        speeds = measure_server(server.url, model=DEFAULT_MODEL)

    with capsys.disabled():
        print(f"\n{asdict(speeds)}")
    assert speeds.photos_ratio >= LEAST
    assert speeds.marks_ratio >= LEAST
