"""Whoever decides sees the photos: kept with each case, shown to those who may, and of a file only its pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from index.errors import BlobError
from index.photos import PhotoState
from index.records import ReferenceKind, ReferenceState
from index.sweeps import SweepHit
from serving.app import Application, open_application
from serving.photo_keeping import PhotoKeeper
from tests.integration.case_support import case_of, error_of, innocent, known_fake, person, suspicious
from tests.integration.reference_support import MODERATOR, OWNER_OF_AURORA, OWNER_OF_BOREALIS, WHEEL, Metadata
from tests.integration.support import (
    AURORA_SHOE,
    KNOWN_FAKE,
    PATIENCE_S,
    Service,
    Start,
    draw,
    fill,
    flipped_crop,
    listing,
    settings_at,
    violated_fields,
)
from touchstone.moderation.v1 import brand_service_pb2, decision_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1 import image_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub
from touchstone.moderation.v1.image_service_pb2_grpc import ImageServiceStub
from vision.regions import Box

pytestmark = pytest.mark.usefixtures("acts_are_entered")

Code = grpc.StatusCode
KEPT = pb.STORED_IMAGE_STATE_KEPT


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at pictures."""

    stub: ImageServiceStub
    metadata: Metadata = MODERATOR

    def get(self, **asked: Any) -> pb.GetImageResponse:
        """Ask for a picture."""
        response: pb.GetImageResponse = self.stub.GetImage(
            pb.GetImageRequest(**asked), timeout=PATIENCE_S, metadata=self.metadata
        )
        return response

    def photo(self, decision_id: str, index: int = 0, **asked: Any) -> pb.GetImageResponse:
        """Ask for a photo of a decision's listing."""
        return self.get(decision_image=pb.ImagePlace(id=decision_id, image_index=index), **asked)

    def states(self, **subject: str) -> dict[int, str]:
        """Ask which photos there are."""
        request = pb.ListImagesRequest(**subject)
        found = self.stub.ListImages(request, timeout=PATIENCE_S, metadata=self.metadata).images
        names = {one.image_index: pb.StoredImageState.Name(one.state) for one in found}
        return {index: name.removeprefix("STORED_IMAGE_STATE_") for index, name in names.items()}


def viewer(service: Service, metadata: Metadata = MODERATOR) -> Viewer:
    """Give somebody a way to look at pictures."""
    return Viewer(ImageServiceStub(service.channel), metadata)


def pixels_of(response: pb.GetImageResponse) -> NDArray[np.float64]:
    """Open what was answered: [H, W, 3], 0..255."""
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.size == (response.width, response.height)
        return np.asarray(image.convert("RGB"), np.float64)


def psnr(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the peak signal-to-noise ratio in decibels."""
    return float(10 * np.log10(255**2 / np.mean((one - other) ** 2)))


def with_keeper(application: Application, keeper: PhotoKeeper) -> Application:
    """Give the application another keeper of photos."""
    complaints = replace(application.cases.complaints, photos=keeper)
    return replace(
        application,
        moderation=replace(application.moderation, photos=keeper),
        cases=replace(application.cases, complaints=complaints),
    )


def upload(service: Service, content: bytes, kind: evidence_pb2.ReferenceKind.ValueType) -> str:
    """Upload a reference of Aurora and return its id."""
    header = brand_service_pb2.UploadReferenceHeader(brand_id="aurora", kind=kind)
    request = brand_service_pb2.UploadReferenceRequest
    parts = iter([request(header=header), request(chunk=content)])
    answer = BrandServiceStub(service.channel).UploadReference(parts, timeout=PATIENCE_S, metadata=OWNER_OF_AURORA)
    return answer.results[0].reference.reference_id


def shoe_reference(service: Service) -> str:
    """Return the id of the reference that shows Aurora's shoe, whose file is there."""
    store = service.application.store
    service.application.blobs.put(draw(AURORA_SHOE))
    known = (one for one, _ in store.iter_references(service.application.embedder.fingerprint))
    return next(one.reference_id for one in known if one.brand_id == "aurora" and one.kind is ReferenceKind.PRODUCT)


class Full:
    """A blob store that is full."""

    def __init__(self) -> None:
        self.refused: list[bytes] = []

    def put(self, content: bytes) -> str:
        """Refuse."""
        self.refused.append(content)
        raise BlobError(f"no room for {len(content)} bytes")

    def get(self, sha256: str) -> bytes:
        """Give nothing back."""
        raise BlobError(sha256)


@pytest.fixture(scope="module")
def shop(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve for this suite alone."""
    with open_application(settings_at(tmp_path_factory.mktemp("images"))) as application:
        fill(application)
        with start(application) as running:
            yield running


def test_photos_of_a_case_are_shown(shop: Service) -> None:
    """A review's and a takedown's photos are kept, those that could not be read left out; an allowed one's are not."""
    review = shop.screen(
        listing(b"no image", draw(AURORA_SHOE), listing_id="review", title="Aurora 1:1 replica", seller_id="s1")
    ).decision
    fake, fine = known_fake(shop, "fake"), innocent(shop, "fine")
    moderator = viewer(shop)

    shown = moderator.photo(review.decision_id, 1, max_edge=320)

    assert [review.verdict, fake.verdict, fine.verdict] == [
        decision_pb2.VERDICT_REVIEW, decision_pb2.VERDICT_TAKEDOWN, decision_pb2.VERDICT_ALLOW,
    ]  # fmt: skip
    assert moderator.states(decision_id=review.decision_id) == {1: "KEPT"}
    assert moderator.states(case_id=case_of(shop, review)) == {1: "KEPT"}
    assert moderator.states(decision_id=fake.decision_id) == {0: "KEPT"}
    assert moderator.states(decision_id=fine.decision_id) == {}
    assert (shown.media_type, shown.width, shown.height) == ("image/webp", 320, 320)
    assert error_of(lambda: moderator.photo(review.decision_id, 0)).code() is Code.NOT_FOUND
    assert error_of(lambda: moderator.photo(fine.decision_id)).code() is Code.NOT_FOUND


def test_nothing_but_pixels_reaches_the_viewer(shop: Service) -> None:
    """The copy is upright, without EXIF or profile; its pixels are the photo's."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera that tells where it was"
    with Image.open(io.BytesIO(draw(KNOWN_FAKE))) as image:
        image.crop((0, 0, 400, 300)).save(stream, "JPEG", quality=95, exif=exif)
        upright = np.asarray(image.crop((0, 0, 400, 300)).rotate(-90, expand=True), np.float64)
    offer = listing(stream.getvalue(), listing_id="exif", title="Aurora 1:1 replica")

    decision = shop.screen(offer).decision
    shown = viewer(shop).photo(decision.decision_id)

    assert b"a camera" in stream.getvalue()
    assert b"a camera" not in shown.content
    with Image.open(io.BytesIO(shown.content)) as image:
        assert not image.getexif()
        assert not image.info.get("icc_profile")
    assert psnr(pixels_of(shown), upright) > 28


def test_original_is_for_those_who_take_evidence_out(shop: Service) -> None:
    """A moderator gets the very file and its kind; a brand owner none, whether there is one or not."""
    decision = suspicious(shop, "original")

    file = viewer(shop).photo(decision.decision_id, original=True)
    refused = [
        error_of(lambda which=which: viewer(shop, OWNER_OF_AURORA).photo(which, original=True)).code()
        for which in (decision.decision_id, "no-such-decision")
    ]

    assert (file.content, file.media_type, file.width) == (draw(AURORA_SHOE), "image/png", 400)
    assert file.etag == decision.image_results[0].sha256
    assert refused == [Code.PERMISSION_DENIED] * 2


def test_a_brand_owner_sees_the_photos_that_show_its_brand(shop: Service) -> None:
    """Of a listing with two photos the owner sees the one in which its brand was found; strangers see none."""
    offer = listing(draw(AURORA_SHOE), draw(777), listing_id="two", title="Aurora 1:1 replica", seller_id="s1")
    decision = shop.screen(offer).decision
    owner, stranger = viewer(shop, OWNER_OF_AURORA), viewer(shop, OWNER_OF_BOREALIS)

    assert viewer(shop).states(decision_id=decision.decision_id) == {0: "KEPT", 1: "KEPT"}
    assert owner.states(decision_id=decision.decision_id) == {0: "KEPT"}
    assert owner.photo(decision.decision_id).content
    assert error_of(lambda: owner.photo(decision.decision_id, 1)).code() is Code.NOT_FOUND
    assert error_of(lambda: stranger.photo(decision.decision_id)).code() is Code.NOT_FOUND
    assert error_of(lambda: stranger.states(decision_id=decision.decision_id)).code() is Code.NOT_FOUND


def test_references_are_shown_and_svgs_are_drawn(shop: Service) -> None:
    """An owner sees its own reference as pixels, an SVG on white; others do not; the SVG itself is opaque."""
    wheel = upload(shop, WHEEL, evidence_pb2.REFERENCE_KIND_LOGO)

    drawn = viewer(shop, OWNER_OF_AURORA).get(reference_id=wheel, max_edge=256)
    frame = viewer(shop).get(reference_id=wheel, matched_frame=True)
    file = viewer(shop).get(reference_id=wheel, original=True)
    hidden = error_of(lambda: viewer(shop, OWNER_OF_BOREALIS).get(reference_id=wheel))

    corner, ring = pixels_of(drawn)[2, 2], pixels_of(drawn)[128, 40]
    assert (drawn.media_type, drawn.width) == ("image/webp", 256)
    assert corner.min() > 245
    assert ring[0] > 180
    assert ring[1:].max() < 40
    assert (frame.width, frame.height) == (224, 224)
    assert (file.media_type, file.content) == ("application/octet-stream", WHEEL)
    assert hidden.code() is Code.NOT_FOUND


def test_a_region_is_cut_from_the_original(shop: Service) -> None:
    """A part comes at the resolution of the photo, with as much around it as is asked for."""
    decision = shop.screen(
        listing(draw(AURORA_SHOE, edge=1600), listing_id="region", title="Aurora 1:1 replica")
    ).decision
    region = evidence_pb2.Box(x1=0.5, y1=0.5, x2=0.75, y2=0.625)

    part = viewer(shop).photo(decision.decision_id, region=region, max_edge=400)
    padded = viewer(shop).photo(decision.decision_id, region=region, max_edge=400, padding=1.0)

    with Image.open(io.BytesIO(draw(AURORA_SHOE, edge=1600))) as image:
        expected = np.asarray(image.crop((800, 800, 1200, 1000)), np.float64)
    assert (part.width, part.height, padded.width, padded.height) == (400, 200, 400, 200)
    assert psnr(pixels_of(part), expected) > 30
    assert psnr(pixels_of(padded), expected) < 25


def test_a_photo_is_laid_over_the_reference_that_was_found_in_it(shop: Service) -> None:
    """A mirrored crop of a reference's picture comes to lie where it belongs in the reference's own frame."""
    reference = shoe_reference(shop)
    picture = draw(AURORA_SHOE)
    offer = listing(flipped_crop(picture, share=0.7), listing_id="overlay", title="Aurora 1:1 replica")
    decision = shop.screen(offer).decision
    moderator = viewer(shop)

    overlay = moderator.photo(decision.decision_id, aligned_to_reference_id=reference)
    frame = moderator.get(reference_id=reference, matched_frame=True)
    nowhere = error_of(lambda: moderator.photo(decision.decision_id, aligned_to_reference_id=fake_reference(shop)))

    assert (frame.width, frame.height) == (400, 400)
    assert overlay.width == overlay.height == pytest.approx(400, abs=1)  # as large as the photo allows
    middle = slice(80, 320)
    over, under = pixels_of(overlay), pixels_of(frame)
    assert psnr(over[middle, middle], under[middle, middle]) > 22
    assert psnr(over[middle, middle][:, ::-1], under[middle, middle]) < 15
    assert over[5, 5].min() > 245
    assert nowhere.code() is Code.NOT_FOUND


def fake_reference(service: Service) -> str:
    """Return the id of the known counterfeit."""
    known = (one for one, _ in service.application.store.iter_references(service.application.embedder.fingerprint))
    return next(one.reference_id for one in known if one.kind is ReferenceKind.COUNTERFEIT)


def test_an_etag_spares_the_bytes(shop: Service) -> None:
    """The same view has the same etag, another size another; who has it gets no bytes."""
    decision = suspicious(shop, "etag")
    first = viewer(shop).photo(decision.decision_id, max_edge=100)

    again = viewer(shop).photo(decision.decision_id, max_edge=100, if_none_match=first.etag)
    other = viewer(shop).photo(decision.decision_id, max_edge=120, if_none_match=first.etag)

    assert (again.not_modified, again.content, again.etag) == (True, b"", first.etag)
    assert (other.not_modified, other.width) == (False, 120)


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({}, {"source"}),
        ({"reference_id": "r", "max_edge": 5000, "padding": float("nan")}, {"max_edge", "padding"}),
        ({"case_image": pb.ImagePlace(image_index=64)}, {"case_image.id", "case_image.image_index"}),
        ({"reference_id": "r", "aligned_to_reference_id": "r"}, {"aligned_to_reference_id"}),
        ({"case_image": pb.ImagePlace(id="c"), "matched_frame": True}, {"matched_frame"}),
        ({"reference_id": "r", "region": evidence_pb2.Box(x1=1, x2=0)}, {"region"}),
        ({"reference_id": "r", "original": True, "max_edge": 64}, {"original"}),
    ],
)
def test_what_cannot_be_asked_for_is_refused(shop: Service, asked: dict[str, Any], fields: set[str]) -> None:
    """Each rule that a request breaks is named."""
    error = error_of(lambda: viewer(shop).get(**asked))

    assert (error.code(), violated_fields(error)) == (Code.INVALID_ARGUMENT, fields)


def test_pictures_of_reports_are_shown(shop: Service) -> None:
    """What a reporter sends is kept with the report, for those who read cases."""
    decision = innocent(shop, "reported")
    report = person(shop, "ann", "moderator").report(
        "reported", images=[listing_pb2.Image(content=draw(42)), listing_pb2.Image(content=b"?")]
    )
    place = pb.ImagePlace(id=report.report.report_id)

    assert viewer(shop).states(report_id=report.report.report_id) == {0: "KEPT"}
    assert viewer(shop).get(report_image=place, original=True).content == draw(42)
    assert viewer(shop).states(decision_id=decision.decision_id) == {}
    assert error_of(lambda: viewer(shop, OWNER_OF_AURORA).get(report_image=place)).code() is Code.NOT_FOUND


def test_audited_and_carried_cases_have_their_photos(start: Start, own_application: Application) -> None:
    """An ALLOW that is audited has its photos, and one whose case is opened because of a report that waits."""
    moderation = own_application.moderation
    audited = replace(moderation, auditor=replace(moderation.auditor, share=1.0))
    with start(own_application) as service:
        innocent(service, "carried")
        person(service).report("carried", reporter="b1")
        carried = innocent(service, "carried")
        moderator = viewer(service)
        assert carried.verdict == decision_pb2.VERDICT_ALLOW
        assert moderator.states(decision_id=carried.decision_id) == {0: "KEPT"}
    with start(replace(own_application, moderation=audited)) as service:
        allowed = innocent(service, "audited")
        assert allowed.verdict == decision_pb2.VERDICT_ALLOW
        assert viewer(service).states(decision_id=allowed.decision_id) == {0: "KEPT"}


def test_without_a_blob_store_the_decision_stands(start: Start, own_application: Application) -> None:
    """Verdicts are what they would be, the photos are told as lost, and an ALLOW never asked for the store."""
    blobs = Full()
    with PhotoKeeper(blobs) as keeper, start(with_keeper(own_application, keeper)) as service:
        fine, asked = innocent(service, "i"), list(blobs.refused)
        review, fake = suspicious(service, "r"), known_fake(service, "f")
        report = person(service).report("r", images=[listing_pb2.Image(content=draw(42))])
        moderator = viewer(service)

        assert [one.verdict for one in (review, fake, fine)] == [
            decision_pb2.VERDICT_REVIEW, decision_pb2.VERDICT_TAKEDOWN, decision_pb2.VERDICT_ALLOW,
        ]  # fmt: skip
        assert (asked, len(blobs.refused)) == ([], 3)
        assert moderator.states(case_id=case_of(service, review)) == {0: "LOST"}
        assert moderator.states(report_id=report.report.report_id) == {0: "LOST"}
        missing = error_of(lambda: moderator.photo(review.decision_id))
        assert missing.code() is Code.NOT_FOUND
        assert "could not be kept" in str(missing.details())


def test_a_photo_that_was_forgotten_is_not_shown_again(start: Start, own_application: Application) -> None:
    """What lies in memory is not given out either."""
    with start(own_application) as service:
        decision = suspicious(service, "gone")
        moderator = viewer(service)
        before = moderator.photo(decision.decision_id)

        own_application.store.forget_photos(listing_id="gone", now=datetime.now(UTC))

        assert before.content
        assert moderator.states(decision_id=decision.decision_id) == {0: PhotoState.FORGOTTEN.name}
        assert error_of(lambda: moderator.photo(decision.decision_id)).code() is Code.NOT_FOUND


def test_a_retention_of_no_days_keeps_nothing(start: Start, tmp_path: Path) -> None:
    """No file is written and no photo is on record."""
    settings = settings_at(tmp_path).model_copy(update={"photo_retention_days": 0})
    with open_application(settings) as application:
        fill(application)
        with start(application) as service:
            decision = suspicious(service, "none")

            assert viewer(service).states(decision_id=decision.decision_id) == {}
            assert list(application.blobs.blobs()) == []


def test_a_reference_that_is_held_back_opens_no_photos(shop: Service) -> None:
    """A sweep's hit shows the photo to the owner of the reference, unless the reference is not in force."""
    decision = shop.screen(listing(draw(888), listing_id="swept", title="Borealis 1:1 replica")).decision
    owner = viewer(shop, OWNER_OF_AURORA)
    before = error_of(lambda: owner.photo(decision.decision_id)).code()
    reference = upload(shop, draw(889), evidence_pb2.REFERENCE_KIND_PRODUCT)
    note_hit(shop, decision, reference)

    after = owner.photo(decision.decision_id).content
    shop.application.store.set_reference_state(reference, ReferenceState.QUARANTINED)

    assert before is Code.NOT_FOUND
    assert after
    assert error_of(lambda: owner.photo(decision.decision_id)).code() is Code.NOT_FOUND


def note_hit(service: Service, decision: decision_pb2.Decision, reference_id: str) -> None:
    """Put on record that a sweep of a reference hit a decision's first photo."""
    store = service.application.store
    now = datetime.now(UTC)
    hit = SweepHit(
        decision_id=decision.decision_id,
        reference_id=reference_id,
        image_index=0,
        box=Box(0, 0, 1, 1),
        similarity=0.9,
        create_time=now,
    )
    record = store.get_decision(decision.decision_id)
    store.note_sweep_hit(hit, service.application.moderation.recorder.opening.case(record, time=now))
