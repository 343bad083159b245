"""What does BuyerService answer? What brands say and what became of a report, blocking, from request to response.

Nothing that this service found out is told. So that not even the existence of a listing can be told from an answer,
what is not known and what nothing is said about are answered alike; `serving.buyer_servicer` sees to it that they take
the same time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from index.buyer_records import NO_ADVICE, AdviceItem, SellerWord
from index.errors import NotFound
from index.records import Brand, ReferenceState
from index.reports import ReportState
from index.store.store import Store
from serving.access.caller import Caller
from serving.advice_pictures import AdvicePictures
from serving.buyer_words import in_language, say
from serving.complaints import Complaints
from serving.deadline import NEVER, Deadline
from serving.errors import Overloaded
from serving.receipts import Receipts
from serving.request_keys import key_of
from serving.serials import fits
from serving.wire.advice import KINDS
from serving.wire.buyer import (
    Question,
    check_image_request,
    check_receipt,
    check_serial_request,
    to_buyers_complaint,
    to_question,
)
from serving.wire.decision import from_image_result
from touchstone.moderation.v1 import buyer_pb2, case_pb2
from touchstone.moderation.v1 import buyer_service_pb2 as pb

_ADDRESSES = "buyers"
_PSEUDONYM, _PSEUDONYM_DIGITS = "buyer-", 16
_DAY = timedelta(days=1)
# Room comes back as pictures grow older than a day: an hour is worth a try.
_FULL_FOR_S = 3600.0


@dataclass(frozen=True)
class BuyerAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store
    complaints: Complaints
    pictures: AdvicePictures
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def check_listing(self, request: pb.CheckListingRequest) -> pb.CheckListingResponse:
        """Say what the brand says of the seller, and what it advises."""
        question = to_question(request)
        brand, seller_id, market = self._asked(question)
        word, advice = SellerWord.NOT_SAID, NO_ADVICE
        if brand is not None:
            advice = self.store.buyer_advice(brand.brand_id)
            if seller_id:
                word = self.store.word_on_seller(brand.brand_id, seller_id, market, now=self.clock())
        answer = pb.CheckListingResponse(
            word=pb.SellerWord.Value(f"SELLER_WORD_{word}"), words=say(f"SELLER_{word}", question.language)
        )
        if brand is None or (word is SellerWord.NOT_SAID and not advice.items and not advice.serial_template):
            return answer
        answer.brand_id, answer.brand_name = brand.brand_id, brand.name
        answer.advice.extend(_shown(item, question.language) for item in advice.items)
        answer.checks_serials = bool(advice.serial_template)
        return answer

    def check_serial(self, request: pb.CheckSerialRequest) -> pb.CheckSerialResponse:
        """Say how a serial number is written; it is not kept."""
        check_serial_request(request)
        template = self.store.buyer_advice(request.brand_id).serial_template
        name = "BRAND_HAS_NOT_SAID"
        if template:
            name = "HAS_FORMAT" if fits(template, request.serial) else "OTHER_FORMAT"
        words = say(f"SERIAL_{name}", request.language)
        return pb.CheckSerialResponse(word=pb.SerialWord.Value(f"SERIAL_WORD_{name}"), words=words)

    def advice_image(self, request: pb.GetAdviceImageRequest) -> pb.GetAdviceImageResponse:
        """Return a small copy of a picture that a brand's advice shows. Raises NotFound, BlobError."""
        check_image_request(request)
        shown = {item.reference_id for item in self.store.buyer_advice(request.brand_id).items}
        if request.reference_id in shown:
            reference = self.store.get_reference(request.reference_id)
            if reference.state is ReferenceState.ACTIVE and reference.brand_id == request.brand_id:
                return pb.GetAdviceImageResponse(content=self.pictures.copy_of(reference))
        raise NotFound(f"The advice of the brand {request.brand_id!r} shows no picture {request.reference_id!r}.")

    def report(
        self,
        request: pb.ReportRequest,
        caller: Caller,
        *,
        address: str,
        most_photo_bytes: int,
        deadline: Deadline = NEVER,
    ) -> pb.ReportResponse:
        """Take in a report by whoever is at an address: a buyer's, whatever else the caller may be.

        With photos it is refused when those of all buyers come to more than `most_photo_bytes` in 24 hours.
        """
        reporter, size = self._pseudonym(address), sum(len(image.content) for image in request.images)
        report, results = self.complaints.report(
            to_buyers_complaint(request, self.complaints.rules, reporter_id=reporter),
            Caller(caller.name),
            # Strangers have no name to tell their keys apart by.
            request=key_of(request, request.request_id, Caller(reporter)),
            check=lambda: self._check_room(size, most_photo_bytes),
            deadline=deadline,
        )
        answer = pb.ReportResponse(
            report_id=report.report_id,
            receipt_token=Receipts(self.store).token(report.report_id),
            image_results=[from_image_result(result) for result in results],
            words=say("REPORT_TAKEN", request.language),
        )
        answer.create_time.FromDatetime(report.create_time)
        return answer

    def get_report(self, request: pb.GetReportRequest, caller: Caller) -> pb.GetReportResponse:
        """Say what became of a report. Raises NotFound, in the same words whether or not there is one."""
        check_receipt(request)
        report = self.store.find_report(request.report_id)
        if report is None or not Receipts(self.store).opens(report, request.receipt_token, caller):
            raise NotFound("There is no such report, or this is not its receipt; check both.")
        answer = pb.GetReportResponse(
            report_id=report.report_id,
            listing_id=report.listing_id,
            state=case_pb2.ReportState.Value(f"REPORT_STATE_{report.state.name}"),
            automated_processing=True,
            automated_decision=False,
            words=say(f"REPORT_{report.state.name}", request.language),
        )
        answer.create_time.FromDatetime(report.create_time)
        decided = None if report.state is ReportState.RECEIVED else self.store.decide_time(report)
        if decided is not None:
            answer.decide_time.FromDatetime(decided)
        return answer

    def _asked(self, question: Question) -> tuple[Brand | None, str, str]:
        """Return brand, seller and market of what is asked about; no brand when there is nothing to say.

        A listing is about the brand that its own words claim. The one at stake would tell what was seen in its photos.
        """
        brand_id, seller_id, market = question.brand_id, question.seller_id, question.market
        if question.listing_id:
            decision = self.store.latest_decision(question.listing_id)
            if decision is None or not decision.claimed_brand_id:
                return None, "", ""
            brand_id, seller_id = decision.claimed_brand_id, decision.seller_id
            market = market or decision.market
        try:
            return self.store.get_brand(brand_id), seller_id, market
        except NotFound:
            return None, "", ""

    def _check_room(self, size: int, most: int) -> None:
        """Raise Overloaded when there is no room for so many bytes of photos today."""
        if size and self.store.report_photo_bytes(_PSEUDONYM, since=self.clock() - _DAY) + size > most:
            raise Overloaded(
                f"buyers' photos would come to more than {most // 2**20} MiB in 24 hours, which is the most that is "
                "taken in from all of them; send this report without photos, or with them later",
                retry_after_s=_FULL_FOR_S,
            )

    def _pseudonym(self, address: str) -> str:
        """Return the name under which an address reports: the same each time, and no way back without the key."""
        digest = hmac.new(self.store.secret(_ADDRESSES), address.encode(), hashlib.sha256).hexdigest()
        return f"{_PSEUDONYM}{digest[:_PSEUDONYM_DIGITS]}"


def _shown(item: AdviceItem, language: str) -> pb.AdviceShown:
    tag, text = in_language(item.texts, language)
    return pb.AdviceShown(
        kind=KINDS[item.kind],
        text=buyer_pb2.LocalizedText(language=tag, text=text),
        reference_id=item.reference_id,
    )
