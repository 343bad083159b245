"""How fast do references come in? Acknowledgements one by one, and a batch, with and without the model: to read.

`python -m pytest -s -m measure tests/bench/test_upload_speed.py`
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import grpc
import numpy as np
import pytest

from index.records import Brand
from serving.app import open_application
from serving.server import serving
from serving.settings import Settings
from tests.integration.reference_support import header, parts, small_picture
from tests.integration.support import PATIENCE_S
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

SINGLE, BATCH = 200, 200


@contextmanager
def served(settings: Settings) -> Iterator[BrandServiceStub]:
    """Serve an empty registry with one brand in a thread of its own."""
    ready, finished, ports = threading.Event(), threading.Event(), list[int]()

    async def run() -> None:
        async with serving(application, listen="127.0.0.1:0") as running:
            ports.append(running.port)
            ready.set()
            await asyncio.to_thread(finished.wait)

    with open_application(settings) as application:
        application.store.put_brands([Brand(brand_id="aurora", name="Aurora")])
        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        try:
            assert ready.wait(PATIENCE_S)
            with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
                yield BrandServiceStub(channel)
        finally:
            finished.set()
            thread.join()


@pytest.mark.measure
@pytest.mark.parametrize("embedder", ["fake", "torch"])
def test_upload_speed(tmp_path: Path, embedder: Literal["fake", "torch"]) -> None:
    """Uploads one after the other, each acknowledged and matched; then a batch in one stream, which is faster."""
    pictures = [small_picture(seed, edge=240) for seed in range(SINGLE + BATCH)]
    waits: list[float] = []

    with served(Settings(data_dir=tmp_path, embedder=embedder)) as stub:
        for picture in pictures[:SINGLE]:
            start = time.perf_counter()
            answer = stub.UploadReference(parts(header(), picture), timeout=PATIENCE_S)
            waits.append(time.perf_counter() - start)
            assert answer.results[0].HasField("reference")
        stream = (part for picture in pictures[SINGLE:] for part in parts(header(), picture))
        start = time.perf_counter()
        batch = stub.UploadReference(stream, timeout=PATIENCE_S * 10).results
        seconds = time.perf_counter() - start

    p50, p99 = (1e3 * float(np.percentile(waits, share)) for share in (50, 99))
    print(
        f"\n{embedder}: acknowledged p50 {p50:.0f} ms, p99 {p99:.0f} ms, {SINGLE / sum(waits):.1f} uploads/s one by "
        f"one; {BATCH / seconds:.1f} uploads/s in a batch of {BATCH}"
    )
    assert all(result.HasField("reference") for result in batch)
    assert BATCH / seconds > SINGLE / sum(waits)
