"""A small screener of blocks over the served pipeline, for tests of runners."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from serving.app import Application, open_application
from serving.deadline import NEVER
from serving.domain import Listing
from serving.scan.blocks import Opener, ScanBlock, ScanFault, ScanItem
from serving.scan.ray_worker import Workbench
from serving.scan.rows import BlockResult, ScanRow
from serving.settings import Settings
from tests.support.scan_bench import DiskOpener


@dataclass(frozen=True)
class PipelineScreener:
    """Screens one listing after the other."""

    application: Application
    opener: Opener

    def screen(self, block: ScanBlock) -> BlockResult:
        """Give each item a row; one whose photos cannot be read has a fault as well."""
        rows: list[ScanRow] = []
        faults: list[ScanFault] = []
        for entry in block.entries:
            if isinstance(entry, ScanFault):
                faults.append(entry)
            else:
                rows.append(self._row(entry, faults))
        return BlockResult(block.number, tuple(rows), tuple(faults))

    def _row(self, item: ScanItem, faults: list[ScanFault]) -> ScanRow:
        images: tuple[bytes, ...] = ()
        try:
            images = tuple(map(self.opener.read, item.images))
        except FileNotFoundError as error:
            faults.append(
                ScanFault(line=item.line, listing_id=item.listing_id, code="IMAGE_MISSING", message=str(error))
            )
        listing = Listing(listing_id=item.listing_id, images=images, title=item.title)
        screening = self.application.pipeline.screen(listing, deadline=NEVER)
        decision = screening.decision
        return ScanRow(
            listing_id=item.listing_id,
            line=item.line,
            verdict=str(decision.verdict),
            counterfeit_probability=decision.counterfeit_probability,
            brand=screening.brand,
            category=" > ".join(decision.category.path),
            reasons=tuple(reason.code for reason in decision.reasons),
            model_fingerprint=decision.model_fingerprint,
            index_version=decision.index_version,
            policy_version=decision.policy_version,
            images=item.images,
            image_sha256=tuple(image.sha256 for image in screening.images),
        )


@contextmanager
def open_bench(settings: Settings) -> Iterator[Workbench]:
    """Open the application and screen with it."""
    with open_application(settings) as application:
        opener = DiskOpener()
        yield Workbench(
            screener=PipelineScreener(application, opener),
            opener=opener,
            versions={
                "model_fingerprint": application.embedder.fingerprint,
                "index_version": application.knowledge.current.catalogue.version,
                "policy_version": application.policies.current.active.version,
            },
        )
