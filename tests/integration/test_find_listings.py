"""FindListings as its callers meet it: what was screened is found, what is gone is not, and brands stay apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from index.records import ReferenceState
from serving.access.caller import NOBODY
from serving.app import open_application
from serving.deadline import NEVER
from serving.page_tokens import write_token
from serving.wire.find import MAX_PAGE
from tests.integration.support import (
    AURORA,
    AURORA_SHOE,
    BOREALIS,
    BOREALIS_BAG,
    PATIENCE_S,
    Service,
    Touchstone,
    draw,
    listing,
    settings_at,
    violated_fields,
)
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1 import catalogue_pb2, decision_pb2, evidence_pb2, listing_pb2, moderation_service_pb2
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub
from vision.regions import GRID, windows

OWNER = (("touchstone-actor", "ada"), ("touchstone-roles", "brand-owner"), ("touchstone-brands", AURORA.brand_id))


def find(
    service: Service, *, image: int | None = None, metadata: tuple[tuple[str, str], ...] = (), **fields: Any
) -> pb.FindListingsResponse:
    """Ask for listings once the index has heard of everything; `image` is the seed of a picture."""
    service.application.listings.refresh()
    request = pb.FindListingsRequest(**fields)
    if image is not None:
        request.image.content = draw(image)
    response: pb.FindListingsResponse = BrandServiceStub(service.channel).FindListings(
        request, timeout=PATIENCE_S, metadata=metadata
    )
    return response


def ids(response: pb.FindListingsResponse) -> list[str]:
    """Name the listings found."""
    return [hit.listing_id for hit in response.hits]


def reference_of(service: Service, brand_id: str) -> str:
    """Give the id of a product reference of a brand."""
    references = service.application.store.iter_references(service.application.embedder.fingerprint)
    return next(one.reference_id for one, _ in references if one.brand_id == brand_id and one.kind == "product")


def screen(service: Service, listing_id: str, *pictures: int, **fields: Any) -> decision_pb2.Decision:
    """Screen a listing with drawn photos."""
    photos = [draw(seed) for seed in pictures]
    return service.screen(listing(*photos, listing_id=listing_id, **fields)).decision


def test_listing_is_found_by_image_and_by_reference(own_service: Service) -> None:
    """A listing that shows what a reference shows is found by both, with decision, place, seller and time."""
    decision = screen(own_service, "a1", 700, AURORA_SHOE, seller_id="s1")
    screen(own_service, "a2", 701)

    by_image = find(own_service, image=AURORA_SHOE)
    by_reference = find(own_service, reference_id=reference_of(own_service, AURORA.brand_id))

    hit = by_image.hits[0]
    assert ids(by_image) == ids(by_reference) == ["a1"]
    assert (hit.decision_id, hit.verdict, hit.image_index) == (decision.decision_id, decision.verdict, 1)
    assert (hit.seller_id, hit.screen_time) == ("s1", decision.create_time)
    assert hit.similarity == pytest.approx(1.0, abs=2e-3)
    assert hit.box.x2 > hit.box.x1
    assert by_image.image_result.status == decision_pb2.IMAGE_STATUS_OK
    assert not by_reference.HasField("image_result")


def test_part_of_an_image_is_looked_for_as_a_mark(own_service: Service) -> None:
    """What a box cuts out is compared with the regions of photos, not with whole ones."""
    screen(own_service, "a1", 700)
    window = next(windows(GRID[0]))

    found = find(own_service, image=700, box=evidence_pb2.Box(x1=0, y1=0, x2=window.x2, y2=window.y2))

    assert ids(found) == ["a1"]
    assert found.hits[0].similarity == pytest.approx(1.0, abs=2e-3)
    assert found.hits[0].box.x2 < 1.0


def test_reference_in_any_state_is_looked_for(own_service: Service) -> None:
    """What is not searched for in screening may still be looked for in the catalogue."""
    screen(own_service, "a1", AURORA_SHOE)
    application, store = own_service.application, own_service.application.store
    known = store.get_reference(reference_of(own_service, AURORA.brand_id))
    embeddings = store.embeddings_of(known.reference_id, application.embedder.fingerprint)
    for state in ReferenceState:
        same = [replace(embedding, reference_id=str(state)) for embedding in embeddings]
        store.add_references([(replace(known, reference_id=str(state), state=state), same)])

        assert ids(find(own_service, reference_id=str(state))) == ["a1"]


def test_screening_again_and_removal_change_the_answer(own_service: Service) -> None:
    """Only the latest decision counts, and a removed listing is gone until it is screened again."""
    screen(own_service, "a1", AURORA_SHOE)
    screen(own_service, "a2", AURORA_SHOE)
    screen(own_service, "a1", 702)

    after_screening = ids(find(own_service, image=AURORA_SHOE))
    reason = moderation_service_pb2.REMOVAL_REASON_ENDED_BY_SELLER
    own_service.stub.RemoveListing(
        moderation_service_pb2.RemoveListingRequest(listing_id="a2", reason=reason), timeout=PATIENCE_S
    )
    after_removal = ids(find(own_service, image=AURORA_SHOE))
    screen(own_service, "a2", AURORA_SHOE)
    after_return = ids(find(own_service, image=AURORA_SHOE))

    assert (after_screening, after_removal, after_return) == (["a2"], [], ["a2"])
    assert ids(find(own_service, image=702)) == ["a1"]


def test_filters_narrow_the_answer(own_service: Service) -> None:
    """Every condition that is set holds, the verdict in force among them."""
    screen(own_service, "a1", AURORA_SHOE, seller_id="s1", market="DE")
    screen(own_service, "a2", AURORA_SHOE, seller_id="s2", market="FR")
    verdict = find(own_service, image=AURORA_SHOE).hits[0].verdict

    def kept(**conditions: Any) -> list[str]:
        found = find(own_service, image=AURORA_SHOE, filter=catalogue_pb2.ListingFilter(**conditions))
        return sorted(ids(found))

    assert kept(seller_ids=["s2", "s3"]) == ["a2"]
    assert kept(markets=["DE"]) == ["a1"]
    assert kept(verdicts=[verdict]) == ["a1", "a2"]
    assert kept(verdicts=[verdict % 3 + 1]) == []
    assert kept(brand_ids=[AURORA.brand_id]) == ["a1", "a2"]
    assert kept(brand_ids=["nobody"]) == []
    assert kept(category_path=["no", "such"]) == []


def test_pages_follow_each_other_without_gap_or_repetition(own_service: Service) -> None:
    """All pages together are the one long answer; a token is good for its own query alone."""
    for number in range(7):
        screen(own_service, f"a{number}", AURORA_SHOE)
    everything = ids(find(own_service, image=AURORA_SHOE))

    paged: list[str] = []
    token, tokens = "", []
    while True:
        page = find(own_service, image=AURORA_SHOE, page_size=3, page_token=token)
        paged += ids(page)
        token = page.next_page_token
        if not token:
            break
        tokens.append(token)
    with pytest.raises(grpc.RpcError) as foreign:
        find(own_service, image=BOREALIS_BAG, page_token=tokens[0])

    assert len(everything) == 7
    assert paged == everything
    assert len(tokens) == 2
    assert foreign.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(foreign.value) == {"page_token"}


def test_made_up_token_cannot_ask_for_everything(service: Service) -> None:
    """Pages are found together with all before them, so a token that claims a billion shown is refused as such."""
    question = pb.FindListingsRequest(image=listing_pb2.Image(content=draw(AURORA_SHOE)))
    token = write_token(question, 10**9, 0.5, "d1")

    with pytest.raises(grpc.RpcError) as refused:
        find(service, image=AURORA_SHOE, page_token=token)

    assert violated_fields(refused.value) == {"page_token"}


def test_page_goes_on_though_its_last_hit_is_gone(own_service: Service) -> None:
    """When the listing that a page ended with is removed meanwhile, the next page begins behind where it was."""
    pictures = [
        draw(AURORA_SHOE),
        draw(AURORA_SHOE, kind="JPEG", quality=60),
        draw(AURORA_SHOE, kind="JPEG", quality=10),
    ]
    for number, picture in enumerate(pictures):
        own_service.screen(listing(picture, listing_id=f"a{number}"))
    first = find(own_service, image=AURORA_SHOE, page_size=2)

    own_service.application.store.forget_listing(first.hits[-1].listing_id)
    second = find(own_service, image=AURORA_SHOE, page_size=2, page_token=first.next_page_token)

    assert len(first.hits) == 2
    assert set(ids(second)).isdisjoint(ids(first))
    assert {*ids(first), *ids(second)} == {"a0", "a1", "a2"}


def test_brand_owner_sees_hits_but_no_sellers_and_no_other_brand(own_service: Service) -> None:
    """An owner finds by own references and by images; sellers stay unnamed, another brand's reference is not there."""
    screen(own_service, "a1", AURORA_SHOE, seller_id="s1")
    own, other = reference_of(own_service, AURORA.brand_id), reference_of(own_service, BOREALIS.brand_id)

    found = find(own_service, reference_id=own, metadata=OWNER)
    by_brand = find(
        own_service,
        image=AURORA_SHOE,
        filter=catalogue_pb2.ListingFilter(brand_ids=[BOREALIS.brand_id]),
        metadata=OWNER,
    )
    refusals = {}
    requests: dict[str, dict[str, Any]] = {
        "theirs": {"reference_id": other},
        "nobody's": {"reference_id": other[::-1]},
        "seller": {"image": AURORA_SHOE, "filter": catalogue_pb2.ListingFilter(seller_ids=["s1"])},
    }
    for name, request in requests.items():
        with pytest.raises(grpc.RpcError) as refused:
            find(own_service, metadata=OWNER, **request)
        refusals[name] = refused.value

    assert [(hit.listing_id, hit.seller_id) for hit in found.hits] == [("a1", "")]
    assert ids(by_brand) == []
    assert refusals["theirs"].code() is refusals["nobody's"].code() is grpc.StatusCode.NOT_FOUND
    told = [str(refusals[name].details()) for name in ("theirs", "nobody's")]
    assert told[0].replace(other, "") == told[1].replace(other[::-1], "")
    assert refusals["seller"].code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.FindListingsRequest(), {"query"}),
        (pb.FindListingsRequest(reference_id=" x"), {"reference_id"}),
        (
            pb.FindListingsRequest(
                image=listing_pb2.Image(content=draw(1)),
                box=evidence_pb2.Box(x1=0.5, y1=0, x2=0.2, y2=1),
                min_similarity=float("nan"),
                page_size=MAX_PAGE + 1,
                page_token="?",
            ),
            {"box", "min_similarity", "page_size"},
        ),
        (
            pb.FindListingsRequest(
                reference_id="r",
                filter=catalogue_pb2.ListingFilter(brand_ids=[""], markets=["XX"], verdicts=[9]),  # type: ignore[list-item]
            ),
            {"filter.brand_ids[0]", "filter.markets[0]", "filter.verdicts[0]"},
        ),
        (pb.FindListingsRequest(reference_id="r", page_token="e30="), {"page_token"}),
    ],
)
def test_request_that_breaks_rules_is_refused_with_all_of_them(
    service: Service, request_: pb.FindListingsRequest, fields: set[str]
) -> None:
    """Each field at fault is named at once."""
    with pytest.raises(grpc.RpcError) as refused:
        BrandServiceStub(service.channel).FindListings(request_, timeout=PATIENCE_S)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refused.value) == fields


def test_unreadable_image_is_refused(service: Service) -> None:
    """An image that cannot be decoded is the caller's to mend."""
    request = pb.FindListingsRequest(image=listing_pb2.Image(content=b"no image at all"))

    with pytest.raises(grpc.RpcError) as refused:
        BrandServiceStub(service.channel).FindListings(request, timeout=PATIENCE_S)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_index_that_is_not_there_is_unavailable_and_screening_goes_on(
    own_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the index is too small, the service says so to who asks for listings, and screens all the same."""
    screen(own_service, "a1", AURORA_SHOE)
    monkeypatch.setattr(own_service.application.catalogue, "_index", lambda: None)

    with pytest.raises(grpc.RpcError) as refused:
        find(own_service, image=AURORA_SHOE)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert screen(own_service, "a2", AURORA_SHOE).decision_id


def test_index_is_built_from_the_store_at_the_next_start(filled: Path) -> None:
    """Nothing of the index is lost with the process: the store has it all."""
    request = pb.FindListingsRequest(image=listing_pb2.Image(content=draw(700)))
    with open_application(settings_at(filled)) as application:
        screening = moderation_service_pb2.ScreenListingRequest(listing=listing(draw(700), listing_id="a1"))
        application.moderation.screen(screening)

    with open_application(settings_at(filled)) as application:
        application.listings.refresh()
        found = application.registry.listings.find(request, NOBODY, deadline=NEVER)

    assert ids(found) == ["a1"]


def test_commands_find_in_process_and_through_a_server(
    own_service: Service, touchstone: Touchstone, tmp_path: Any
) -> None:
    """`brands find` answers alike from the store and from a service; without anything to look for it is misused."""
    screen(own_service, "a1", AURORA_SHOE)
    own_service.application.listings.refresh()
    picture = tmp_path / "picture.png"
    picture.write_bytes(draw(AURORA_SHOE))
    data = own_service.application.settings.data_dir

    here = touchstone("--data-dir", data, "--json", "brands", "find", picture)
    there = touchstone("--json", "brands", "find", picture, "--server", own_service.target)
    text = touchstone("--data-dir", data, "brands", "find", "--reference", reference_of(own_service, AURORA.brand_id))
    misused = touchstone("--data-dir", data, "brands", "find")

    assert (here.code, there.code, text.code, misused.code) == (0, 0, 0, 2)
    assert here.stdout == there.stdout
    assert '"listing_id": "a1"' in here.stdout
    assert "a1" in text.stdout
