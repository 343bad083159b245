"""What do the words of a listing give away? Brands that it names, and wording by which it says that it is a copy.

Runs on title and description after the photos were looked at; `serving.pipeline` adds the hits to the evidence. Brand
names come from the registry (`serving.lexicon`), replica wording from serving/data/wording.yaml (`serving.replica`).
Each hit marks the seller's own characters.
"""

from __future__ import annotations

from serving.domain import Listing, TextHit, TextKind
from serving.lexicon import BrandLexicon, BrandPlace
from serving.replica import ReplicaPlace, shipped_replica_wording
from serving.tokens import Text, read

__all__ = ["BrandLexicon", "find_wording"]

_FIELDS = ("title", "description")


def find_wording(listing: Listing, lexicon: BrandLexicon) -> tuple[TextHit, ...]:
    """Find brands and replica wording in title and description, each field in the order of its text.

    A brand is reported once a field, where it stands first; one that the goods are only made to fit ("case for iPhone")
    is not reported, though replica wording beside it is.
    """
    texts = {name: read(getattr(listing, name)) for name in _FIELDS}
    claimed = lexicon.resolve(listing.claimed_brand)
    context = frozenset(word for text in texts.values() for word in text.words)
    places = {name: lexicon.places(text, claimed=claimed, context=context) for name, text in texts.items()}
    brand_named = bool(listing.claimed_brand.strip()) or any(places.values())
    hits: list[TextHit] = []
    for name, text in texts.items():
        replica = shipped_replica_wording().find(text, brands=places[name], brand_named=brand_named)
        found = [
            *(
                _hit(TextKind.BRAND, name, text, place, brand=place.brand.name)
                for place in _first_of_each(places[name])
            ),
            *(_hit(TextKind.REPLICA_WORDING, name, text, place, language=place.phrase.language) for place in replica),
        ]
        hits += sorted(found, key=lambda hit: hit.start)
    return tuple(hits)


def _first_of_each(places: list[BrandPlace]) -> list[BrandPlace]:
    first: dict[str, BrandPlace] = {}
    for place in places:
        if not place.fits:
            first.setdefault(place.brand.brand_id, place)
    return list(first.values())


def _hit(
    kind: TextKind, name: str, text: Text, place: BrandPlace | ReplicaPlace, *, brand: str = "", language: str = ""
) -> TextHit:
    start, end = text.characters(place.start, place.end)
    matched = text.original[start:end]
    return TextHit(kind=kind, field_name=name, start=start, end=end, matched=matched, brand=brand, language=language)
