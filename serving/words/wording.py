"""What do the words of a listing give away? Brands that it names or imitates, copies, and contacts elsewhere.

Runs on title and description after the photos were looked at, and on what is read in them (`serving.writing`);
`serving.pipeline` adds the hits to the evidence. Brand names come from the registry (`serving.words.lexicon`,
`serving.words.imitation`), replica wording from serving/words/data/wording.yaml (`serving.replica`), contacts from
serving/words/data/contacts.yaml (`serving.words.contacts`). Each hit marks the seller's own characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from index.records import Brand
from serving.domain import Listing
from serving.findings import TextHit, TextKind
from serving.replica import ReplicaPlace, shipped_replica_wording
from serving.words.contacts import shipped_contacts
from serving.words.disguise import Unmasked, in_foreign_letters, unmasked
from serving.words.imitation import Imitation, find_imitations
from serving.words.lexicon import BrandLexicon, BrandPlace
from serving.words.tokens import Text, read

__all__ = ["CLAIM", "BrandLexicon", "find_wording", "find_wording_in", "openly_claimed"]

CLAIM = "claimed_brand"
"""Field of a listing in which the seller names the brand."""

_FIELDS = ("title", "description")
# Characters before and after a hit that are kept with it, so that people read it in its place.
_AROUND = 80


def find_wording(listing: Listing, lexicon: BrandLexicon) -> tuple[TextHit, ...]:
    """Find what title and description give away, as `find_wording_in` does, and whether the claim imitates a brand."""
    texts = {name: getattr(listing, name) for name in _FIELDS}
    return (
        *find_wording_in(texts, lexicon, claimed_brand=listing.claimed_brand),
        *_claimed_look_alike(listing.claimed_brand, lexicon),
    )


def find_wording_in(
    texts: Mapping[str, str], lexicon: BrandLexicon, *, claimed_brand: str, beside: str = ""
) -> tuple[TextHit, ...]:
    """Find brands, what imitates them, replica wording and contacts in each text, in the order of its characters.

    A brand is reported once a text, where it stands first; one that the goods are only made to fit ("case for iPhone")
    is not reported, though replica wording beside it is. `beside` is further text of the listing, which vouches for
    brands and completes phrases but is not searched.
    """
    fields = {name: read(text) for name, text in texts.items()}
    claimed = lexicon.resolve(claimed_brand)
    others = read(beside)
    context = frozenset(word for text in (*fields.values(), others) for word in text.words)
    places = {name: lexicon.places(text, claimed=claimed, context=context) for name, text in fields.items()}
    brand_named = (
        bool(claimed_brand.strip())
        or any(places.values())
        or bool(lexicon.places(others, claimed=claimed, context=context))
    )
    hits: list[TextHit] = []
    for name, text in fields.items():
        readings = tuple(unmasked(text))
        imitated = find_imitations(text, readings, places[name], lexicon, claimed=claimed, context=context)
        found = [
            *(_brand_hit(name, text, place) for place in _first_of_each(places[name])),
            *(_look_alike_hit(name, text, one) for one in imitated),
            *_replica_hits(name, text, readings, places[name], brand_named=brand_named or bool(imitated)),
            *(
                _hit(TextKind.OFF_PLATFORM_CONTACT, name, text, start, end)
                for start, end in shipped_contacts().find(text, lexicon)
            ),
        ]
        hits += sorted(found, key=lambda hit: hit.start)
    return tuple(hits)


def openly_claimed(listing: Listing, hits: Sequence[TextHit], lexicon: BrandLexicon) -> Brand | None:
    """Find the brand that a listing says its goods are of: in the field for it, else in the title, else further on.

    `hits` are `find_wording`'s. Of several brands that a text names it is the first. What goods are only made to fit is
    no claim, and neither is a name in disguise: whoever is told of the claim must not learn which are seen through.
    """
    claimed = lexicon.resolve(listing.claimed_brand)
    if claimed is not None:
        return claimed
    first = next((hit for hit in hits if hit.kind is TextKind.BRAND), None)
    if first is None:
        return None
    if getattr(listing, first.field_name).isascii():  # which hides nothing; most texts need not be read once more
        return lexicon.resolve(first.brand)
    fields = [read(getattr(listing, name)) for name in _FIELDS]
    context = frozenset(word for text in fields for word in text.words)
    for text in fields:
        for place in lexicon.places(text, claimed=None, context=context):
            written = [text.characters(place.start, place.end)]
            if not place.fits and not any(in_foreign_letters(text.original, written)):
                return place.brand
    return None


def _claimed_look_alike(claimed_brand: str, lexicon: BrandLexicon) -> list[TextHit]:
    """Say which brand a claim imitates ("Adibas", "N1ke"); nothing where it is a brand's own name."""
    if lexicon.resolve(claimed_brand) is not None:
        return []
    text = read(claimed_brand)
    named = lexicon.places(text, claimed=None, context=frozenset())
    readings = tuple(unmasked(text))
    found = find_imitations(text, readings, named, lexicon, claimed=None, context=frozenset())
    found = found or [
        Imitation(place.brand, *text.characters(place.start, place.end), place.method, place.distance)
        for place in lexicon.look_alikes.of_claim(text)
    ]
    return [_look_alike_hit(CLAIM, text, one) for one in found[:1]]


def _replica_hits(
    name: str, text: Text, readings: Sequence[Unmasked], brands: Sequence[BrandPlace], *, brand_named: bool
) -> Iterator[TextHit]:
    """Yield the replica wording of a text, and what shows once a disguise is off: "r3plica"."""
    wording = shipped_replica_wording()
    for place in wording.find(text, brands=brands, brand_named=brand_named):
        yield _replica_hit(name, text, place)
    for reading in readings:
        for place in wording.find(reading.text, brands=(), brand_named=brand_named):
            if reading.covers(place.start, place.end):
                yield _replica_hit(name, reading.text, place)


def _first_of_each(places: Sequence[BrandPlace]) -> list[BrandPlace]:
    first: dict[str, BrandPlace] = {}
    for place in places:
        if not place.fits:
            first.setdefault(place.brand.brand_id, place)
    return list(first.values())


def _brand_hit(name: str, text: Text, place: BrandPlace) -> TextHit:
    hit = _hit(TextKind.BRAND, name, text, *text.characters(place.start, place.end))
    return replace(hit, brand=place.brand.name)


def _look_alike_hit(name: str, text: Text, found: Imitation) -> TextHit:
    hit = _hit(TextKind.LOOK_ALIKE, name, text, found.start, found.end)
    return replace(hit, brand=found.brand.name, method=found.method, distance=found.distance)


def _replica_hit(name: str, text: Text, place: ReplicaPlace) -> TextHit:
    hit = _hit(TextKind.REPLICA_WORDING, name, text, *text.characters(place.start, place.end))
    return replace(hit, language=place.phrase.language)


def _hit(kind: TextKind, name: str, text: Text, start: int, end: int) -> TextHit:
    return TextHit(
        kind=kind,
        field_name=name,
        start=start,
        end=end,
        matched=text.original[start:end],
        before=text.original[max(0, start - _AROUND) : start],
        after=text.original[end : end + _AROUND],
    )
