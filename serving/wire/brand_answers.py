"""How is a brand written down for those who may see it? Brands of the registry to the wire."""

from __future__ import annotations

from index.brand_records import BrandProfile
from serving.wire.advice import from_advice
from serving.wire.market import from_band, from_sellers
from serving.wire.rights import from_right
from touchstone.moderation.v1 import brand_pb2


def from_profile(profile: BrandProfile) -> brand_pb2.Brand:
    """Translate a brand, with the sellers, price bands and advice to buyers that the profile has."""
    message = brand_pb2.Brand(
        brand_id=profile.brand.brand_id,
        name=profile.brand.name,
        aliases=profile.brand.aliases,
        rights=[from_right(right) for right in profile.rights],
        marks=[
            brand_pb2.Mark(mark_id=mark.mark_id, name=mark.name, right_ids=mark.right_ids) for mark in profile.marks
        ],
        keywords=profile.keywords,
        price_bands=[from_band(band) for band in profile.price_bands],
        active_reference_count=profile.active_references,
        etag=profile.etag,
    )
    if profile.buyer_advice.items or profile.buyer_advice.serial_template:
        message.buyer_advice.CopyFrom(from_advice(profile.buyer_advice))
    if profile.sellers is not None:
        message.authorized_sellers.CopyFrom(from_sellers(profile.sellers))
    for name, time in (("create_time", profile.create_time), ("update_time", profile.update_time)):
        if time is not None:
            getattr(message, name).FromDatetime(time)
    return message
