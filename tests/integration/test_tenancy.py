"""Can a brand owner's token read or change another brand? Every rpc is tried with every other tenant's ids.

Each attempt is made twice: with ids of the other tenant, and with ids that there are not. Both must be refused in the
same words, so that not even the existence of something can be told; and the store must be what it was, row for row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import select

from index.brand_records import mark_key
from index.records import Mark, MarkKind
from index.store.tables import metadata
from index.store.tables.audit import audit_entries, audit_heads
from serving.access.caller import BRAND_OWNER
from serving.access.permissions import GRANTS, NO_ROLE, RPCS
from serving.app import Application, open_application
from serving.rpc_services import (
    BRAND_SERVICE,
    BUYER_SERVICE,
    CASE_SERVICE,
    IMAGE_SERVICE,
    INSIGHT_SERVICE,
    MODERATION_SERVICE,
    PORTAL_SERVICE,
    SCAN_SERVICE,
    SERVICES,
    STATEMENT_SERVICE,
)  # fmt: skip
from tests.integration.access_support import access_file, bearer, issuer_at, token_rules
from tests.integration.case_support import TAKEDOWN, case_of, person, suspicious
from tests.integration.support import (
    AURORA,
    AURORA_SHOE,
    BOREALIS,
    BOREALIS_BAG,
    PATIENCE_S,
    Service,
    Start,
    draw,
    fill,
    listing,
    settings_at,
)
from touchstone.moderation.v1 import (
    brand_pb2,
    brand_service_pb2,
    catalogue_pb2,
    evidence_pb2,
    image_service_pb2,
    insight_service_pb2,
    listing_pb2,
    scan_service_pb2,
    statement_service_pb2,
)
from touchstone.moderation.v1 import brand_portal_service_pb2 as portal
from touchstone.moderation.v1 import case_service_pb2 as cases
from touchstone.moderation.v1 import moderation_service_pb2 as mod

METHODS = {f"{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods}
REFUSED = {"NOT_FOUND", "PERMISSION_DENIED"}
# Open to everybody who reports, about any listing: neither reads nor changes a brand.
REPORTING = f"{CASE_SERVICE.full_name}/ReportListing"
# Open to everybody: what a brand has said is told to buyers, and a brand owner hears no more than they.
PUBLIC = {f"{BUYER_SERVICE.full_name}/{method.name}" for method in BUYER_SERVICE.methods}
# Whoever signs in may apply for a brand and read its own applications: it names no other tenant's things.
APPLYING = {f"{PORTAL_SERVICE.full_name}/ApplyForBrand"}
# About the server, or about all brands that the caller sees: answered, without a word of others.
ANSWERED = {
    f"{MODERATION_SERVICE.full_name}/GetCapabilities",
    f"{MODERATION_SERVICE.full_name}/GetCaller",
    f"{BRAND_SERVICE.full_name}/ListBrands",
    f"{PORTAL_SERVICE.full_name}/ListApplications",
}
# Named as a filter, another's brand finds nothing, as one that is not there.
FILTERED = {f"{BRAND_SERVICE.full_name}/FindListings"}


@dataclass(frozen=True)
class Ids:
    """What one tenant's things are called."""

    brand: str
    mark: str
    reference: str
    listing: str
    decision: str
    case: str
    resolution: str
    batch: str
    scan: str
    report: str


NOWHERE = Ids(**{name: f"no-such-{name}" for name in Ids.__dataclass_fields__})


def _upload(brand_id: str, mark_id: str = "") -> list[Message]:
    header = brand_service_pb2.UploadReferenceHeader(
        brand_id=brand_id, mark_id=mark_id, kind=evidence_pb2.REFERENCE_KIND_LOGO
    )
    request = brand_service_pb2.UploadReferenceRequest
    return [request(header=header), request(chunk=draw(901))]


def _attempts(ids: Ids, own: Ids) -> Iterator[tuple[str, list[Message]]]:
    """Give every way to name somebody's things: an rpc, and the messages that it is sent."""
    yield from _brand_attempts(ids, own)
    of_cases: list[tuple[str, Message]] = [
        ("ListCases", cases.ListCasesRequest(filter=cases.CaseFilter(brand_ids=[ids.brand]))),
        ("GetCase", cases.GetCaseRequest(case_id=ids.case)),
        ("ClaimCase", cases.ClaimCaseRequest(case_id=ids.case)),
        ("ResolveCase", cases.ResolveCaseRequest(case_id=ids.case, outcome=TAKEDOWN, lease_token="x")),
        (
            "BatchResolveCases",
            cases.BatchResolveCasesRequest(case_ids=cases.CaseIds(case_ids=[ids.case]), outcome=TAKEDOWN),
        ),
        ("UndoResolution", cases.UndoResolutionRequest(resolution_id=ids.resolution, reason="why")),
        ("UndoResolution", cases.UndoResolutionRequest(batch_id=ids.batch, reason="why")),
        (
            "AppealDecision",
            cases.AppealDecisionRequest(decision_id=ids.decision, appellant_id="s1", statement="genuine"),
        ),
        ("ExportEvidence", cases.ExportEvidenceRequest(case_id=ids.case)),
        ("MarkGoldCase", cases.MarkGoldCaseRequest(case_id=ids.case, note="why")),
        ("UnmarkGoldCase", cases.UnmarkGoldCaseRequest(case_id=ids.case)),
        ("ListGoldCases", cases.ListGoldCasesRequest()),
    ]
    yield from ((f"{CASE_SERVICE.full_name}/{name}", [request]) for name, request in of_cases)
    offer = listing(listing_id=ids.listing)
    of_listings: list[tuple[str, Message]] = [
        ("ScreenListing", mod.ScreenListingRequest(listing=offer)),
        ("ScreenListings", mod.ScreenListingsRequest(listing=offer)),
        ("WatchDecisions", mod.WatchDecisionsRequest()),
        ("RemoveListing", mod.RemoveListingRequest(listing_id=ids.listing, reason=mod.REMOVAL_REASON_COUNTERFEIT)),
        ("SearchImage", mod.SearchImageRequest(image=listing_pb2.Image(content=draw(BOREALIS_BAG)))),
        ("GetDecision", mod.GetDecisionRequest(decision_id=ids.decision)),
        ("GetCapabilities", mod.GetCapabilitiesRequest()),
        ("GetCaller", mod.GetCallerRequest()),
    ]
    yield from ((f"{MODERATION_SERVICE.full_name}/{name}", [request]) for name, request in of_listings)
    of_scans: list[tuple[str, Message]] = [
        ("StartScan", scan_service_pb2.StartScanRequest(resume_scan_id=ids.scan)),
        ("GetScan", scan_service_pb2.GetScanRequest(scan_id=ids.scan)),
        ("WatchScan", scan_service_pb2.WatchScanRequest(scan_id=ids.scan)),
        ("CancelScan", scan_service_pb2.CancelScanRequest(scan_id=ids.scan)),
    ]
    yield from ((f"{SCAN_SERVICE.full_name}/{name}", [request]) for name, request in of_scans)
    yield from ((f"{IMAGE_SERVICE.full_name}/{name}", [request]) for name, request in _image_attempts(ids))
    of_portals: list[tuple[str, Message]] = [
        ("GetPortal", portal.GetPortalRequest(brand_id=ids.brand)),
        ("ListNotices", portal.ListNoticesRequest(brand_id=ids.brand)),
        ("ListHits", portal.ListHitsRequest(brand_id=ids.brand)),
        ("ListApplications", portal.ListApplicationsRequest()),
        (
            "DecideApplication",
            portal.DecideApplicationRequest(
                application_id="no-such-application", decision=portal.APPLICATION_STATE_APPROVED, brand_id=ids.brand
            ),
        ),
    ]
    yield from ((f"{PORTAL_SERVICE.full_name}/{name}", [request]) for name, request in of_portals)
    of_statements: list[tuple[str, Message]] = [
        ("GetStatement", statement_service_pb2.GetStatementRequest(case_id=ids.case)),
        ("ExportStatements", statement_service_pb2.ExportStatementsRequest()),
        ("GetLegalClock", statement_service_pb2.GetLegalClockRequest(case_id=ids.case)),
        ("RecordLegalStep", statement_service_pb2.RecordLegalStepRequest(case_id=ids.case)),
    ]
    yield from ((f"{STATEMENT_SERVICE.full_name}/{name}", [request]) for name, request in of_statements)
    yield from ((f"{INSIGHT_SERVICE.full_name}/{name}", [request]) for name, request in _insight_attempts(ids))


def _insight_attempts(ids: Ids) -> list[tuple[str, Message]]:
    pb = insight_service_pb2
    return [
        ("GetVolumes", pb.GetVolumesRequest(split=pb.VOLUME_SPLIT_BRAND)),
        ("GetPrecision", pb.GetPrecisionRequest()),
        ("GetCalibration", pb.GetCalibrationRequest(brand=ids.brand)),
        ("ListThresholds", pb.ListThresholdsRequest()),
        ("GetDrift", pb.GetDriftRequest(brand=ids.brand)),
        ("GetQueue", pb.GetQueueRequest()),
        ("ListReviewers", pb.ListReviewersRequest()),
        ("GetReviewer", pb.GetReviewerRequest(reviewer="reviewer-1")),
        ("GetSeller", pb.GetSellerRequest(seller_id="s1")),
    ]


def _image_attempts(ids: Ids) -> Iterator[tuple[str, Message]]:
    pb = image_service_pb2
    of_case, of_decision = pb.ImagePlace(id=ids.case), pb.ImagePlace(id=ids.decision)
    yield "ListImages", pb.ListImagesRequest(case_id=ids.case)
    yield "ListImages", pb.ListImagesRequest(decision_id=ids.decision)
    yield "ListImages", pb.ListImagesRequest(report_id=ids.report)
    yield "GetImage", pb.GetImageRequest(case_image=of_case)
    yield "GetImage", pb.GetImageRequest(decision_image=of_decision)
    yield "GetImage", pb.GetImageRequest(decision_image=of_decision, aligned_to_reference_id=ids.reference)
    yield "GetImage", pb.GetImageRequest(decision_image=of_decision, original=True)
    yield "GetImage", pb.GetImageRequest(report_image=pb.ImagePlace(id=ids.report))
    yield "GetImage", pb.GetImageRequest(reference_id=ids.reference)
    yield "GetImage", pb.GetImageRequest(reference_id=ids.reference, matched_frame=True)


def _brand_attempts(ids: Ids, own: Ids) -> Iterator[tuple[str, list[Message]]]:
    pb, image = brand_service_pb2, listing_pb2.Image(content=draw(902))
    brand = brand_pb2.Brand(brand_id=ids.brand, name="Taken over")
    draft = pb.ReferenceDraft(brand_id=ids.brand, kind=evidence_pb2.REFERENCE_KIND_LOGO, image=image)
    only_theirs = catalogue_pb2.ListingFilter(brand_ids=[ids.brand])
    attempts: list[tuple[str, list[Message]]] = [
        ("CreateBrand", [pb.CreateBrandRequest(brand=brand)]),
        ("GetBrand", [pb.GetBrandRequest(brand_id=ids.brand)]),
        ("ListBrands", [pb.ListBrandsRequest()]),
        ("UpdateBrand", [pb.UpdateBrandRequest(brand=brand, update_mask=FieldMask(paths=["name"]))]),
        ("UploadReference", _upload(ids.brand)),
        ("UploadReference", _upload(own.brand, ids.mark)),
        ("ListReferences", [pb.ListReferencesRequest(brand_id=ids.brand)]),
        (
            "ReviewReference",
            [pb.ReviewReferenceRequest(reference_id=ids.reference, action=pb.REVIEW_ACTION_ACTIVATE, reason="why")],
        ),
        ("PreviewReference", [pb.PreviewReferenceRequest(reference_id=ids.reference)]),
        ("PreviewReference", [pb.PreviewReferenceRequest(draft=draft)]),
        ("FindListings", [pb.FindListingsRequest(reference_id=ids.reference)]),
        ("FindListings", [pb.FindListingsRequest(image=image, min_similarity=-1.0, filter=only_theirs)]),
        (
            "SetAuthorizedSellers",
            [
                pb.SetAuthorizedSellersRequest(
                    brand_id=ids.brand, authorized_sellers=brand_pb2.AuthorizedSellerList(sellers=[])
                )
            ],
        ),
        ("SetPriceBands", [pb.SetPriceBandsRequest(brand_id=ids.brand)]),
        ("SetBuyerAdvice", [pb.SetBuyerAdviceRequest(brand_id=ids.brand)]),
        ("RetireReference", [pb.RetireReferenceRequest(reference_id=ids.reference, reason="why")]),
    ]
    yield from ((f"{BRAND_SERVICE.full_name}/{name}", requests) for name, requests in attempts)


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: the code of its only error, of the call or of its item, and all words of the answer."""

    code: str
    words: str


@dataclass(frozen=True)
class Tenants:
    """A brand owner's way to the server, and what it and another tenant have there."""

    application: Application
    channel: grpc.Channel
    token: tuple[tuple[str, str | bytes], ...]
    own: Ids
    theirs: Ids

    def attempt(self, rpc: str, requests: list[Message]) -> Outcome:
        """Call an rpc of any kind as the brand owner."""
        method = METHODS[rpc]
        call: Any = self.channel.stream_stream(
            f"/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        try:
            answers = list(call(iter(requests), metadata=self.token, timeout=PATIENCE_S))
        except grpc.RpcError as error:
            return Outcome(error.code().name, str(error.details()))
        errors = {
            result.error.code for answer in answers for result in getattr(answer, "results", ()) if _failed(result)
        }
        names = {code.value[0]: code.name for code in grpc.StatusCode}
        code = names[errors.pop()] if len(errors) == 1 else "OK"
        return Outcome(code, "".join(json_format.MessageToJson(answer) for answer in answers))

    def rows(self) -> dict[str, set[str]]:
        """Return everything that the store holds, but for the seals that the audit log's entries get by and by."""
        sealed = {audit_entries.c.position, audit_entries.c.hash}
        with self.application.store._database.read("compare") as connection:
            return {
                table.name: {
                    repr(tuple(row))
                    for row in connection.execute(select(*(column for column in table.c if column not in sealed)))
                }
                for table in metadata.sorted_tables
                if table is not audit_heads
            }


def _failed(result: Any) -> bool:
    return hasattr(result, "error") and bool(result.HasField("error"))


@pytest.fixture(scope="module")
def tenants(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """Serve for two tenants, Aurora and Borealis; each has a brand, a mark, a reference, a listing and a case."""
    folder = tmp_path_factory.mktemp("tenants")
    token = issuer_at(folder).token("owner of Aurora", roles=["brand-owner"], brands=[AURORA.brand_id])
    with open_application(settings_at(folder)) as application:
        fill(application)
        with start(application) as open_service:
            own, theirs = (_ids(open_service, brand_id) for brand_id in (AURORA.brand_id, BOREALIS.brand_id))
        for learning in (application.in_force.calibrator, application.in_force.certificates):
            learning.refresh()  # which writes what follows from the verdicts: nothing is left that changes by itself
        application.listings.refresh()
        guarded = application.settings.model_copy(update={"access": access_file(folder, tokens=token_rules())})
        with start(replace(application, settings=guarded)) as service:
            yield Tenants(application, service.channel, bearer(token), own, theirs)


def _ids(service: Service, brand_id: str) -> Ids:
    """Give a tenant what it lacks, and name all that it has."""
    store = service.application.store
    store.put_marks(
        [
            Mark(
                mark_id=mark_key(brand_id, f"{brand_id}-mark"),
                brand_id=brand_id,
                kind=MarkKind.LOGO,
                name=f"{brand_id} mark",
            )
        ]
    )
    known = store.iter_references(service.application.embedder.fingerprint)
    references = {reference.reference_id for reference, _ in known if reference.brand_id == brand_id}
    brand, picture = {AURORA.brand_id: (AURORA, AURORA_SHOE), BOREALIS.brand_id: (BOREALIS, BOREALIS_BAG)}[brand_id]
    decision = suspicious(service, f"{brand_id}-listing", picture=picture, brand=brand.name)
    case_id = case_of(service, decision)
    lead = person(service, "lead", "lead")
    picture_of_it = listing_pb2.Image(content=draw(picture))
    report = lead.report(decision.listing_id, images=[picture_of_it]).report.report_id
    resolved = lead.resolve(case_id, TAKEDOWN).resolution.resolution_id
    return Ids(
        brand=brand_id,
        mark=f"{brand_id}-mark",
        reference=min(references),
        listing=decision.listing_id,
        decision=decision.decision_id,
        case=case_id,
        resolution=resolved,
        batch="no-such-batch",
        scan="no-such-scan",
        report=report,
    )


def _without_ids(outcome: Outcome, ids: Ids) -> Outcome:
    """Take out of an outcome what the attempt itself named."""
    words = outcome.words
    for name in sorted(vars(ids).values(), key=len, reverse=True):
        words = words.replace(name, "...")
    return replace(outcome, words=words)


def test_every_rpc_is_tried() -> None:
    """The attempts cover each rpc of each service by its descriptor: a new one fails here until it is tried."""
    tried = {rpc for rpc, _ in _attempts(NOWHERE, NOWHERE)} | {REPORTING} | PUBLIC | APPLYING

    assert tried == set(METHODS) == {rpc for rpc in RPCS if rpc.startswith("touchstone.")}


def test_a_brand_owner_has_no_part_in_the_marketplaces_work(tenants: Tenants) -> None:
    """Decisions, cases and scans are closed to it, with its own ids as with others', and no row changes."""
    before = tenants.rows()
    closed = [
        rpc
        for rpc, permission in RPCS.items()
        if rpc in METHODS and permission not in NO_ROLE and BRAND_OWNER not in GRANTS[permission]
    ]

    outcomes = [
        (rpc, tenants.attempt(rpc, requests).code)
        for ids in (tenants.theirs, tenants.own, NOWHERE)
        for rpc, requests in _attempts(ids, tenants.own)
        if rpc in closed and rpc not in ANSWERED
    ]

    assert {rpc for rpc, _ in outcomes} == {*closed} - ANSWERED
    assert {code for _, code in outcomes} == {"PERMISSION_DENIED"}, outcomes
    assert tenants.rows() == before


def test_no_rpc_reads_or_changes_another_brand(tenants: Tenants) -> None:
    """Whatever names another tenant's things is refused just as if they were not there, and no row changes."""
    before = tenants.rows()
    pairs = zip(_attempts(tenants.theirs, tenants.own), _attempts(NOWHERE, tenants.own), strict=True)

    for (rpc, requests), (_, of_nothing) in pairs:
        outcome = _without_ids(tenants.attempt(rpc, requests), tenants.theirs)

        assert outcome == _without_ids(tenants.attempt(rpc, of_nothing), NOWHERE), rpc
        allowed = REFUSED | {"OK"} if rpc in FILTERED else {"OK"} if rpc in ANSWERED else REFUSED
        assert outcome.code in allowed, (rpc, outcome)
        assert BOREALIS.name not in outcome.words, (rpc, outcome)

    assert tenants.rows() == before


def test_a_report_for_another_brand_is_refused_as_for_none(tenants: Tenants) -> None:
    """Who owns one brand reports in no other's name, so that nobody spoils another's record; nothing is recorded."""
    before = tenants.rows()

    def report(brand_id: str) -> Outcome:
        request = cases.ReportListingRequest(
            listing_id=tenants.own.listing, reporter_id="r", reason_code="COUNTERFEIT", brand_id=brand_id
        )
        outcome = tenants.attempt(REPORTING, [request])
        return replace(outcome, words=outcome.words.replace(brand_id, "..."))

    assert report(tenants.theirs.brand) == report("no-such-brand")
    assert report(tenants.theirs.brand).code == "NOT_FOUND"
    assert tenants.rows() == before


def test_the_same_attempts_on_its_own_brand_are_let_in(tenants: Tenants) -> None:
    """With its own ids the brand owner is refused nothing of the registry but a new brand: the attempts are sound."""
    prefix = f"{BRAND_SERVICE.full_name}/"

    codes = {
        (rpc.removeprefix(prefix), number): tenants.attempt(rpc, requests).code
        for number, (rpc, requests) in enumerate(_attempts(tenants.own, tenants.own))
        if rpc.startswith(prefix)
    }

    assert {name for (name, _), code in codes.items() if code != "OK"} == {"CreateBrand"}, codes
