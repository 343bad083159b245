"""How is a decision written down that waits for the store? As JSON of one line, with all that recording it takes.

A line names its format. One of an older format stays readable for as long as a release may find such files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from index.decision_records import DecisionRecord, ListingImage
from index.listing_regions import STORED, ListingRegions, Place, Sighting
from index.photos import Photo
from index.policies import ShadowOutcome
from serving.recording import Recording

FORMAT: Literal[1] = 1


@dataclass(frozen=True, kw_only=True)
class _Line:
    """`Recording`, with `marks` [n, dim] as the store keeps vectors. A decision in REVIEW teaches no price."""

    __pydantic_config__ = ConfigDict(
        ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants", extra="forbid"
    )

    format: Literal[1]
    record: DecisionRecord
    looked_at: bool
    audit_share: float | None
    images: tuple[ListingImage, ...]
    places: tuple[Place, ...]
    region_photos: int
    marks: bytes
    dim: int
    category_path: tuple[str, ...]
    sightings: tuple[Sighting, ...]
    facts: bytes
    shadows: tuple[ShadowOutcome, ...]
    photos: tuple[Photo, ...]


_LINES = TypeAdapter(_Line)


def to_line(recording: Recording) -> bytes:
    """Write a recording down."""
    regions = recording.regions
    line = _Line(
        format=FORMAT,
        record=recording.record,
        looked_at=recording.looked_at,
        audit_share=recording.audit_share,
        images=recording.images,
        places=regions.places,
        region_photos=regions.photos,
        marks=regions.marks.astype(STORED).tobytes(),
        dim=regions.marks.shape[1],
        category_path=regions.category_path,
        sightings=regions.sightings,
        facts=recording.facts,
        shadows=recording.shadows,
        photos=recording.photos,
    )
    return _LINES.dump_json(line)


def from_line(text: bytes) -> Recording:
    """Read a recording. Raises ValueError, which says what is wrong with it but nothing that it holds."""
    try:
        line = _LINES.validate_json(text)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['type']}" for fault in error.errors())
        raise ValueError(f"not a decision of format {FORMAT}: {faults}") from None
    regions = ListingRegions(
        places=line.places,
        photos=line.region_photos,
        marks=np.frombuffer(line.marks, STORED).reshape(-1, line.dim).astype(np.float32),
        category_path=line.category_path,
        sightings=line.sightings,
    )
    return Recording(
        record=line.record,
        looked_at=line.looked_at,
        audit_share=line.audit_share,
        images=line.images,
        regions=regions,
        facts=line.facts,
        shadows=line.shadows,
        photos=line.photos,
    )


def without_key(recording: Recording) -> Recording:
    """Take the idempotency key off, which another decision holds."""
    return replace(recording, record=replace(recording.record, idempotency_key=None))
