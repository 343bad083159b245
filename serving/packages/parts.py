"""How does a package's document tell of the offer and what was found? The parts of package.json about the goods.

`serving.packages.schema` has the rest and says what an empty field means. Whoever adds a field that says who a person
is marks it `PERSONAL`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict

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
    overlay_share: float = 0.0
    outline: tuple[tuple[float, float], ...] = ()
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
