"""What does the service decide, and what does it remember? Every rpc of ModerationService, over a real connection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.type.money_pb2 import Money

from serving.policy import load_policy
from tests.integration.support import (
    AURORA_SHOE,
    AUTHORISED,
    KNOWN_FAKE,
    PATIENCE_S,
    Service,
    codes,
    draw,
    duplicates,
    flipped_crop,
    listing,
    violated_fields,
)
from touchstone.moderation.v1 import decision_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

TRUNCATED = draw(7, kind="JPEG")[:-2000]


def test_a_listing_with_nothing_against_it_is_allowed(service: Service) -> None:
    """An authorised seller's listing at a usual price is allowed, with evidence and the versions that made it."""
    offer = listing(
        draw(AURORA_SHOE),
        title="Aurora running shoe",
        claimed_brand="Aurora",
        category="shoes",
        condition="new",
        price=Money(currency_code="USD", units=95),
        seller_id=AUTHORISED,
        market="DE",
    )

    decision = service.screen(offer).decision

    assert decision.verdict == decision_pb2.VERDICT_ALLOW, decision.reasons
    assert decision.listing_id == "a1"
    kinds = {item.WhichOneof("kind") for item in decision.evidence}
    assert {"visual_match", "duplicate", "text", "price", "seller"} <= kinds
    assert decision.image_results[0].status == decision_pb2.IMAGE_STATUS_OK
    assert (decision.image_results[0].width, decision.image_results[0].height) == (400, 400)
    assert all((decision.model_fingerprint, decision.index_version, decision.policy_version))
    assert {timing.stage for timing in decision.timings} >= {
        "decode",
        "keypoints",
        "embed",
        "search",
        "verify",
        "total",
    }


def test_a_seller_never_heard_of_is_no_fault(service: Service) -> None:
    """A seller without a record is evidence of its own kind; the stage that looks them up does not fail."""
    decision = service.screen(listing(claimed_brand="Aurora", seller_id="newcomer")).decision

    assert "STAGE_FAILED" not in codes(decision)
    (seller,) = (item.seller for item in decision.evidence if item.HasField("seller"))
    assert not seller.known
    assert seller.authorization == evidence_pb2.SELLER_AUTHORIZATION_NOT_AUTHORIZED


def test_an_unreadable_image_among_good_ones_is_named(service: Service) -> None:
    """The listing is decided on the other images, never allowed, and the result of each image stands in its place."""
    decision = service.screen(listing(draw(AURORA_SHOE), TRUNCATED, b"", draw(8))).decision

    assert decision.verdict >= decision_pb2.VERDICT_REVIEW
    assert "IMAGE_UNREADABLE" in codes(decision)
    assert [result.status for result in decision.image_results] == [
        decision_pb2.IMAGE_STATUS_OK,
        decision_pb2.IMAGE_STATUS_TRUNCATED,
        decision_pb2.IMAGE_STATUS_EMPTY,
        decision_pb2.IMAGE_STATUS_OK,
    ]
    assert decision.image_results[1].message
    assert any(item.HasField("visual_match") for item in decision.evidence)


def test_a_listing_without_a_readable_image_is_reviewed(service: Service) -> None:
    """When no image can be used the verdict is REVIEW and the reason says so."""
    decision = service.screen(listing(TRUNCATED, b"no image at all")).decision

    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert "IMAGES_UNREADABLE" in codes(decision)


def test_a_near_copy_of_a_known_counterfeit_is_taken_down(service: Service) -> None:
    """A recompressed copy of a known counterfeit is taken down by the operator's rule, which names the distance."""
    copy = draw(KNOWN_FAKE, kind="JPEG", quality=60)

    decision = service.screen(listing(copy)).decision

    assert decision.verdict == decision_pb2.VERDICT_TAKEDOWN
    assert "COPY_OF_KNOWN_COUNTERFEIT" in codes(decision)
    (found,) = duplicates(decision)
    assert found.source == evidence_pb2.DUPLICATE_SOURCE_KNOWN_COUNTERFEIT
    assert not found.exact
    assert found.distance_bits <= 20


def test_nothing_but_a_known_counterfeit_takes_a_listing_down(service: Service) -> None:
    """Everything that can be said against a listing, without a known counterfeit or a certificate, is REVIEW."""
    offer = listing(
        draw(AURORA_SHOE),
        title="1:1 replica of the Borealis bag, super fake",
        claimed_brand="Aurora",
        category="shoes",
        price=Money(currency_code="USD", units=1),
        seller_id="nobody",
    )

    decision = service.screen(offer).decision

    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert {"REPLICA_WORDING", "PRICE_FAR_BELOW_USUAL", "TAKEDOWN_NOT_CERTIFIED"} <= codes(decision)
    takedowns = [rule for rule in load_policy().rules if rule.verdict == "TAKEDOWN"]
    assert [rule.rule_id for rule in takedowns] == ["known-counterfeit-copy", "beyond-doubt"]


def test_the_same_key_twice_is_one_decision(service: Service) -> None:
    """A request sent again with its key returns the decision on record and records nothing."""
    first = service.screen(listing(), request_id="key-twice")
    before = service.application.store.counts()

    again = service.screen(listing(), request_id="key-twice")

    assert again == first
    assert service.application.store.counts() == before


def test_the_same_key_eight_times_at_once_is_one_decision(service: Service) -> None:
    """Eight identical requests under one key, racing, all get the one decision that was recorded."""
    before = service.application.store.counts().decisions

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.screen(listing(), request_id="key-race"), range(8)))

    assert len({answer.decision.decision_id for answer in answers}) == 1
    assert service.application.store.counts().decisions == before + 1


def test_a_key_used_for_another_listing_is_refused(service: Service) -> None:
    """A key that comes back with another listing is the client's mistake, and the field is named."""
    service.screen(listing(), request_id="key-other")

    with pytest.raises(grpc.RpcError) as refused:
        service.screen(listing(title="another"), request_id="key-other")

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refused.value) == {"request_id"}


def test_a_decision_is_returned_byte_for_byte(service: Service) -> None:
    """GetDecision returns what ScreenListing returned, and NOT_FOUND for an id that there is not."""
    decision = service.screen(listing(draw(AURORA_SHOE), title="Aurora")).decision

    answer = service.stub.GetDecision(pb.GetDecisionRequest(decision_id=decision.decision_id), timeout=PATIENCE_S)
    with pytest.raises(grpc.RpcError) as missing:
        service.stub.GetDecision(pb.GetDecisionRequest(decision_id="no-such"), timeout=PATIENCE_S)

    assert answer.decision.SerializeToString(deterministic=True) == decision.SerializeToString(deterministic=True)
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


def test_photos_of_a_removed_counterfeit_are_recognised(own_service: Service) -> None:
    """After a removal as counterfeit a listing with a copy of the photo is reviewed; the first decision stays."""
    first = own_service.screen(listing(draw(77), listing_id="removed")).decision
    removal = pb.RemoveListingRequest(listing_id="removed", reason=pb.REMOVAL_REASON_COUNTERFEIT)

    removed = own_service.stub.RemoveListing(removal, timeout=PATIENCE_S)
    again = own_service.stub.RemoveListing(removal, timeout=PATIENCE_S)
    own_service.application.knowledge.refresh()
    decision = own_service.screen(listing(draw(77, kind="JPEG"), listing_id="next")).decision

    assert first.verdict == decision_pb2.VERDICT_ALLOW
    assert removed == again
    assert removed.known_image_count == 1
    (found,) = duplicates(decision)
    assert (found.source, found.source_id) == (evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING, "removed")
    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    kept = own_service.stub.GetDecision(pb.GetDecisionRequest(decision_id=first.decision_id), timeout=PATIENCE_S)
    assert kept.decision == first


def test_a_flipped_crop_of_a_removed_photo_is_recognised_by_its_details(own_service: Service) -> None:
    """A crop that no hash recognises is reviewed, with the details that prove it and a sentence that says so."""
    own_service.screen(listing(draw(79), listing_id="removed"))
    removal = pb.RemoveListingRequest(listing_id="removed", reason=pb.REMOVAL_REASON_COUNTERFEIT)
    own_service.stub.RemoveListing(removal, timeout=PATIENCE_S)
    own_service.application.knowledge.refresh()

    cut = flipped_crop(draw(79), share=0.7)
    decision = own_service.screen(listing(draw(80), cut, listing_id="next")).decision

    (found,) = duplicates(decision)
    assert (found.source, found.source_id) == (evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING, "removed")
    assert (found.image_index, found.exact, found.mirrored) == (1, False, True)
    assert found.distance_bits > 48
    assert found.verification.mirrored
    assert found.verification.inlier_count >= 6
    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    (reason,) = (reason for reason in decision.reasons if reason.code == "COPY_OF_REMOVED_LISTING")
    assert reason.text == (
        "A photo copies one of a listing that was removed (removed, photo 2: "
        f"{found.verification.inlier_count} details in the same places, flipped left to right)"
    )
    assert "copies" in {timing.stage for timing in decision.timings}


def test_a_sale_makes_no_photo_known(own_service: Service) -> None:
    """A listing that its seller ended leaves no trace in the search; one never screened cannot be removed."""
    own_service.screen(listing(draw(78), listing_id="sold"))
    sold = pb.RemoveListingRequest(listing_id="sold", reason=pb.REMOVAL_REASON_ENDED_BY_SELLER)
    foreign = pb.RemoveListingRequest(listing_id="never", reason=pb.REMOVAL_REASON_COUNTERFEIT)

    removed = own_service.stub.RemoveListing(sold, timeout=PATIENCE_S)
    own_service.application.knowledge.refresh()
    decision = own_service.screen(listing(draw(78), listing_id="resold")).decision
    with pytest.raises(grpc.RpcError) as missing:
        own_service.stub.RemoveListing(foreign, timeout=PATIENCE_S)

    assert removed.known_image_count == 0
    assert duplicates(decision) == []
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


def test_an_image_is_searched_without_a_listing(service: Service) -> None:
    """SearchImage names the brand that a picture looks like, obeys `max_results`, and records nothing."""
    before = service.application.store.counts()
    request = pb.SearchImageRequest(image=listing_pb2.Image(content=draw(AURORA_SHOE)), max_results=1)

    found = service.stub.SearchImage(request, timeout=PATIENCE_S)

    assert [match.brand for match in found.matches] == ["Aurora"]
    assert found.matches[0].similarity == pytest.approx(1.0, abs=1e-5)
    proof = found.matches[0].verification
    assert proof.inlier_count > 8
    assert [(round(point.x, 1), round(point.y, 1)) for point in proof.outline] == [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert found.image_result.status == decision_pb2.IMAGE_STATUS_OK
    assert all((found.index_version, found.model_fingerprint))
    assert service.application.store.counts() == before


def test_searching_an_unreadable_image_finds_its_fault(service: Service) -> None:
    """An image that cannot be read is no error: its fault is the answer, without matches."""
    found = service.stub.SearchImage(
        pb.SearchImageRequest(image=listing_pb2.Image(content=TRUNCATED)), timeout=PATIENCE_S
    )

    assert found.image_result.status == decision_pb2.IMAGE_STATUS_TRUNCATED
    assert not found.matches


def test_capabilities_describe_this_server(service: Service) -> None:
    """GetCapabilities names model, index, policy, limits and formats as they are in use."""
    known = service.stub.GetCapabilities(pb.GetCapabilitiesRequest(), timeout=PATIENCE_S)

    decision = service.screen(listing()).decision
    assert known.api_version == "v1"
    assert known.model.fingerprint == decision.model_fingerprint
    assert known.model.embedding_dim == service.application.embedder.dim
    assert (known.index.version, known.policy_version) == (decision.index_version, decision.policy_version)
    assert known.index.brand_count == 2
    assert (known.limits.max_images_per_listing, known.limits.max_message_bytes) == (64, 64 * 2**20)
    assert {"JPEG", "PNG", "WEBP", "AVIF", "GIF"} <= set(known.image_formats)


def test_every_rpc_is_built(service: Service) -> None:
    """The capabilities name no rpc that is declared and not offered."""
    known = service.stub.GetCapabilities(pb.GetCapabilitiesRequest(), timeout=PATIENCE_S)

    assert not known.unimplemented_rpcs
