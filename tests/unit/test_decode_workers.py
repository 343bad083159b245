"""Decode workers: the same pixels as in process, and a file that crashes, hangs or starves one costs that one alone."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image as Pillow

from serving.deadline import Deadline
from serving.decoding import PoolDecoder
from serving.errors import DeadlineExceeded, Overloaded
from vision.decode import DecodeLimits, decode
from vision.decoding import shared
from vision.decoding.pool import DecodePool
from vision.decoding.worker import Allowance, Worker
from vision.errors import ImageError, ImageFault, NoDecoder

pytestmark = pytest.mark.skipif(not shared.available(), reason="this system has no sealed shared memory")

ALLOWANCE = Allowance(memory_bytes=256 * 2**20, processor_s=1)
HASTY = replace(ALLOWANCE, clock_s=0.5)

# The real worker, with a decoder that some files do to what a hostile file would.
HOSTILE_CHILD = """
import os, runpy, signal, sys, time
sys.path.insert(0, {root!r})
import vision.decode as real
honest = real.decode
def decode(data, limits):
    if data.startswith(b"SEGV"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if data.startswith(b"GONE"):
        os._exit(0)
    if data.startswith(b"BOMB"):
        try:
            hoard = [bytearray(2**24) for _ in range(10_000)]
        except MemoryError as error:
            raise real.ImageError(real.ImageFault.CORRUPT, "no memory") from error
    while data.startswith(b"LOOP"):
        pass
    if data.startswith(b"HANG"):
        time.sleep(600)
    if data.startswith(b"HALF"):
        os.write(int(sys.argv[1]), b"\\0\\0\\0\\x09{{")
        time.sleep(600)
    if data.startswith(b"HUGE"):
        return real.Image(real.np.zeros((4000, 4000, 3), "u1"), 1, 1, "PNG", "")
    if data.startswith(b"FILE"):
        os.write(os.open({folder!r} + "/written", os.O_CREAT | os.O_WRONLY), b"x")
    return honest(data, limits)
real.decode = decode
runpy.run_path({child!r}, run_name="__main__")
"""


def photo(edge: int = 96, seed: int = 0, kind: str = "JPEG") -> bytes:
    """Encode noise."""
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (edge, edge, 3), dtype=np.uint8)
    Pillow.fromarray(noise).save(stream, kind)
    return stream.getvalue()


def hostile(folder: Path, size: int, allowance: Allowance = ALLOWANCE) -> DecodePool:
    """Make a pool whose workers obey the file that they decode."""
    from vision.decoding import worker

    script = folder / "hostile_child.py"
    root = Path(__file__).parents[2]
    script.write_text(HOSTILE_CHILD.format(root=str(root), child=str(worker.CHILD), folder=str(folder)))
    return DecodePool(size, allowance, start=lambda one: Worker(one, script))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two hostile workers, for all of these tests."""
    with hostile(tmp_path_factory.mktemp("child"), 2) as pool:
        yield pool


@pytest.fixture(autouse=True)
def _leaves_no_zombie() -> Iterator[None]:
    yield
    zombies = [one for one in psutil.Process().children() if one.status() == psutil.STATUS_ZOMBIE]
    assert not zombies


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_worker_gives_what_decoding_here_gives(pool: DecodePool, kind: str) -> None:
    """Pixels, size, format and digest are the same; limits hold there as here."""
    data = photo(700, kind=kind)
    limits = DecodeLimits(working_edge=300)

    there, here = pool.decode(data, limits), decode(data, limits)

    assert np.array_equal(there.pixels, here.pixels)
    assert (there.width, there.height) == (here.width, here.height)
    assert (there.format, there.sha256) == (here.format, here.sha256)


@pytest.mark.parametrize("data", [b"", b"no image", photo()[:300], photo(edge=8)])
def test_faults_are_those_of_decoding_here(pool: DecodePool, data: bytes) -> None:
    """A refused file has the fault and message that it has without workers."""
    with pytest.raises(ImageError) as here:
        decode(data)
    with pytest.raises(ImageError) as there:
        pool.decode(data)

    assert (there.value.fault, str(there.value)) == (here.value.fault, str(here.value))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (b"SEGV", "was ended by SIGSEGV"),
        (b"GONE", "ended with code 0"),
        (b"BOMB", "more than 256 MiB of memory"),
        (b"LOOP", "more than 1 s of a processor"),
        (b"HUGE", "what is no image"),
        (b"HALF", "stopped answering"),
    ],
)
def test_a_hostile_file_costs_one_worker_and_gets_its_own_fault(pool: DecodePool, command: bytes, told: str) -> None:
    """The file is answered with DECODER_FAILED and what happened; the next ones are decoded by as many workers."""
    before, lost = set(pool.pids), pool.lost

    with pytest.raises(ImageError, match=told) as refused:
        pool.decode(command + photo())

    assert refused.value.fault is ImageFault.DECODER_FAILED
    assert pool.lost == lost + 1
    assert len(pool.pids) == 2
    assert len(before & set(pool.pids)) == 1
    for seed in range(4):
        assert pool.decode(photo(seed=seed)).width == 96


def test_a_worker_that_hangs_without_working_is_killed(tmp_path: Path) -> None:
    """A decoder that sleeps takes no processor time, and is given up by the clock."""
    with hostile(tmp_path, 1, HASTY) as pool:
        with pytest.raises(ImageError, match=r"longer than 0\.5 s"):
            pool.decode(b"HANG" + photo())
        assert pool.lost == 1
        assert len(pool.pids) == 1


def test_a_file_cannot_make_a_worker_write_files(tmp_path: Path) -> None:
    """A decoder that was taken over can write no file; here it dies of trying."""
    with hostile(tmp_path, 1) as pool, pytest.raises(ImageError) as refused:
        pool.decode(b"FILE" + photo())

    assert refused.value.fault is ImageFault.DECODER_FAILED
    assert (tmp_path / "written").stat().st_size == 0


def test_the_photos_beside_a_hostile_one_are_decoded_elsewhere(pool: DecodePool) -> None:
    """While one file loops, those of other callers go on in the other worker."""
    with ThreadPoolExecutor(4) as callers:
        looping = callers.submit(pool.decode, b"LOOP" + photo())
        others = [callers.submit(pool.decode, photo(seed=seed)) for seed in range(12)]

        assert [other.result(20).height for other in others] == [96] * 12
        assert isinstance(looping.exception(20), ImageError)


def test_a_worker_killed_between_two_images_costs_nothing(pool: DecodePool) -> None:
    """Whoever comes upon workers that were killed idle is given to new ones."""
    pool.decode(photo())
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
        psutil.Process(pid).wait(5)

    assert pool.decode(photo(seed=9)).width == 96
    assert len(pool.pids) == 2


def test_who_finds_no_free_worker_is_told_in_time(tmp_path: Path) -> None:
    """A call waits for a worker as long as its deadline, and an idle service has no deadline to miss."""
    with hostile(tmp_path, 1) as pool, ThreadPoolExecutor(1) as callers:
        decoder = PoolDecoder(pool)
        decoder(photo())
        looping = callers.submit(pool.decode, b"LOOP" + photo())
        while looping.running() and pool._idle:  # until it has the only worker
            time.sleep(0.01)

        with pytest.raises(DeadlineExceeded):
            decoder(photo(), deadline=Deadline.after(0.05))
        with pytest.raises(NoDecoder, match="free in time"):
            pool.decode(photo(), within_s=0.05)
        assert isinstance(looping.exception(20), ImageError)


def test_closing_ends_every_process_also_one_at_work(tmp_path: Path) -> None:
    """Idle workers end, one that loops is killed, and no process, not even a zombie, is left."""
    pool = hostile(tmp_path, 2)
    pool.decode(photo())
    pids = pool.pids
    failed: list[BaseException] = []

    def loop() -> None:
        try:
            pool.decode(b"HANG" + photo())
        except NoDecoder as error:
            failed.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    while len(pool._idle) == 2:
        time.sleep(0.01)

    pool.close()

    thread.join(5)
    assert len(failed) == 1
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(Overloaded, match="shut down"):
        PoolDecoder(pool)(photo())


def test_workers_end_when_the_service_is_killed(tmp_path: Path) -> None:
    """A service that dies by SIGKILL leaves no worker behind: they read the end of their connection."""
    import subprocess
    import sys

    program = (
        "import time; from vision.decoding.pool import DecodePool\n"
        "pool = DecodePool(2); print(*pool.pids, flush=True); time.sleep(600)"
    )
    service = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert service.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in service.stdout.readline().split()]

    service.kill()
    service.communicate()

    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert (len(gone), alive) == (2, [])


def test_pixels_do_not_change_when_the_next_image_is_decoded(pool: DecodePool) -> None:
    """What was given out is the caller's: the shared memory is overwritten by the next image."""
    with hostile_free() as single:
        first = single.decode(photo(seed=1))
        kept = first.pixels.copy()
        single.decode(photo(seed=2))

    assert np.array_equal(first.pixels, kept)


def hostile_free() -> DecodePool:
    """Make a pool of one ordinary worker."""
    return DecodePool(1, ALLOWANCE)


def test_a_pool_that_cannot_start_says_so_and_recovers(tmp_path: Path) -> None:
    """Where no process can be started, an image is refused for now, and decoded once there is room again."""
    full = [False]

    def start(allowance: Allowance) -> Worker:
        if full[0]:
            raise OSError("no room for another process")
        return Worker(allowance)

    with DecodePool(1, ALLOWANCE, start=start) as pool:
        pool.decode(photo())
        full[0] = True
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        psutil.Process(pid).wait(5)
        with pytest.raises(NoDecoder, match="can be started"):
            pool.decode(photo(), within_s=5)
        full[0] = False

        assert pool.decode(photo()).width == 96
