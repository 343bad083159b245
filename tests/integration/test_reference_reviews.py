"""What becomes of a reference? Lists, reviews and retirements, each only by whom it concerns, and visible at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from numpy.typing import NDArray

from index.errors import Conflict
from index.records import ReferenceState
from serving.access.caller import Caller
from serving.app import Application, open_application
from serving.deadline import NEVER
from serving.errors import PermissionDenied
from serving.scoping import Assessment
from tests.integration.reference_support import (
    LOGO,
    MODERATOR,
    OWNER_OF_AURORA,
    OWNER_OF_BOREALIS,
    Judge,
    Metadata,
    brands_of,
    header,
    judged_by,
    listed,
    small_picture,
    upload,
    uploaded,
)
from tests.integration.support import (
    AURORA,
    PATIENCE_S,
    Service,
    Start,
    draw,
    fill,
    listing,
    settings_at,
    violated_fields,
)
from touchstone.moderation.v1 import brand_pb2, evidence_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("acts_are_entered")

ACTIVE, QUARANTINED = brand_pb2.REFERENCE_STATE_ACTIVE, brand_pb2.REFERENCE_STATE_QUARANTINED
PENDING, REJECTED = brand_pb2.REFERENCE_STATE_PENDING, brand_pb2.REFERENCE_STATE_REJECTED
LEAD: Metadata = (("touchstone-actor", "lea"), ("touchstone-roles", "lead"))
PRODUCT = evidence_pb2.REFERENCE_KIND_PRODUCT


@pytest.fixture(scope="module")
def service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve with an assessor that finds everything too broad."""
    with open_application(settings_at(tmp_path_factory.mktemp("reviews"))) as application:
        fill(application)
        with start(judged_by(application, Judge())) as running:
            yield running


def review(
    service: Service, reference_id: str, action: str, *, by: Metadata = MODERATOR, reason: str = "", etag: str = ""
) -> pb.ReviewReferenceResponse:
    """Decide on a reference."""
    request = pb.ReviewReferenceRequest(
        reference_id=reference_id, action=pb.ReviewAction.Value(f"REVIEW_ACTION_{action}"), reason=reason, etag=etag
    )
    return brands_of(service).ReviewReference(request, timeout=PATIENCE_S, metadata=by)


def retire(service: Service, reference_id: str, *, by: Metadata = (), etag: str = "") -> pb.RetireReferenceResponse:
    """Retire a reference."""
    request = pb.RetireReferenceRequest(reference_id=reference_id, reason="old", etag=etag)
    return brands_of(service).RetireReference(request, timeout=PATIENCE_S, metadata=by)


def matched(service: Service, picture: bytes) -> set[str]:
    """Name the pictures on record of which a photo is a copy."""
    decision = service.screen(listing(picture)).decision
    return {item.duplicate.source_id for item in decision.evidence if item.HasField("duplicate")}


# --- reviews ---------------------------------------------------------------------------------------------------------


def test_a_quarantined_reference_is_released_by_a_moderator_with_a_reason(service: Service) -> None:
    """From that answer on it is matched; its scope is measured again, and the reason stands."""
    picture = draw(61)
    quarantined = uploaded(service, picture, by=OWNER_OF_AURORA, kind=PRODUCT)
    before = matched(service, picture)

    answer = review(service, quarantined.reference_id, "ACTIVATE", reason="a mark of theirs indeed")

    decision = service.screen(listing(picture)).decision
    assert quarantined.state == QUARANTINED
    assert answer.reference.state == ACTIVE
    assert answer.reference.state_reason == "a mark of theirs indeed"
    assert answer.reference.scope.collision_count == 1
    assert answer.reference.etag != quarantined.etag
    assert answer.index_version == decision.index_version
    assert quarantined.reference_id not in before
    assert quarantined.reference_id in matched(service, picture)


def test_an_owner_cannot_release_what_is_quarantined(service: Service) -> None:
    """Nor does a moderator without a reason."""
    reference = uploaded(service, draw(62), by=OWNER_OF_AURORA)

    with pytest.raises(grpc.RpcError) as denied:
        review(service, reference.reference_id, "ACTIVATE", by=OWNER_OF_AURORA, reason="mine")
    with pytest.raises(grpc.RpcError) as unreasoned:
        review(service, reference.reference_id, "ACTIVATE")

    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert violated_fields(unreasoned.value) == {"reason"}
    assert listed(service)[0] == reference


def test_an_owner_s_activation_of_a_held_one_is_assessed(service: Service) -> None:
    """What proves too broad then is quarantined, and the answer says why."""
    held = uploaded(service, draw(63), by=OWNER_OF_AURORA, hold=True)

    answer = review(service, held.reference_id, "ACTIVATE", by=OWNER_OF_AURORA)

    assert (held.state, answer.reference.state) == (PENDING, QUARANTINED)
    assert answer.reference.state_reason == "too broad"
    assert answer.reference.scope.background_image_count == 2_000


@pytest.mark.parametrize("action", ["QUARANTINE", "REJECT"])
def test_holding_back_and_refusing_need_a_reason(service: Service, action: str) -> None:
    """The owner reads it; an action that is none is refused as well."""
    reference = uploaded(service, draw(64), hold=True)

    with pytest.raises(grpc.RpcError) as unreasoned:
        review(service, reference.reference_id, action, reason="  ")
    with pytest.raises(grpc.RpcError) as nothing:
        review(service, reference.reference_id, "UNSPECIFIED")

    assert violated_fields(unreasoned.value) == {"reason"}
    assert violated_fields(nothing.value) == {"action"}


def test_a_rejected_reference_stays_rejected(service: Service) -> None:
    """Saying so again changes nothing, even with an etag of before; everything else is refused."""
    reference = uploaded(service, draw(65), hold=True)
    rejected = review(service, reference.reference_id, "REJECT", reason="not their mark").reference

    again = review(service, reference.reference_id, "REJECT", reason="still", etag=reference.etag).reference
    with pytest.raises(grpc.RpcError) as activated:
        review(service, reference.reference_id, "ACTIVATE", reason="please")
    with pytest.raises(grpc.RpcError) as retired:
        retire(service, reference.reference_id)

    assert (rejected.state, rejected.state_reason) == (REJECTED, "not their mark")
    assert again == rejected
    assert activated.value.code() is retired.value.code() is grpc.StatusCode.ABORTED


def test_an_owners_counterfeit_waits_for_a_moderator(own_application: Application, start: Start) -> None:
    """What takes listings down is put in force by a moderator: neither by an owner's upload nor by its activation."""
    kind = evidence_pb2.REFERENCE_KIND_COUNTERFEIT
    with start(judged_by(own_application, Judge(ReferenceState.ACTIVE, "narrow"))) as narrow:
        at_once = uploaded(narrow, draw(911), by=OWNER_OF_AURORA, kind=kind)
        held = uploaded(narrow, draw(912), by=OWNER_OF_AURORA, kind=kind, hold=True)
        activated = review(narrow, held.reference_id, "ACTIVATE", by=OWNER_OF_AURORA).reference
        with pytest.raises(grpc.RpcError, match="PERMISSION_DENIED"):
            review(narrow, at_once.reference_id, "ACTIVATE", by=OWNER_OF_AURORA, reason="mine")
        released = review(narrow, at_once.reference_id, "ACTIVATE", reason="a fake indeed").reference
        of_lead = uploaded(narrow, draw(913), by=LEAD, kind=kind)

    assert (at_once.state, activated.state) == (QUARANTINED, QUARANTINED)
    assert "moderator" in at_once.state_reason
    assert (released.state, of_lead.state) == (ACTIVE, ACTIVE)


def test_an_etag_of_before_is_refused(service: Service) -> None:
    """Whoever decides on what is no longer so reads it again; an etag that is none is named as such."""
    reference = uploaded(service, draw(66))
    review(service, reference.reference_id, "ACTIVATE", reason="fine")

    with pytest.raises(grpc.RpcError) as stale:
        retire(service, reference.reference_id, etag=reference.etag)
    with pytest.raises(grpc.RpcError) as foreign:
        retire(service, reference.reference_id, etag="W/x")

    assert stale.value.code() is grpc.StatusCode.ABORTED
    assert violated_fields(foreign.value) == {"etag"}


def test_an_etag_that_is_yet_to_come_releases_nothing(own_application: Application) -> None:
    """An owner who guesses the etag that a moderator's quarantine will give does not activate over it."""
    application, store = own_application, own_application.store
    anna = Caller("anna", frozenset({"brand-owner"}), frozenset({AURORA.brand_id}))
    answers = judged_by(application, Judge(ReferenceState.ACTIVE)).registry.references
    head = header(hold=True)
    held = answers.upload(head, draw(69), anna, deadline=NEVER)

    class Rival(Judge):
        def assess(self, brand_id: str, vectors: NDArray[np.float32], *, marks: bool) -> Assessment:
            store.set_reference_state(held.reference_id, ReferenceState.QUARANTINED, reason="seen by a person")
            return super().assess(brand_id, vectors, marks=marks)

    rivals = judged_by(application, Rival(ReferenceState.ACTIVE)).registry.references
    guessed = pb.ReviewReferenceRequest(
        reference_id=held.reference_id, action=pb.REVIEW_ACTION_ACTIVATE, etag=str(int(held.etag) + 1)
    )

    for _ in range(2):
        with pytest.raises((Conflict, PermissionDenied)):
            rivals.review(guessed, anna)
    # What is seen first counts, without an etag as well.
    with pytest.raises((Conflict, PermissionDenied)):
        rivals.review(pb.ReviewReferenceRequest(reference_id=held.reference_id, action=guessed.action), anna)

    assert store.get_reference(held.reference_id).state is not ReferenceState.ACTIVE


def test_of_eight_who_review_at_once_exactly_one_wins(service: Service) -> None:
    """Each saw the same etag and wants another state than the neighbour; the losers are told to read again."""
    reference = uploaded(service, draw(67), hold=True)
    together = Barrier(8)

    def decide(number: int) -> str:
        together.wait(PATIENCE_S)
        action = ("QUARANTINE", "REJECT")[number % 2]
        try:
            answer = review(service, reference.reference_id, action, reason=f"{number}", etag=reference.etag)
        except grpc.RpcError as error:
            return str(error.code().name)
        return str(answer.reference.state_reason)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(decide, range(8)))

    stored = listed(service)[0]
    winners = {outcome for outcome in outcomes if outcome != "ABORTED"}
    assert winners == {stored.state_reason}  # those who want what the winner wants are told of the winner's reason
    assert outcomes.count("ABORTED") == 4
    assert stored.etag == str(int(reference.etag) + 1)


# --- retirement ------------------------------------------------------------------------------------------------------


def test_a_retired_reference_matches_no_more_and_stays_readable(service: Service) -> None:
    """From that answer on; retiring it again changes nothing."""
    picture = draw(68)
    reference = uploaded(service, picture, kind=PRODUCT)
    review(service, reference.reference_id, "ACTIVATE", reason="fine")
    before = matched(service, picture)

    answer = retire(service, reference.reference_id, by=OWNER_OF_AURORA)
    again = retire(service, reference.reference_id, etag=reference.etag)

    decision = service.screen(listing(picture)).decision
    assert reference.reference_id in before
    assert reference.reference_id not in matched(service, picture)
    assert decision.index_version == answer.index_version
    assert (answer.reference.state_reason, again.reference) == ("old", answer.reference)
    assert answer.reference in listed(service, states=[brand_pb2.REFERENCE_STATE_RETIRED])


# --- lists -----------------------------------------------------------------------------------------------------------


def test_pages_are_stable_and_bound_to_their_filter(service: Service) -> None:
    """A reference that comes in between moves none; the token is refused with another filter, but not page size."""
    files = [(header(bank_id="pages"), small_picture(seed)) for seed in range(7)]
    ids = [result.reference.reference_id for result in upload(service, *files)]
    stub = brands_of(service)

    def page(token: str = "", size: int = 3, **fields: object) -> pb.ListReferencesResponse:
        wanted: dict[str, Any] = {"brand_id": "aurora", "bank_id": "pages"} | fields
        request = pb.ListReferencesRequest(page_size=size, page_token=token, **wanted)
        return stub.ListReferences(request, timeout=PATIENCE_S)

    first = page()
    uploaded(service, small_picture(99), bank_id="pages")
    second = page(first.next_page_token, 2)
    last = page(second.next_page_token, 2)
    seen = [reference.reference_id for one in (first, second, last) for reference in one.references]
    assert sorted(seen) == sorted(ids)
    assert last.next_page_token == ""
    others: tuple[tuple[str, dict[str, Any]], ...] = (
        (first.next_page_token, {"bank_id": ""}), (first.next_page_token, {"kinds": [LOGO]}),
        ("bm9uc2Vuc2U=", {}), (first.next_page_token[:-3], {}),
    )  # fmt: skip
    for token, fields in others:
        with pytest.raises(grpc.RpcError) as refused:
            page(token, **fields)
        assert violated_fields(refused.value) == {"page_token"}


def test_filters_and_sizes_that_are_none_are_named(service: Service) -> None:
    """Each is a field violation of its own."""
    request = pb.ListReferencesRequest(
        page_size=1_001, states=[brand_pb2.REFERENCE_STATE_UNSPECIFIED, ACTIVE], kinds=[LOGO]
    )
    request.kinds.append(99)  # type: ignore[arg-type]

    with pytest.raises(grpc.RpcError) as refused:
        brands_of(service).ListReferences(request, timeout=PATIENCE_S)

    assert violated_fields(refused.value) == {"brand_id", "page_size", "states[0]", "kinds[1]"}


# --- tenants ---------------------------------------------------------------------------------------------------------


def test_an_owner_of_another_brand_learns_and_changes_nothing(service: Service) -> None:
    """Every rpc answers another brand's id and one that is not there in the same words, and leaves all as it is."""
    reference = uploaded(service, draw(70), by=OWNER_OF_AURORA, hold=True)
    stub, before = brands_of(service), listed(service)

    def told(call: Any, request: Message) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=PATIENCE_S, metadata=OWNER_OF_BOREALIS)
        return refused.value.code().name, str(refused.value.details())

    def asked(brand_id: str, reference_id: str) -> list[tuple[str, str]]:
        (result,) = upload(service, (header(brand_id=brand_id), draw(71)), by=OWNER_OF_BOREALIS)
        reviews = [
            pb.ReviewReferenceRequest(reference_id=reference_id, action=action, reason="mine")
            for action in (pb.REVIEW_ACTION_ACTIVATE, pb.REVIEW_ACTION_QUARANTINE, pb.REVIEW_ACTION_REJECT)
        ]
        answers = [
            (code_name(result.error.code), result.error.message),
            told(stub.ListReferences, pb.ListReferencesRequest(brand_id=brand_id)),
            *(told(stub.ReviewReference, request) for request in reviews),
            told(stub.RetireReference, pb.RetireReferenceRequest(reference_id=reference_id)),
        ]
        # The ids that the caller sent stand in the sentences; everything else must be the same.
        return [(code, words.replace(brand_id, "BRAND").replace(reference_id, "ID")) for code, words in answers]

    theirs, nobodys = asked("aurora", reference.reference_id), asked("nobody", "0" * 32)

    assert theirs == nobodys
    assert {code for code, _ in theirs} == {"NOT_FOUND"}
    assert listed(service) == before


def test_an_owner_cannot_use_the_key_of_another(service: Service) -> None:
    """Keys are each caller's own: the same one by somebody else finds nothing."""
    uploaded(service, draw(72), by=OWNER_OF_AURORA, request_id="shared", hold=True)

    theirs = uploaded(service, draw(72), by=OWNER_OF_BOREALIS, brand_id="borealis", request_id="shared", hold=True)

    assert (theirs.brand_id, theirs.provenance.uploaded_by) == ("borealis", "boris")
    assert theirs.provenance.source == brand_pb2.REFERENCE_SOURCE_BRAND_OWNER


def code_name(number: int) -> str:
    """Name a status code."""
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)
