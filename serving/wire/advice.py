"""What may a brand tell buyers? SetBuyerAdvice's message to the registry's records, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from index.buyer_records import AdviceItem, AdviceKind, BuyerAdvice
from serving.errors import FieldViolation
from serving.serials import template_fault
from serving.wire.case import refuse
from serving.wire.rules import check_id, check_length, check_one_of, check_text, shown
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1 import buyer_pb2

MAX_ITEMS, MAX_LANGUAGES = 20, 20
MAX_ADVICE_CHARACTERS = 1_000
MAX_LANGUAGE_CHARACTERS = 35
_MAX_ETAG_CHARACTERS = 64

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
KINDS = {kind: buyer_pb2.AdviceKind.Value(f"ADVICE_KIND_{kind.name}") for kind in AdviceKind}
_KINDS = {number: kind for kind, number in KINDS.items()}


def to_advice(request: pb.SetBuyerAdviceRequest) -> BuyerAdvice:
    """Translate advice. Raises InvalidListing with every rule that it breaks."""
    message = request.buyer_advice
    violations = [
        *check_id("brand_id", request.brand_id, required=True),
        *check_length("etag", request.etag, limit=_MAX_ETAG_CHARACTERS),
    ]
    if len(message.items) > MAX_ITEMS:
        violations.append(
            FieldViolation("buyer_advice.items", f"has {len(message.items)} values; send at most {MAX_ITEMS}")
        )
    for index, item in enumerate(message.items[:MAX_ITEMS]):
        violations += _item_violations(f"buyer_advice.items[{index}]", item)
    if fault := template_fault(message.serial_template):
        violations.append(FieldViolation("buyer_advice.serial_template", fault))
    refuse(violations)
    return BuyerAdvice(
        items=tuple(
            AdviceItem(
                kind=_KINDS[item.kind],
                texts=tuple((text.language, text.text) for text in item.texts),
                reference_id=item.reference_id,
            )
            for item in message.items
        ),
        serial_template=message.serial_template,
    )


def from_advice(advice: BuyerAdvice) -> buyer_pb2.BuyerAdvice:
    """Translate advice to the wire, as its owner keeps it."""
    return buyer_pb2.BuyerAdvice(
        items=[
            buyer_pb2.AdviceItem(
                kind=KINDS[item.kind],
                texts=[buyer_pb2.LocalizedText(language=language, text=text) for language, text in item.texts],
                reference_id=item.reference_id,
            )
            for item in advice.items
        ],
        serial_template=advice.serial_template,
    )


def check_language(field: str, value: str) -> Iterator[FieldViolation]:
    """Check a BCP 47 tag that was sent."""
    yield from check_length(field, value, limit=MAX_LANGUAGE_CHARACTERS)
    if not _LANGUAGE.fullmatch(value):
        yield FieldViolation(field, f"{shown(value)} is no BCP 47 tag; send one such as en or zh-Hans")


def _item_violations(field: str, item: buyer_pb2.AdviceItem) -> Iterator[FieldViolation]:
    yield from check_one_of(f"{field}.kind", item.kind, _KINDS, buyer_pb2.AdviceKind.Name)
    yield from check_id(f"{field}.reference_id", item.reference_id, required=False)
    if not 1 <= len(item.texts) <= MAX_LANGUAGES:
        yield FieldViolation(f"{field}.texts", f"has {len(item.texts)} values; send 1 to {MAX_LANGUAGES}")
        return
    seen: set[str] = set()
    for index, text in enumerate(item.texts):
        place = f"{field}.texts[{index}]"
        yield from check_language(f"{place}.language", text.language)
        yield from check_text(f"{place}.text", text.text, limit=MAX_ADVICE_CHARACTERS)
        if not text.text.strip():
            yield FieldViolation(f"{place}.text", f"is empty; send 1 to {MAX_ADVICE_CHARACTERS} characters")
        if text.language.casefold() in seen:
            yield FieldViolation(f"{place}.language", f"{shown(text.language)} is there already; send it once")
        seen.add(text.language.casefold())
