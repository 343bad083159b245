"""Is a copy of a photo on record recognised, whatever was done to it? `eval copies`, through what ScreenListing serves.

Half of the photos are put on record as those of removed listings, in a throw-away registry; the other half are
negatives and must match none of them. Each photo on record is then altered (`training.copy_changes`) and screened.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.decision_records import RemovalReason
from index.errors import CatalogueError
from index.manifest import read_listings
from serving.app import Application
from serving.domain import Listing
from serving.settings import Settings
from serving.wire.requests import from_listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from training.copy_changes import CHANGES, as_jpeg, two
from training.predictions import Prediction, write_predictions
from training.progress import Progress, silent
from training.throwaway import throwaway_registry
from vision.decode import decode
from vision.errors import ImageError
from vision.hashing import HASH_BITS

FALSE_POSITIVE_RATE = 0.001


@dataclass(frozen=True, kw_only=True)
class CopyReport:
    """The figures of `eval copies`, by the names that it prints.

    `n` altered photos of `recorded` photos on record, and `negatives` that are copies of none. A copy counts as found
    with a score above `threshold`, which at most 0.1% of the negatives exceed; 0 says that what is served lets no more
    through. The score of a copy by its hash is 256 less the bits that differ, by its details their number (at most
    128). `by_change` is the recall of each change, `false_positive_rate` that of what is served.
    """

    n: int
    recorded: int
    negatives: int
    recall_at_fpr_0_1pct: float
    threshold: float
    false_positive_rate: float
    by_change: dict[str, float]
    forwards_per_image: float
    ms_per_image_p50: float
    model: str


@dataclass(frozen=True, kw_only=True)
class _Photo:
    """The first photo of a listing, as its file."""

    listing_id: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What screening a photo gave: the score of each listing that it is said to copy. `truth` is None for negatives."""

    photo_id: str
    change: str
    truth: str | None
    scores: dict[str, float]

    @property
    def best(self) -> tuple[str | None, float]:
        """The listing that it is said to copy most surely; None and 0 when it is no copy."""
        return max(self.scores.items(), key=lambda pair: pair[1], default=(None, 0.0))

    def right(self, threshold: float) -> bool:
        """Whether the copied listing is named with a score above `threshold`."""
        return self.truth is not None and self.scores.get(self.truth, 0.0) > threshold


def evaluate_copies(
    photos: Path,
    *,
    settings: Settings,
    limit: int | None = None,
    seed: int = 0,
    predictions: Path | None = None,
    progress: Progress | None = None,
) -> CopyReport:
    """Alter and search the first photo of each listing of the manifest `photos`, or of `limit` of them.

    `seed` chooses which are on record, and every alteration. Writes a line for each screened photo to `predictions`:
    the listing that it is said to copy most surely, and the score. Calls `progress(done, total)` after each photo of
    the three phases: recording, negatives, copies.

    Raises:
        CatalogueError: the manifest cannot be used, or fewer than two of its photos can be read.

    """
    follow, random = progress or silent, np.random.default_rng(seed)
    chosen = _readable(photos, random, limit)
    recorded, negatives = chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]
    with throwaway_registry(settings, lambda _: (), progress=silent, total=0) as registry:
        screens = _Screens(registry.application)
        screens.put_on_record(recorded, follow)
        answers = [*screens.answer(((each, "", each.data) for each in negatives), len(negatives), follow)]
        answers += screens.answer(_altered(recorded, random), len(recorded) * (len(CHANGES) + 1), follow)
        figures = _figures(answers, screens, recorded=len(recorded))
    if predictions is not None:
        write_predictions(predictions, map(_prediction, answers))
    return figures


class _Screens:
    """Screens photos one after the other, and keeps how long each took."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.times_ms: list[float] = []
        self.forwards = 0.0

    def put_on_record(self, photos: Sequence[_Photo], progress: Progress) -> None:
        """Screen each photo as a listing, and remove the listing as a counterfeit."""
        for done, photo in enumerate(photos, start=1):
            self._screen(photo.listing_id, photo.data)
            self.application.moderation.remove(photo.listing_id, RemovalReason.COUNTERFEIT)
            progress(done, len(photos))
        self.application.knowledge.refresh()

    def answer(self, queries: Iterable[tuple[_Photo, str, bytes]], total: int, progress: Progress) -> Iterator[_Answer]:
        """Screen photos, given with the change that was made to them ("" for none) and their own bytes."""
        for done, (photo, change, data) in enumerate(queries, start=1):
            photo_id = f"{photo.listing_id}/{change or 'negative'}"
            before, start = self.application.embedder.forwards, time.perf_counter()
            decision = self._screen(photo_id, data)
            self.times_ms.append((time.perf_counter() - start) * 1000)
            self.forwards += self.application.embedder.forwards - before
            truth = photo.listing_id if change else None
            yield _Answer(photo_id=photo_id, change=change, truth=truth, scores=_scores(decision))
            progress(done, total)

    def _screen(self, listing_id: str, data: bytes) -> decision_pb2.Decision:
        listing = Listing(listing_id=listing_id, images=(data,))
        return self.application.moderation.screen(pb.ScreenListingRequest(listing=from_listing(listing)))


def _scores(decision: decision_pb2.Decision) -> dict[str, float]:
    """Read which listings a photo is said to copy, each with the score of the surest evidence."""
    scores: dict[str, float] = {}
    for item in decision.evidence:
        if item.HasField("duplicate"):
            copy = item.duplicate
            details = copy.HasField("verification")
            score = float(copy.verification.inlier_count if details else HASH_BITS - copy.distance_bits)
            scores[copy.source_id] = max(score, scores.get(copy.source_id, 0.0))
    return scores


def _figures(answers: Sequence[_Answer], screens: _Screens, *, recorded: int) -> CopyReport:
    negatives = sorted((each.best[1] for each in answers if each.truth is None), reverse=True)
    threshold = negatives[int(FALSE_POSITIVE_RATE * len(negatives))]
    found: dict[str, list[bool]] = defaultdict(list)
    for each in answers:
        if each.truth is not None:
            found[each.change].append(each.right(threshold))
    every = [right for rights in found.values() for right in rights]
    return CopyReport(
        n=len(every),
        recorded=recorded,
        negatives=len(negatives),
        recall_at_fpr_0_1pct=statistics.fmean(every),
        threshold=threshold,
        false_positive_rate=statistics.fmean(score > 0 for score in negatives),
        by_change={change: statistics.fmean(rights) for change, rights in found.items()},
        forwards_per_image=screens.forwards / len(answers),
        ms_per_image_p50=statistics.median(screens.times_ms),
        model=screens.application.embedder.fingerprint,
    )


def _altered(photos: Sequence[_Photo], random: np.random.Generator) -> Iterator[tuple[_Photo, str, bytes]]:
    """Make every change to every photo, and two together; the files are JPEG."""
    for photo in photos:
        pixels = decode(photo.data).pixels
        for name, change in (*CHANGES.items(), ("two", two)):
            yield photo, name, as_jpeg(change(pixels, random))


def _readable(manifest: Path, random: np.random.Generator, limit: int | None) -> list[_Photo]:
    """Draw up to `limit` listings whose first photo can be read, in random order."""
    rows = [row for row in read_listings(manifest) if row.images]
    chosen: list[_Photo] = []
    for place in random.permutation(len(rows)):
        row = rows[place]
        try:
            data = row.images[0].read_bytes()
            decode(data)
        except (ImageError, OSError):
            continue
        chosen.append(_Photo(listing_id=row.listing_id, data=data))
        if len(chosen) == limit:
            break
    if len(chosen) < 2:
        raise CatalogueError(f"{manifest}: {len(chosen)} photos can be read; give one to record and one that is not")
    return chosen


def _prediction(answer: _Answer) -> Prediction:
    listing, score = answer.best
    return Prediction(listing_id=answer.photo_id, answer=listing, score=score)
