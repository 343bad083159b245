"""How does a listing become a decision? Every stage in its order, from bytes to verdict; nothing is written here.

text -> decode -> keypoints -> identify (hashes) -> regions and embed -> copies (details) -> search -> verify -> read ->
classify -> price, records, category, writing (`serving.considering`) -> judge -> describe. A stage that fails leaves a
fault behind, and a decision with a fault is never ALLOW; only a passed deadline or a full queue ends the whole.
`serving.moderation` records what comes out.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from index.decision_records import ListingImage
from index.listing_regions import ListingRegions
from index.policies import ShadowOutcome
from index.records import Brand
from serving.batching import BatchingEmbedder
from serving.considering import Records, consider, read_words
from serving.copying import CopyFinder, records_of, regions_of
from serving.deadline import Deadline
from serving.decoding import Decoder, decode_here
from serving.domain import Attribute, Category, Decision, ImageResult, Listing, Reason
from serving.evidence import settled
from serving.facts import Facts
from serving.findings import Duplicate, Evidence, TextHit, VisualMatch
from serving.gathering import gather
from serving.hold_evidence import HoldRecords
from serving.judging import Judge
from serving.knowledge import Knowledge
from serving.matching import NOTHING_READ, find_candidates, judge, likelihood
from serving.outage.guard import Ask, directly
from serving.reading import read_names
from serving.sight import OwnFiles, Sight
from serving.stages import Stages
from serving.telemetry.telemetry import UNOBSERVED, Telemetry
from serving.verifying import Candidate, Verified, Verifier
from serving.visual import (
    Photo,
    PhotoPoints,
    Regions,
    classify_photos,
    embed_regions,
    find_copies,
    measure_attributes,
    read_photos,
)
from vision.attributes import AttributeClassifier
from vision.calibration import MatchCalibration
from vision.classify import CategoryClassifier
from vision.decode import DecodeLimits
from vision.describe import describe
from vision.taxonomy import Taxonomy

# What stands when a stage failed.
_NO_COPIES: tuple[Duplicate, ...] = ()
_NO_CANDIDATES: tuple[Candidate, ...] = ()
_NO_KEYPOINTS = PhotoPoints(())
_NO_ATTRIBUTES: tuple[Attribute, ...] = ()
_NO_HITS: tuple[TextHit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Screening:
    """A decision that is not on record yet, with what recording it needs.

    `brand` is the one at stake, by its name; `claimed` the one that the seller's words claim, whatever was seen.
    `images` are made when they are first asked for: keypoints that nothing was compared by are found only then.
    """

    decision: Decision
    regions: ListingRegions
    brand: str
    claimed: Brand | None
    facts: Facts
    images_of: Callable[[], tuple[ListingImage, ...]] = field(repr=False)
    shadows: tuple[ShadowOutcome, ...] = ()

    @cached_property
    def images(self) -> tuple[ListingImage, ...]:
        """What the store keeps of the photos."""
        return self.images_of()

    @property
    def counted_brand(self) -> str:
        """By what it is counted: of a brand that the registry does not have the name is the seller's words."""
        return self.brand if self.facts.values["brand.known"] else "unknown" if self.brand else "none"


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Screens listings. Thread-safe: the embedder has its owner thread, everything else is immutable or the store's.

    With `keeps_points` the keypoints of whole photos are found whether anything is compared with them or not, for the
    store keeps them: copies of the photos are recognised by them.
    """

    embedder: BatchingEmbedder
    knowledge: Callable[[], Knowledge]
    records: Records
    classifier: CategoryClassifier | None
    attributes: AttributeClassifier | None
    taxonomy: Taxonomy
    calibration: MatchCalibration
    verifier: Verifier
    copies: CopyFinder
    judge: Callable[[], Judge]
    holds: HoldRecords
    find_points: Callable[[Sequence[Photo]], PhotoPoints] = PhotoPoints
    keeps_points: bool = True
    decoder: Decoder = decode_here
    limits: DecodeLimits = DecodeLimits()
    max_matches: int = 5
    ask: Ask = directly
    stale: Callable[[Knowledge], Reason | None] = lambda _known: None
    telemetry: Telemetry = UNOBSERVED

    def screen(self, listing: Listing, *, deadline: Deadline = Deadline(), sight: Sight | None = None) -> Screening:
        """Decide on one listing, by its own images unless `sight` has looked at them already.

        Raises:
            DeadlineExceeded: the deadline passed between or during stages.
            Overloaded: the embedder's queue is full.
            ModelUnavailable: what runs the model cannot be reached.

        """
        stages, known, last = Stages(deadline, telemetry=self.telemetry), self.knowledge(), self.judge()
        stages.note(_blind_index(known))
        stages.note(self.stale(known))
        words = read_words(listing, stages, known)
        sight = sight or OwnFiles(listing.images, self.limits, self.embedder, self.decoder)
        results, photos = sight.photos(stages)
        keypoints = stages.run("keypoints", lambda: self._points(photos), _NO_KEYPOINTS)
        evidence, category, regions = self._look(photos, keypoints, sight, stages, known)
        firm = settled(category, self.taxonomy)
        considered = consider(
            listing,
            words.hits,
            evidence,
            photos,
            firm,
            stages=stages,
            known=known,
            records=self.records,
            ask=self.ask,
            holds=self.holds,
            taxonomy=self.taxonomy,
            embedder=self.embedder,
        )
        evidence += considered.evidence
        at_stake = considered.at_stake
        facts = gather(
            listing,
            evidence,
            images=results,
            brand=at_stake.name,
            brand_known=at_stake.brand is not None,
            category=firm,
            holds=considered.holds,
            faults=stages.faults,
        )
        judgement = stages.timed("judge", lambda: last.judge(facts))
        attributes = stages.run(
            "describe", lambda: measure_attributes(photos, regions, firm, self.attributes), _NO_ATTRIBUTES
        )
        decision = Decision(
            decision_id=uuid.uuid4().hex,
            listing_id=listing.listing_id,
            verdict=judgement.outcome.verdict,
            counterfeit_probability=judgement.probability,
            reasons=judgement.reasons,
            evidence=evidence,
            category=category,
            description=describe(firm.path, attributes, taxonomy=self.taxonomy),
            attributes=attributes,
            image_results=results,
            model_fingerprint=self.embedder.fingerprint,
            index_version=known.catalogue.version,
            policy_version=judgement.policy_version,
            create_time=datetime.now(UTC),
            timings_ms=stages.finish(),
            fusion_version=judgement.fusion_version,
            calibration_version=judgement.calibration_version,
            uncalibrated_probability=judgement.uncalibrated,
            certificate_id=judgement.outcome.certificate_id,
            rule_ids=judgement.outcome.fired,
        )
        return Screening(
            decision=decision,
            images_of=lambda: records_of(photos, keypoints, regions),
            regions=regions_of(regions, category.path),
            brand=at_stake.name,
            claimed=words.claimed,
            facts=judgement.facts,
            shadows=judgement.shadows,
        )

    def search_image(
        self, data: bytes, *, most: int, deadline: Deadline = Deadline()
    ) -> tuple[ImageResult, tuple[VisualMatch, ...], str]:
        """Find the `most` brands that one image looks like, best first, and say which index was searched.

        An unreadable image gives its fault and no match. Raises as `screen` does, and whatever a stage raises.
        """
        known, stages = self.knowledge(), Stages(deadline, telemetry=self.telemetry)
        (result,), photos = read_photos((data,), self.limits, stages, self.decoder)
        regions = stages.timed("embed", lambda: embed_regions(photos, self.embedder, deadline))
        candidates = stages.timed("search", lambda: find_candidates(regions, known.catalogue, most=most))
        verified = stages.timed(
            "verify",
            lambda: self.verifier.verify(candidates, self.find_points(photos), likelihood=self._likelihood),
        )
        seen = judge(candidates, verified, self.calibration, most=len(candidates))
        read = stages.timed(
            "read", lambda: read_names(photos, regions, candidates, seen, self.embedder, known, deadline)
        )
        return result, judge(candidates, verified, self.calibration, most=most, read=read), known.catalogue.version

    def _look(
        self,
        photos: Sequence[Photo],
        keypoints: PhotoPoints,
        sight: Sight,
        stages: Stages,
        known: Knowledge,
    ) -> tuple[tuple[Evidence, ...], Category, Regions]:
        """Run the stages that need pixels: copies, matches, category; and give what was embedded."""
        nothing = Regions((), np.empty((0, self.embedder.dim), np.float32))
        near = stages.run("identify", lambda: find_copies(photos, known.catalogue), _NO_COPIES)
        regions = stages.run("embed", lambda: sight.regions(photos, stages), nothing)
        copies = stages.run(
            "copies",
            lambda: self.copies.find(photos, keypoints, regions, known.catalogue, near=near),
            near,
        )
        candidates = stages.run(
            "search", lambda: find_candidates(regions, known.catalogue, most=self.max_matches), _NO_CANDIDATES
        )
        unverified: tuple[Verified | None, ...] = (None,) * len(candidates)
        verified = stages.run(
            "verify",
            lambda: self.verifier.verify(candidates, keypoints, likelihood=self._likelihood),
            unverified,
        )
        seen = judge(candidates, verified, self.calibration, most=len(candidates))
        read = stages.run(
            "read",
            lambda: read_names(photos, regions, candidates, seen, self.embedder, known, stages.deadline),
            NOTHING_READ,
        )
        if read != NOTHING_READ:
            seen = judge(candidates, verified, self.calibration, most=self.max_matches, read=read)
        matches = seen[: self.max_matches]
        category = stages.run("classify", lambda: classify_photos(regions, self.classifier), Category())
        return (*matches, *copies), category, regions

    def _points(self, photos: Sequence[Photo]) -> PhotoPoints:
        points = self.find_points(photos)
        if self.keeps_points:
            points.find_all()
        return points

    def _likelihood(self, candidate: Candidate) -> float:
        return likelihood(candidate, self.calibration)


def _blind_index(known: Knowledge) -> Reason | None:
    """Say when there are references but none by this model: nothing would match, and nothing would look wrong."""
    if len(known.catalogue) == 0 or known.catalogue.brand_count > 0:
        return None
    return Reason("INDEX_WITHOUT_EMBEDDINGS", "No reference is embedded by the present model; import them again")
