"""What do the suites of scans share? Manifests of drawn photos, and a scan in this process without a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from index.policies import PolicyStep
from serving.app import Application
from serving.pipeline import Pipeline
from serving.policy_file import compile_policy
from serving.scan.blocks import ScanItem, blocks
from serving.scan.identity import identify
from serving.scan.local import Stopping, scan_locally
from serving.scan.opening import open_source
from serving.scan.screening import ScanScreener
from serving.scan.sight import Reuse
from serving.scan.workspace import Tally, open_workspace
from tests.integration.support import AURORA_SHOE, BOREALIS_BAG, KNOWN_FAKE, draw, listing
from touchstone.moderation.v1 import moderation_service_pb2 as pb

STRICT = b"""format_version: 2
name: strict
rules:
  - id: any-brand
    when: brand.known
    verdict: REVIEW
    code: BRAND_AT_STAKE
    text: "{brand.name} is at stake"
  - id: fake
    when: duplicate.known_counterfeit
    verdict: TAKEDOWN
    code: KNOWN_FAKE
    text: "a copy"
"""


def drawn_manifest(folder: Path, *, listings: int, photos: int = 12, edge: int = 96) -> Path:
    """Write a manifest of listings that show a few drawn photos, and the photos."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(photos):
        (folder / f"{seed}.png").write_bytes(draw(seed, edge=edge))
    rows = [
        {"listing_id": f"l{number}", "images": [f"{number % photos}.png"], "title": f"Bag {number}", "seller_id": "s1"}
        for number in range(listings)
    ]
    return write_lines(folder / "listings.jsonl", map(json.dumps, rows))


def write_lines(path: Path, lines: Any) -> Path:
    """Write lines into a file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def real_listings(data: Path, each: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Take the first listings of manifests of the development data, with absolute paths and ids of their own."""
    found = []
    for name, most in each:
        manifest = data / f"{name}.jsonl"
        for line in manifest.read_text(encoding="utf-8").splitlines()[:most]:
            row = json.loads(line)
            images = [str(manifest.parent / image) for image in row["images"]]
            found.append({"listing_id": f"{name}/{row['listing_id']}", "images": images, "title": row.get("title", "")})
    return found


@dataclass(frozen=True)
class Scanned:
    """What a scan left."""

    out: Path
    finished: bool
    tally: Tally

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the file."""
        rows: list[dict[str, Any]] = pq.read_table(self.out).to_pylist()
        return rows


def scan(
    pipeline: Pipeline,
    manifest: Path,
    out: Path,
    *,
    reuse: Reuse | None = None,
    stopping: Stopping | None = None,
    resume: bool = False,
    restart: bool = False,
) -> Scanned:
    """Scan a manifest with the local runner."""
    opened = open_source(str(manifest))
    identity = identify(pipeline, opened.source.digest)
    tally = Tally.none()
    with open_workspace(out, identity, resume=resume, restart=restart) as workspace:
        assert workspace is not None, "the scan is finished"
        with ScanScreener(pipeline, opened.opener, workspace.identity, reuse=reuse) as screener:
            finished = scan_locally(
                screener,
                blocks(opened.source.entries()),
                workspace,
                progress=lambda block, _before: tally.add(block),
                stopping=stopping,
            )
    return Scanned(out, finished, tally)


def items_of(manifest: Path) -> list[ScanItem]:
    """Read the items of a manifest."""
    return [entry for entry in open_source(str(manifest)).source.entries() if isinstance(entry, ScanItem)]


def screen_all(application: Application) -> Application:
    """Screen a brand's product, a copy of a fake, replica wording, a broken photo, and what is nothing special."""
    offers = (
        listing(draw(AURORA_SHOE), listing_id="shoe", title="Aurora shoe", claimed_brand="Aurora", seller_id="s1"),
        listing(draw(BOREALIS_BAG), draw(701), listing_id="bag", market="DE", title="bag"),
        listing(draw(KNOWN_FAKE), listing_id="fake", claimed_brand="Aurora", seller_id="s2"),
        listing(draw(702), listing_id="words", title="Aurora replica 1:1 AAA", seller_id="s1"),
        listing(b"no photo", draw(703), listing_id="broken"),
        listing(listing_id="plain", title="a mug"),
    )
    for offer in offers:
        application.moderation.screen(pb.ScreenListingRequest(listing=offer))
    return application


def activate(application: Application, content: bytes) -> str:
    """Bring a policy into force."""
    policy = compile_policy(content, source=Path("strict.yaml"))
    step = PolicyStep(actor="ann", time=application.cases.desk.clock())
    application.store.submit_policy(policy.version, content, step)
    application.store.activate_policy(policy.version, step, two_people=False)
    application.policies.refresh()
    return policy.version
