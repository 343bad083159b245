"""Which scan is this? What its rows depend on: source, versions, options, and the moment that it began.

A scan that goes on must be the one that was interrupted, or its file would be of two minds.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Self

from serving.errors import ScanError
from serving.facts import FACTS, Facts
from serving.pipeline import Pipeline
from serving.scan.blocks import BLOCK_ENTRIES
from serving.steadying import SCAN_BATCH

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ScanVersions:
    """Everything that decides, by name: the names are those of the Parquet file's metadata."""

    touchstone_version: str
    model_fingerprint: str
    index_version: str
    policy_version: str
    fusion_version: str
    calibration_version: str

    @classmethod
    def of(cls, pipeline: Pipeline) -> Self:
        """Ask a pipeline what it decides by."""
        judgement = pipeline.judge().judge(Facts({name: fact.neutral for name, fact in FACTS.items()}))
        return cls(
            touchstone_version=importlib.metadata.version("touchstone"),
            model_fingerprint=pipeline.embedder.fingerprint,
            index_version=pipeline.knowledge().catalogue.version,
            policy_version=judgement.policy_version,
            fusion_version=judgement.fusion_version,
            calibration_version=judgement.calibration_version,
        )


@dataclass(frozen=True, kw_only=True)
class ScanIdentity:
    """What a scan is of. `options` are further words that its rows depend on; `begin_time` is timezone-aware."""

    source_digest: str
    versions: ScanVersions
    options: tuple[str, ...]
    begin_time: datetime

    @property
    def scan_id(self) -> str:
        """Name the scan, 32 hex digits: the same for the same source, versions and options."""
        named = [self.source_digest, asdict(self.versions), self.options, BLOCK_ENTRIES, SCAN_BATCH]
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def metadata(self) -> dict[str, str]:
        """What is kept with the schema of the Parquet file."""
        return {"scan_id": self.scan_id, **asdict(self.versions), **options_metadata(self.options)}

    def resuming(self, earlier: ScanIdentity) -> ScanIdentity:
        """Go on with an earlier scan, as of its moment. Raises ScanError naming what differs."""
        if self.scan_id != earlier.scan_id:
            raise ScanError(
                f"The scan cannot go on, for {_differences(earlier, self)}. Begin it anew with --restart, "
                "or put back what it began with."
            )
        return earlier

    def to_json(self) -> bytes:
        """Write it down."""
        document = asdict(self) | {
            "format_version": FORMAT_VERSION,
            "scan_id": self.scan_id,
            "begin_time": self.begin_time.isoformat(),
        }
        return json.dumps(document, indent=2).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what `to_json` wrote. Raises ScanError when it is damaged or of another release's format."""
        try:
            document = json.loads(data)
            if document["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format {document['format_version']}; this release reads {FORMAT_VERSION}")
            return cls(
                source_digest=document["source_digest"],
                versions=ScanVersions(**document["versions"]),
                options=tuple(document["options"]),
                begin_time=datetime.fromisoformat(document["begin_time"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ScanError(f"The plan of the scan cannot be read ({error}); begin anew with --restart.") from error


def identify(pipeline: Pipeline, source_digest: str, options: tuple[str, ...] = ()) -> ScanIdentity:
    """Name the scan that would begin now."""
    return ScanIdentity(
        source_digest=source_digest,
        versions=ScanVersions.of(pipeline),
        options=options,
        begin_time=datetime.now(UTC),
    )


def options_metadata(options: tuple[str, ...]) -> dict[str, str]:
    """Write down what a scan was asked for; nothing where that is all there is."""
    return {"options": json.dumps(options)} if options else {}


def _differences(earlier: ScanIdentity, now: ScanIdentity) -> str:
    differing = []
    if earlier.source_digest != now.source_digest:
        differing.append("the source holds something else")
    if earlier.options != now.options:
        differing.append(f"its options were {list(earlier.options)} and are {list(now.options)}")
    before, after = asdict(earlier.versions), asdict(now.versions)
    differing += [f"{name} was {before[name]} and is {after[name]}" for name in before if before[name] != after[name]]
    return ", ".join(differing) or "it was cut into other blocks"
