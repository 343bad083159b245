"""What does PortalService answer to those who want to keep a brand, and to those who decide? Blocking."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from index.applications import Application, ApplicationRuling, ApplicationState
from index.brand_records import BrandProfile
from index.store.store import Store
from serving.access.caller import Caller
from serving.access.permissions import STAFF, may
from serving.brand_answers import BrandAnswers
from serving.errors import Overloaded, PermissionDenied
from serving.page_tokens import read_token, write_token
from serving.reference_sources import free_brand_id
from serving.request_keys import key_of
from serving.wire.application import from_application, to_decision, to_payload, to_state
from serving.wire.brand import to_new_brand
from touchstone.moderation.v1 import brand_pb2, brand_service_pb2
from touchstone.moderation.v1 import brand_portal_service_pb2 as pb

MOST_WAITING = 5
_DECIDE = "touchstone.moderation.v1.PortalService/DecideApplication"
# A person looks at applications by the day.
_RETRY_S = 24 * 3600.0


@dataclass(frozen=True)
class ApplicationAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store
    brands: BrandAnswers
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def apply(self, request: pb.ApplyForBrandRequest, caller: Caller) -> pb.ApplyForBrandResponse:
        """Take in an application."""
        applicant, payload = caller.required(), to_payload(request)
        if caller.roles & STAFF:
            raise PermissionDenied("Who works here keeps brands by CreateBrand; applications are for their owners.")
        key = key_of(request, request.request_id, caller)
        if key is not None and (made := self.store.find_request(key)) is not None:
            return pb.ApplyForBrandResponse(application=from_application(self.store.get_application(made)))
        if (waiting := self.store.waiting_applications(applicant)) >= MOST_WAITING:
            raise Overloaded(f"{waiting} applications of this caller wait for a decision", retry_after_s=_RETRY_S)
        application = Application(
            application_id=uuid.uuid4().hex,
            applicant=applicant,
            payload=payload,
            note=request.note,
            create_time=self.clock(),
        )
        made_now = self.store.add_application(application, request=key)
        return pb.ApplyForBrandResponse(application=from_application(made_now))

    def list(self, request: pb.ListApplicationsRequest, caller: Caller) -> pb.ListApplicationsResponse:
        """List applications: all to those who decide, to others their own."""
        state, size = to_state(request)
        question = pb.ListApplicationsRequest(state=request.state)
        after: tuple[datetime, str] | None = None
        if request.page_token:
            time, application_id = read_token(question, request.page_token, datetime, str)
            after = (time, application_id)
        # Of whom neither name nor roles are known, nobody was asked to sign in: whoever reaches the server may do all.
        everybody = may(caller, _DECIDE) or not (caller.name or caller.roles)
        applicant = None if everybody else caller.name
        found = self.store.applications(state=state, applicant=applicant, after=after, limit=size + 1)
        answer = pb.ListApplicationsResponse(applications=map(from_application, found[:size]))
        if len(found) > size:
            last = found[size - 1]
            answer.next_page_token = write_token(question, last.create_time, last.application_id)
        return answer

    def decide(self, request: pb.DecideApplicationRequest, caller: Caller) -> pb.DecideApplicationResponse:
        """Approve an application, which makes the brand and gives it to the applicant, or decline it."""
        state = to_decision(request)
        application = self.store.get_application(request.application_id)
        brand: BrandProfile | None = None
        approved = state is ApplicationState.APPROVED
        if approved and not request.brand_id and application.state is ApplicationState.PENDING:
            wanted = brand_service_pb2.CreateBrandRequest(brand=brand_pb2.Brand.FromString(application.payload))
            brand = to_new_brand(wanted, lambda name: free_brand_id(name, self.store))
            self.brands.refuse_imitations(brand, caller)
        ruling = ApplicationRuling(
            state=state,
            reason=request.reason,
            brand_id=request.brand_id or (brand.brand.brand_id if brand else ""),
            actor=caller.name,
            time=self.clock(),
        )
        decided = self.store.decide_application(request.application_id, ruling, brand=brand)
        return pb.DecideApplicationResponse(application=from_application(decided))
