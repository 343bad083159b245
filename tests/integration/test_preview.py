"""PreviewReference over gRPC: what a reference would hit, told to whoever may know it, and nothing kept."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from index.listings import ListingMatch, ListingWhere
from index.records import ReferenceKind, ReferenceState
from serving.app import Application
from serving.brand_servicer import RegistryAnswers
from serving.urgency import is_bulk
from tests.integration.held import Held
from tests.integration.support import (
    AURORA,
    AURORA_SHOE,
    BOREALIS,
    PATIENCE_S,
    Service,
    Start,
    Touchstone,
    draw,
    listing,
    violated_fields,
)
from touchstone.moderation.v1 import brand_pb2, decision_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub
from vision.regions import Box

Code = grpc.StatusCode
LOGO, PRODUCT = evidence_pb2.REFERENCE_KIND_LOGO, evidence_pb2.REFERENCE_KIND_PRODUCT
ACTIVE, QUARANTINED = brand_pb2.REFERENCE_STATE_ACTIVE, brand_pb2.REFERENCE_STATE_QUARANTINED
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M1 1h5v3h2v4h-4z" fill="#c04"/></svg>'
NEW = 77  # what no picture on record was drawn from


@dataclass(frozen=True)
class OneListing:
    """A `ListingSource` of one listing, which notes what it was asked."""

    asked: list[tuple[int, bool, float, int]] = field(default_factory=list)

    def find_listings(
        self,
        vectors: NDArray[np.float32],
        *,
        marks: bool,
        at_least: float,
        most: int,
        where: ListingWhere = ListingWhere(),  # noqa: B008 - frozen
    ) -> tuple[ListingMatch, ...]:
        """Find the listing whatever is asked."""
        self.asked.append((len(vectors), marks, at_least, most))
        match = ListingMatch(
            listing_id="a1",
            decision_id="d1",
            verdict="ALLOW",
            image_index=2,
            box=Box(0.25, 0.25, 0.5, 0.75),
            similarity=0.97,
            seller_id="s9",
            screen_time=datetime(2026, 1, 2, tzinfo=UTC),
        )
        return (match,)


def person(*, brands: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Give the metadata of a brand owner, or of a lead when there are no brands."""
    role = (("touchstone-roles", "brand-owner"), ("touchstone-brands", ",".join(brands)))
    return (("touchstone-actor", "ann"), *(role if brands else (("touchstone-roles", "lead"),)))


def draft(
    content: bytes, *, brand_id: str = BOREALIS.brand_id, kind: int = PRODUCT, **more: object
) -> pb.ReferenceDraft:
    """Put a draft together."""
    return pb.ReferenceDraft(brand_id=brand_id, kind=kind, image=listing_pb2.Image(content=content), **more)  # type: ignore[arg-type]


def ask(
    service: Service, *, metadata: tuple[tuple[str, str], ...] = (), timeout_s: float = PATIENCE_S, **request: object
) -> pb.PreviewReferenceResponse:
    """Call PreviewReference."""
    message = pb.PreviewReferenceRequest(**request)  # type: ignore[arg-type]
    answer: pb.PreviewReferenceResponse = BrandServiceStub(service.channel).PreviewReference(
        message, timeout=timeout_s, metadata=metadata
    )
    return answer


def refusal(service: Service, **request: object) -> grpc.RpcError:
    """Call PreviewReference and give the error that it answers."""
    with pytest.raises(grpc.RpcError) as caught:
        ask(service, **request)  # type: ignore[arg-type]
    return caught.value


def reference_of(application: Application, brand_id: str) -> str:
    """Name a brand's first reference."""
    return next(
        reference.reference_id
        for reference, _ in application.store.iter_references(application.embedder.fingerprint)
        if reference.brand_id == brand_id and reference.kind is not ReferenceKind.COUNTERFEIT
    )


def test_reference_like_no_other_would_be_active(service: Service) -> None:
    """A new picture hits nothing; the answer says what became of the image, and that breadth is not known here."""
    found = ask(service, draft=draft(draw(NEW)))

    assert found.expected_state == ACTIVE
    assert "not known for this model" in found.expected_state_reason
    assert (found.image_result.status, found.image_result.width) == (decision_pb2.IMAGE_STATUS_OK, 400)
    assert (found.scope.collision_count, found.scope.background_image_count) == (0, 0)
    assert not found.collisions
    assert not found.listing_hits


def test_a_preview_stands_back_for_listings(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a preview asks of the networks is bulk, and what a listing asks is not."""
    asked: list[bool] = []

    def noted() -> bool:
        asked.append(is_bulk())
        return asked[-1]

    monkeypatch.setattr("serving.lane.is_bulk", noted)

    ask(service, draft=draft(draw(NEW)))
    by_preview = asked.count(True)
    service.screen(listing(draw(NEW), listing_id="beside-previews"))

    assert by_preview == 1
    assert asked.count(True) == 1
    assert len(asked) > 1


def test_other_brands_picture_collides(service: Service) -> None:
    """A picture that another brand registered is held back; a lead sees which reference, the owner only whose it is."""
    copy = draft(draw(AURORA_SHOE, kind="JPEG"))

    lead, owner = (ask(service, draft=copy, metadata=person(brands=brands)) for brands in ((), (BOREALIS.brand_id,)))

    for found in (lead, owner):
        assert found.expected_state == QUARANTINED
        assert "a picture of Aurora" in found.expected_state_reason
        assert [each.brand for each in found.collisions] == ["Aurora"]
        assert found.collisions[0].similarity > 0.95
    assert lead.collisions[0].reference_id == reference_of(service.application, AURORA.brand_id)
    assert owner.collisions[0].reference_id == ""


def test_brands_own_picture_again_collides_with_nothing(service: Service) -> None:
    """The same picture as the brand's own is no collision."""
    found = ask(service, draft=draft(draw(AURORA_SHOE), brand_id=AURORA.brand_id))

    assert found.expected_state == ACTIVE


def test_recorded_reference_is_previewed_as_it_was_embedded(service: Service) -> None:
    """By its id, whatever its state, and without its image being sent again."""
    reference_id = reference_of(service.application, AURORA.brand_id)
    known = service.application.store.get_reference(reference_id)

    found = ask(service, reference_id=reference_id, metadata=person(brands=[AURORA.brand_id]))

    assert found.expected_state == ACTIVE
    image = found.image_result
    assert (image.sha256, image.width, image.height) == (known.image_sha256, known.width, known.height)
    assert image.width > 0


@pytest.mark.parametrize("box", [None, evidence_pb2.Box(x1=0.1, y1=0.1, x2=0.9, y2=0.9)])
def test_drawing_is_drawn_as_an_upload_would_be(service: Service, box: evidence_pb2.Box | None) -> None:
    """An SVG is previewed like a picture, whole or a part of it."""
    found = ask(service, draft=draft(SVG, kind=LOGO, box=box))

    assert found.expected_state == ACTIVE
    assert found.image_result.width > 0


def test_listings_that_it_matches_are_named(own_application: Application, start: Start) -> None:
    """The catalogue is asked at the similarity that counts as seen; only an owner is not told who sells."""
    source = OneListing()
    with start(_with_listings(own_application, source)) as service:
        lead = ask(service, draft=draft(draw(NEW)), max_results=7, metadata=person())
        owner = ask(service, draft=draft(draw(NEW), kind=LOGO), metadata=person(brands=[BOREALIS.brand_id]))

    assert [(views, marks, most) for views, marks, _, most in source.asked] == [(1, False, 7), (1, True, 20)]
    assert [at_least for _, _, at_least, _ in source.asked] == pytest.approx([0.95, 0.95])
    (hit,), (hidden,) = lead.listing_hits, owner.listing_hits
    assert (hit.listing_id, hit.decision_id, hit.image_index, hit.seller_id) == ("a1", "d1", 2, "s9")
    assert (hit.verdict, hit.box.x2) == (decision_pb2.VERDICT_ALLOW, 0.5)
    assert hit.similarity == pytest.approx(0.97)
    assert hit.screen_time.ToDatetime(tzinfo=UTC) == datetime(2026, 1, 2, tzinfo=UTC)
    assert hidden.seller_id == ""


def test_nothing_is_kept(own_service: Service) -> None:
    """Store, catalogue and blobs are after a preview what they were before it."""
    application = own_service.application
    before = application.store.counts(), application.store.version(), list(application.blobs.blobs())

    ask(own_service, draft=draft(draw(NEW)))
    ask(own_service, reference_id=reference_of(application, AURORA.brand_id))

    assert (application.store.counts(), application.store.version(), list(application.blobs.blobs())) == before


def test_another_brands_owner_learns_nothing(service: Service) -> None:
    """Another brand, its references, and what is nowhere are answered alike, before the image is looked at."""
    owner = person(brands=[BOREALIS.brand_id])
    theirs = reference_of(service.application, AURORA.brand_id)

    answers = {
        what: refusal(service, metadata=owner, **{name: subject})
        for what, name, subject in (
            ("their reference", "reference_id", theirs),
            ("no reference", "reference_id", "nowhere"),
            ("their brand", "draft", draft(draw(NEW), brand_id=AURORA.brand_id)),
            ("their brand, unreadable", "draft", draft(b"noise", brand_id=AURORA.brand_id)),
            ("no brand", "draft", draft(draw(NEW), brand_id="nowhere")),
        )
    }

    assert {error.code() for error in answers.values()} == {Code.NOT_FOUND}
    words = {
        what: (error.details() or "").replace(theirs, "ID").replace(AURORA.brand_id, "ID").replace("nowhere", "ID")
        for what, error in answers.items()
    }
    assert words["their reference"] == words["no reference"]
    assert words["their brand"] == words["their brand, unreadable"] == words["no brand"]


def test_reference_that_this_model_has_not_seen_is_told(own_service: Service) -> None:
    """Without vectors there is nothing to compare, and the answer says what to do."""
    store = own_service.application.store
    known = store.get_reference(reference_of(own_service.application, AURORA.brand_id))
    store.add_references([(replace(known, reference_id="unseen", state=ReferenceState.PENDING), [])])

    error = refusal(own_service, reference_id="unseen")

    assert error.code() is Code.NOT_FOUND
    assert "upload its image again" in (error.details() or "")


@pytest.mark.parametrize(
    ("request_fields", "fields"),
    [
        ({}, {"subject"}),
        ({"reference_id": ""}, {"reference_id"}),
        ({"reference_id": "r", "max_results": 101}, {"max_results"}),
        ({"draft": pb.ReferenceDraft()}, {"draft.brand_id", "draft.kind", "draft.image"}),
        (
            {
                "draft": draft(b"x", kind=99, box=evidence_pb2.Box(x1=0.5, y1=0, x2=0.4, y2=1)),
                "max_results": -1,
            },
            {"draft.kind", "draft.box", "max_results"},
        ),
        ({"draft": draft(b"x", box=evidence_pb2.Box(x1=0, y1=0, x2=1.2, y2=1))}, {"draft.box"}),
    ],
)
def test_every_broken_rule_is_named(service: Service, request_fields: dict[str, object], fields: set[str]) -> None:
    """A malformed request is refused with all its faults at once."""
    error = refusal(service, **request_fields)

    assert error.code() is Code.INVALID_ARGUMENT
    assert violated_fields(error) == fields


def _png(edge: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (edge, edge)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "box"),
    [
        (b"", None),
        (b"not an image", None),
        (_png(8), None),
        (_png(64), evidence_pb2.Box(x1=0, y1=0, x2=0.1, y2=0.1)),
        (b"<svg", None),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', None),
        (b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>', None),
    ],
)
def test_image_that_cannot_be_used_is_refused(service: Service, content: bytes, box: evidence_pb2.Box | None) -> None:
    """Unreadable, too small, too small a part, and drawings that are broken, unsafe or empty: INVALID_ARGUMENT."""
    error = refusal(service, draft=draft(content, kind=LOGO, box=box))

    assert error.code() is Code.INVALID_ARGUMENT
    assert error.details()


def test_deadline_that_is_too_short_ends_the_call(held: Held, start: Start) -> None:
    """When the embedder is not free in time the caller is told, and the next call is served."""
    with start(_renewed(held.application)) as service:
        held.embedder.hold()
        error = refusal(service, draft=draft(draw(NEW)), timeout_s=0.5)
        held.embedder.release()
        again = ask(service, draft=draft(draw(NEW)))

    assert error.code() is Code.DEADLINE_EXCEEDED
    assert again.expected_state == ACTIVE


def test_previews_at_once_agree(service: Service) -> None:
    """Many callers at the same time get the same answer."""
    answers: list[bytes] = []

    def preview() -> None:
        answers.append(ask(service, draft=draft(draw(AURORA_SHOE))).SerializeToString(deterministic=True))

    threads = [threading.Thread(target=preview) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert len(answers) == 8
    assert len(set(answers)) == 1


def test_command_says_the_same_here_and_through_a_server(
    own_application: Application, start: Start, touchstone: Touchstone, tmp_path: Path
) -> None:
    """`brands preview` prints state, reason, scope and collisions; as JSON it is the response, from either side."""
    (tmp_path / "shoe.png").write_bytes(draw(AURORA_SHOE))
    asked = ("brands", "preview", tmp_path / "shoe.png", "--brand", "borealis", "--kind", "product")
    data = own_application.settings.data_dir
    own_application.listings.refresh()

    with start(own_application) as service:
        there = touchstone("--json", *asked, "--server", service.target)
        unknown = touchstone(*asked[:3], "--brand", "nowhere", "--kind", "logo", "--server", service.target)
    here = touchstone("--data-dir", data, "--json", *asked)
    words = touchstone("--data-dir", data, *asked)

    assert (here.code, there.code, words.code) == (0, 0, 0)
    assert json.loads(here.stdout) == json.loads(there.stdout)
    assert json.loads(here.stdout)["expected_state"] == "REFERENCE_STATE_QUARANTINED"
    assert words.stdout.startswith("quarantined: It looks the same as a picture of Aurora")
    assert "references of other brands that look the same: 1" in words.stdout
    assert (unknown.code, "NOT_FOUND" in unknown.stderr) == (1, True)


def test_installation_makes_a_background_of_its_own(
    touchstone: Touchstone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos of a manifest become the background that references are judged by; a handful is refused."""
    pictures = [f"{number}.png" for number in range(210)]
    for number, name in enumerate(pictures):
        (tmp_path / name).write_bytes(draw(1_000 + number, edge=48))
    rows = [json.dumps({"listing_id": name, "images": [name]}) for name in (*pictures, "broken.png")]
    (tmp_path / "broken.png").write_bytes(b"noise")
    (tmp_path / "all.jsonl").write_text("\n".join(rows))
    (tmp_path / "few.jsonl").write_text("\n".join(rows[:9]))
    data = tmp_path / "data"

    few = touchstone("--data-dir", data, "brands", "background", tmp_path / "few.jsonl")
    made = touchstone("--data-dir", data, "--json", "brands", "background", tmp_path / "all.jsonl")
    told = touchstone("--data-dir", data, "doctor")

    assert few.code == 2
    assert "9 readable photos are too few" in few.stderr
    assert (made.code, json.loads(made.stdout)["photos"]) == (0, 210)
    assert "210 photos to judge by how broad a reference is: all.jsonl" in told.stdout


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw what no brand may have to itself, otherwise than the background draws it, and a mark."""
    folder = tmp_path_factory.mktemp("shapes")
    canvas = np.full((300, 300, 3), 255, np.uint8)
    Image.fromarray(canvas).save(folder / "plain.png")
    rows, columns = np.indices((300, 300))
    disc = (rows - 150) ** 2 + (columns - 150) ** 2 < 125**2
    Image.fromarray(np.where(disc[..., None], np.uint8(30), canvas)).save(folder / "circle.png")
    square = (abs(rows - 150) < 120) & (abs(columns - 150) < 120)
    Image.fromarray(np.where(square[..., None], np.uint8(0), canvas)).save(folder / "square.png")
    checks = (rows // 30 + columns // 30) % 2
    Image.fromarray(np.repeat((checks * 255).astype(np.uint8)[..., None], 3, axis=2)).save(folder / "check.png")
    letter = Image.fromarray(canvas)
    font = ImageFont.load_default(size=250)
    ImageDraw.Draw(letter).text((150, 150), "A", font=font, fill=(0, 60, 160), anchor="mm", stroke_width=8)
    letter.save(folder / "letter.png")
    return folder


def test_shipped_model_catches_what_is_generic(real_service: Service, shapes: Path) -> None:
    """With the model that ships, plain shapes are held back by name, and another brand's mark by that brand's."""
    store = real_service.application.store
    nike = reference_of(real_service.application, "nike")

    found = {
        path.stem: ask(real_service, draft=draft(path.read_bytes(), brand_id="puma", kind=LOGO))
        for path in sorted(shapes.iterdir())
    }
    mark = ask(real_service, reference_id=nike)

    assert {name for name, each in found.items() if each.expected_state == QUARANTINED} == set(found)
    assert "a plain surface" in found["plain"].expected_state_reason
    assert "a circle" in found["circle"].expected_state_reason
    assert (mark.expected_state, mark.scope.collision_count) == (ACTIVE, 0)
    assert mark.scope.background_image_count >= 1_000
    assert mark.scope.expected_false_matches_per_million < 30
    assert store.get_reference(nike).state is ReferenceState.ACTIVE


def _with_listings(application: Application, source: OneListing) -> Application:
    previews = replace(application.registry.previews, listings=source)
    return replace(application, registry=replace(application.registry, previews=previews))


def _renewed(application: Application) -> Application:
    """Give the application's embedder to what previews references, as the composition root would."""
    registry: RegistryAnswers = application.registry
    return replace(
        application, registry=replace(registry, previews=replace(registry.previews, embedder=application.embedder))
    )
