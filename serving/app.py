"""How are the parts put together? The one composition root: settings in, a running application out.

Everything that a setting can exchange stands in a literal table of "module:name", resolved when it is chosen, so that
nothing heavy is imported for a backend that is not used.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index import blobs
from index.audit.chain import Head
from index.backends import backend_on
from index.blobs import BlobShelf, BlobStore
from index.catalogue_following import Followed
from index.listing_catalogue import ListingCatalogue
from index.money import ExchangeRates
from index.refresh import Holder
from index.store.store import Store
from index.upkeep import Upkeep
from serving.advice_pictures import AdvicePictures
from serving.application_answers import ApplicationAnswers
from serving.assessing import CatalogueAssessor
from serving.audit_signing import sealing
from serving.batching import BatchingEmbedder
from serving.brand_answers import BrandAnswers
from serving.brand_servicer import RegistryAnswers
from serving.buyer_answers import BuyerAnswers
from serving.canary import check_inference
from serving.case_answers import CaseAnswers
from serving.case_opening import CaseOpening
from serving.case_rules import CaseRules, load_case_rules
from serving.cases import CaseDesk
from serving.catalogues import follow_catalogue
from serving.complaints import Complaints
from serving.copying import CopyFinder
from serving.decoding import Decoder, decode_here, open_decoder
from serving.embedders import depends_on_batch
from serving.find_answers import FindAnswers
from serving.fusion_file import load_fusion
from serving.image_answers import ImageAnswers
from serving.in_force import InForce
from serving.insight_answers import InsightAnswers
from serving.knowledge import Knowledge, KnowledgeSource
from serving.moderation import Moderation
from serving.one_thread import blas_on_one_thread, opencv_on_one_thread
from serving.outage.features import GuardedFeatures
from serving.outage.opening import open_outage
from serving.outage.rules import staleness
from serving.packages.making import Packages
from serving.packages.pictures import BlobPhotos
from serving.photo_keeping import PhotoKeeper
from serving.pipeline import Pipeline
from serving.policy import load_policy
from serving.policy_book import Policies, PolicySource
from serving.portal_answers import PortalAnswers
from serving.preview_answers import PreviewAnswers
from serving.recording import Recorder
from serving.reference_answers import ReferenceAnswers
from serving.reference_reviews import Reviews
from serving.scan.parts import ScanParts
from serving.scoping import Assessor
from serving.settings import Settings
from serving.telemetry.telemetry import UNOBSERVED, Telemetry
from serving.uploads import Uploads
from serving.verifying import Verifier
from serving.visual import PhotoPoints, find_no_keypoints
from vision.attributes import AttributeClassifier
from vision.calibration import MatchCalibration
from vision.checkpoint import model_folder
from vision.classify import CategoryClassifier
from vision.embedder import Embedder
from vision.finder import Finder
from vision.reading import Reader
from vision.taxonomy import load_taxonomy

log = logging.getLogger(__name__)

EMBEDDERS = {
    "torch": "serving.embedders:load_torch",
    "triton": "serving.embedders:load_triton",
    "fake": "serving.embedders:load_fake",
}
# Beside the model's weights.
CALIBRATION = "calibration.json"
FINDERS = {  # by embedder: one without a network has no use for one that needs it
    "torch": "serving.embedders:load_mark_finder",
    "triton": "serving.embedders:load_triton_finder",
    "fake": "serving.embedders:load_grid_finder",
}
READERS = {  # likewise
    "torch": "serving.embedders:load_line_reader",
    "triton": "serving.embedders:load_line_reader",
    "fake": "serving.embedders:load_blind_reader",
}
POINTS = {"sift": PhotoPoints, "none": find_no_keypoints}


@dataclass(frozen=True, kw_only=True)
class Application:
    """The parts that servers and commands use."""

    settings: Settings
    store: Store
    embedder: BatchingEmbedder
    knowledge: Holder[Knowledge]
    upkeep: Upkeep
    in_force: InForce
    moderation: Moderation
    cases: CaseAnswers
    registry: RegistryAnswers
    buyers: BuyerAnswers
    portal: PortalAnswers
    applications: ApplicationAnswers
    blobs: BlobShelf
    listings: Holder[Followed]
    catalogue: ListingCatalogue
    scans: ScanParts
    images: ImageAnswers
    insight: InsightAnswers
    audit: Holder[Head | None]
    decoder: Decoder
    telemetry: Telemetry = UNOBSERVED

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that every listing goes through."""
        return self.moderation.pipeline

    @property
    def policies(self) -> Holder[Policies]:
        """The policies in use."""
        return self.in_force.policies

    def check(self) -> None:
        """Prove that decoding, embedding and searching work, with a picture of our own. Raises what goes wrong."""
        check_inference(self.pipeline)


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """Open the store that the settings name, creating and migrating it."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with Store.open(settings.store_place, connections=settings.store_connections) as store:
        yield store


@contextmanager
def open_application(
    settings: Settings,
    *,
    exactly: int | None = None,
    decode_workers: int = 0,
    telemetry: Telemetry = UNOBSERVED,
) -> Iterator[Application]:
    """Build everything that screening needs; closed in reverse order on exit. `exactly` is `BatchingEmbedder`'s.

    Uploads are decoded in `decode_workers` processes; 0: in the threads that ask. What goes on is told to `telemetry`.

    Raises:
        TouchstoneError: a checkpoint, snapshot, policy, fusion model, taxonomy or rate table cannot be used; it names
            the file.

    """
    fusion = load_fusion(settings.fusion)
    taxonomy = load_taxonomy(settings.taxonomy)
    bootstrap = load_policy(settings.policy, taxonomy=lambda: taxonomy)
    rates = ExchangeRates.load(settings.exchange_rates)
    rules = load_case_rules(settings.case_rules)
    with ExitStack() as resources:
        store = resources.enter_context(open_store(settings))
        if telemetry.is_on:
            store.observe(telemetry)
        embedder = resources.enter_context(
            BatchingEmbedder(
                load_embedder(settings),
                load_finder(settings),
                load_reader(settings),
                max_waiting=settings.max_waiting,
                exactly=exactly if depends_on_batch(settings) else None,
                observer=telemetry if telemetry.is_on else None,
            )
        )
        decoder = resources.enter_context(open_decoder(settings, decode_workers))
        shelf = open_blobs(settings)
        photos = resources.enter_context(PhotoKeeper.of(settings, shelf))
        backend = backend_on(settings.index_backend, settings.device)
        resources.enter_context(blas_on_one_thread())
        if exactly is not None:  # a scan has other photos for the other cores; a request may have them to itself
            resources.enter_context(opencv_on_one_thread())
        upkeep = Upkeep(store, settings.index_dir, fingerprint=embedder.fingerprint, backend=backend)
        source = KnowledgeSource(
            store=store,
            index_dir=settings.index_dir,
            upkeep=upkeep,
            fingerprint=embedder.fingerprint,
            backend=backend,
            rates=rates,
            base_currency=settings.base_currency,
        )
        knowledge = Holder(source.open(), source.renew)
        book = PolicySource(store=store, bootstrap=bootstrap, taxonomy=lambda: taxonomy)
        in_force = InForce.open(store, book, fusion, model=embedder.fingerprint)
        calibration = load_calibration(embedder.fingerprint)
        outage = resources.enter_context(open_outage(settings, store))
        features = GuardedFeatures(store, outage.guard)
        listings = follow_catalogue(settings, store, embedder.fingerprint, embedder.dim)
        catalogue = ListingCatalogue(store, embedder.fingerprint, lambda: listings.current.index)
        assessor = CatalogueAssessor.of(settings, lambda: knowledge.current.catalogue, calibration)
        brands = BrandAnswers(store, lambda: knowledge.current.lexicon)
        pipeline = Pipeline(
            embedder=embedder,
            knowledge=lambda: knowledge.current,
            records=store,
            classifier=CategoryClassifier.for_model(embedder.fingerprint),
            attributes=AttributeClassifier.for_model(embedder.fingerprint),
            taxonomy=taxonomy,
            calibration=calibration,
            verifier=Verifier(features),
            copies=CopyFinder(features),
            judge=in_force.judge,
            holds=store,
            find_points=POINTS[settings.points],
            decoder=decoder,
            max_matches=settings.max_matches,
            ask=outage.guard.ask,
            stale=lambda known: staleness(knowledge.behind_s, settings.stale_index_s, known.catalogue.version),
            telemetry=telemetry,
        )
        cases = make_case_answers(
            store, rules, shelf, photos, font=settings.evidence_font, key=settings.evidence_key, decoder=decoder
        )
        recorder = Recorder(store, cases.complaints.opening)
        yield Application(
            settings=settings,
            store=store,
            embedder=embedder,
            knowledge=knowledge,
            upkeep=upkeep,
            in_force=in_force,
            moderation=Moderation(
                pipeline, recorder, in_force.auditor(store, settings), photos, outage.guard, outage.spool
            ),
            cases=cases,
            registry=RegistryAnswers(
                brands=brands,
                references=make_reference_answers(store, embedder, knowledge, shelf, assessor, decoder),
                previews=PreviewAnswers(store, embedder, assessor, calibration, catalogue, decoder),
                listings=FindAnswers(store, catalogue, embedder, calibration, decoder=decoder),
            ),
            buyers=BuyerAnswers(store, cases.complaints, AdvicePictures(shelf, decoder=decoder)),
            portal=PortalAnswers(store),
            applications=ApplicationAnswers(store, brands),
            blobs=shelf,
            listings=listings,
            catalogue=catalogue,
            scans=ScanParts.of(settings, store, calibration),
            images=ImageAnswers(store, shelf, decoder=decoder),
            audit=Holder(None, sealing(store, settings.evidence_key)),
            insight=InsightAnswers(store, cases.desk, in_force.gate.versions, audit_share=settings.audit_share),
            decoder=decoder,
            telemetry=telemetry,
        )


def open_blobs(settings: Settings) -> BlobShelf:
    """Open the store of files. Raises BlobError for a URL that is none of one."""
    return blobs.open_blobs(settings.blob_place)


def make_reference_answers(
    store: Store,
    embedder: BatchingEmbedder,
    knowledge: Holder[Knowledge],
    shelf: BlobStore,
    assessor: Assessor,
    decoder: Decoder = decode_here,
) -> ReferenceAnswers:
    """Put together what takes references in and decides on them."""
    return ReferenceAnswers(
        store=store,
        knowledge=knowledge,
        uploads=Uploads(store, shelf, embedder, assessor, decoder),
        reviews=Reviews(store, assessor, embedder.fingerprint),
    )


def make_case_answers(
    store: Store,
    rules: CaseRules,
    shelf: BlobStore,
    photos: PhotoKeeper,
    *,
    font: Path | None = None,
    key: Path | None = None,
    decoder: Decoder = decode_here,
) -> CaseAnswers:
    """Put together what people work on cases with; it needs no model. `font` and `key` are evidence packages'."""
    desk = CaseDesk(store, rules)
    packages = Packages(desk=desk, blobs=shelf, photos=BlobPhotos(shelf), font=font, key=key, decoder=decoder)
    return CaseAnswers(desk, Complaints(store, CaseOpening(store, rules), photos, decoder=decoder), packages)


def load_embedder(settings: Settings) -> Embedder:
    """Load the embedder that the settings name."""
    embedder: Embedder = resolve(EMBEDDERS[settings.embedder])(settings)
    return embedder


def load_finder(settings: Settings) -> Finder:
    """Load the finder that goes with the embedder."""
    finder: Finder = resolve(FINDERS[settings.embedder])(settings)
    return finder


def load_reader(settings: Settings) -> Reader:
    """Load the reader that goes with the embedder."""
    reader: Reader = resolve(READERS[settings.embedder])(settings)
    return reader


def load_calibration(fingerprint: str) -> MatchCalibration:
    """Load what matches of this model mean; a model that ships none is treated with caution."""
    path = model_folder(fingerprint) / CALIBRATION
    if not path.exists():
        log.warning("no match calibration for %s: only near-identical pictures count as seen", fingerprint)
        return MatchCalibration.uncalibrated(fingerprint)
    return MatchCalibration.load(path, fingerprint=fingerprint)


def resolve(place: str) -> Any:
    """Import what "module:name" names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
