"""The networks in a real Triton server give the same answers, or say why not, while the server comes and goes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from serving.app import open_application
from serving.cli.main import touchstone
from serving.settings import Settings
from serving.status import to_status
from tests.integration.support import PATIENCE_S
from tests.support.triton import TritonServer, find_wheel, triton_server
from vision.clip import load_embedder
from vision.embedder import Embedder
from vision.errors import ModelError, ModelUnavailable
from vision.finder import load_finder
from vision.forward import choose_path
from vision.networks import DEFAULT_MODEL, load_network
from vision.triton.connection import Connection, Server
from vision.triton.embedder import TritonEmbedder
from vision.triton.finder import TritonFinder
from vision.triton.naming import BOXES, IMAGES, MARKS

BATCH = 4


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the model repository of the shipped model by the command."""
    find_wheel()
    folder = tmp_path_factory.mktemp("models")
    arguments = ["export-triton", str(folder), "--batch-size", str(BATCH), "--threads", "1"]
    done = CliRunner().invoke(touchstone, ["--json", *arguments])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """Serve it."""
    with triton_server(repository, tmp_path_factory.mktemp("triton")) as server:
        yield server


def crops(count: int) -> list[NDArray[np.uint8]]:
    """Draw noise of several sizes."""
    random = np.random.default_rng(0)
    sizes = random.integers(1, 400, (count, 2))
    return [random.integers(0, 256, (height, width, 3), np.uint8) for height, width in sizes]


def embedder(server: TritonServer, **options: object) -> TritonEmbedder:
    """Connect to a server as a service does."""
    connection = Connection(replace(Server(url=server.url), **options))  # type: ignore[arg-type]
    return TritonEmbedder(load_network(DEFAULT_MODEL, downloads=False), connection)


@pytest.mark.parametrize("shared_memory", [True, False], ids=["shared memory", "bytes"])
def test_answers_are_those_of_the_networks_here(
    server: TritonServer, shared_memory: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Vectors of photos and marks, and boxes, are bit for bit what the same weights give without a server."""
    here, finder = load_embedder(device="cpu", batch_size=BATCH), load_finder()
    there = embedder(server, shared_memory=shared_memory)
    looks = TritonFinder(Connection(Server(url=server.url, shared_memory=shared_memory)))
    photos = crops(2 * BATCH + 1)

    np.testing.assert_array_equal(there.embed(photos), here.embed(photos))
    np.testing.assert_array_equal(there.embed_marks(photos), here.embed_marks(photos))
    assert looks.find(photos[:BATCH]) == finder.find(photos[:BATCH])
    assert there.fingerprint == here.fingerprint
    assert there.forwards == pytest.approx(here.forwards)
    assert looks.find([]) == []
    assert not caplog.records  # nothing fell back from shared memory to bytes


def test_networks_run_there_as_they_do_here(server: TritonServer) -> None:
    """The server's log says by which path each network runs: by default the one of a service's own process."""
    said = re.findall(r"(\w+) of \S+ on cpu by (\w+), CPU threads: 1", server.log.read_text())

    assert sorted(said) == [(role, choose_path("auto", "cpu")) for role in (BOXES, IMAGES, MARKS)]


def test_what_waits_is_begun_as_soon_as_the_network_is_free(server: TritonServer) -> None:
    """Of two batches at once the second waits for the first, and no longer: the server is not idle meanwhile."""
    there = embedder(server)
    client = there._connection._channels[0].client

    def spent_s() -> tuple[float, float]:
        (model,) = client.get_inference_statistics(there._images.name).model_stats
        stats = model.inference_stats
        return stats.queue.ns / 1e9, stats.compute_infer.ns / 1e9

    before = spent_s()
    for _ in range(4):
        there.embed(crops(2 * BATCH))
    waited, computed = (after - since for after, since in zip(spent_s(), before, strict=True))

    assert computed > 0
    assert waited < computed + 0.5  # half a second was lost in almost every round


def test_a_server_of_other_weights_is_refused(server: TritonServer) -> None:
    """A model of the same name with other weights is not in the server, and the message names what is."""
    other = replace(load_network(DEFAULT_MODEL, downloads=False), weights_sha256="0" * 64)

    with pytest.raises(ModelError, match=r"does not serve images of touchstone-s@\w{12}: it has .*touchstone-s-5f8e1f"):
        TritonEmbedder(other, Connection(Server(url=server.url)))


def test_who_does_not_get_an_answer_in_time_is_told(server: TritonServer) -> None:
    """A time too short for a batch ends with UNAVAILABLE, which names the setting, and spoils nothing after it."""
    there = embedder(server)
    hurried = embedder(server)
    # Only now, for to find the models took longer.
    hurried._connection._server = replace(hurried._connection._server, timeout_s=0.003)

    with pytest.raises(ModelUnavailable, match="triton_timeout_s") as late:
        hurried.embed(crops(4 * BATCH))

    assert to_status(late.value).code == 14
    expected = load_embedder(device="cpu", batch_size=BATCH).embed(crops(3))
    np.testing.assert_allclose(there.embed(crops(3)), expected, atol=1e-5)


def test_the_service_runs_on_it(server: TritonServer, tmp_path: Path) -> None:
    """With the setting `embedder: triton` the canary passes decoding, finding, embedding and search."""
    settings = Settings(data_dir=tmp_path, embedder="triton", triton_url=server.url, index_backend="exact")

    with open_application(settings) as application:
        application.check()

        assert application.embedder.forwards > 1  # a look for marks, and the whole photo at least


def test_an_installation_without_its_server_says_so(tmp_path: Path) -> None:
    """Where nobody listens the service does not start, and the message says which address and setting."""
    settings = Settings(data_dir=tmp_path, embedder="triton", triton_url="127.0.0.1:9", triton_timeout_s=1.0)

    with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1:9.*triton_url") as away, open_application(settings):
        pass

    assert to_status(away.value).code == 14


def test_a_server_that_comes_back_is_used_again(server: TritonServer, repository: Path, tmp_path: Path) -> None:
    """Who asks while the server is away gets UNAVAILABLE; started anew it answers, though it knows no shared memory.

    The last test here, for it kills the server of the others.
    """
    there = embedder(server, timeout_s=2.0)
    before = there.embed(crops(3))
    server.kill()
    with pytest.raises(ModelUnavailable):
        there.embed(crops(3))

    port = int(server.url.rpartition(":")[2])
    with triton_server(repository, tmp_path, roles=[IMAGES], port=port):
        np.testing.assert_array_equal(_answered(there), before)


def _answered(there: Embedder) -> NDArray[np.float32]:
    """Ask until there is an answer: a channel tries to connect once a second, and until then a call fails at once."""
    given_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return there.embed(crops(3))
        except ModelUnavailable:
            if time.monotonic() > given_up:
                raise
        time.sleep(0.2)
