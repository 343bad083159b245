"""What stands in an evidence package's package.json? Every field that such a package has anywhere, held or not.

A field that is None is not held, and the document's `not_held` names it, so that nobody takes silence for an answer;
one that an audience is not told is None as well and stands in `withheld`. Times are ISO 8601 in UTC, boxes and outlines
relative to the upright photo, 0..1. `serving.packages.parts` has the parts about the goods and the seller.
"""

from __future__ import annotations

from typing import Annotated

from serving.packages.parts import (
    PERSONAL,
    Copy,
    Count,
    Listing,
    Match,
    Number,
    Part,
    Personal,
    Price,
    Seller,
    Text,
    Time,
    Wording,
)

SCHEMA_VERSION = 1


class Reports(Part):
    """What was reported."""

    counts: dict[str, int]
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


class Purchase(Part):
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
    test_purchase: Purchase
    customs: Customs
    disclosure: DisclosureTold
    not_held: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
