"""Who may learn what of a seller and of those who report? What an audience is told, by the law that it relies on.

Counsel and authorities are told everything. A brand owner is told nothing that is marked `PERSONAL` in
`serving.packages.schema`, but for what the law named at the beginning of the disclosure's basis makes known to anybody:

* Regulation (EU) 2022/2065, Article 30(7): traders' name, address, telephone number and e-mail address, trade register
  and number, as points (a), (d) and (e) of Article 30(1) say;
* the INFORM Consumers Act, 15 U.S.C. 45f(b)(1): name, address and contact of sellers with 20,000 US dollars and more of
  annual sales; of a smaller seller nothing;
* Civil Code of the PRC, Article 1196: a seller's statement of non-infringement is passed on with their real identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from index.evidence_records import Audience
from index.identity import SellerIdentity

# 15 U.S.C. 45f(b)(1)(A) and (f)(3)(A): from this on a high-volume third party seller is made known to buyers.
INFORM_USD, INFORM_SALES = Decimal(20_000), 200

_DSA = ("legal_name", "address", "phone", "email", "trade_register", "trade_register_number")
_INFORM = ("legal_name", "address", "phone", "email")
_PRC = ("legal_name",)
LAWS = {"DSA 30(7)": _DSA, "INFORM": _INFORM, "PRC Civil Code 1196": _PRC}


@dataclass(frozen=True)
class Disclosure:
    """What an audience is told: `everything`, or besides what is not personal these fields of the seller."""

    everything: bool
    seller_fields: frozenset[str] = frozenset()
    level: str = "full"


def disclosure(audience: Audience, basis: str, seller: SellerIdentity | None) -> Disclosure:
    """Return what an audience is told on a basis; `seller` is the identity on record, None without one."""
    if audience is not Audience.BRAND_OWNER:
        return Disclosure(everything=True)
    law = next((name for name in LAWS if basis.startswith(name)), None)
    if law is None or (law == "INFORM" and not _is_disclosed_by_inform(seller)):
        return Disclosure(everything=False, level="no personal data")
    return Disclosure(everything=False, seller_fields=frozenset(LAWS[law]), level=f"personal data by {law} only")


def _is_disclosed_by_inform(seller: SellerIdentity | None) -> bool:
    if seller is None or seller.sales.annual_usd is None or seller.sales.annual is None:
        return False
    return seller.sales.annual_usd >= INFORM_USD and seller.sales.annual >= INFORM_SALES
