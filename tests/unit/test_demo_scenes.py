"""The demo's listings and registry: the same every time, decodable where they should be, and consistent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from reference_brands.seed import mark_svg, seed_brands
from serving.demo.photos import Shot, closer, encode_jpeg, photograph
from serving.demo.registry import OBSERVATIONS, USUAL_PRICES_USD, demo_registry
from serving.demo.scenes import DemoScene, demo_scenes
from serving.demo.surfaces import Surface, paint_surface
from serving.domain import Verdict
from vision.decode import decode
from vision.errors import ImageError
from vision.hashing import hamming, pdq
from vision.taxonomy import load_taxonomy


@cache
def scenes() -> dict[str, DemoScene]:
    """Draw the scenes once: it takes seconds."""
    return {scene.listing.listing_id: scene for scene in demo_scenes()}


def test_every_verdict_is_shown() -> None:
    """Listings are told apart by id, and each of the three verdicts is expected of one at least."""
    expected = Counter(scene.expected for scene in scenes().values())

    assert len(scenes()) == 9
    assert expected.keys() == set(Verdict)


def test_a_shot_gives_the_same_photo_every_time() -> None:
    """The seed decides everything: twice the same bytes, and others for another seed."""
    shot = Shot(product="tumbler", colour=(200, 90, 60), surface=Surface.WALL, seed=1, mark_svg=mark_svg("starbucks"))

    once, again, other = photograph(shot), photograph(shot), photograph(replace(shot, seed=2))

    assert encode_jpeg(once.pixels, quality=90) == encode_jpeg(again.pixels, quality=90)
    assert once.mark_box == again.mark_box
    assert not np.array_equal(once.pixels, other.pixels)


@pytest.mark.parametrize("surface", Surface)
def test_a_surface_has_grain_and_is_neither_black_nor_white(surface: Surface) -> None:
    """Every surface is a picture in range, the same for the same seed, and not one flat colour."""
    painted = paint_surface(surface, 240, np.random.default_rng(5))

    assert painted.shape == (240, 240, 3)
    assert painted.dtype == np.float32
    assert painted.min() >= 0.0
    assert painted.max() <= 1.0
    assert painted.std() > 0.02
    assert np.array_equal(painted, paint_surface(surface, 240, np.random.default_rng(5)))


@pytest.mark.parametrize("product", ["headphones", "sneaker", "watch"])
def test_a_close_up_shows_the_mark_large_and_in_the_middle(product: str) -> None:
    """A mark of about square outline covers a tenth to a quarter of the close-up, less of the overview."""
    shot = Shot(product=product, colour=(60, 60, 70), surface=Surface.OAK, seed=3, mark_svg=mark_svg("starbucks"))

    far, near = photograph(shot).mark_box, photograph(closer(shot)).mark_box

    assert far is not None
    assert near is not None
    assert far.area < near.area
    assert 0.1 < near.area < 0.3
    assert near.centre == pytest.approx((0.5, 0.5), abs=0.08)


def test_a_product_without_a_mark_has_no_box() -> None:
    """Nothing is printed on plain goods."""
    shot = Shot(product="handbag", colour=(120, 80, 50), surface=Surface.WALL, seed=4)

    assert photograph(shot).mark_box is None


def test_all_photos_decode_but_the_two_that_must_not() -> None:
    """Only the stories about broken photos have them."""
    broken = []
    for listing_id, scene in scenes().items():
        for data in scene.listing.images:
            try:
                assert decode(data).pixels.shape == (960, 960, 3) or listing_id == "demo-4-known-counterfeit"
            except ImageError:
                broken.append(listing_id)

    assert broken == ["demo-5-unreadable", "demo-6-one-photo-broken"]


def test_the_copied_photo_is_near_the_known_counterfeit_and_the_others_are_far() -> None:
    """The default policy takes down within 20 of 256 bits; unrelated photos differ in about half."""
    known = pdq(decode(demo_registry().counterfeits[0].image).pixels)
    distances = {}
    for listing_id, scene in scenes().items():
        if listing_id != "demo-5-unreadable":
            found = pdq(decode(scene.listing.images[0]).pixels)
            rows = (np.frombuffer(bits, np.uint8)[None] for bits in (known.bits, found.bits))
            distances[listing_id] = int(hamming(*rows)[0, 0])

    assert distances.pop("demo-4-known-counterfeit") <= 20
    assert min(distances.values()) > 90


def test_categories_and_brands_are_ones_that_the_service_knows() -> None:
    """Declared categories map to leaves; claimed brands, authorisations and counterfeits to seeded brands."""
    taxonomy, brands = load_taxonomy(), seed_brands()
    registry = demo_registry()

    declared = {scene.listing.category for scene in scenes().values()} - {""}
    declared |= {category for _, category in USUAL_PRICES_USD}
    claimed = {scene.listing.claimed_brand for scene in scenes().values()} - {""}

    assert [category for category in declared if taxonomy.match(category) is None] == []
    assert claimed | {brand for brand, _ in USUAL_PRICES_USD} <= {brand.name for brand in brands}
    ids = {entry.brand_id for entry in registry.authorisations} | {fake.brand_id for fake in registry.counterfeits}
    assert ids <= {brand.brand_id for brand in brands}


def test_the_price_history_is_the_same_every_time_and_spreads_about_its_medians() -> None:
    """Hundreds of observations with ids of their own; the median of new goods is near the usual price."""
    prices = demo_registry().prices

    assert prices == demo_registry().prices
    assert len({price.observation_id for price in prices}) == len(prices) == OBSERVATIONS * len(USUAL_PRICES_USD)
    for (brand, category), usual in USUAL_PRICES_USD.items():
        own = [price for price in prices if (price.brand, price.category, price.condition) == (brand, category, "new")]
        median = np.median([float(price.unit_price.amount) for price in own])
        assert 0.85 * usual < median < 1.05 * usual
        assert min(price.unit_price.amount for price in own) > Decimal("0.25") * usual
