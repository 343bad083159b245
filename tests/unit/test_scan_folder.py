"""A folder of photos is a source: one listing a photo, in an order that never changes, whatever else lies there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from index.errors import CatalogueError
from serving.scan.blocks import ScanFault, ScanItem
from serving.scan.files import ScanFiles
from serving.scan.filter import ScanFilter
from serving.scan.folder import FolderSource
from serving.scan.sources import open_source


def folder_of(root: Path, *names: str) -> FolderSource:
    """Make a folder with files of these names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    source = open_source(str(root), ScanFiles.of_user())
    assert isinstance(source, FolderSource)
    return source


def test_each_photo_is_a_listing_by_name(tmp_path: Path) -> None:
    """Photos of all formats and subfolders come in order of names; what is none is counted."""
    names = ["b.JPG", "a/z.png", "a/y/x.webp", "c.avif", "notes.txt", "a/.hidden.jpg", ".git/x.jpg", "m.jsonl", "d"]

    source = folder_of(tmp_path, *names)

    entries = list(source.entries())
    assert [(entry.line, entry.listing_id) for entry in entries] == [(1, "a/y/x"), (2, "a/z"), (3, "b"), (4, "c")]
    assert isinstance(entries[2], ScanItem)
    assert entries[2].images == (f"{tmp_path}/b.JPG",)
    assert source.skipped == 4
    assert list(source.entries()) == entries


def test_photos_that_would_share_an_id_keep_their_suffix(tmp_path: Path) -> None:
    """Names that differ in their suffix only stay apart, also from a photo whose stem is another's whole name."""
    source = folder_of(tmp_path, "a.jpg", "a.png", "a.jpg.png", "b.jpg", "c/b.jpg", "a.jpg.txt")

    assert [entry.listing_id for entry in source.entries()] == ["a.jpg", "a.jpg.png", "a.png", "b", "c/b"]


def test_links_and_loops_end(tmp_path: Path) -> None:
    """A link to a photo is one; a link to a folder is not walked."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    (tmp_path / "in" / "again.jpg").symlink_to("../a.jpg")

    source = folder_of(tmp_path, "a.jpg")

    assert [entry.listing_id for entry in source.entries()] == ["a", "in/again"]


def test_name_that_is_no_id_is_a_fault(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, a space at an end, a line break and a path of over 256 characters are named."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).write_bytes(b"")

    source = folder_of(tmp_path, "good.jpg", " a.jpg", "b\nc.jpg", "d" * 200 + "/" + "e" * 60 + ".jpg")

    entries = list(source.entries())
    faults = [entry for entry in entries if isinstance(entry, ScanFault)]
    assert [entry.listing_id for entry in entries if isinstance(entry, ScanItem)] == ["good"]
    assert [entry.line for entry in entries] == [1, 2, 3, 4, 5]
    assert all(fault.message.endswith("rename the file") for fault in faults)
    assert [
        next(word for word in ("space", "control", "characters", "UTF-8") if word in fault.message) for fault in faults
    ] == ["space", "control", "characters", "UTF-8"]


def test_folder_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    """A folder that disappears while its neighbours are read is named where its photos would be."""
    source = folder_of(tmp_path, "a.jpg", "b/c.jpg", "d.jpg")

    entries = source.entries()
    first = next(entries)
    (tmp_path / "b" / "c.jpg").unlink()
    (tmp_path / "b").rmdir()

    fault, last = entries
    assert (first.listing_id, last.listing_id) == ("a", "d")
    assert isinstance(fault, ScanFault)
    assert (fault.line, "the folder 'b/' cannot be read" in fault.message) == (2, True)


def test_digest_changes_with_the_photos_only(tmp_path: Path) -> None:
    """Another file leaves the digest; a photo renamed, changed in size or written later changes it."""
    first = folder_of(tmp_path, "a.jpg", "b/c.jpg").digest
    assert folder_of(tmp_path, "notes.txt").digest == first

    digests = [first]
    (tmp_path / "a.jpg").rename(tmp_path / "z.jpg")
    digests.append(folder_of(tmp_path).digest)
    os.utime(tmp_path / "z.jpg", ns=(1, 1))
    digests.append(folder_of(tmp_path).digest)
    (tmp_path / "z.jpg").write_bytes(b"longer than it was")
    os.utime(tmp_path / "z.jpg", ns=(1, 1))
    digests.append(folder_of(tmp_path).digest)

    assert len(set(digests)) == 4


def test_folder_has_nothing_to_filter_by(tmp_path: Path) -> None:
    """A filter on a folder is refused rather than finding nothing; so is a folder that is not there."""
    with pytest.raises(CatalogueError, match="filter a manifest"):
        open_source(str(tmp_path), ScanFiles.of_user(), ScanFilter(markets=frozenset({"DE"})))
    with pytest.raises(CatalogueError, match="no such file or folder"):
        open_source(str(tmp_path / "none"), ScanFiles.of_user())


def test_root_bounds_a_folder(tmp_path: Path) -> None:
    """A folder in a root is walked; a link in it that leads out is a listing whose photo is refused."""
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"")
    (tmp_path / "root" / "a.jpg").symlink_to("../secret.jpg")
    files = ScanFiles.of_service([str(tmp_path / "root")])

    (item,) = open_source(str(tmp_path / "root"), files).entries()

    assert isinstance(item, ScanItem)
    with pytest.raises(PermissionError):
        files.read(item.images[0])
    with pytest.raises(CatalogueError, match="scan_roots"):
        open_source(str(tmp_path), files)
