"""Fixtures that several suites share: the development data, and a real PostgreSQL server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.store.engine import Database
from index.store.migrate import upgrade
from tests.support.postgres import PostgresMissing, PostgresServer, postgres_server

# Servers are started by fork, as other users than root; gRPC's handlers of forks, in a process that serves with it,
# crash its own threads then. Read when gRPC is first used, by some test's module.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
EVAL_DATA = Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))


@pytest.fixture(scope="session")
def eval_data() -> Path:
    """Find the folder of development data; the test skips, visibly, where there is none."""
    if not EVAL_DATA.is_dir():
        pytest.skip(f"no development data at {EVAL_DATA}; set TOUCHSTONE_EVAL_DATA")
    return EVAL_DATA.resolve()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server for the whole run; without one tests skip visibly, and fail where CI=true."""
    try:
        with postgres_server() as server:
            yield server
    except PostgresMissing as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def migrated_database(postgres: PostgresServer) -> str:
    """Make a database with the store's tables, which tests use one after the other: migrating takes far longer."""
    name = postgres.create()
    database = Database(postgres.url(name))
    upgrade(database)
    database.close()
    return name


@pytest.fixture
def postgres_url(postgres: PostgresServer, migrated_database: str) -> str:
    """Give the URL of a PostgreSQL database of the test's own: the store's tables with nothing in them."""
    postgres.empty(migrated_database)
    return postgres.url(migrated_database)


@pytest.fixture
def bare_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a PostgreSQL database of the test's own without any table."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)
