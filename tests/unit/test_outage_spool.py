"""What was kept for the store is there after any crash, once, and nothing else is."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from index.errors import KeyReused
from serving.errors import NotKept
from serving.outage.set_aside import REFUSED, SetAside
from serving.outage.spool import Spool
from serving.outage.spool_file import SpoolFile
from serving.outage.spooled import from_line, to_line
from tests.support.waiting import NOON, a_recording, same

MIB = 2**20


@contextmanager
def _spool(folder: Path, *, most_bytes: int = MIB) -> Iterator[Spool]:
    with closing(Spool(folder, most_bytes=most_bytes)) as spool:
        yield spool


def _ids(spool: Spool) -> list[str]:
    """Take everything out, in order."""
    ids = []
    while batch := spool.first(1):
        (waiting,) = batch
        assert waiting.recording().record.decision_id == waiting.decision_id
        ids.append(waiting.decision_id)
        spool.done(waiting)
    return ids


def _unexpected(start: int, line: bytes) -> None:
    pytest.fail(f"damaged at {start}: {line!r}")


def test_a_recording_is_read_as_it_was_written() -> None:
    """Bytes, times, vectors and figures come back as they were, on one line."""
    recording = a_recording("d1", key="k")

    line = to_line(recording)

    assert b"\n" not in line
    assert same(from_line(line), recording)


def test_a_line_that_is_none_says_what_is_wrong_but_not_what_it_holds() -> None:
    """Nobody's listing is told in an error."""
    line = to_line(a_recording("d1")).replace(b'"format":1', b'"format":9').replace(b"Acme", b"Secret")

    with pytest.raises(ValueError, match="format") as refused:
        from_line(line)

    assert "Secret" not in str(refused.value)


def test_what_waits_is_known_by_id_key_and_listing(tmp_path: Path) -> None:
    """Until it is done, and not longer; the file is empty then."""
    with _spool(tmp_path) as spool:
        spool.put(a_recording("d1", key="k", listing_id="l"))

        found = [spool.of_id("d1"), spool.of_key("k", "00" * 32)]
        held, size = spool.holds("l"), spool.size
        with pytest.raises(KeyReused):
            spool.of_key("k", "11" * 32)
        ids = _ids(spool)

        assert [record.decision_id for record in found if record] == ["d1", "d1"]
        assert held
        assert size
        assert ids == ["d1"]
        assert (spool.of_id("d1"), spool.of_key("k", "00" * 32), spool.holds("l"), spool.size) == (None, None, False, 0)


def test_the_same_request_waits_once(tmp_path: Path) -> None:
    """A second decision under a key is not kept: the first one is given."""
    with _spool(tmp_path) as spool:
        first = spool.put(a_recording("d1", key="k"))
        second = spool.put(a_recording("d2", key="k"))

        assert first == second
        assert _ids(spool) == ["d1"]


def test_what_a_process_left_is_taken_up_in_order(tmp_path: Path) -> None:
    """After an end, orderly or not; the file goes when nothing of it waits any more."""
    with _spool(tmp_path) as spool:
        for number in range(5):
            spool.put(a_recording(f"d{number}"))
        (first,) = spool.first(1)
        spool.done(first)

    with _spool(tmp_path) as spool:
        assert spool.adopt() == 5  # what was done is not written down: who records asks the store
        assert _ids(spool) == [f"d{number}" for number in range(5)]
        assert list(tmp_path.iterdir()) == []


def test_a_running_process_keeps_its_file(tmp_path: Path) -> None:
    """Another one on the same folder takes up nothing of it."""
    with _spool(tmp_path) as mine, _spool(tmp_path) as other:
        mine.put(a_recording("d1"))
        other.put(a_recording("d2"))

        assert other.adopt() == 0
        assert _ids(mine) == ["d1"]
        assert _ids(other) == ["d2"]


@pytest.mark.parametrize("lost", [1, 30, 64, 65, 66, 500])
def test_a_torn_end_is_cut_off(tmp_path: Path, lost: int) -> None:
    """However much of the last line a power cut took: the others are there, and new ones follow."""
    with _spool(tmp_path) as spool:
        spool.put(a_recording("d1"))
        spool.put(a_recording("d2"))
        (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - lost)

    with _spool(tmp_path) as spool:
        spool.adopt()
        spool.put(a_recording("d3"))
        assert _ids(spool) == ["d1", "d3"]


def test_a_damaged_line_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One flipped bit costs its line, whose bytes are kept for whoever looks into it, and the log says so."""
    with _spool(tmp_path) as spool:
        for number in range(3):
            spool.put(a_recording(f"d{number}"))
        (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with _spool(tmp_path) as spool:
        spool.adopt()
        assert _ids(spool) == ["d0", "d2"]
        assert spool.set_aside.count() == 1
    assert "damaged" in caplog.text
    assert not path.exists()
    (kept,) = (tmp_path / REFUSED).iterdir()
    assert kept.suffix == ".damaged"
    assert kept.read_bytes() == content.splitlines(keepends=True)[1]


def test_a_line_of_another_release_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whole, so that the release that can read it takes it up from there."""
    newer = to_line(a_recording("d1")).replace(b'"format":1', b'"format":9')
    with closing(SpoolFile(tmp_path / "left.jsonl")) as file:
        file.append(newer)
        file.append(to_line(a_recording("d2")))

    with _spool(tmp_path) as spool:
        assert spool.adopt() == 1
        assert _ids(spool) == ["d2"]
    assert "cannot be used" in caplog.text
    (kept,) = (tmp_path / REFUSED).glob("*.jsonl")
    with closing(SpoolFile(kept)) as aside:
        assert [aside.read(span) for span in aside.recover(_unexpected)] == [newer]


def test_a_file_is_not_let_go_before_its_bad_lines_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room to set one aside nothing of the file is taken up; when there is room again, all of it is."""
    with closing(SpoolFile(tmp_path / "left.jsonl")) as file:
        file.append(b"no decision")
        file.append(to_line(a_recording("d1")))

    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    with _spool(tmp_path) as spool:
        with monkeypatch.context() as disk:
            disk.setattr(SetAside, "keep", full)
            assert spool.adopt() == 0
        assert (tmp_path / "left.jsonl").stat().st_size
        assert spool.adopt() == 1
        assert _ids(spool) == ["d1"]
    assert SetAside(tmp_path).count() == 1


def test_the_longest_wait_is_known(tmp_path: Path) -> None:
    """Also when what an earlier process left is older than what came since."""
    with _spool(tmp_path) as spool:
        older = a_recording("d1")
        spool.put(replace(older, record=replace(older.record, create_time=NOON - timedelta(hours=1))))

    with _spool(tmp_path) as spool:
        assert spool.oldest is None
        spool.put(a_recording("d2"))
        assert spool.oldest == NOON
        spool.adopt()
        assert spool.oldest == NOON - timedelta(hours=1)


def test_a_full_spool_takes_no_more(tmp_path: Path) -> None:
    """What was kept stays, and there is room again once it is recorded."""
    size = len(to_line(a_recording("d0"))) + 66
    with _spool(tmp_path, most_bytes=2 * size) as spool:
        spool.put(a_recording("d0"))
        spool.put(a_recording("d1"))
        with pytest.raises(NotKept, match="wait for the store"):
            spool.put(a_recording("d2"))

        assert _ids(spool) == ["d0", "d1"]
        spool.put(a_recording("d2"))
        assert _ids(spool) == ["d2"]


# Fills the disk, as the limit on a file's size does, while decisions are kept; prints those that were.
_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from serving.errors import NotKept
from serving.outage.spool import Spool
from tests.support.waiting import a_recording

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), most_bytes=2**20)
for number in range(20):
    try:
        spool.put(a_recording(f"d{number}"))
        print(f"d{number}")
    except NotKept:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000 + 2_500 * number, resource.RLIM_INFINITY))
"""


def test_a_full_disk_costs_only_what_does_not_fit(tmp_path: Path) -> None:
    """What was acknowledged before, between and after is there whole."""
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    acknowledged = done.stdout.split()

    with _spool(tmp_path) as spool:
        spool.adopt()
        assert _ids(spool) == acknowledged
    assert 0 < len(acknowledged) < 20
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10_000  # of that process alone


def test_many_threads_keep_at_once(tmp_path: Path) -> None:
    """Each is on disk when its call returns, also while others are recorded."""
    stop, recorded = threading.Event(), list[str]()

    def record(spool: Spool) -> None:
        while not (stop.is_set() and len(spool) == 0):
            recorded.extend(_ids(spool))

    with _spool(tmp_path) as spool, ThreadPoolExecutor(9) as pool:
        recording = pool.submit(record, spool)
        kept = list(pool.map(lambda number: spool.put(a_recording(f"d{number}")).decision_id, range(200)))
        stop.set()
        recording.result()

        assert sorted(recorded) == sorted(kept)
        assert spool.size == 0


def test_what_is_taken_at_once_is_of_different_listings(tmp_path: Path) -> None:
    """A listing's second decision waits for its first."""
    with _spool(tmp_path) as spool:
        for number, listing_id in enumerate("aabca"):
            spool.put(a_recording(f"d{number}", listing_id=listing_id))

        assert [waiting.decision_id for waiting in spool.first(2)] == ["d0", "d2"]
        assert [waiting.decision_id for waiting in spool.first(9)] == ["d0", "d2", "d3"]
        spool.done(spool.first(1)[0])
        assert [waiting.decision_id for waiting in spool.first(9)] == ["d1", "d2", "d3"]


def test_what_cannot_be_recorded_is_put_aside(tmp_path: Path) -> None:
    """It lies in a file of its own, whole, and does not hold up the others."""
    with _spool(tmp_path) as spool:
        spool.put(a_recording("d1"))
        (waiting,) = spool.first(1)

        spool.refuse(waiting, "the store does not want it")

        assert not spool.first(1)
    with closing(SpoolFile(tmp_path / REFUSED / "d1.jsonl")) as aside:
        (span,) = aside.recover(_unexpected)
        assert same(from_line(aside.read(span)), a_recording("d1"))
