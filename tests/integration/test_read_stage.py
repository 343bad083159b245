"""Is a brand known by its name in a photo? The read stage through a real server, and what becomes of one that fails."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from index.records import Brand, Provenance, ReferenceKind
from serving.app import Application
from serving.batching import BatchingEmbedder
from serving.deadline import NEVER
from serving.domain import Listing, Verdict
from serving.findings import VisualMatch
from serving.matching import Readings
from serving.new_reference import NewReference, read_picture
from serving.reading import SETTLED, read_names
from serving.registry import add_references
from serving.stages import Stages
from serving.visual import embed_regions, read_photos
from tests.integration.support import AURORA, AURORA_SHOE, PATIENCE_S, Start, draw, listing
from tests.support.roundels import roundel
from touchstone.moderation.v1 import decision_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from vision.calibration import FALSE_POSITIVE_RATES, Curve, MatchCalibration, Shown
from vision.decode import DecodeLimits
from vision.fake import FakeEmbedder
from vision.finder import Finder
from vision.reading import BlindReader, Reader, Words, load_reader
from vision.regions import WHOLE_IMAGE, Box, Region
from vision.roundels import upper_rim

ZEPHYRA = Brand(brand_id="zephyra", name="Zephyra")
EXPRESS = Brand(brand_id="express", name="Express")  # one of the everyday words of serving/words/data/wording.yaml
PLANETA = Brand(brand_id="planeta", name="Planeta")  # a letter more than a word of vision/models/.../vocabulary.txt
VEXIL = Brand(brand_id="vexil", name="Vexil")


LEFT, RIGHT = Box(0.0, 0.0, 0.5, 1.0), Box(0.5, 0.0, 1.0, 1.0)


class OneBox:
    """A `Finder` for which the whole of a photo is a mark."""

    forwards = 0.0

    def find(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Region, ...]]:
        """Name the one region of each photo."""
        return [(Region(WHOLE_IMAGE, "mark", confidence=0.5),) for _ in photos]


class Boxes:
    """A `Finder` for which the halves of a photo are marks, the right one less likely, and which adds the whole."""

    forwards = 0.0

    def __init__(self, right: float = 0.4, left: float = 0.5) -> None:
        self._left, self._right = left, right

    def find(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Region, ...]]:
        """Name the same regions of each photo."""
        found = (
            Region(WHOLE_IMAGE, "whole", confidence=0.0),
            Region(RIGHT, "mark", confidence=self._right),
            Region(LEFT, "mark", confidence=self._left),
        )
        return [found for _ in photos]


class Says:
    """A `Reader` that reads the same line in everything, and counts the crops; fails when it has nothing to say."""

    forwards = 0.0

    def __init__(self, text: str) -> None:
        self._text = text
        self.crops = 0

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read what it was told to."""
        self.crops += len(crops)
        if not self._text:
            raise RuntimeError("a network that reads failed")
        return [(Words(self._text, 0.9),) for _ in crops]

    def read_rims(self, rims: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read the same around marks."""
        return self.read(rims)

    def read_pages(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read the same in whole photos."""
        return self.read(photos)


class SaysInTurn(BlindReader):
    """A `Reader` that reads other lines each time that it is asked."""

    def __init__(self, *texts: str) -> None:
        self._texts = iter(texts)
        self.widths: list[int] = []

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read the next line in each crop."""
        self.widths += [crop.shape[1] for crop in crops]
        return [(Words(next(self._texts), 0.9),) for _ in crops]

    def read_rims(self, rims: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read the next line around each mark."""
        return self.read(rims)


@pytest.fixture
def application(own_application: Application) -> Application:
    """Register further brands with a mark each, beside those of `fill`."""
    marks = [_mark(brand, seed) for seed, brand in enumerate((ZEPHYRA, EXPRESS, PLANETA, VEXIL), start=71)]
    add_references(own_application.store, own_application.embedder, marks)
    own_application.knowledge.refresh()
    return own_application


@contextmanager
def reading(
    application: Application, reader: Reader, *, score: float = 4.0, finder: Finder | None = None
) -> Iterator[Application]:
    """Let the application read by `reader` for a block; a likeness counts for little unless `score` says otherwise."""
    curve = Curve(bias=-6.0, score=score, strength=1.0, read=9.0, thresholds=dict.fromkeys(FALSE_POSITIVE_RATES, 0.5))
    with BatchingEmbedder(FakeEmbedder(), finder or OneBox(), reader) as batching:
        calibration = MatchCalibration(fingerprint=batching.fingerprint, curves=dict.fromkeys(Shown, curve))
        pipeline = replace(application.pipeline, embedder=batching, calibration=calibration)
        yield replace(application, embedder=batching, moderation=replace(application.moderation, pipeline=pipeline))


def matches_of(decision: decision_pb2.Decision) -> list[evidence_pb2.VisualMatch]:
    """Pick the brands that are seen out of a decision's evidence."""
    return [item.visual_match for item in decision.evidence if item.HasField("visual_match")]


def test_a_drawn_name_is_recognised(start: Start, application: Application) -> None:
    """A word mark that resembles no reference is known by its word, in screening and in searching alike."""
    photo = _written("ZEPHYRA")

    with reading(application, load_reader()) as reads, start(reads) as service:
        before = reads.embedder.forwards
        decision = service.screen(listing(photo)).decision
        forwards = reads.embedder.forwards - before
        request = pb.SearchImageRequest(image=listing_pb2.Image(content=photo), max_results=3)
        found = service.stub.SearchImage(request, timeout=PATIENCE_S)

    best = matches_of(decision)[0]
    assert (best.brand_id, best.probability > 0.5) == ("zephyra", True)
    assert (best.reading.text, best.reading.exact) == ("ZEPHYRA", True)
    assert best.reading.explanation == "'ZEPHYRA' is read here"
    assert best.reference_id
    assert found.matches[:1] == [best]
    assert "read" in {timing.stage for timing in decision.timings}
    assert 2 < forwards < 4  # the photo, its one mark, and the reading of it
    with reading(application, BlindReader()) as blind, start(blind) as service:
        unread = matches_of(service.screen(listing(photo, listing_id="a2")).decision)
    assert all(match.probability < 0.5 and not match.HasField("reading") for match in unread)


def test_a_reader_that_fails_is_a_fault(application: Application) -> None:
    """The listing is not lost, what the embedding saw stays, and a person looks: never ALLOW."""
    offer = Listing(listing_id="a1", images=(draw(500),))

    with reading(application, Says("nothing known")) as works:
        assert works.pipeline.screen(offer).decision.verdict is Verdict.ALLOW
    with reading(application, Says("")) as fails:
        decision = fails.pipeline.screen(offer).decision

    assert decision.verdict is Verdict.REVIEW
    assert any(one.code == "STAGE_FAILED" and "read stage" in one.text for one in decision.reasons)
    assert any(isinstance(item, VisualMatch) for item in decision.evidence)


def test_a_settled_photo_is_not_read(application: Application) -> None:
    """Where a brand is seen beyond doubt no reading is paid for; of several photos only the others are read."""
    reader = Says("nothing known")

    with reading(application, reader, score=10.0) as reads:
        _, (settled, *_), _ = reads.pipeline.search_image(draw(AURORA_SHOE), most=1)
        assert reader.crops == 0
        images = (draw(500), draw(AURORA_SHOE), draw(501))
        reads.pipeline.screen(Listing(listing_id="a2", images=images))

    assert (settled.brand, settled.probability >= SETTLED) == (AURORA.name, True)
    assert reader.crops == 2


def read_alone(
    application: Application,
    text: str,
    *,
    reader: Reader | None = None,
    finder: Finder | None = None,
    photo: bytes | None = None,
) -> Readings:
    """Read a line, or what `reader` does, in a photo for which the embedding proposes nothing."""
    with reading(application, reader or Says(text), finder=finder) as reads:
        _, photos = read_photos((photo or draw(500),), DecodeLimits(), Stages(NEVER))
        regions = embed_regions(photos, reads.embedder, NEVER)
        return read_names(photos, regions, (), (), reads.embedder, reads.knowledge.current, NEVER)


def test_a_name_proposes_a_brand_that_the_embedding_does_not(application: Application) -> None:
    """A brand of which nothing looks alike becomes a candidate by its name, with a reference of its own to show."""
    read = read_alone(application, "ZEPHYRA")

    (candidate,) = read.named
    assert candidate.match.brand_id == "zephyra"
    assert application.store.get_reference(candidate.match.reference_id).brand_id == "zephyra"
    assert read.of_brand["zephyra"].box == candidate.region == WHOLE_IMAGE


def test_a_name_with_a_letter_wrong_proposes_its_brand(application: Application) -> None:
    """What can hardly be anything else is taken for the name, less surely than the name itself."""
    read = read_alone(application, "Zephyro")

    assert [candidate.match.brand_id for candidate in read.named] == ["zephyra"]
    assert not read.of_brand["zephyra"].exact


@pytest.mark.parametrize(
    ("texts", "asked", "named"),
    [
        (("Zephyra", "Vexil"), 1, {"zephyra"}),
        (("nothing known", "Vexil"), 2, {"vexil"}),
        (("nothing known", "nor here"), 2, set()),
    ],
)
def test_a_second_mark_is_read_where_the_first_names_nothing(
    application: Application, texts: tuple[str, str], asked: int, named: set[str]
) -> None:
    """The likelier mark comes first; of the whole photo nothing is read beside marks."""
    reader = SaysInTurn(*texts)

    read = read_alone(application, "", reader=reader, finder=Boxes())

    assert set(read.of_brand) == named
    assert len(reader.widths) == asked
    places = [line.box.centre[0] < 0.5 for line in read.lines]
    assert places == [True, False][:asked]


def test_what_is_written_around_a_round_mark_names_its_brand(start: Start, application: Application) -> None:
    """A badge whose rim carries the name is known by it, as one whose name runs straight."""
    photo = io.BytesIO()
    Image.fromarray(roundel("ZEPHYRA")).save(photo, "PNG")

    with reading(application, load_reader()) as reads, start(reads) as service:
        decision = service.screen(listing(photo.getvalue())).decision

    best = matches_of(decision)[0]
    assert (best.brand_id, best.reading.text) == ("zephyra", "ZEPHYRA")


@pytest.mark.parametrize(
    ("texts", "wide", "named"),
    [
        (("Zephyra", "Vexil"), [False], {"zephyra"}),
        (("nothing known", "Vexil", "Zephyra"), [False, True], {"vexil"}),
        (("nothing known", "nor here", "Vexil"), [False, True], set()),
    ],
)
def test_the_rim_of_a_round_mark_is_read_instead_of_a_second_mark(
    application: Application, texts: tuple[str, ...], wide: list[bool], named: set[str]
) -> None:
    """Only where the mark's own face names nothing; and the other mark of its photo is not paid for as well."""
    reader = SaysInTurn(*texts)
    photo = io.BytesIO()
    badge = roundel("ANY NAME")
    Image.fromarray(np.hstack([badge, badge])).save(photo, "PNG")
    rim = upper_rim(badge)
    assert rim is not None

    read = read_alone(application, "", reader=reader, finder=Boxes(), photo=photo.getvalue())

    assert set(read.of_brand) == named
    assert [width == rim.shape[1] for width in reader.widths] == wide


@pytest.mark.parametrize(
    ("finder", "asked"), [(OneBox(), 1), (Boxes(right=0.29), 1), (Boxes(0.2, left=0.26), 1), (Boxes(0.2, left=0.24), 0)]
)
def test_what_is_hardly_a_mark_is_not_read(application: Application, finder: Finder, asked: int) -> None:
    """A second mark is read if it is a likely one, and a first one if it is not a mere guess."""
    reader = Says("nothing known")

    read_alone(application, "", reader=reader, finder=finder)

    assert reader.crops == asked


@pytest.mark.parametrize("text", ["Planet", "Vexi", "EXPRESS", "Nobody's", "Bodiless"])
def test_what_does_not_surely_name_a_brand_proposes_nothing(application: Application, text: str) -> None:
    """A word that a letter parts from a name, too few letters, an everyday word, no brand, one without a reference."""
    application.store.put_brands([Brand(brand_id="bodiless", name="Bodiless")])
    application.knowledge.refresh()

    read = read_alone(application, text)

    assert (read.of_brand, read.named) == ({}, ())
    assert [line.confidence for line in read.lines] == [read.lines[0].confidence]


def test_an_everyday_word_supports_and_does_not_propose(application: Application) -> None:
    """A brand called like an everyday word is no candidate by that word alone, and a likelier one with it."""
    photo = draw(500)

    with reading(application, Says("EXPRESS")) as reads:
        _, matches, _ = reads.pipeline.search_image(photo, most=10)
    with reading(application, BlindReader()) as blind:
        _, unread, _ = blind.pipeline.search_image(photo, most=10)

    chances, before = ({match.brand_id: match for match in found} for found in (matches, unread))
    assert chances.keys() == before.keys()
    express = chances["express"].reading
    assert express is not None
    assert not express.exact
    assert before["express"].probability < chances["express"].probability < 0.9


def _mark(brand: Brand, seed: int) -> NewReference:
    return NewReference(
        brand=brand,
        mark=None,
        kind=ReferenceKind.EXAMPLE,
        picture=read_picture(draw(seed), WHOLE_IMAGE),
        box=WHOLE_IMAGE,
        provenance=Provenance(note=f"drawn from seed {seed}"),
    )


def _written(text: str) -> bytes:
    image = Image.new("RGB", (480, 320), (236, 232, 220))
    ImageDraw.Draw(image).text((40, 110), text, fill=(30, 40, 110), font_size=72)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
