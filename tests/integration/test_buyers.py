"""Buyers ask about listings and report them, over gRPC: careful words, nothing that this service found out, limits."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from PIL import Image

from index.decision_records import DecisionRecord
from serving.access.client_address import CLIENT
from serving.app import open_application
from serving.buyer_servicer import STEP_S
from serving.buyer_words import WORDS
from tests.integration.access_support import access_file, bearer, issuer_at, token_rules
from tests.integration.brand_support import Registrant, owner_of
from tests.integration.case_support import ALLOW, TAKEDOWN, case_of, code_of, error_of, known_fake, person, suspicious
from tests.integration.support import (
    AURORA,
    AURORA_SHOE,
    AUTHORISED,
    BOREALIS,
    PATIENCE_S,
    Service,
    Start,
    draw,
    fill,
    listing,
    settings_at,
    violated_fields,
)
from touchstone.moderation.v1 import brand_pb2, brand_service_pb2, buyer_pb2, case_pb2, listing_pb2
from touchstone.moderation.v1 import buyer_service_pb2 as pb
from touchstone.moderation.v1.buyer_service_pb2_grpc import BuyerServiceStub

pytestmark = pytest.mark.usefixtures("acts_are_entered")

Code = grpc.StatusCode


@dataclass(frozen=True)
class Buyer:
    """Somebody without a credential, at an address of their own."""

    stub: BuyerServiceStub
    address: str

    def call(self, rpc: str, request: Any) -> Any:
        """Call an rpc by its name."""
        return getattr(self.stub, rpc)(request, timeout=PATIENCE_S, metadata=[(CLIENT, self.address)])

    def check(self, listing_id: str, **more: Any) -> pb.CheckListingResponse:
        """Ask about a listing."""
        answer: pb.CheckListingResponse = self.call(
            "CheckListing", pb.CheckListingRequest(listing_id=listing_id, **more)
        )
        return answer

    def ask(self, brand_id: str, seller_id: str, market: str = "DE") -> pb.CheckListingResponse:
        """Ask about a seller."""
        seller = pb.BrandSeller(brand_id=brand_id, seller_id=seller_id)
        answer: pb.CheckListingResponse = self.call(
            "CheckListing", pb.CheckListingRequest(seller=seller, market=market)
        )
        return answer

    def report(self, listing_id: str, **more: Any) -> pb.ReportResponse:
        """Report a listing."""
        request = pb.ReportRequest(listing_id=listing_id, reason_code="COUNTERFEIT", **more)
        answer: pb.ReportResponse = self.call("Report", request)
        return answer

    def fate(self, receipt: pb.ReportResponse) -> pb.GetReportResponse:
        """Ask what became of a report."""
        request = pb.GetReportRequest(report_id=receipt.report_id, receipt_token=receipt.receipt_token)
        answer: pb.GetReportResponse = self.call("GetReport", request)
        return answer


@pytest.fixture(scope="module")
def shop(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve for this suite: Aurora names its sellers, Borealis does not."""
    with open_application(settings_at(tmp_path_factory.mktemp("shop"))) as application:
        fill(application)
        with start(application) as running:
            yield running


def buyer(service: Service, number: int) -> Buyer:
    """Give a buyer of this number a way to call."""
    return Buyer(BuyerServiceStub(service.channel), f"192.0.2.{number}")


def advise(owner: Registrant, brand_id: str, *items: buyer_pb2.AdviceItem, template: str = "") -> brand_pb2.Brand:
    """Set a brand's advice."""
    advice = buyer_pb2.BuyerAdvice(items=items, serial_template=template)
    request = brand_service_pb2.SetBuyerAdviceRequest(brand_id=brand_id, buyer_advice=advice)
    brand: brand_pb2.Brand = owner.call("SetBuyerAdvice", request).brand
    return brand


def item(kind: buyer_pb2.AdviceKind.ValueType, reference_id: str = "", **texts: str) -> buyer_pb2.AdviceItem:
    """Make a piece of advice."""
    told = [buyer_pb2.LocalizedText(language=language, text=text) for language, text in texts.items()]
    return buyer_pb2.AdviceItem(kind=kind, texts=told, reference_id=reference_id)


def reference_of(service: Service, brand_id: str, kind: str = "product") -> str:
    """Name a reference of a brand."""
    store = service.application.store
    known = [reference for reference, _ in store.iter_references(service.application.embedder.fingerprint)]
    return next(each.reference_id for each in known if each.brand_id == brand_id and each.kind == kind)


def test_a_listing_is_told_by_what_the_brand_said(shop: Service) -> None:
    """An authorised seller, one who is not named, and another brand that has said nothing: each in its own words."""
    asking = buyer(shop, 1)
    claims = {"claimed_brand": AURORA.name, "market": "DE"}
    shop.screen(listing(draw(AURORA_SHOE), listing_id="doubtful", seller_id="s1", title="1:1 replica", **claims))
    shop.screen(listing(draw(1), listing_id="fine", seller_id=AUTHORISED, title="Aurora shoe", **claims))

    doubtful, fine = asking.check("doubtful"), asking.check("fine", language="zh-CN")

    assert (doubtful.word, doubtful.brand_name) == (pb.SELLER_WORD_NOT_NAMED, AURORA.name)
    assert (fine.word, fine.words.language) == (pb.SELLER_WORD_AUTHORIZED, "zh")
    assert asking.ask(AURORA.brand_id, AUTHORISED).word == pb.SELLER_WORD_AUTHORIZED
    assert asking.ask(BOREALIS.brand_id, AUTHORISED).word == pb.SELLER_WORD_BRAND_HAS_NOT_SAID


def test_nothing_to_say_is_said_alike_and_at_even_times(shop: Service) -> None:
    """Unknown, never about a brand, taken down or of a brand without a word: one answer, after whole steps of time."""
    asking = buyer(shop, 2)
    shop.screen(listing(listing_id="no brand", seller_id="s1", market="DE"))
    shop.screen(listing(draw(2), listing_id="silent brand", seller_id="s1", market="DE", title="Borealis bag"))

    began = time.perf_counter()
    answers = [asking.check(name) for name in ("no such listing", "no brand", "silent brand")]
    spent = time.perf_counter() - began
    answers += [asking.ask("no-such-brand", "s1"), asking.ask(BOREALIS.brand_id, "s1")]

    assert {answer.SerializeToString(deterministic=True) for answer in answers} == {
        pb.CheckListingResponse(word=pb.SELLER_WORD_BRAND_HAS_NOT_SAID, words=answers[0].words).SerializeToString(
            deterministic=True
        )
    }
    assert spent >= 3 * STEP_S


def test_what_was_found_out_is_not_told(shop: Service) -> None:
    """A listing that was taken down, reported and decided on by people is answered as before all of that."""
    asking, ann = buyer(shop, 3), person(shop, "ann", "lead")
    claims = {"claimed_brand": AURORA.name, "title": "1:1 replica"}
    offer = listing(draw(AURORA_SHOE), listing_id="eventful", seller_id="s1", market="DE", **claims)
    decision = shop.screen(offer).decision
    before = asking.check("eventful")

    asking.report("eventful", text="the seams")
    reported = asking.check("eventful")
    ann.resolve(case_of(shop, decision), TAKEDOWN)
    taken_down = asking.check("eventful")

    assert before == reported == taken_down
    assert before.word == pb.SELLER_WORD_NOT_NAMED
    known_fake(shop, "copy")
    assert asking.check("copy") == asking.check("nowhere")


def test_a_listing_is_about_the_brand_that_its_words_claim(shop: Service) -> None:
    """One whose photos show a brand that it does not name is answered as one that nobody knows: the claim counts."""
    asking = buyer(shop, 22)
    titles = {"seen only": "", "seen and fitted": "Case for Aurora", "seen, in disguise": "Аurora shoe"}
    for listing_id, title in titles.items():
        shop.screen(listing(draw(AURORA_SHOE), listing_id=listing_id, seller_id="s1", market="DE", title=title))
    claims = {"title": "A shoe", "claimed_brand": "aurora"}
    shop.screen(listing(draw(3), listing_id="claimed", seller_id="s1", market="DE", **claims))
    shop.screen(listing(draw(AURORA_SHOE), listing_id="another's", seller_id="s1", claimed_brand="Borealis"))

    unknown, answers = asking.check("nowhere"), [asking.check(listing_id) for listing_id in titles]

    decided = shop.application.store.latest_decision("seen only")
    assert decided is not None
    assert (decided.brand, decided.claimed_brand_id) == (AURORA.name, "")
    assert answers == [unknown] * len(titles)
    assert asking.check("claimed").brand_id == AURORA.brand_id
    assert asking.check("another's").brand_id != AURORA.brand_id


def test_of_decisions_without_a_recorded_claim_nothing_is_said(shop: Service) -> None:
    """A decision of before claims were written down names the brand at stake alone: it is as if there were none."""
    asking = buyer(shop, 23)
    old = DecisionRecord(
        decision_id="old", listing_id="old", verdict="ALLOW", create_time=datetime.now(UTC), payload=b"",
        request_sha256="00" * 32, seller_id="s1", brand=AURORA.name, market="DE",
    )  # fmt: skip
    shop.application.store.record_decision(old)

    assert asking.check("old") == asking.check("nowhere")


def test_no_words_speak_of_fakes(shop: Service) -> None:
    """No sentence in either language calls goods or a listing fake or genuine, and each is there in both."""
    for message_id, texts in WORDS.items():
        assert set(texts) == {"en", "zh"}, message_id
        assert not [word for word in ("fake", "counterfeit", "genuine", "authentic") if word in texts["en"].lower()]
        assert not [word for word in ("假", "正品", "真品", "伪") if word in texts["zh"]], message_id


def test_advice_reaches_buyers_in_their_language(shop: Service) -> None:
    """An owner's advice is kept, read back with the brand, and told with its picture; the template stays untold."""
    owner, asking = owner_of(shop, AURORA.brand_id), buyer(shop, 4)
    picture = reference_of(shop, AURORA.brand_id)
    shop.application.blobs.put(draw(AURORA_SHOE))  # which `fill` does not keep
    items = [
        item(buyer_pb2.ADVICE_KIND_HOLOGRAM, picture, en="Tilt it: the sun moves.", zh="倾斜时太阳会移动。"),
        item(buyer_pb2.ADVICE_KIND_PACKAGING, de="Der Karton ist matt."),
    ]

    brand = advise(owner, AURORA.brand_id, *items, template="AU-9999X")
    told = asking.ask(AURORA.brand_id, "s1")

    assert list(brand.buyer_advice.items) == items == list(owner.get(AURORA.brand_id).buyer_advice.items)
    assert not owner.list().brands[0].HasField("buyer_advice")
    assert [(one.text.language, one.reference_id) for one in told.advice] == [("en", picture), ("de", "")]
    assert told.checks_serials
    shown = asking.call("GetAdviceImage", pb.GetAdviceImageRequest(brand_id=AURORA.brand_id, reference_id=picture))
    assert max(Image.open(io.BytesIO(shown.content)).size) <= 512


def test_only_pictures_of_the_advice_are_shown(shop: Service) -> None:
    """Other references, another brand's and known fakes are refused, alike, to owners who name them and to buyers."""
    owner, asking = owner_of(shop, BOREALIS.brand_id), buyer(shop, 5)
    own, others = reference_of(shop, BOREALIS.brand_id), reference_of(shop, AURORA.brand_id)

    for reference_id in (others, "no-such-reference"):
        refused = error_of(
            lambda: advise(owner, BOREALIS.brand_id, item(buyer_pb2.ADVICE_KIND_LOGO, reference_id, en="x"))  # noqa: B023
        )
        assert violated_fields(refused) == {"buyer_advice.items[0].reference_id"}
    for reference_id in (own, others, "no-such-reference"):
        asked = pb.GetAdviceImageRequest(brand_id=BOREALIS.brand_id, reference_id=reference_id)
        assert code_of(lambda: asking.call("GetAdviceImage", asked)) is Code.NOT_FOUND  # noqa: B023


def test_a_fake_is_no_picture_for_advice(shop: Service) -> None:
    """A picture of a known counterfeit is never shown to buyers as the brand's own."""
    fake = reference_of(shop, AURORA.brand_id, "counterfeit")

    refused = error_of(
        lambda: advise(owner_of(shop, AURORA.brand_id), AURORA.brand_id, item(buyer_pb2.ADVICE_KIND_LOGO, fake, en="x"))
    )

    assert violated_fields(refused) == {"buyer_advice.items[0].reference_id"}


def test_a_serial_number_has_the_brands_format_or_not(shop: Service) -> None:
    """It is told how the number is written; a brand that gives no template, or does not exist, has not said."""
    asking = buyer(shop, 6)
    advise(owner_of(shop, AURORA.brand_id), AURORA.brand_id, template="AA-9999")

    def word(brand_id: str, serial: str) -> str:
        request = pb.CheckSerialRequest(brand_id=brand_id, serial=serial)
        return pb.SerialWord.Name(asking.call("CheckSerial", request).word).removeprefix("SERIAL_WORD_")

    assert [word(AURORA.brand_id, serial) for serial in ("ab-1234", "AB1234")] == ["HAS_FORMAT", "OTHER_FORMAT"]
    assert word(BOREALIS.brand_id, "ab-1234") == word("no-such-brand", "ab-1234") == "BRAND_HAS_NOT_SAID"


def test_a_reporter_learns_the_outcome(shop: Service) -> None:
    """With the receipt a buyer follows the report: received, then decided by a person, with the time."""
    asking, ann = buyer(shop, 7), person(shop, "ann", "lead")
    decision = suspicious(shop, "reported")

    receipt = asking.report("reported", text="the seams", images=[listing_pb2.Image(content=draw(7))])
    waiting = asking.fate(receipt)
    ann.resolve(case_of(shop, decision), TAKEDOWN)
    decided = buyer(shop, 8).fate(receipt)

    assert (waiting.state, waiting.HasField("decide_time")) == (case_pb2.REPORT_STATE_RECEIVED, False)
    assert (decided.state, decided.words.message_id) == (case_pb2.REPORT_STATE_UPHELD, "REPORT_UPHELD")
    assert decided.decide_time.ToDatetime() >= decided.create_time.ToDatetime()
    assert (decided.automated_processing, decided.automated_decision) == (True, False)


def test_only_the_receipt_opens_a_report(shop: Service) -> None:
    """Without its own secret a report is as one that there is not, in the same words."""
    asking = buyer(shop, 9)
    suspicious(shop, "mine")
    receipt, other = asking.report("mine"), buyer(shop, 10).report("mine")

    def details(report_id: str, token: str) -> str:
        request = pb.GetReportRequest(report_id=report_id, receipt_token=token)
        error = error_of(lambda: asking.call("GetReport", request))
        assert error.code() is Code.NOT_FOUND
        return str(error.details())

    refusals = {
        details(receipt.report_id, ""), details(receipt.report_id, other.receipt_token),
        details("no-such-report", receipt.receipt_token),
    }  # fmt: skip
    assert len(refusals) == 1


def test_the_caller_who_filed_may_ask_without_the_receipt(shop: Service) -> None:
    """A pipeline that passes reports on gets the receipt, and reads its reports by its own name; others do not."""
    suspicious(shop, "passed on")
    pipeline = person(shop, "uploads", "pipeline")
    filed = pipeline.report("passed on", reporter="b-77")
    asked = pb.GetReportRequest(report_id=filed.report.report_id)
    stub = BuyerServiceStub(shop.channel)

    def get(name: str, roles: str) -> pb.GetReportResponse:
        metadata = (("touchstone-actor", name), ("touchstone-roles", roles), (CLIENT, "192.0.2.11"))
        answer: pb.GetReportResponse = stub.GetReport(asked, timeout=PATIENCE_S, metadata=metadata)
        return answer

    assert get("uploads", "pipeline").listing_id == "passed on"
    assert code_of(lambda: get("others", "pipeline")) is Code.NOT_FOUND
    assert buyer(shop, 12).call(
        "GetReport", pb.GetReportRequest(report_id=filed.report.report_id, receipt_token=filed.receipt_token)
    ).state == case_pb2.REPORT_STATE_RECEIVED  # fmt: skip


def test_a_report_about_an_unknown_listing_is_taken_alike(shop: Service) -> None:
    """Its receipt looks like any other; once the listing is screened, the report belongs to its case."""
    asking = buyer(shop, 13)
    suspicious(shop, "known")

    unknown, known = asking.report("not screened yet"), asking.report("known")
    decision = suspicious(shop, "not screened yet")

    assert unknown.words == known.words
    assert [field.name for field, _ in unknown.ListFields()] == [field.name for field, _ in known.ListFields()]
    (shown,) = person(shop, "ann", "lead").get(case_of(shop, decision)).reports
    assert shown.report_id == unknown.report_id


def test_one_address_counts_once(shop: Service) -> None:
    """Reports from one address open no case however many they are; its record stands beside them for moderators."""
    shop.screen(listing(listing_id="quiet", seller_id="s1", market="DE"))
    same, other, ann = buyer(shop, 14), buyer(shop, 15), person(shop, "ann", "lead")

    for _ in range(3):
        same.report("quiet")
    assert not ann.list(listing_id="quiet").cases
    other.report("quiet")
    (case,) = ann.list(listing_id="quiet").cases
    ann.resolve(case.case_id, ALLOW)
    suspicious(shop, "next one")
    same.report("next one")

    (case,) = ann.list(listing_id="next one").cases
    (report,) = ann.get(case.case_id).reports
    assert (report.reporter_record.upheld_count, report.reporter_record.declined_count) == (0, 1)
    assert report.reporter_record.reliability == pytest.approx(1 / 3)
    assert "192.0.2" not in str(ann.get(case.case_id))


def test_the_same_request_brings_the_same_receipt(shop: Service) -> None:
    """Sent again it makes nothing new; another buyer's key of the same text is another request."""
    suspicious(shop, "twice")
    first, again, other = (buyer(shop, number).report("twice", request_id="k") for number in (16, 16, 17))

    assert first.report_id == again.report_id != other.report_id
    assert first.receipt_token == again.receipt_token != other.receipt_token


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.CheckListingRequest(), {"listing_id"}),
        (pb.CheckListingRequest(listing_id="a", market="Germany", language="!"), {"market", "language"}),
        (pb.CheckListingRequest(seller=pb.BrandSeller()), {"seller.brand_id", "seller.seller_id"}),
        (pb.CheckSerialRequest(brand_id="a", serial="9" * 101), {"serial"}),
        (pb.ReportRequest(reason_code="UGLY", text="x" * 2_001), {"listing_id", "reason_code", "text"}),
        (
            pb.ReportRequest(listing_id="a", reason_code="OTHER", images=[listing_pb2.Image(content=b"x")] * 4),
            {"images"},
        ),
        (pb.GetReportRequest(receipt_token="x" * 65), {"report_id", "receipt_token"}),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_named(shop: Service, request_: Any, fields: set[str]) -> None:
    """Every field at fault is named, and nothing is recorded."""
    rpc = type(request_).__name__.removesuffix("Request")

    assert violated_fields(error_of(lambda: buyer(shop, 18).call(rpc, request_))) == fields


def test_who_asks_too_often_waits(shop: Service, start: Start) -> None:
    """Limits are counted by address and by listing, say when to come back, and leave others alone."""
    fewer = {"buyer_questions_per_minute": 2, "buyer_questions_per_listing": 3, "buyer_reports_per_hour": 1}
    settings = shop.application.settings.model_copy(update=fewer)
    with start(replace(shop.application, settings=settings)) as strict:
        for _ in range(2):
            buyer(strict, 20).check("x")
        by_address = error_of(lambda: buyer(strict, 20).check("other"))
        buyer(strict, 21).check("x")
        by_listing = error_of(lambda: buyer(strict, 21).check("x"))
        buyer(strict, 20).report("x")
        reports = error_of(lambda: buyer(strict, 20).report("x"))

    for error in (by_address, by_listing, reports):
        assert error.code() is Code.RESOURCE_EXHAUSTED
        status, info = rpc_status.from_call(error), RetryInfo()
        assert status is not None
        assert any(detail.Unpack(info) for detail in status.details)
        assert info.retry_delay.ToMilliseconds() > 0


def test_photos_of_all_buyers_have_a_limit_a_day(shop: Service, start: Start) -> None:
    """Beyond it, whoever sends photos is told to leave them out or to come later; without them a report is taken in."""
    settings = shop.application.settings.model_copy(update={"buyer_photo_mib_per_day": 1})
    large, more = (
        [listing_pb2.Image(content=draw(seed).ljust(600 * 1024, b"\0"))] for seed in (31, 32)
    )  # what follows a picture in its file is not looked at
    with start(replace(shop.application, settings=settings)) as strict:
        first = buyer(strict, 24).report("bulky", images=large, request_id="k")
        refused = error_of(lambda: buyer(strict, 25).report("bulky", images=more))
        again = buyer(strict, 24).report("bulky", images=large, request_id="k")
        without = buyer(strict, 25).report("bulky")

    assert refused.code() is Code.RESOURCE_EXHAUSTED
    assert "more than 1 MiB in 24 hours" in str(refused.details())
    assert "without photos" in str(refused.details())
    assert again.report_id == first.report_id
    assert without.report_id


def test_buyers_need_no_credential_where_others_do(shop: Service, start: Start) -> None:
    """With an access file buyers are answered without one; a credential that does not hold is refused all the same."""
    folder = shop.application.settings.data_dir
    issuer_at(folder)
    update = {"access": access_file(folder, tokens=token_rules())}
    settings = shop.application.settings.model_copy(update=update)
    with start(replace(shop.application, settings=settings)) as guarded:
        stub = BuyerServiceStub(guarded.channel)
        request = pb.CheckListingRequest(listing_id="x")

        assert stub.CheckListing(request, timeout=PATIENCE_S).word == pb.SELLER_WORD_BRAND_HAS_NOT_SAID
        assert code_of(lambda: guarded.screen(listing())) is Code.UNAUTHENTICATED
        assert code_of(
            lambda: stub.CheckListing(request, timeout=PATIENCE_S, metadata=bearer("no token"))
        ) is Code.UNAUTHENTICATED  # fmt: skip
