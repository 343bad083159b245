"""Is what a photo says in words found, and read only where that is called for? The writing stage through a server."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from google.type import money_pb2
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from index.money import Money
from serving.app import Application
from serving.batching import BatchingEmbedder
from serving.domain import Decision, Listing, Verdict
from serving.findings import TextHit, TextKind
from serving.writing import PAGES
from tests.integration.support import Start, draw, listing
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from vision.fake import FakeEmbedder
from vision.reading import LineReader, Reader, Words, load_reader


class Counting:
    """A `Reader` that counts the photos it reads in whole, and reads them by another; fails without one."""

    forwards = 0.0

    def __init__(self, reader: Reader | None) -> None:
        self._reader = reader
        self.pages = 0

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read no marks: that is the read stage's."""
        return [() for _ in crops]

    def read_rims(self, rims: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read nothing around marks."""
        return [() for _ in rims]

    def read_pages(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Count, and read."""
        self.pages += len(photos)
        if self._reader is None:
            raise RuntimeError("a network that reads failed")
        return self._reader.read_pages(photos)


class Says:
    """A `Reader` of whole photos that reads one line in each, so or so surely."""

    forwards = 0.0

    def __init__(self, text: str, confidence: float) -> None:
        self._line = Words(text, confidence)

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read no marks."""
        return [() for _ in crops]

    def read_rims(self, rims: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read nothing around marks."""
        return [() for _ in rims]

    def read_pages(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read the line."""
        return [(self._line,) for _ in photos]


@pytest.fixture(scope="module")
def lines() -> LineReader:
    """Load the networks of rapidocr's wheel."""
    return load_reader()


@contextmanager
def reading(application: Application, reader: Reader) -> Iterator[Application]:
    """Let the application read by `reader` for a block."""
    with BatchingEmbedder(FakeEmbedder(), reader=reader) as batching:
        moderation = replace(application.moderation, pipeline=replace(application.pipeline, embedder=batching))
        yield replace(application, embedder=batching, moderation=moderation)


def test_replica_wording_printed_in_a_photo_is_found(
    start: Start, own_application: Application, lines: LineReader
) -> None:
    """A cheap offer is looked into: what its photo says is evidence, with the photo, the line's box and a reason."""
    offer = listing(
        draw(500),
        _written("1:1 AAA quality", "WhatsApp +86 177 5012 3456"),
        title="Aurora shoe",
        claimed_brand="Aurora",
        category="shoes",
        price=money_pb2.Money(currency_code="USD", units=8),
    )

    with reading(own_application, lines) as reads, start(reads) as service:
        decision = service.screen(offer).decision

    hits = {hit.matched: hit for hit in _in_photos(decision)}
    assert hits.keys() == {"1:1", "AAA quality", "WhatsApp +86 177 5012 3456"}
    assert hits["1:1"].kind == evidence_pb2.TEXT_KIND_REPLICA_WORDING
    assert hits["WhatsApp +86 177 5012 3456"].kind == evidence_pb2.TEXT_KIND_OFF_PLATFORM_CONTACT
    for hit in hits.values():
        assert (hit.field_name, hit.image_index) == ("images[1]", 1)
        assert hit.box.x1 < 0.15 < 0.45 < hit.box.x2
    assert hits["1:1"].box.y2 < hits["WhatsApp +86 177 5012 3456"].box.y1
    assert "REPLICA_WORDING" in {reason.code for reason in decision.reasons}
    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert "writing" in {timing.stage for timing in decision.timings}


def test_a_look_alike_in_a_photo_counts_where_it_is_read_beyond_doubt(
    own_application: Application, lines: LineReader
) -> None:
    """BOREALISS printed on goods imitates Borealis; a line that is not quite legible may be the genuine name."""
    offer = Listing(listing_id="a1", images=(_written("BOREALISS"),), title="Borealis bag, replica")

    with reading(own_application, lines) as reads:
        read = reads.pipeline.screen(offer).decision
    with reading(own_application, Says("BOREALISS", 0.9)) as doubts:
        doubtful = doubts.pipeline.screen(offer).decision
    with reading(own_application, Says("B O R E A L I S", 1.0)) as spaced:
        set_wide = spaced.pipeline.screen(offer).decision

    (hit,) = _read_in(read)
    assert (hit.kind, hit.brand, hit.matched, hit.image_index) == (TextKind.LOOK_ALIKE, "Borealis", "BOREALISS", 0)
    assert _read_in(doubtful) == _read_in(set_wide) == []


@pytest.mark.parametrize(
    ("fields", "pages"),
    [
        ({}, 0),
        ({"title": "Borealis bag", "claimed_brand": "Borealis"}, 0),
        ({"title": "shoe", "claimed_brand": "Aurora", "category": "shoes", "price": 98}, 0),
        ({"title": "some bag, replica"}, 0),  # no brand is at stake
        ({"title": "shoe", "claimed_brand": "Aurora", "category": "shoes", "price": 8}, 1),
        ({"title": "Borealis bag, replica"}, 1),
        ({"title": "Borealiss bag"}, 1),
        ({"title": "bag", "claimed_brand": "Borealys"}, 1),
        ({"title": "Borealis bag", "description": "WhatsApp +86 177 5012 3456"}, 1),
    ],
)
def test_photos_are_read_only_where_it_is_called_for(
    own_application: Application, lines: LineReader, fields: dict[str, Any], pages: int
) -> None:
    """An innocent listing, and one without words and price as `eval brands` asks, cost no reading at all."""
    counting = Counting(lines)
    offer = _offer(draw(500, edge=120), **fields)

    with reading(own_application, counting) as counts:
        decision = counts.pipeline.screen(offer).decision

    assert counting.pages == pages
    assert ("writing" in decision.timings_ms) is (pages > 0)


def test_of_many_photos_the_first_are_read(own_application: Application, lines: LineReader) -> None:
    """A listing of many photos costs no more than a few of them."""
    counting = Counting(lines)
    offer = _offer(*(draw(seed, edge=96) for seed in range(500, 503 + PAGES)), title="Borealis replica")

    with reading(own_application, counting) as counts:
        counts.pipeline.screen(offer)

    assert counting.pages == PAGES


def test_a_reader_that_fails_is_a_fault(own_application: Application) -> None:
    """What the words said stays, the stage is named, and a person looks: never ALLOW."""
    offer = _offer(draw(500), title="Borealiss bag")

    with reading(own_application, Counting(None)) as fails:
        decision = fails.pipeline.screen(offer).decision

    assert decision.verdict is Verdict.REVIEW
    assert any(one.code == "STAGE_FAILED" and "writing stage" in one.text for one in decision.reasons)
    assert any(isinstance(item, TextHit) and item.kind is TextKind.LOOK_ALIKE for item in decision.evidence)


def _read_in(decision: Decision) -> list[TextHit]:
    return [item for item in decision.evidence if isinstance(item, TextHit) and item.image_index is not None]


def _in_photos(decision: decision_pb2.Decision) -> list[evidence_pb2.TextHit]:
    return [item.text for item in decision.evidence if item.HasField("text") and item.text.HasField("image_index")]


def _offer(*images: bytes, price: int | None = None, **words: Any) -> Listing:
    asked = None if price is None else Money(Decimal(price), "USD")
    return Listing(listing_id="a1", images=images, price=asked, **words)


def _written(*lines: str) -> bytes:
    """Print lines below one another on a plain picture: PNG, 640 x 480."""
    image = Image.new("RGB", (640, 480), (236, 232, 220))
    for place, line in enumerate(lines):
        ImageDraw.Draw(image).text((50, 60 + 180 * place), line, fill=(30, 40, 110), font_size=40)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
