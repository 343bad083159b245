"""What would a marketplace's evidence look like? Simulated listings, their facts and the truth, for tests and figures.

Nobody has labelled decisions before a marketplace runs this, so fusion is compared on a world whose rules are known.
Each listing is of one `Kind`; given the kind its facts are independent, with the rates in the table below. All
dependence comes from the kinds, as in life: accessories are cheap *and* filed elsewhere *and* name another brand than
they show, all of it innocent, so that a sum of accusations convicts them; stock photos are shared *and* their sellers
reported for late parcels; fakes at the usual price are given away by what nobody sums, such as a mark that is seen
where the brand's own list of sellers says no. The rates are assumptions, set so that the naive sum, the logistic model
and the trees come out about as far apart as in an earlier simulation of ours; no figure from here is a promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from serving.facts import FACTS, NO_DISTANCE, Facts, Value


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way of selling: its `share` of all listings and the rates at which its listings show each piece of evidence.

    `price` is mean and standard deviation of the price score (log-likelihood ratio), where a price is known; `strikes`
    and `reports` are Poisson means. All others are probabilities, 0..1.
    """

    name: str
    share: float
    infringing: bool = False
    price: tuple[float, float] = (-1.5, 1.2)
    seen: float = 0.6
    replica: float = 0.002
    copies_fake: float = 0.0005
    copies_removed: float = 0.005
    authorised: float = 0.0
    verified: float = 0.3
    strikes: float = 0.02
    claim_mismatch: float = 0.01
    category_mismatch: float = 0.03
    reports: float = 0.02


KINDS = (
    Kind(name="authorised shop", share=0.15, seen=0.8, authorised=0.9, verified=0.95, copies_removed=0.03),
    Kind(name="outlet", share=0.05, price=(3.0, 2.0), seen=0.75, authorised=0.6, verified=0.95, reports=0.05),
    Kind(name="private person", share=0.43, price=(-0.6, 1.6), verified=0.35),
    Kind(name="accessory", share=0.12, price=(4.5, 1.5), seen=0.1, claim_mismatch=0.6, category_mismatch=0.7,
         verified=0.5),
    Kind(name="stock photos", share=0.08, seen=0.7, copies_removed=0.5, verified=0.7, reports=0.4),
    Kind(name="replica in name only", share=0.02, price=(0.0, 2.0), replica=0.7, seen=0.2, category_mismatch=0.5),
    Kind(name="clumsy seller", share=0.05, price=(0.0, 2.0), claim_mismatch=0.15, category_mismatch=0.2, strikes=0.3,
         reports=0.3),
    Kind(name="open fake", share=0.03, infringing=True, price=(5.0, 1.5), seen=0.8, replica=0.6, copies_fake=0.45,
         copies_removed=0.5, verified=0.05, strikes=1.2, category_mismatch=0.1, claim_mismatch=0.1, reports=0.8),
    Kind(name="disguised fake", share=0.04, infringing=True, price=(4.0, 1.8), seen=0.9, replica=0.05,
         copies_fake=0.25, copies_removed=0.40, verified=0.1, strikes=0.8, reports=0.6),
    Kind(name="fake at the usual price", share=0.03, infringing=True, price=(-1.0, 1.2), seen=0.85, copies_fake=0.15,
         copies_removed=0.3, verified=0.2, strikes=0.6, reports=0.8),
)  # fmt: skip

_BRAND_KNOWN, _LISTS_SELLERS, _PRICE_KNOWN, _SELLER_KNOWN = 0.9, 0.5, 0.85, 0.8


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """One listing of the world: its facts and what is true of it."""

    facts: Facts
    infringing: bool
    kind: str


def simulate(n: int, *, seed: int) -> Iterator[Simulated]:
    """Draw `n` listings; the same ones for the same seed."""
    random = np.random.default_rng(seed)
    neutral: dict[str, Value] = {name: fact.neutral for name, fact in FACTS.items()}
    kinds = random.choice(len(KINDS), size=n, p=[kind.share for kind in KINDS])
    for place in kinds.tolist():
        kind = KINDS[place]
        drawn = _brand_and_photos(kind, random) | _words_and_people(kind, random)
        yield Simulated(facts=Facts(neutral | drawn), infringing=kind.infringing, kind=kind.name)


def _brand_and_photos(kind: Kind, random: np.random.Generator) -> dict[str, Value]:
    known, priced = _happens(_BRAND_KNOWN, random), _happens(_PRICE_KNOWN, random)
    copies = _happens(kind.copies_fake, random)
    probability = random.beta(8, 2) if _happens(kind.seen, random) else random.beta(1, 8)
    return {
        "images.count": 1 + int(random.poisson(2)),
        "brand.known": known,
        "visual.matched": probability >= 0.5,
        "visual.probability": float(probability),
        "duplicate.known_counterfeit": copies,
        "duplicate.known_counterfeit_distance": int(random.integers(0, 32)) if copies else NO_DISTANCE,
        "duplicate.removed_listing": _happens(kind.copies_removed, random),
        "price.known": priced,
        "price.score": float(random.normal(*kind.price)) if priced else 0.0,
    }


def _words_and_people(kind: Kind, random: np.random.Generator) -> dict[str, Value]:
    authorised, seller_known = _happens(kind.authorised, random), _happens(_SELLER_KNOWN, random)
    reports = int(random.poisson(kind.reports))
    return {
        "text.replica_wording": _happens(kind.replica, random),
        "text.claim_mismatch": _happens(kind.claim_mismatch, random),
        "category.mismatch": _happens(kind.category_mismatch, random),
        "seller.known": seller_known or authorised,
        "seller.authorised": authorised,
        "seller.unauthorised": not authorised and _happens(_LISTS_SELLERS, random),
        "seller.verified": _happens(kind.verified, random) and seller_known,
        "seller.strikes": int(random.poisson(kind.strikes)) if seller_known else 0,
        "reports.count": reports,
        "reports.weight": float(reports * random.uniform(0.3, 1.0)),
    }


def _happens(rate: float, random: np.random.Generator) -> bool:
    return bool(random.random() < rate)
