"""Is an uploaded mark found in photos? With the model that ships: uploaded, matched, retired, gone."""

from __future__ import annotations

import io

from PIL import Image

from index.records import Brand
from reference_brands.seed import seed_marks
from tests.integration.reference_support import brands_of, uploaded
from tests.integration.support import PATIENCE_S, Service, draw, listing
from touchstone.moderation.v1 import brand_service_pb2 as pb


def test_an_uploaded_mark_is_found_in_a_photo_until_it_is_retired(real_service: Service) -> None:
    """The PNG of a brand that has no other reference: a photo that shows the mark is matched with it, and by name."""
    real_service.application.store.put_brands([Brand(brand_id="fresh", name="Fresh")])
    mark = Image.fromarray(next(seed_marks(["ferrari"])).renderings[0])
    photo = _showing(mark)

    reference = uploaded(real_service, _png(mark), brand_id="fresh")
    matched = _matches(real_service, photo)
    retirement = pb.RetireReferenceRequest(reference_id=reference.reference_id)
    brands_of(real_service).RetireReference(retirement, timeout=PATIENCE_S)
    left = _matches(real_service, photo)

    assert matched["fresh"] == ("Fresh", reference.reference_id)
    assert "fresh" not in left


def _matches(service: Service, photo: bytes) -> dict[str, tuple[str, str]]:
    """Name what a photo is visually matched with, by brand."""
    evidence = service.screen(listing(photo)).decision.evidence
    found = [item.visual_match for item in evidence if item.HasField("visual_match")]
    return {match.brand_id: (match.brand, match.reference_id) for match in found}


def _showing(mark: Image.Image) -> bytes:
    photo = Image.open(io.BytesIO(draw(5, edge=640))).convert("RGB")
    photo.paste(mark.resize((230, 230)), (200, 180))
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
