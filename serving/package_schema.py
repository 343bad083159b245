"""What stands in an evidence package's package.json? Every field that such a package has anywhere, held or not.

A field that is None is not held, and the document's `not_held` names it, so that nobody takes silence for an answer;
one that an audience is not told is None as well and stands in `withheld`. Whoever adds a field that says who a person is
marks it `PERSONAL`. Times are ISO 8601 in UTC, boxes and outlines relative to the upright photo, 0..1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict

from serving.disclosure import Disclosure

SCHEMA_VERSION = 1
PERSONAL = "personal"

Text = str | None
Personal = Annotated[str | None, PERSONAL]
Number = float | None
Count = int | None
Time = str | None
Box = tuple[float, float, float, float]


class Part(BaseModel):
    """A part of the document. Frozen; an unknown field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


P = TypeVar("P", bound=Part)


class Photo(Part):
    """A photo of the listing; `file` is in the package when the service keeps photos."""

    index: int
    sha256: str
    pdq: Text = None
    embedding_model: Text = None
    width: Count = None
    height: Count = None
    status: Text = None
    file: Text = None
    overlay: Text = None


class Listing(Part):
    """The offer."""

    listing_id: str
    urls: tuple[str, ...] | None = None
    title: Personal = None
    claimed_brand: Personal = None
    declared_category: Personal = None
    condition: Personal = None
    market: Text = None
    photos: tuple[Photo, ...] = ()
    capture_time: Time = None
    rendered_snapshot: Text = None
    unit_price: Text = None
    currency: Text = None
    unit_count: Count = None
    quantity_available: Count = None
    quantity_sold: Count = None
    ship_from_country: Text = None
    gtin: Text = None
    gtin_check_digit_ok: bool | None = None
    hs_code_guess: Text = None


class Match(Part):
    """A region of a photo that looks like a reference; `outline` is where the reference's corners lie in the photo."""

    image_index: int
    box: Box
    brand_id: str
    brand: str
    reference_id: str
    reference_kind: str
    right_ids: tuple[str, ...] = ()
    similarity: float
    probability: float
    inlier_count: Count = None
    tentative_count: Count = None
    outline: tuple[tuple[float, float], ...] = ()
    homography: tuple[float, ...] | None = None
    reading: Text = None
    crop: Text = None
    reference_file: Text = None


class Copy(Part):
    """A photo that copies one on record."""

    image_index: int
    source: str
    source_id: str
    exact: bool
    distance_bits: Count = None
    inlier_count: Count = None


class Wording(Part):
    """Wording that speaks against the listing; the words themselves may be a seller's telephone number."""

    kind: str
    field_name: str
    matched: Personal = None
    brand: Personal = None


class Price(Part):
    """How the price stands against what such goods cost."""

    cell: Text = None
    observations: Count = None
    expected: Text = None
    low: Text = None
    high: Text = None
    log_mean: Number = None
    log_spread: Number = None
    ratio: Number = None
    log_odds: Number = None
    explanation: Text = None
    story: Text = None


class Seller(Part):
    """Who sells. All of it is personal."""

    seller_id: Personal = None
    legal_name: Personal = None
    country: Personal = None
    address: Personal = None
    phone: Personal = None
    email: Personal = None
    government_id: Personal = None
    bank_account: Personal = None
    bank_account_holder: Personal = None
    tax_id: Personal = None
    trade_register: Personal = None
    trade_register_number: Personal = None
    lei: Personal = None
    verification: Personal = None
    verification_method: Personal = None
    verify_time: Personal = None
    strikes: Annotated[float | None, PERSONAL] = None
    decisions: Annotated[float | None, PERSONAL] = None
    strike_rate: Annotated[float | None, PERSONAL] = None
    strike_rate_low: Annotated[float | None, PERSONAL] = None
    ring_id: Personal = None
    linked_accounts: Annotated[tuple[str, ...] | None, PERSONAL] = None
    link_basis: Personal = None


class Reports(Part):
    """What was reported."""

    counts: dict[str, int] = {}
    notices: int = 0
    trusted_flagger_reports: tuple[str, ...] = ()
    reporters: Annotated[tuple[str, ...] | None, PERSONAL] = None
    notifiers: Annotated[tuple[str, ...] | None, PERSONAL] = None


class Reason(Part):
    """A reason of the decision; its words may quote the seller's."""

    code: str
    weight: float
    text: Personal = None


class Prior(Part):
    """Another decision on the listing."""

    decision_id: str
    verdict: str
    time: str


class AppealTold(Part):
    """An appeal."""

    appeal_id: str
    state: str
    create_time: str
    decide_time: Time = None


class Step(Part):
    """A step of the law's procedures: what was sent and when."""

    kind: str
    time: str
    reference: Personal = None


class DecisionTold(Part):
    """What was decided, by what and by whom."""

    decision_id: str
    verdict: str
    machine_verdict: str
    decide_time: str
    resolve_time: Time = None
    reason_code: Text = None
    note: Personal = None
    policy_version: str
    policy_git_sha: Text = None
    rule_ids: tuple[str, ...] = ()
    embedding_model: str
    fusion_model: Text = None
    calibration: Text = None
    index_version: str
    probability: float
    uncalibrated_probability: float
    threshold: Number = None
    certificate_id: Text = None
    reviewers: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    prior_decisions: tuple[Prior, ...] = ()
    appeals: tuple[AppealTold, ...] = ()
    steps: tuple[Step, ...] = ()


class RightTold(Part):
    """A right of the brand at stake, as its owner registered it with the marketplace."""

    right_id: str
    type: str
    office_code: Text = None
    registration_number: Text = None
    application_number: Text = None
    international_registration_number: Text = None
    status: str
    territories: tuple[str, ...] = ()
    owner_name: Text = None


class TestPurchase(Part):
    """A test purchase."""

    order: Text = None
    receipt: Text = None
    photos: tuple[str, ...] | None = None
    verdict: Text = None


class Customs(Part):
    """What customs ask for."""

    carrier: Text = None
    tracking_number: Text = None
    parcel_count: Count = None
    application_for_action: Text = None
    copis_reference: Text = None
    holder_eori: Text = None
    contact: Text = None


class Export(Part):
    """A line of the recipients' log."""

    package_id: str
    time: str
    audience: str
    recipient: str
    basis: str
    exported_by: str
    sha256: Text = None


class DisclosureTold(Part):
    """For whom the package was made and why, and who else got one."""

    audience: str
    recipient: str
    basis: str
    redaction: str
    retain_until: str
    log: tuple[Export, ...]


class Document(Part):
    """package.json."""

    schema_version: int
    package_id: str
    case_id: str
    created_at: str
    previous_package_sha256: str
    chain_head: str
    chain_length: int
    signer: Text = None
    listing: Listing
    matches: tuple[Match, ...]
    copies: tuple[Copy, ...]
    wording: tuple[Wording, ...]
    price: Price
    seller: Seller
    reports: Reports
    decision: DecisionTold
    rights: tuple[RightTold, ...]
    test_purchase: TestPurchase
    customs: Customs
    disclosure: DisclosureTold
    not_held: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


def finished(document: Document, disclosed: Disclosure) -> Document:
    """Say what is not held, take out what the audience is not told, and say that it was."""
    gaps = tuple(missing(document))
    withheld: set[str] = set()
    told = document if disclosed.everything else _without_personal(document, "", disclosed, withheld)
    return told.model_copy(update={"not_held": gaps, "withheld": tuple(sorted(withheld))})


def missing(part: Part, prefix: str = "") -> Iterator[str]:
    """Name the fields that hold nothing, with dots; not those of items of lists."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if value is None:
            yield prefix + name
        elif isinstance(value, Part):
            yield from missing(value, f"{prefix}{name}.")


def _without_personal(part: P, prefix: str, disclosed: Disclosure, withheld: set[str]) -> P:
    changed: dict[str, Any] = {}
    for name, field in type(part).model_fields.items():
        value, path = getattr(part, name), prefix + name
        if PERSONAL in field.metadata:
            by_law = path.startswith("seller.") and name in disclosed.seller_fields
            if value is not None and not by_law:
                changed[name] = None
                withheld.add(path)
        elif isinstance(value, Part):
            changed[name] = _without_personal(value, f"{path}.", disclosed, withheld)
        elif isinstance(value, tuple) and value and isinstance(value[0], Part):
            changed[name] = tuple(_without_personal(one, f"{path}[].", disclosed, withheld) for one in value)
    return part.model_copy(update=changed)
