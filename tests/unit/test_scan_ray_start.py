"""A Ray that cannot run a scan is refused before anything is done, in words that say what to change."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from serving.errors import RunnerError
from serving.ray_session import ray_session
from serving.scan.ray_start import check_fit
from serving.settings import Settings

ONE = {"CPU": 4.0, "GPU": 0.0, "nodes": 1.0}


@pytest.mark.parametrize(
    ("settings", "total", "workers", "told"),
    [
        (Settings(), ONE, 5, "5 workers are asked for, and Ray has 4 processors"),
        (Settings(device="cuda:1"), ONE, 1, "device is cuda:1, and Ray knows of no GPU"),
        (Settings(data_dir=Path("here")), ONE | {"nodes": 2.0}, 2, "2 machines, and an SQLite store is one machine's"),
        (Settings(store=SecretStr("sqlite:///here.db")), ONE | {"nodes": 2.0}, 2, "set `store` to PostgreSQL"),
    ],
)
def test_what_cannot_work_is_refused(settings: Settings, total: dict[str, float], workers: int, told: str) -> None:
    """Too few processors, no GPU, or a store that other machines cannot reach: the message says which."""
    with pytest.raises(RunnerError, match=told):
        check_fit(settings, total, workers, gpus=total["GPU"])


def test_a_fitting_ray_is_taken() -> None:
    """Several machines with PostgreSQL pass, and so does one with SQLite."""
    check_fit(Settings(), ONE, 4, gpus=0)
    check_fit(Settings(store=SecretStr("postgresql+psycopg://a@b/c")), ONE | {"nodes": 3.0}, 4, gpus=0)


def test_the_client_protocol_is_refused() -> None:
    """Ray's client cannot carry a scan: the message says from where it can be run."""
    with pytest.raises(RunnerError, match="run it on one of the cluster's nodes"), ray_session("ray://h:1", workers=1):
        pass
