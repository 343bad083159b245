"""What do tests of a scan's runners screen with? The served pipeline over the fake embedder, and drawn listings."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from serving.scan.blocks import Opener, ScanBlock, ScanEntry, ScanFault, ScanItem
from serving.scan.ray_worker import Workbench
from serving.scan.rows import BlockResult, ScanRow
from serving.settings import Settings

POISON = b"kills whoever reads it"
PIPELINE_BENCH = "tests.support.scan_pipeline:open_bench"
DIGEST_BENCH = "tests.support.scan_bench:open_bench"


@dataclass(frozen=True)
class Photos:
    """Listings with a photo each, in the order of `places`."""

    places: tuple[Path, ...]
    digest: str = "photos"

    def entries(self) -> Iterator[ScanEntry]:
        """Yield an item for each, and after the first a line that could not be read."""
        for line, place in enumerate(self.places, start=1):
            yield ScanItem(line=line, listing_id=f"l{line}", images=(str(place),), title=f"Aurora shoe {line}")
            if line == 1:
                yield ScanFault(line=line, listing_id="", code="MANIFEST_ROW", message="no JSON")


class KeptParts:
    """A workspace in memory."""

    def __init__(self, *done: BlockResult) -> None:
        self.results = {result.number: result for result in done}
        self.finished: list[BlockResult] = []

    def __contains__(self, number: int, /) -> bool:
        return number in self.results

    def keep(self, result: BlockResult) -> None:
        """Take a result in, which must be new."""
        assert result.number not in self.results
        self.results[result.number] = result

    def finish(self, block_count: int) -> None:
        """Put all results in order."""
        self.finished = [self.results[number] for number in range(block_count)]


class DiskOpener:
    """Reads any file. One that holds `POISON` ends the process at once, as a decoder's crash does."""

    def read(self, location: str) -> bytes:
        """Return the file's bytes."""
        data = Path(location).read_bytes()
        if data == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        return data


@dataclass(frozen=True)
class DigestScreener:
    """Says the digest of each photo and nothing else: for tests in which only the way there matters."""

    opener: Opener

    def screen(self, block: ScanBlock) -> BlockResult:
        """Give each item a row."""
        items = [entry for entry in block.entries if isinstance(entry, ScanItem)]
        faults = tuple(entry for entry in block.entries if isinstance(entry, ScanFault))
        return BlockResult(block.number, tuple(map(self._row, items)), faults)

    def _row(self, item: ScanItem) -> ScanRow:
        digests = tuple(sha256(self.opener.read(image)).hexdigest() for image in item.images)
        return ScanRow(listing_id=item.listing_id, line=item.line, verdict="ALLOW", image_sha256=digests)


@contextmanager
def open_bench(settings: Settings, *, versions: Mapping[str, str] | None = None) -> Iterator[Workbench]:
    """Screen by digest; `versions` are what this bench says of itself."""
    opener = DiskOpener()
    yield Workbench(screener=DigestScreener(opener), opener=opener, versions=versions or {})
