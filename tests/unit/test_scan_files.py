"""Scans read what they may, within limits, from this machine and from storages; nothing leads out of the roots."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from index.errors import CatalogueError
from serving.errors import SettingsError
from serving.scan.blocks import ScanItem
from serving.scan.files import MAX_IMAGE_BYTES, ScanFiles
from serving.scan.places import folder_of, within
from serving.scan.sources import open_source

PHOTO = b"a photo"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root with a photo in it, and a secret beside it."""
    root = tmp_path / "root"
    (root / "photos").mkdir(parents=True)
    (root / "photos" / "a.jpg").write_bytes(PHOTO)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "secret.jpg").write_bytes(b"secret")
    return root


@pytest.fixture
def memory() -> Iterator[str]:
    """Make a folder of a storage in memory, with a photo in it and one beside it."""
    storage, name = fsspec.filesystem("memory"), uuid4().hex
    storage.pipe_file(f"/{name}/root/photos/a.jpg", PHOTO)
    storage.pipe_file(f"/{name}/secret.jpg", b"secret")
    yield f"memory://{name}"
    storage.rm(f"/{name}", recursive=True)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Run an S3 server with a bucket `goods`; give its endpoint."""
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="goods")
        names = ["root/photos/a.jpg", "root/photos/deep er/b%41ü#?.jpg", "secret.jpg", "root2/secret.jpg"]
        for name in names:
            client.put_object(Bucket="goods", Key=name, Body=PHOTO)
        client.put_object(Bucket="goods", Key="root/large.jpg", Body=bytes(MAX_IMAGE_BYTES + 1))
        rows = b'{"listing_id": "x", "images": ["photos/a.jpg", "s3://goods/secret.jpg"]}\n' * 2
        client.put_object(Bucket="goods", Key="root/m.jsonl", Body=rows)
        yield endpoint
    server.stop()


def test_user_reads_what_is_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path, a path from the present folder and a file URL name the same file."""
    monkeypatch.chdir(root)
    files = ScanFiles.of_user()

    assert files.read(str(root / "photos" / "a.jpg")) == PHOTO
    assert files.read("photos/../photos/a.jpg") == PHOTO
    assert files.read(f"file://{root}/photos/a.jpg") == PHOTO


@pytest.mark.parametrize(
    ("location", "error", "says"),
    [
        ("{root}/none.jpg", FileNotFoundError, "no such file"),
        ("{root}/photos", OSError, "no regular file"),
        ("{root}/photos/a.jpg/b.jpg", OSError, "cannot be read"),
        ("{root}/pipe.jpg", OSError, "no regular file"),
        ("/dev/zero", OSError, "no regular file"),
        ("", OSError, "is empty"),
        ("a\0b", OSError, "control character"),
        ("x" * 300, OSError, "cannot be read"),
        ("file://host/a.jpg", OSError, "names a host"),
        ("http://169.254.169.254/latest", OSError, "scheme that is not read"),
        ("simplecache::s3://bucket/a.jpg", OSError, "no such file|cannot be read"),
        ("s3://bucket//a.jpg", OSError, "empty part"),
    ],
)
def test_what_cannot_be_read_is_named(root: Path, location: str, error: type[OSError], says: str) -> None:
    """Whatever is wrong with a location is an OSError with it and the remedy; a pipe or device is never waited for."""
    os.mkfifo(root / "pipe.jpg")
    place = location.format(root=root)

    with pytest.raises(error, match=says) as refused:
        ScanFiles.of_user().read(place)

    assert refused.value.filename == place


def test_reading_stops_at_the_limit(root: Path) -> None:
    """A file of the largest size is read; of one byte more no more than that is ever in memory."""
    path = root / "large.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES)
    assert len(ScanFiles.of_user().read(str(path))) == MAX_IMAGE_BYTES
    os.truncate(path, 2**40)

    with pytest.raises(OSError, match="more than 26,214,400 bytes; compress"):
        ScanFiles.of_user().read(str(path))


@pytest.mark.parametrize(
    "location",
    [
        "{root}/../secret.jpg",
        "{root}/photos/../../secret.jpg",
        "{root}2/secret.jpg",
        "{root}/link.jpg",
        "{root}/out/secret.jpg",
        "{root}/out/root2/secret.jpg",
        "{root}/loop.jpg",
        "file://{root}/../secret.jpg",
        "FILE://{root}/link.jpg",
        "/etc/hostname",
        "/proc/self/environ",
        "{root}/none/../../secret.jpg",
        "{root}/../none.jpg",
        "s3://bucket{root}/photos/a.jpg",
        "memory://{root}/photos/a.jpg",
    ],
)
def test_nothing_leads_out_of_a_root(root: Path, location: str) -> None:
    """Dots, links to files and folders, names that begin like the root's and other schemes are all refused alike."""
    (root / "link.jpg").symlink_to("../secret.jpg")
    (root / "out").symlink_to("..")
    (root / "loop.jpg").symlink_to("loop.jpg")
    files = ScanFiles.of_service([str(root)])

    with pytest.raises(OSError, match=r"outside the folders and buckets|empty part|cannot be read"):
        files.read(location.format(root=root))


def test_links_within_roots_are_followed(root: Path, tmp_path: Path) -> None:
    """What lies in a root may be reached by a link in it, or in another root, or by a root that is a link itself."""
    (root / "same.jpg").symlink_to("photos/a.jpg")
    (tmp_path / "root2" / "there.jpg").symlink_to(root / "photos" / "a.jpg")
    (tmp_path / "alias").symlink_to(root)
    files = ScanFiles.of_service([str(tmp_path / "alias"), str(tmp_path / "root2")])

    names = [root / "same.jpg", tmp_path / "alias/photos/a.jpg", tmp_path / "root2/there.jpg"]
    assert [files.read(str(name)) for name in names] == [PHOTO] * 3


def test_link_put_in_between_is_not_followed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that becomes a link out of the root after it was checked, and before it is opened, is refused."""
    resolve = os.path.realpath

    def swap(path: str) -> str:
        resolved = resolve(path)
        (root / "photos").rename(root / "old")
        (root / "photos").symlink_to("..")
        return resolved

    (root / "photos" / "secret.jpg").write_bytes(PHOTO)
    files = ScanFiles.of_service([str(root)])
    monkeypatch.setattr(os.path, "realpath", swap)

    with pytest.raises(OSError, match="cannot be read"):
        files.read(f"{root}/photos/secret.jpg")


def test_service_without_roots_reads_nothing(root: Path) -> None:
    """Nothing is open until the operator opens it, and what is there is not told."""
    files = ScanFiles.of_service([])

    for name in (root / "photos" / "a.jpg", root / "none.jpg"):
        with pytest.raises(PermissionError, match="scan_roots"):
            files.read(str(name))
        with pytest.raises(CatalogueError, match="scan_roots"):
            open_source(str(name), files)


@pytest.mark.parametrize(
    "text", ["", "s3://", "s3://key:secret@bucket/x", "s3://bucket/x?secret=1", "gs://b/x?endpoint=h", "s3://b/../c"]
)
def test_root_that_is_none_is_refused(text: str) -> None:
    """Unknown options, credentials and URLs without a bucket are told when the service starts."""
    with pytest.raises(SettingsError, match=r"scan_roots.*absolute path"):
        ScanFiles.of_service([text])


def test_storage_of_a_root_is_read(memory: str) -> None:
    """A scheme that a root names is read below it, by a copy in another process as well, and nothing beside it."""
    files = pickle.loads(pickle.dumps(ScanFiles.of_service([f"{memory}/root"])))

    assert files.read(f"{memory}/root/photos/a.jpg") == PHOTO
    assert [entry.name for entry in files.listing(f"{memory}/root/photos")] == ["a.jpg"]
    assert files.is_folder(f"{memory}/root/photos")
    for name in (f"{memory}/secret.jpg", f"{memory}/root2/a.jpg", f"{memory}/root/../secret.jpg"):
        with pytest.raises(OSError, match=r"outside|empty part"):
            files.read(name)


def test_bucket_is_read(s3: str) -> None:
    """Objects are read literally by name and up to the limit, listed by folder, and missing ones are named."""
    files = ScanFiles.of_service([f"s3://goods/root?endpoint={s3}&region=us-east-1"])

    assert files.read("s3://goods/root/photos/deep er/b%41ü#?.jpg") == PHOTO
    assert [(entry.name, entry.is_folder) for entry in files.listing("s3://goods/root/photos")] == [
        ("a.jpg", False),
        ("deep er", True),
    ]
    for name, says in {
        "root/none.jpg": "no such file",
        "root/photos": "is a folder",
        "root/large.jpg": "more than 26,214,400 bytes",
        "root2/secret.jpg": "outside",
        "secret.jpg": "outside",
    }.items():
        with pytest.raises(OSError, match=says):
            files.read(f"s3://goods/{name}")


def test_bucket_holds_sources(s3: str) -> None:
    """A manifest in a bucket names photos beside it and elsewhere; a folder in one is walked."""
    files = ScanFiles.of_service([f"s3://goods/root?endpoint={s3}&region=us-east-1"])

    item, fault = open_source("s3://goods/root/m.jsonl", files).entries()
    photos = list(open_source("s3://goods/root/photos", files).entries())

    assert isinstance(item, ScanItem)
    assert item.images == ("s3://goods/root/photos/a.jpg", "s3://goods/secret.jpg")
    assert fault.line == 2
    assert [photo.listing_id for photo in photos] == ["a", "deep er/b%41ü#?"]


def test_bucket_that_is_not_there_is_named(s3: str) -> None:
    """A wrong bucket is an OSError in one line, which says what to check and holds no key."""
    files = ScanFiles.of_service([f"s3://nowhere/root?endpoint={s3}&region=us-east-1"])

    with pytest.raises(OSError, match="check bucket, endpoint, region and credentials") as refused:
        files.read("s3://nowhere/root/a.jpg")

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("manifest", "name", "location"),
    [
        ("/data/m.jsonl", "img/a.jpg", "/data/img/a.jpg"),
        ("/data/m.jsonl", "/else/a.jpg", "/else/a.jpg"),
        ("/data/m.jsonl", "s3://bucket/a.jpg", "s3://bucket/a.jpg"),
        ("file:///data/m.jsonl", "../a.jpg", "/data/../a.jpg"),
        ("s3://bucket/x/m.jsonl", "img/a.jpg", "s3://bucket/x/img/a.jpg"),
        ("s3://bucket/x/m.jsonl", "../a.jpg", "s3://bucket/a.jpg"),
        ("s3://bucket/m.jsonl", "../../other/a.jpg", "s3://../other/a.jpg"),
    ],
)
def test_names_are_relative_to_their_manifest(manifest: str, name: str, location: str) -> None:
    """A name is looked for beside its manifest; one that climbs out of a bucket is no location any more."""
    assert within(folder_of(manifest), name) == location
