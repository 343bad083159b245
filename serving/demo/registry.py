"""What must the registry know before the demo's listings are screened? Sellers, a known counterfeit, usual prices.

`serving.demo.run` fills a store with it, beside the seed catalogue. All of it is invented, and the same on every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from index.market_records import AuthorisedSeller, PriceObservation, Seller
from index.money import Money
from reference_brands.seed import mark_svg
from serving.demo.photos import Shot, encode_jpeg, photograph
from serving.demo.surfaces import Surface

SNEAKERS = "Fashion > Shoes > Sneakers"
T_SHIRTS = "Fashion > Clothing > T-Shirts"
HOODIES = "Fashion > Clothing > Sweatshirts and Hoodies"
BACKPACKS = "Fashion > Bags > Backpacks"
WATCHES = "Fashion > Watches and Jewellery > Watches"
HEADPHONES = "Electronics > Audio and Video > Headphones"

USUAL_PRICES_USD = {
    ("Nike", SNEAKERS): 110,
    ("Adidas", SNEAKERS): 90,
    ("Adidas", T_SHIRTS): 30,
    ("Puma", T_SHIRTS): 28,
    ("Reebok", T_SHIRTS): 27,
    ("Adidas", HOODIES): 60,
    ("Jordan", HOODIES): 80,
    ("The North Face", BACKPACKS): 95,
    ("Beats by Dre", HEADPHONES): 240,
}
"""Invented medians of new goods; roughly what such things cost in 2025."""

OBSERVATIONS = 200
"""Prices on record for each brand and category."""

_JOINED = datetime(2024, 3, 1, tzinfo=UTC)
_AUTHORISED = {
    "adidas": ("stadium-sports",),
    "jordan": ("stadium-sports", "sneaker-house"),
    "beats": ("sound-and-vision",),
    "the-north-face": ("summit-outdoor",),
}


@dataclass(frozen=True, kw_only=True)
class DemoCounterfeit:
    """A photo that the brand owner knows to show a fake."""

    brand_id: str
    image: bytes


@dataclass(frozen=True, kw_only=True)
class DemoAuthorisation:
    """The sellers whom a brand authorises."""

    brand_id: str
    sellers: tuple[AuthorisedSeller, ...]


@dataclass(frozen=True, kw_only=True)
class DemoRegistry:
    """What the registry must hold, besides the seed catalogue, before the scenes are screened."""

    counterfeits: tuple[DemoCounterfeit, ...]
    sellers: tuple[Seller, ...]
    authorisations: tuple[DemoAuthorisation, ...]
    prices: tuple[PriceObservation, ...]


def demo_registry(*, seed: int = 0) -> DemoRegistry:
    """Return the demo's known counterfeit, sellers, authorisations and price history."""
    verified = {seller for sellers in _AUTHORISED.values() for seller in sellers}
    return DemoRegistry(
        counterfeits=(DemoCounterfeit(brand_id="the-north-face", image=encode_jpeg(counterfeit_photo(), quality=92)),),
        sellers=tuple(Seller(seller_id=seller, create_time=_JOINED, verified=True) for seller in sorted(verified)),
        authorisations=tuple(
            DemoAuthorisation(brand_id=brand, sellers=tuple(AuthorisedSeller(seller_id=seller) for seller in sellers))
            for brand, sellers in _AUTHORISED.items()
        ),
        prices=_price_history(seed),
    )


def counterfeit_photo() -> NDArray[np.uint8]:
    """Return the photo that the brand owner reported: uint8 [960, 960, 3] RGB."""
    mark = mark_svg("thenorthface")
    shot = Shot(product="backpack", colour=(52, 70, 58), surface=Surface.WALL, seed=4, mark_svg=mark)
    return photograph(shot).pixels


def _price_history(seed: int) -> tuple[PriceObservation, ...]:
    """Draw lognormal prices round the medians: every tenth used at about half, every fifth on sale at two thirds."""
    random = np.random.default_rng(seed)
    observations = []
    for (brand, category), median in USUAL_PRICES_USD.items():
        for number in range(OBSERVATIONS):
            used, sale = number % 10 == 9, number % 5 == 3
            factor = (0.5 if used else 1.0) * (0.67 if sale else 1.0) * float(random.lognormal(0.0, 0.18))
            observations.append(
                PriceObservation(
                    brand=brand,
                    category=category,
                    condition="used" if used else "new",
                    unit_price=Money(Decimal(f"{median * factor:.2f}"), "USD"),
                    observation_id=f"demo/{brand}/{category}/{number}",
                )
            )
    return tuple(observations)
