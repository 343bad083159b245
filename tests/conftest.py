"""Fixtures that several suites share: the development data, and a visible skip where it is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

EVAL_DATA = Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))


@pytest.fixture(scope="session")
def eval_data() -> Path:
    """Find the folder of development data; the test skips, visibly, where there is none."""
    if not EVAL_DATA.is_dir():
        pytest.skip(f"no development data at {EVAL_DATA}; set TOUCHSTONE_EVAL_DATA")
    return EVAL_DATA.resolve()


@pytest.fixture
def postgres_url() -> str:
    """Give the URL of an empty PostgreSQL database of the test's own."""
    pytest.skip("no PostgreSQL server yet")
