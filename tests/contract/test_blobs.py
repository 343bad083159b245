"""Every blob store keeps files by content, loses none to a collector, and gives back only what was kept.

Written once; each backend passes it: a folder, and a bucket of moto's S3 server on this machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from index.blob_upkeep import GRACE, collect, copy, faults
from index.blobs import BlobShelf, digest_of, open_blobs
from index.errors import BlobDamaged, BlobError, BlobMissing
from index.local_blobs import LocalBlobs
from index.s3_blobs import S3Blobs

FILE, OTHER = b"a mark\x00\xff" * 1_000, b"another mark"
NOTHING_NAMED: Callable[[Collection[str]], Collection[str]] = lambda _: ()  # noqa: E731 - a value, as tests pass it
LONG_AGO = timedelta(days=9)
ROUNDS = 30


class BlobContract:
    """What holds for every blob store. A subclass gives the fixtures `place`, `long_ago` and `damage`."""

    @pytest.fixture
    def shelf(self, place: str) -> BlobShelf:
        """Open the store."""
        return open_blobs(place)

    def test_file_comes_back_under_its_digest(self, shelf: BlobShelf) -> None:
        """What was put is given back, byte for byte, by its sha256; an empty file and a large one likewise."""
        files = (FILE, b"", os.urandom(3 * 2**20))

        names = [shelf.put(content) for content in files]

        assert names == [digest_of(content) for content in files]
        assert [shelf.get(name) for name in names] == list(files)

    def test_same_content_is_kept_once(self, shelf: BlobShelf) -> None:
        """Putting a file again changes nothing, and the walk meets it once."""
        shelf.put(FILE)
        shelf.put(OTHER)

        shelf.put(FILE)

        assert sorted(blob.sha256 for blob in shelf.blobs()) == sorted([digest_of(FILE), digest_of(OTHER)])
        assert {blob.size for blob in shelf.blobs()} == {len(FILE), len(OTHER)}

    @pytest.mark.parametrize("name", ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 63])
    def test_what_is_not_there_is_missing(self, shelf: BlobShelf, name: str) -> None:
        """An unknown digest, and what is no digest at all, is missing; nothing else of the machine is read."""
        shelf.put(FILE)

        with pytest.raises(BlobMissing):
            shelf.get(name)

        assert not shelf.discard(name, before=datetime.max.replace(tzinfo=UTC))

    def test_damaged_file_is_refused(self, shelf: BlobShelf, damage: Callable[[str], None]) -> None:
        """Bytes that are not those that were kept are never given out, and verification names the file."""
        name = shelf.put(FILE)
        shelf.put(OTHER)

        damage(name)

        with pytest.raises(BlobDamaged, match=name):
            shelf.get(name)
        assert [blob.sha256 for blob, fault in faults(shelf) if fault] == [name]

    def test_collector_takes_only_what_is_old_and_unnamed(
        self, shelf: BlobShelf, long_ago: Callable[[bytes], None]
    ) -> None:
        """Of old files the unnamed one goes; a new one stays though nothing names it; a dry run takes nothing."""
        named, useless, new = b"named", b"useless", b"new"
        long_ago(named)
        long_ago(useless)
        shelf.put(new)
        keeps = frozenset({digest_of(named)})

        dry = collect(shelf, keeps.intersection, dry_run=True)
        done = collect(shelf, keeps.intersection)

        assert (dry.kept, dry.deleted, dry.freed_bytes) == (done.kept, done.deleted, done.freed_bytes) == (2, 1, 7)
        assert {blob.sha256 for blob in shelf.blobs()} == {digest_of(named), digest_of(new)}
        with pytest.raises(BlobMissing):
            shelf.get(digest_of(useless))

    def test_upload_between_listing_and_deletion_keeps_its_file(
        self, shelf: BlobShelf, long_ago: Callable[[bytes], None]
    ) -> None:
        """A file put again after the collector found it old and unnamed stays: its reference is about to come."""
        long_ago(FILE)

        def asked(_: Collection[str]) -> Collection[str]:
            shelf.put(FILE)  # the upload arrives; its reference is not on record yet
            return ()

        done = collect(shelf, asked)

        assert done.deleted == 0
        assert shelf.get(digest_of(FILE)) == FILE

    def test_upload_at_the_moment_of_deletion_keeps_its_file(
        self, shelf: BlobShelf, long_ago: Callable[[bytes], None]
    ) -> None:
        """However a put and two collectors meet, the file is there when the put has returned."""
        for number in range(ROUNDS):
            content = b"round %d" % number
            long_ago(content)
            ready = threading.Barrier(3)

            def discarding(name: str = digest_of(content), ready: threading.Barrier = ready) -> None:
                ready.wait()
                shelf.discard(name, before=datetime.now(UTC) - GRACE)

            collectors = [threading.Thread(target=discarding) for _ in range(2)]
            for collector in collectors:
                collector.start()
            ready.wait()
            name = shelf.put(content)
            found = shelf.get(name)
            for collector in collectors:
                collector.join()

            assert found == shelf.get(name) == content

    def test_all_files_move_to_another_store(self, shelf: BlobShelf, tmp_path: Path) -> None:
        """A copy has every sound file; copying twice adds nothing."""
        names = {shelf.put(FILE), shelf.put(OTHER)}
        target = LocalBlobs(tmp_path / "copy")

        first, second = ([fault for _, fault in copy(shelf, target)] for _ in range(2))

        assert first == second == ["", ""]
        assert {blob.sha256 for blob in target.blobs()} == names


class TestLocalBlobs(BlobContract):
    """A folder."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        """Name a folder that is not there yet."""
        return str(tmp_path / "data" / "blobs")

    @pytest.fixture
    def long_ago(self, place: str) -> Callable[[bytes], None]:
        """Give what puts a file and lets it grow old."""

        def put(content: bytes) -> None:
            name = LocalBlobs(Path(place)).put(content)
            then = (datetime.now(UTC) - LONG_AGO).timestamp()
            os.utime(Path(place) / name[:2] / name, (then, then))

        return put

    @pytest.fixture
    def damage(self, place: str) -> Callable[[str], None]:
        """Give what cuts a file short."""
        return lambda name: os.truncate(Path(place) / name[:2] / name, 100)

    def test_damaged_file_is_mended_by_putting_it_again(self, shelf: BlobShelf, damage: Callable[[str], None]) -> None:
        """Whoever still has the original puts it again, and it is whole."""
        name = shelf.put(FILE)
        damage(name)

        shelf.put(FILE)

        assert shelf.get(name) == FILE

    def test_only_the_owner_may_read(self, shelf: BlobShelf, place: str) -> None:
        """Files and folders are closed to others, whatever the umask."""
        before = os.umask(0)
        try:
            name = shelf.put(FILE)
        finally:
            os.umask(before)

        folders = (Path(place), Path(place) / name[:2])
        assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
        assert (folders[1] / name).stat().st_mode & 0o777 == 0o600

    def test_folder_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        """The message names the place and what to do."""
        (tmp_path / "file").write_text("in the way")

        with pytest.raises(BlobError, match=r"file/blobs.*make the folder writable"):
            LocalBlobs(tmp_path / "file" / "blobs").put(FILE)

    def test_killed_writer_leaves_no_half_file(self, place: str) -> None:
        """Writers killed at many moments leave nothing under a final name that is not whole, and block nobody."""
        for number in range(8):
            writer = subprocess.Popen([sys.executable, "-c", _WRITER, place], stdout=subprocess.PIPE)
            assert writer.stdout is not None
            acknowledged = [writer.stdout.readline() for _ in range(1 + 3 * number)]
            writer.send_signal(signal.SIGKILL)
            acknowledged += writer.stdout.read().splitlines(keepends=True)
            writer.wait()

            whole = [line.strip().decode() for line in acknowledged if line.endswith(b"\n")]
            for name in whole:
                LocalBlobs(Path(place)).get(name)

        assert [fault for _, fault in faults(LocalBlobs(Path(place))) if fault] == []
        assert LocalBlobs(Path(place)).put(FILE) == digest_of(FILE)


_WRITER = """
import os, sys
from pathlib import Path
from index.local_blobs import LocalBlobs
blobs = LocalBlobs(Path(sys.argv[1]))
while True:
    print(blobs.put(os.urandom(300_000)), flush=True)
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Run an S3 server on a free port of this machine; give its endpoint."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class TestS3Blobs(BlobContract):
    """A bucket, in a folder of it."""

    @pytest.fixture
    def place(self, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        """Make an empty bucket of the test's own, and credentials in the environment."""
        import boto3

        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        bucket = digest_of(str(tmp_path).encode())[:32]
        boto3.client("s3", endpoint_url=s3, region_name="us-east-1").create_bucket(Bucket=bucket)
        return f"s3://{bucket}/touchstone/files?endpoint={s3}&region=us-east-1"

    @pytest.fixture
    def long_ago(self, place: str) -> Callable[[bytes], None]:
        """Give what puts a file on a day gone by."""
        earlier = S3Blobs.at(place, now=lambda: datetime.now(UTC) - LONG_AGO)

        def put(content: bytes) -> None:
            earlier.put(content)

        return put

    @pytest.fixture
    def damage(self, place: str, s3: str) -> Callable[[str], None]:
        """Give what writes other bytes of the same length over a file."""
        import boto3

        client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")

        def overwrite(name: str) -> None:
            bucket = place.removeprefix("s3://").partition("/")[0]
            for found in client.list_objects_v2(Bucket=bucket)["Contents"]:
                if name in found["Key"]:
                    client.put_object(Bucket=bucket, Key=found["Key"], Body=bytes(found["Size"]))

        return overwrite

    def test_file_of_many_days_goes_only_when_its_last_day_is_old(
        self, place: str, shelf: BlobShelf, long_ago: Callable[[bytes], None]
    ) -> None:
        """Put on an old day and today, a file counts as put today; only the old copy may go."""
        long_ago(FILE)
        shelf.put(FILE)

        gone = shelf.discard(digest_of(FILE), before=datetime.now(UTC) - GRACE)

        assert not gone
        assert [blob.sha256 for blob in shelf.blobs()] == [digest_of(FILE)]
        assert shelf.get(digest_of(FILE)) == FILE

    def test_unreachable_bucket_is_told(self, place: str) -> None:
        """A bucket that is not there is an error that names it, and no credentials."""
        nowhere = open_blobs(place.replace("s3://", "s3://no-"))

        with pytest.raises(BlobError, match=r"s3://no-.*check bucket"):
            nowhere.put(FILE)


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "s3://", "s3://bucket/x?secret=1", "s3://user@bucket/x", "gs://bucket/x"],
)
def test_place_that_is_none_is_refused(url: str) -> None:
    """A URL of another scheme, without a bucket, with unknown options or with credentials is refused by name."""
    with pytest.raises(BlobError, match="no place for blobs"):
        open_blobs(url)
