"""What has a scan done already? Blocks kept whole or not at all, until they become one file.

A scan of OUT.parquet keeps its state in the folder OUT.parquet.scan: `plan.json`, and for each block that is done
`faults/NNNNNNNN.jsonl` and `parts/NNNNNNNN.parquet`, each synced under another name and then renamed, the part last:
a part that exists is whole. When all are there they become OUT.parquet and OUT.faults.jsonl by rename, and the folder
goes. A process may be killed at any moment; nothing but whole blocks is lost.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from index.durable import sync_directory, sync_file, write_file
from serving.errors import ScanBusy, ScanError
from serving.scan.blocks import ScanFault
from serving.scan.identity import ScanIdentity, options_metadata
from serving.scan.rows import SCHEMA, BlockResult, to_table

ROW_GROUP = 4_096
"""Rows of a row group: about 8 MB in memory, which is what assembling takes."""

_COMPRESSION = "zstd"


@dataclass(frozen=True)
class Tally:
    """What blocks came to: rows by verdict, faults by code."""

    verdicts: Counter[str]
    faults: Counter[str]

    @classmethod
    def none(cls) -> Self:
        """Begin to count."""
        return cls(Counter(), Counter())

    def add(self, other: Tally) -> None:
        """Count others in."""
        self.verdicts.update(other.verdicts)
        self.faults.update(other.faults)

    @property
    def rows(self) -> int:
        """Count the rows."""
        return self.verdicts.total()


def tally_of(result: BlockResult) -> Tally:
    """Count what a block came to."""
    return Tally(Counter(row.verdict for row in result.rows), Counter(fault.code for fault in result.faults))


class Workspace:
    """The state of one scan; made by `open_workspace`, which holds its lock."""

    def __init__(self, out: Path, identity: ScanIdentity) -> None:
        self.out = out
        self.identity = identity
        self.folder = folder_of(out)
        self._parts = self.folder / "parts"
        self._faults = self.folder / "faults"
        for folder in (self._parts, self._faults):
            folder.mkdir(exist_ok=True)
        self._done = {int(part.stem) for part in self._parts.glob("*.parquet")}

    def __contains__(self, number: int) -> bool:
        """Whether the block of this number is done."""
        return number in self._done

    def keep(self, result: BlockResult) -> None:
        """Put a block's rows and faults on disk."""
        lines = "".join(_line(fault) for fault in result.faults)
        _put(self._faults / f"{result.number:08d}.jsonl", lines.encode())
        sink = pa.BufferOutputStream()
        pq.write_table(to_table(result.rows), sink, compression=_COMPRESSION)
        _put(self._parts / f"{result.number:08d}.parquet", sink.getvalue().to_pybytes())
        self._done.add(result.number)

    def tally(self, number: int) -> Tally:
        """Count what a block that is done came to."""
        verdicts = pq.read_table(self._part(number), columns=["verdict"]).column("verdict").to_pylist()
        with self._fault_file(number).open(encoding="utf-8") as lines:
            return Tally(Counter(verdicts), Counter(json.loads(line)["code"] for line in lines))

    def finish(self, block_count: int) -> None:
        """Make the files of the blocks 0 to `block_count` - 1, all of which are done, and remove the folder."""
        table, faults = self.folder / "out.parquet", self.folder / "out.faults.jsonl"
        schema = SCHEMA.with_metadata(self.identity.metadata)
        with pq.ParquetWriter(table, schema, compression=_COMPRESSION) as writer:
            for group in _row_groups(pq.read_table(self._part(number)) for number in range(block_count)):
                writer.write_table(group.cast(schema), row_group_size=ROW_GROUP)
        with faults.open("wb") as sink:
            for number in range(block_count):
                sink.write(self._fault_file(number).read_bytes())
        sync_file(table)
        sync_file(faults)
        faults.replace(faults_of(self.out))
        table.replace(self.out)
        sync_directory(self.out.parent)
        (self.folder / "plan.json").unlink()  # from here on there is nothing to go on with
        shutil.rmtree(self.folder)

    def _part(self, number: int) -> Path:
        return self._parts / f"{number:08d}.parquet"

    def _fault_file(self, number: int) -> Path:
        return self._faults / f"{number:08d}.jsonl"


@contextmanager
def open_workspace(out: Path, identity: ScanIdentity, *, resume: bool, restart: bool) -> Iterator[Workspace | None]:
    """Begin a scan, or go on with it; None when it is finished already and was to go on.

    Raises:
        ScanBusy: another scan writes to the same output.
        ScanError: a scan was begun there and neither `resume` nor `restart` is asked for; or it is another scan.

    """
    folder = folder_of(out)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, out):
        plan = folder / "plan.json"
        if not plan.exists() and out.exists() and not restart:
            _clear(folder)
            folder.rmdir()
            if resume and scan_id_of(out) == identity.scan_id:
                yield None
                return
            raise ScanError(f"{out} exists; name another file, or replace it with --restart.")
        if plan.exists() and not (resume or restart):
            raise ScanError(f"A scan of {out} was begun: go on with --resume, or begin anew with --restart.")
        if plan.exists() and resume:
            identity = identity.resuming(ScanIdentity.from_json(plan.read_bytes()))
        else:
            plan.unlink(missing_ok=True)
            _clear(folder)
            _put(plan, identity.to_json())
        yield Workspace(out, identity)


def folder_of(out: Path) -> Path:
    """Name the folder of a scan's state."""
    return out.with_name(f"{out.name}.scan")


def faults_of(out: Path) -> Path:
    """Name the file of a scan's faults."""
    return out.with_name(f"{out.stem}.faults.jsonl")


def count_faults(out: Path) -> int:
    """Count the faults of a scan that is finished."""
    with faults_of(out).open(encoding="utf-8") as lines:
        return sum(1 for _ in lines)


def scan_id_of(out: Path) -> str | None:
    """Say of which scan a file is; None when it is of none."""
    return _metadata(out).get("scan_id")


def finished_as(out: Path, options: tuple[str, ...]) -> bool:
    """Whether a file is there, whole, of a scan with these options, by whatever versions and whatever it was about."""
    begun = (folder_of(out) / "plan.json").exists()
    return not begun and options_metadata(options).items() <= _metadata(out).items()


def _metadata(out: Path) -> dict[str, str]:
    """Read what a file's schema says; nothing of a file that is not there, or is no Parquet."""
    try:
        metadata = pq.read_schema(out).metadata or {}
    except (pa.ArrowInvalid, OSError):
        return {}
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in metadata.items()}


@contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not folder.exists() or os.fstat(handle).st_ino != folder.stat().st_ino:
            raise BlockingIOError  # whoever had it has just finished
        yield
    except BlockingIOError as error:
        raise ScanBusy(f"Another scan writes to {out}; wait for it, or name another file.") from error
    finally:
        os.close(handle)  # which unlocks it


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _put(file: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    draft = file.with_name(f"{file.name}.new")
    write_file(draft, content)
    draft.replace(file)
    sync_directory(file.parent)


def _row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Join tables, and cut them again into groups of `ROW_GROUP` rows."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= ROW_GROUP:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, ROW_GROUP)
            waiting = [joined.slice(ROW_GROUP)]
    if waiting and (rest := pa.concat_tables(waiting)):
        yield rest


def _line(fault: ScanFault) -> str:
    return json.dumps(asdict(fault), ensure_ascii=False) + "\n"
