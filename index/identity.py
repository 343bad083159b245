"""Who is a seller? What a marketplace must know of its traders, and what follows from it for their verification.

The fields are those of the INFORM Consumers Act (15 U.S.C. 45f(a)) and of DSA Art. 30(1)(a)-(e). They are personal
data: no `repr` shows them, so that they reach neither logs nor error messages, and nothing of them becomes evidence.
`index.seller_files` reads and checks them, `index.store.identities` keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal

from index.errors import SellerDataError
from index.verification import ForbiddenTransition, VerificationEvent, VerificationState, advance, state_at


@dataclass(frozen=True)
class Verification:
    """What came of checking a seller's identity: how it was checked, whether it was found true, and when."""

    method: str
    passed: bool
    time: datetime


@dataclass(frozen=True, kw_only=True)
class SalesVolume:
    """What a seller sold: `total` sales so far; `annual` sales of new goods in 12 months, for `annual_usd` US dollars.

    `qualify_time` is when the seller became a high-volume one. None, each, when the marketplace did not tell.
    """

    total: int | None = None
    annual: int | None = None
    annual_usd: Decimal | None = None
    qualify_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SellerIdentity:
    """A seller's identity: "" where nothing was told. `country` is where they are established, ISO 3166-1 alpha-2.

    `create_time` is when the seller's account was opened, `self_certify_time` when they last declared that everything
    is right and that they sell lawful goods only.
    """

    seller_id: str
    country: str
    legal_name: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    government_id: str = field(default="", repr=False)
    bank_account: str = field(default="", repr=False)
    bank_account_holder: str = field(default="", repr=False)
    tax_id: str = field(default="", repr=False)
    trade_register: str = field(default="", repr=False)
    trade_register_number: str = field(default="", repr=False)
    lei: str = field(default="", repr=False)
    self_certify_time: datetime | None = None
    verification: Verification | None = None
    sales: SalesVolume = SalesVolume()
    create_time: datetime | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The fields that are still to be collected, in words."""
        gaps = [name for name in _REQUIRED if not getattr(self, name)]
        if not any(getattr(self, name) for name in _PROOFS):
            gaps.append(" or ".join(_PROOFS))
        return tuple(gaps if self.self_certify_time is not None else [*gaps, "self_certified"])

    @property
    def certify_time(self) -> datetime | None:
        """From when the year runs after which the seller must certify again."""
        times = [self.self_certify_time, self.verification.time if self.verification else None]
        return max((time for time in times if time is not None), default=None)

    def told(self) -> tuple[str, ...]:
        """Everything that has to be checked again when it changes."""
        return (self.country, *self.personal())

    def personal(self) -> tuple[str, ...]:
        """Who the seller is and where their money goes, "" for what was not told."""
        return tuple(getattr(self, name) for name in PERSONAL)


PERSONAL = tuple(each.name for each in fields(SellerIdentity) if not each.repr)

# INFORM asks for account, contact and tax id; DSA Art. 30 for name, address and account as well. A proof of who it is:
# an identity document (Art. 30(1)(b)), or the entry in a trade register (Art. 30(1)(d)).
_REQUIRED = ("legal_name", "address", "phone", "email", "bank_account", "bank_account_holder", "tax_id")
_PROOFS = ("government_id", "trade_register_number", "lei")


@dataclass(frozen=True, kw_only=True)
class IdentityRecord:
    """An identity on record: the state of its verification when it was put there, and when its data were collected."""

    identity: SellerIdentity
    state: VerificationState
    collect_time: datetime

    def state_at(self, now: datetime) -> VerificationState:
        """Where the verification stands `now`."""
        return state_at(self.state, self.identity.certify_time, now)


def renewed(before: IdentityRecord | None, identity: SellerIdentity, now: datetime) -> IdentityRecord:
    """Return the record after a seller's identity was told (again). The same told twice changes nothing.

    Raises:
        SellerDataError: the result of a verification comes with data that are not all there, or that failed before.

    """
    same_data = before is not None and before.identity.told() == identity.told()
    if before is not None and same_data:
        state, collect_time = before.state_at(now), before.collect_time
    else:
        state, collect_time = VerificationState.UNVERIFIED, now
    try:
        for event in _events(before if same_data else None, identity):
            state = advance(state, event)
    except ForbiddenTransition as error:
        gaps = f"; still missing: {', '.join(identity.missing)}" if identity.missing else ""
        raise SellerDataError(f"verification: {error}{gaps}.") from error
    return IdentityRecord(identity=identity, state=state, collect_time=collect_time)


def _events(before: IdentityRecord | None, identity: SellerIdentity) -> list[VerificationEvent]:
    """Name what happened since `before`, which has the same data; None when the data are new."""
    events: list[VerificationEvent] = []
    was_complete = before is not None and before.state is not VerificationState.UNVERIFIED
    if not identity.missing and not was_complete:
        events.append(VerificationEvent.COLLECTED)
    checked = identity.verification
    if checked is not None and (before is None or before.identity.verification != checked):
        events.append(VerificationEvent.PASSED if checked.passed else VerificationEvent.FAILED)
    elif before is not None and _certified_again(before, identity):
        events.append(VerificationEvent.PASSED)
    return events


def _certified_again(before: IdentityRecord, identity: SellerIdentity) -> bool:
    """Tell whether a seller who had been verified has declared anew that everything still holds."""
    earlier, now = before.identity.self_certify_time, identity.self_certify_time
    return before.state is VerificationState.VERIFIED and earlier != now and now is not None
