"""Snapshots: written whole or not at all, and never believed when a single bit is wrong."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from index.catalogue import ReferenceCatalogue
from index.columns import CatalogueColumns, gather
from index.decision_records import RemovedImage
from index.errors import SnapshotError
from index.fake_source import FakeSource
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind
from index.snapshot import (
    FORMAT_VERSION,
    check_vectors_file,
    current_snapshot,
    load_snapshot,
    read_manifest,
    write_snapshot,
)

MODEL = "model@1"
FLIPS_PER_FILE = 24


def make_columns() -> CatalogueColumns:
    """Build the columns of one brand with two references and a removed photo."""
    source = FakeSource()
    source.put_brand(Brand(brand_id="acme", name="Acme"))
    for number in range(2):
        reference = Reference(
            reference_id=f"r{number}",
            brand_id="acme",
            kind=ReferenceKind.LOGO,
            image_sha256=f"{number:064x}",
            pdq=bytes([number]) * 32,
        )
        vector = np.eye(8, dtype=np.float32)[number]
        view = ReferenceEmbedding(reference_id=f"r{number}", variant=0, fingerprint=MODEL, vector=vector)
        source.put_reference(reference, [view])
    source.add_removed_image(RemovedImage(listing_id="l1", sha256="f" * 64, pdq=None, brand=""))
    return gather(source, MODEL).columns


def write(root: Path, *, store_version: int = 4) -> Path:
    """Write the columns as a snapshot below a root."""
    return write_snapshot(
        root, make_columns(), fingerprint=MODEL, store_version=store_version, index_version=f"{store_version}-abc"
    )


def edit_manifest(path: Path, key: str, value: object) -> None:
    """Change one field of a manifest by hand, as somebody with an editor would."""
    file = path / "manifest.json"
    document = json.loads(file.read_text())
    document["manifest"][key] = value
    file.write_text(json.dumps(document))


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """Every column comes back bit for bit, and the manifest counts them."""
    path = write(tmp_path / "index")

    snapshot = load_snapshot(path, fingerprint=MODEL)

    for (name, written), (_, read) in zip(make_columns().named(), snapshot.columns.named(), strict=True):
        np.testing.assert_array_equal(read, written, err_msg=name)
        assert read.dtype == written.dtype
    manifest = snapshot.manifest
    assert (manifest.vectors, manifest.references, manifest.brands, manifest.copies) == (2, 2, 1, 3)
    assert (manifest.dim, manifest.store_version, manifest.index_version) == (8, 4, "4-abc")
    assert snapshot.checked


def test_vectors_are_mapped_read_only(tmp_path: Path) -> None:
    """The vectors stay in the page cache, shared by all processes."""
    snapshot = load_snapshot(write(tmp_path), fingerprint=MODEL)

    assert isinstance(snapshot.columns.vectors, np.memmap)
    assert not snapshot.columns.vectors.flags.writeable


def test_an_empty_catalogue_can_be_kept_too(tmp_path: Path) -> None:
    """A new installation has no reference yet, and its snapshot is as good as any."""
    path = ReferenceCatalogue.build(FakeSource(), MODEL, "exact").to_snapshot(tmp_path)

    catalogue = ReferenceCatalogue.from_snapshot(load_snapshot(path, fingerprint=MODEL), "exact")

    assert len(catalogue) == 0


def test_any_flipped_bit_in_any_file_is_found(tmp_path: Path) -> None:
    """Damage anywhere is refused with the damaged file's name and what to run."""
    path = write(tmp_path)
    for file in sorted(path.iterdir()):
        content = file.read_bytes()
        for at in np.linspace(0, 8 * len(content) - 1, FLIPS_PER_FILE, dtype=int):
            damaged = bytearray(content)
            damaged[at // 8] ^= 1 << (at % 8)
            file.write_bytes(damaged)

            with pytest.raises(SnapshotError, match=f"{file.name}.*touchstone index build"):
                load_snapshot(path, fingerprint=MODEL)
        file.write_bytes(content)

    load_snapshot(path, fingerprint=MODEL)


@pytest.mark.parametrize("kept", [0, 1, 60, -1])
def test_a_truncated_file_is_found(tmp_path: Path, kept: int) -> None:
    """A file cut short anywhere, even to nothing, is refused by name."""
    path = write(tmp_path)
    for file in sorted(path.iterdir()):
        content = file.read_bytes()
        file.write_bytes(content[:kept])

        with pytest.raises(SnapshotError, match=f"{file.name}.*touchstone index build"):
            load_snapshot(path, fingerprint=MODEL)
        file.write_bytes(content)


def test_a_missing_file_is_found(tmp_path: Path) -> None:
    """A half-copied snapshot is refused with the first file that is not there."""
    path = write(tmp_path)
    for file in sorted(path.iterdir()):
        moved = file.rename(tmp_path / "elsewhere")

        with pytest.raises(SnapshotError, match=f"{file.name}.*touchstone index build"):
            load_snapshot(path, fingerprint=MODEL)
        moved.rename(file)


def test_vectors_of_another_model_are_refused(tmp_path: Path) -> None:
    """Two models' vectors do not compare: the message names both fingerprints and the remedy."""
    path = write(tmp_path)

    with pytest.raises(SnapshotError, match=r"model model@1, but the model in use is other@2.*touchstone index build"):
        load_snapshot(path, fingerprint="other@2")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A snapshot of a later release is not guessed at, whatever else its manifest holds."""
    path = write(tmp_path)
    edit_manifest(path, "format_version", FORMAT_VERSION + 1)

    with pytest.raises(SnapshotError, match=r"format version 4, but this program reads 1 to 3.*touchstone index build"):
        read_manifest(path, fingerprint=MODEL)


def test_an_edited_manifest_is_refused(tmp_path: Path) -> None:
    """A manifest that was changed by hand no longer digests to what it says."""
    path = write(tmp_path)
    edit_manifest(path, "store_version", 5)

    with pytest.raises(SnapshotError, match=r"manifest.json does not digest"):
        read_manifest(path, fingerprint=MODEL)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"manifest": 3, "manifest_sha256": ""}', b"\xff\xfe"])
def test_a_manifest_of_another_shape_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever is in the manifest's place, the answer is a named error."""
    path = write(tmp_path)
    (path / "manifest.json").write_bytes(content)

    with pytest.raises(SnapshotError, match=r"manifest.json cannot be read"):
        load_snapshot(path, fingerprint=MODEL)


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    """An array of objects would run code on loading; it is refused even where its digest is right."""
    columns = make_columns()
    object.__setattr__(columns, "brand_ids", np.array([object()], dtype=object))

    with pytest.raises(ValueError, match="allow_pickle"):
        write_snapshot(tmp_path, columns, fingerprint=MODEL, store_version=1, index_version="1-abc")

    assert list(tmp_path.iterdir()) == []


def test_a_half_written_snapshot_is_never_read(tmp_path: Path) -> None:
    """What a crash leaves behind is passed over: the one before stays current."""
    path = write(tmp_path)
    shutil.copytree(path, tmp_path / ".building-0123")
    (tmp_path / ".building-0123" / "manifest.json").unlink()

    assert current_snapshot(tmp_path) == path


def test_without_a_pointer_there_is_no_snapshot(tmp_path: Path) -> None:
    """A crash before the first snapshot was made current leaves none."""
    path = write(tmp_path)
    (tmp_path / "CURRENT").unlink()

    assert path.is_dir()
    assert current_snapshot(tmp_path) is None


@pytest.mark.parametrize("name", ["snapshot-gone", "", "../elsewhere", "snapshot-/../..", "\x00", "manifest.json"])
def test_a_pointer_to_nothing_is_refused(tmp_path: Path, name: str) -> None:
    """CURRENT must name a snapshot beside it: neither a missing one nor a path out of the folder is followed."""
    write(tmp_path)
    (tmp_path / "CURRENT").write_text(name)

    with pytest.raises(SnapshotError, match=r"CURRENT names .*touchstone index build"):
        current_snapshot(tmp_path)


def test_the_last_two_snapshots_are_kept(tmp_path: Path) -> None:
    """Old snapshots and leftovers of crashes go; the one before stays for readers that are about to open it."""
    leftover = tmp_path / ".building-0123"
    leftover.mkdir()
    two_days_ago = time.time() - 2 * 86_400
    os.utime(leftover, (two_days_ago, two_days_ago))

    paths = [write(tmp_path, store_version=version) for version in range(4)]

    assert {path.name for path in tmp_path.iterdir()} == {"CURRENT", paths[2].name, paths[3].name}
    assert current_snapshot(tmp_path) == paths[3]


def test_a_mapped_snapshot_outlives_its_removal(tmp_path: Path) -> None:
    """A replica goes on searching a snapshot that others have replaced and removed."""
    snapshot = load_snapshot(write(tmp_path), fingerprint=MODEL)

    for version in range(3):
        write(tmp_path, store_version=10 + version)

    assert not snapshot.path.exists()
    np.testing.assert_array_equal(snapshot.columns.vectors, make_columns().vectors)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """When there is no room or no right to write, the message says where."""
    (tmp_path / "index").write_text("a file stands in the way")

    with pytest.raises(SnapshotError, match=r"No snapshot can be written to .*index"):
        write(tmp_path / "index")


def test_columns_that_contradict_each_other_are_refused() -> None:
    """A table whose columns differ in length, or that points outside another, would name wrong brands."""
    columns = dict(make_columns().named())

    with pytest.raises(ValueError, match="differ in length"):
        CatalogueColumns(**{**columns, "reference_kinds": columns["reference_kinds"][:1]})
    with pytest.raises(ValueError, match="vector_references points at rows 0 to 2 of a table of 2"):
        CatalogueColumns(**{**columns, "vector_references": np.array([0, 2], dtype=np.int32)})


def test_many_vectors_are_looked_at_first_and_digested_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a size the digest of the vectors waits until somebody has time; another length is seen at once."""
    monkeypatch.setattr("index.snapshot._DIGESTED_AT_ONCE", 10)
    path = write(tmp_path)
    vectors = path / "vectors.npy"
    content = vectors.read_bytes()
    vectors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    snapshot = load_snapshot(path, fingerprint=MODEL)

    assert not snapshot.checked
    with pytest.raises(SnapshotError, match=r"vectors\.npy does not digest"):
        check_vectors_file(snapshot)
    for damaged in (content + b"\0", content[:-1], content[:40], b""):
        vectors.write_bytes(damaged)
        with pytest.raises(SnapshotError, match=r"vectors\.npy"):
            load_snapshot(path, fingerprint=MODEL)
