"""What does the service answer to labelled listings, and is it right? The part of open-set evaluation that asks.

Each query goes through `Moderation.screen` like any listing: checked on the wire, screened, recorded. The decision's
likeliest visual match is the answer; nothing else decides.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from index.manifest import ListingRow
from serving.domain import Listing
from serving.wire.requests import from_listing
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from training.metrics import box_hit_rate, recall_at_fpr
from training.predictions import Prediction
from training.progress import Progress
from training.throwaway import Throwaway
from vision.regions import Box

# The score of a query without any match: below every probability.
NO_MATCH = -1.0


@dataclass(frozen=True, kw_only=True)
class Match:
    """A brand that a photo was taken to show: where, by which reference, and how likely (0..1)."""

    brand: str
    score: float
    box: Box
    image_index: int
    reference_id: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One query with its truth and the service's matches, likeliest first. A `truth` of None shows no known brand.

    `truth` is spelt as the registry spells the brand, `label` as the query manifest does.
    """

    listing_id: str
    images: tuple[Path, ...]
    label: str | None
    truth: str | None
    truth_boxes: tuple[Box, ...]
    matches: tuple[Match, ...]

    @property
    def best(self) -> Match | None:
        """The likeliest match, if there is any."""
        return self.matches[0] if self.matches else None

    @property
    def answer(self) -> str | None:
        """The brand answered, None for none."""
        return self.best.brand if self.best else None

    @property
    def score(self) -> float:
        """The answer's probability, or -1 without one."""
        return self.best.score if self.best else NO_MATCH

    @property
    def right(self) -> bool:
        """Whether a query that shows a brand was answered with it."""
        return self.truth is not None and self.answer == self.truth

    @property
    def prediction(self) -> Prediction:
        """The line for the predictions file; a right answer is spelt as the label, so that anyone can score again."""
        return Prediction(
            listing_id=self.listing_id,
            answer=self.label if self.right else self.answer,
            score=self.score,
            box=self.best.box if self.best else None,
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """All queries judged, with what they cost: `times_ms` per image of each query, forwards as `Embedder.forwards`."""

    judged: tuple[Judged, ...]
    times_ms: tuple[float, ...]
    forwards_per_image: float


def ask(registry: Throwaway, rows: Sequence[ListingRow], progress: Progress) -> Asked:
    """Screen every query one after the other. Calls `progress(done, total)` after each."""
    application = registry.application
    judged: list[Judged] = []
    times_ms: list[float] = []
    before = application.embedder.forwards
    for row in rows:
        listing = Listing(listing_id=row.listing_id, images=tuple(path.read_bytes() for path in row.images))
        request = pb.ScreenListingRequest(listing=from_listing(listing))
        start = time.perf_counter()
        decision = application.moderation.screen(request)
        times_ms.append((time.perf_counter() - start) * 1000 / max(len(row.images), 1))
        label = row.labels.brand
        judged.append(
            Judged(
                listing_id=row.listing_id,
                images=row.images,
                label=label,
                truth=None if label is None else registry.names.registered(label),
                truth_boxes=row.labels.boxes,
                matches=matches_of(decision),
            )
        )
        progress(len(judged), len(rows))
    images = sum(len(row.images) for row in rows)
    return Asked(
        judged=tuple(judged),
        times_ms=tuple(times_ms),
        forwards_per_image=(application.embedder.forwards - before) / max(images, 1),
    )


def matches_of(decision: decision_pb2.Decision) -> tuple[Match, ...]:
    """Read a decision's visual matches, likeliest first; the score is their probability."""
    found = [_match(item.visual_match) for item in decision.evidence if item.HasField("visual_match")]
    return tuple(sorted(found, key=lambda match: -match.score))


def top_k(judged: Sequence[Judged], *, k: int) -> float:
    """Return the share of queries that show a brand and have it among their k likeliest; 0 when none shows any."""
    positives = [each for each in judged if each.truth is not None]
    hits = [any(match.brand == each.truth for match in each.matches[:k]) for each in positives]
    return sum(hits) / len(hits) if hits else 0.0


def recall(judged: Sequence[Judged], *, fpr: float) -> float:
    """Return `metrics.recall_at_fpr` of the answers."""
    answers, truths = [each.answer for each in judged], [each.truth for each in judged]
    return recall_at_fpr(answers, [each.score for each in judged], truths, fpr=fpr)


def boxes_hit(judged: Sequence[Judged]) -> float | None:
    """Return `metrics.box_hit_rate` of the right answers; None when no such query has labelled boxes."""
    right = [each for each in judged if each.right]
    return box_hit_rate([each.best.box if each.best else None for each in right], [each.truth_boxes for each in right])


def _match(found: evidence_pb2.VisualMatch) -> Match:
    box = found.box
    return Match(
        brand=found.brand,
        score=found.probability,
        box=Box(box.x1, box.y1, min(box.x2, 1.0), min(box.y2, 1.0)),
        image_index=found.image_index,
        reference_id=found.reference_id,
    )
