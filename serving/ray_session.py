"""Where does a scan's Ray run? Here, started for the scan and gone with it, or on a cluster that is there already.

Ray's own ways are kept out: nothing is told to anybody (usage statistics), no dashboard, no address but the loopback
one, no token in the user's home, and no folder left in /tmp.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any

from serving.errors import RunnerError

LOOPBACK = "127.0.0.1"
OBJECT_STORE_BYTES = 256 * 1024**2
"""Blocks hold words and results hold rows, never pixels: a block of 64 is under 1 MB both ways."""

# Ray reads these when it is imported. The cluster's own are the operator's business.
_ALONE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Its name notwithstanding: without "cluster" a node is 127.0.0.1, and listens there only.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    # What goes wrong with a block becomes a fault of its listings; what ends a scan is raised.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@contextmanager
def ray_session(address: str | None, *, workers: int) -> Iterator[None]:
    """Start Ray on this machine for `workers` workers (`address` None), or join the cluster at `address`.

    workers: 0 is one for each processor.

    On exit a Ray that was started here is ended with its processes and its folder; a cluster is left as it was.

    Raises:
        RunnerError: Ray is not installed, does not start, or the cluster cannot be joined from here.

    """
    if address is None:
        with tempfile.TemporaryDirectory(prefix="touchstone-ray-", ignore_cleanup_errors=True) as folder:
            yield from _connected({"address": "local", **_local(folder, workers)})
    else:
        if address.startswith("ray://"):
            raise RunnerError(
                f"{address} is Ray's client protocol, which cannot carry a scan; run it on one of the cluster's nodes,"
                " with --ray auto or --ray HOST:PORT"
            )
        yield from _connected({"address": address})


def _local(folder: str, workers: int) -> dict[str, Any]:
    for name, value in _ALONE.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    return {
        "num_cpus": workers or len(os.sched_getaffinity(0)),
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": False,
        "_node_ip_address": LOOPBACK,
        "_temp_dir": folder,
    }


def _connected(options: dict[str, Any]) -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RunnerError("Ray is not installed: pip install 'touchstone[ray]'") from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except Exception as error:  # Ray raises a dozen kinds, and plain RuntimeError and ValueError
        with suppress(Exception):
            ray.shutdown()
        raise RunnerError(f"Ray cannot be reached at {options['address']}: {error}") from error
    try:
        if options["address"] == "local" and _address_of(ray) != LOOPBACK:
            raise RunnerError("Ray was imported before the scan began, and would listen beyond this machine")
        with redirect_stdout(sys.stderr):  # Ray tells there of workers that died; what a command prints is JSON maybe
            yield
    finally:
        ray.shutdown()


def _address_of(ray: Any) -> str:
    return str(ray.util.get_node_ip_address())
