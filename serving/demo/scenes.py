"""Which listings does the demo screen? Nine stories, each with the verdict it must get.

Pure data and pictures, the same on every run: `serving.demo.run` fills a registry from `serving.demo.registry`, screens
these over gRPC and prints the decisions beside what is expected here. Every photo is drawn by `serving.demo.photos`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from index.money import Money
from reference_brands.seed import mark_svg
from serving.demo.photos import Shot, closer, encode_jpeg, photograph, repost
from serving.demo.registry import BACKPACKS, HEADPHONES, HOODIES, SNEAKERS, T_SHIRTS, WATCHES, counterfeit_photo
from serving.demo.surfaces import Surface
from serving.domain import Listing, Verdict


@dataclass(frozen=True, kw_only=True)
class DemoScene:
    """One listing with its story in a sentence and the verdict that it must get."""

    story: str
    listing: Listing
    expected: Verdict


def demo_scenes() -> tuple[DemoScene, ...]:
    """Return the listings, drawn; about a second each."""
    return (
        _genuine(),
        _plain(),
        _far_too_cheap(),
        _copy_of_known_counterfeit(),
        _unreadable(),
        _one_photo_broken(),
        _replica_wording(),
        _other_brand_than_claimed(),
        _honest_sale(),
    )


def _genuine() -> DemoScene:
    shot = Shot(product="t-shirt", colour=(30, 32, 38), surface=Surface.OAK, seed=5, mark_svg=mark_svg("adidas"))
    return DemoScene(
        story="Branded T-shirt at a usual price from an authorised seller",
        listing=Listing(
            listing_id="demo-1-genuine",
            images=(_photo(shot), _photo(closer(shot))),
            title="Adidas T-shirt, black, size M",
            claimed_brand="Adidas",
            category=T_SHIRTS,
            condition="new",
            price=_usd("27.95"),
            seller_id="stadium-sports",
            market="US",
        ),
        expected=Verdict.ALLOW,
    )


def _plain() -> DemoScene:
    shot = Shot(product="t-shirt", colour=(70, 98, 140), surface=Surface.LINEN, seed=2)
    return DemoScene(
        story="A plain T-shirt without any brand",
        listing=Listing(
            listing_id="demo-2-plain",
            images=(_photo(shot),),
            title="Plain cotton T-shirt, blue",
            category=T_SHIRTS,
            condition="new",
            price=_usd("12.90"),
            seller_id="cotton-corner",
            market="US",
        ),
        expected=Verdict.ALLOW,
    )


def _far_too_cheap() -> DemoScene:
    shot = Shot(
        product="headphones",
        colour=(38, 38, 42),
        surface=Surface.WALNUT,
        seed=3,
        mark_svg=mark_svg("beatsbydre"),
        ink=(214, 40, 48),
    )
    return DemoScene(
        story="Branded headphones at 5% of the usual price from a seller whom the brand does not authorise",
        listing=Listing(
            listing_id="demo-3-far-too-cheap",
            images=(_photo(shot), _photo(closer(shot))),
            title="Beats by Dre wireless headphones, brand new in box",
            claimed_brand="Beats by Dre",
            category=HEADPHONES,
            condition="new",
            price=_usd("11.99"),
            seller_id="bargain-depot-88",
            market="US",
        ),
        expected=Verdict.REVIEW,
    )


def _copy_of_known_counterfeit() -> DemoScene:
    return DemoScene(
        story="A known counterfeit's photo, trimmed, brightened and saved again",
        listing=Listing(
            listing_id="demo-4-known-counterfeit",
            images=(encode_jpeg(repost(counterfeit_photo()), quality=68),),
            title="Outdoor backpack 30 L, green",
            claimed_brand="The North Face",
            category=BACKPACKS,
            condition="new",
            price=_usd("59.00"),
            seller_id="trail-deals",
            market="US",
        ),
        expected=Verdict.TAKEDOWN,
    )


def _unreadable() -> DemoScene:
    return DemoScene(
        story="The only photo is a web page saved under a photo's name",
        listing=Listing(
            listing_id="demo-5-unreadable",
            images=(b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>",),
            title="Canvas tote bag",
            price=_usd("18.00"),
            seller_id="cotton-corner",
            market="US",
        ),
        expected=Verdict.REVIEW,
    )


def _one_photo_broken() -> DemoScene:
    shot = Shot(product="watch", colour=(92, 58, 38), surface=Surface.WALNUT, seed=10)
    front = _photo(shot)
    return DemoScene(
        story="One good photo and one whose upload broke off half-way",
        listing=Listing(
            listing_id="demo-6-one-photo-broken",
            images=(front, front[: len(front) // 2]),
            title="Wristwatch with leather strap",
            category=WATCHES,
            condition="used",
            price=_usd("35.00"),
            seller_id="attic-finds",
            market="US",
        ),
        expected=Verdict.REVIEW,
    )


def _replica_wording() -> DemoScene:
    shot = Shot(product="hoodie", colour=(36, 40, 58), surface=Surface.WALNUT, seed=11, mark_svg=mark_svg("jordan"))
    return DemoScene(
        story="The title itself speaks of a replica",
        listing=Listing(
            listing_id="demo-7-replica-wording",
            images=(_photo(shot), _photo(closer(shot))),
            title="Jordan hoodie 1:1 AAA mirror quality, with tags",
            claimed_brand="Jordan",
            category=HOODIES,
            condition="new",
            price=_usd("59.00"),
            seller_id="kicks-factory",
            market="US",
        ),
        expected=Verdict.REVIEW,
    )


def _other_brand_than_claimed() -> DemoScene:
    white, black = (226, 226, 222), (20, 20, 22)
    shot = Shot(product="t-shirt", colour=white, surface=Surface.WALNUT, seed=6, mark_svg=mark_svg("reebok"), ink=black)
    return DemoScene(
        story="Claimed as one brand; title and photos show another",
        listing=Listing(
            listing_id="demo-8-other-brand",
            images=(_photo(shot), _photo(closer(shot))),
            title="Reebok T-shirt, white, size L",
            claimed_brand="Puma",
            category=T_SHIRTS,
            condition="new",
            price=_usd("24.00"),
            seller_id="sport-mix",
            market="US",
        ),
        expected=Verdict.REVIEW,
    )


def _honest_sale() -> DemoScene:
    shot = Shot(product="sneaker", colour=(176, 38, 44), surface=Surface.CONCRETE, seed=1, mark_svg=mark_svg("nike"))
    return DemoScene(
        story="A third off, priced in yen: a sale in another currency, not a counterfeit's price",
        listing=Listing(
            listing_id="demo-9-honest-sale",
            images=(_photo(shot), _photo(closer(shot))),
            title="Nike sneakers, red, summer sale",
            claimed_brand="Nike",
            category=SNEAKERS,
            condition="new",
            price=Money(Decimal(11_000), "JPY"),
            seller_id="tokyo-sports",
            market="JP",
        ),
        expected=Verdict.ALLOW,
    )


def _photo(shot: Shot) -> bytes:
    return encode_jpeg(photograph(shot).pixels, quality=90)


def _usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")
