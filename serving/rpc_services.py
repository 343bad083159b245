"""Which services does the server offer? Each gRPC service of the API, and the servicer that answers it."""

from __future__ import annotations

import asyncio

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from index.store.feed import ChangeFeed
from serving.access.admission import Gate
from serving.app import Application
from serving.brand_servicer import BrandServicer
from serving.buyer_servicer import BuyerLimits, BuyerServicer
from serving.caller_answers import from_caller
from serving.capabilities import capabilities_of
from serving.case_servicer import CaseServicer
from serving.image_servicer import ImageServicer
from serving.insight_servicer import InsightServicer
from serving.legal.answers import StatementAnswers
from serving.legal.servicer import StatementServicer
from serving.limits.callers import CallerLimits
from serving.portal_servicer import PortalServicer
from serving.scan.servicer import ScanServicer
from serving.servicers import ModerationServicer
from serving.work import Work
from touchstone.moderation.v1 import (
    brand_portal_service_pb2,
    brand_service_pb2,
    buyer_service_pb2,
    case_service_pb2,
    image_service_pb2,
    insight_service_pb2,
    moderation_service_pb2,
    scan_service_pb2,
    statement_service_pb2,
)
from touchstone.moderation.v1.brand_portal_service_pb2_grpc import add_PortalServiceServicer_to_server
from touchstone.moderation.v1.brand_service_pb2_grpc import add_BrandServiceServicer_to_server
from touchstone.moderation.v1.buyer_service_pb2_grpc import add_BuyerServiceServicer_to_server
from touchstone.moderation.v1.case_service_pb2_grpc import add_CaseServiceServicer_to_server
from touchstone.moderation.v1.image_service_pb2_grpc import add_ImageServiceServicer_to_server
from touchstone.moderation.v1.insight_service_pb2_grpc import add_InsightServiceServicer_to_server
from touchstone.moderation.v1.moderation_service_pb2_grpc import add_ModerationServiceServicer_to_server
from touchstone.moderation.v1.scan_service_pb2_grpc import add_ScanServiceServicer_to_server
from touchstone.moderation.v1.statement_service_pb2_grpc import add_StatementServiceServicer_to_server

MODERATION_SERVICE = moderation_service_pb2.DESCRIPTOR.services_by_name["ModerationService"]
CASE_SERVICE = case_service_pb2.DESCRIPTOR.services_by_name["CaseService"]
BRAND_SERVICE = brand_service_pb2.DESCRIPTOR.services_by_name["BrandService"]
SCAN_SERVICE = scan_service_pb2.DESCRIPTOR.services_by_name["ScanService"]
IMAGE_SERVICE = image_service_pb2.DESCRIPTOR.services_by_name["ImageService"]
BUYER_SERVICE = buyer_service_pb2.DESCRIPTOR.services_by_name["BuyerService"]
PORTAL_SERVICE = brand_portal_service_pb2.DESCRIPTOR.services_by_name["PortalService"]
STATEMENT_SERVICE = statement_service_pb2.DESCRIPTOR.services_by_name["StatementService"]
INSIGHT_SERVICE = insight_service_pb2.DESCRIPTOR.services_by_name["InsightService"]
SERVICES: tuple[ServiceDescriptor, ...] = (
    MODERATION_SERVICE, CASE_SERVICE, BRAND_SERVICE, SCAN_SERVICE, IMAGE_SERVICE, BUYER_SERVICE, PORTAL_SERVICE,
    STATEMENT_SERVICE, INSIGHT_SERVICE,
)  # fmt: skip


def add_services(
    server: grpc.aio.Server,
    application: Application,
    work: Work,
    *,
    screening: Work,
    gate: Gate,
    limits: CallerLimits,
    feed: ChangeFeed,
    draining: asyncio.Event,
) -> None:
    """Let a server answer every rpc of the API; `draining` is set when it is about to stop.

    Listings are screened on threads of their own: a store that hangs holds up those who read it, and not them.
    """
    settings = application.settings
    until = settings.max_deadline_s
    moderation = ModerationServicer(
        application.moderation,
        lambda: capabilities_of(application),
        work,
        limits=limits,
        screening=screening,
        describe=lambda caller: from_caller(caller, gate),
        feed=feed,
        draining=draining,
        max_deadline_s=until,
    )
    buyers = BuyerServicer(application.buyers, work, limits=BuyerLimits.of(settings), max_deadline_s=until)
    brands = BrandServicer(application.registry, work, limits=limits, draining=draining, max_deadline_s=until)
    scans = ScanServicer(application.scans.answers, work, limits=limits, draining=draining, max_deadline_s=until)
    add_ModerationServiceServicer_to_server(moderation, server)
    add_CaseServiceServicer_to_server(CaseServicer(application.cases, work, max_deadline_s=until), server)
    add_BrandServiceServicer_to_server(brands, server)
    add_ScanServiceServicer_to_server(scans, server)
    add_ImageServiceServicer_to_server(ImageServicer(application.images, work), server)
    add_BuyerServiceServicer_to_server(buyers, server)
    add_PortalServiceServicer_to_server(PortalServicer(application.portal, application.applications, work), server)
    add_StatementServiceServicer_to_server(StatementServicer(StatementAnswers(application.cases.desk), work), server)
    add_InsightServiceServicer_to_server(InsightServicer(application.insight, work), server)
