"""What do the photos say in so many words? The writing stage, after text and price, where something is suspicious.

Reading a whole photo costs more than all else that is done with it, so it is done only where it may tell: a brand is at
stake, and the words or the price are suspicious already, or the brand that is claimed or named is seen weakly. Nothing
is read of a listing without words, claim and price. What is read is searched as title and description are, and each hit
says in which photo and where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from serving.batching import BatchingEmbedder
from serving.deadline import Deadline
from serving.domain import Listing
from serving.evidence import SEEN, BrandAtStake
from serving.findings import LookAlikeMethod, PriceEvidence, TextHit, TextKind, VisualMatch
from serving.visual import Photo
from serving.words.lexicon import BrandLexicon
from serving.words.wording import find_wording_in
from vision.reading import Words

PAGES = 4
"""Photos of a listing that are read, the first ones; what a seller wants to be read stands there."""

SUSPICIOUS_PRICE = 1.0
"""Price score (log-likelihood ratio) from which a price asks for a look into the photos: e to 1 for a counterfeit."""

WEAKLY_SEEN = 0.1
"""Least probability of a match, short of being seen, that asks for a look into the photos."""

_SUSPICIOUS_WORDS = frozenset({TextKind.REPLICA_WORDING, TextKind.LOOK_ALIKE, TextKind.OFF_PLATFORM_CONTACT})
_LEGIBLE = 0.8  # confidence of a line in which words are sought
# A reader that gets one letter wrong makes a look-alike of a genuine name, so those must be read beyond doubt, and only
# letters tell: readers confuse o and 0, and genuine marks are set with wide spaces.
_BEYOND_DOUBT = 0.95
_TELLING = frozenset({LookAlikeMethod.SPELLING, LookAlikeMethod.SOUND})


def calls_for_reading(
    listing: Listing,
    at_stake: BrandAtStake,
    hits: Sequence[TextHit],
    matches: Sequence[VisualMatch],
    price: PriceEvidence | None,
) -> bool:
    """Tell whether the photos are worth reading, by the evidence gathered so far."""
    if not at_stake.name:
        return False
    suspicious_words = any(hit.kind in _SUSPICIOUS_WORDS for hit in hits)
    named = bool(listing.claimed_brand.strip()) or any(hit.kind is TextKind.BRAND for hit in hits)
    suspicious_price = price is not None and price.score >= SUSPICIOUS_PRICE
    return suspicious_words or suspicious_price or _weakly_seen(at_stake, matches, named=named)


def read_writing(
    listing: Listing, photos: Sequence[Photo], embedder: BatchingEmbedder, lexicon: BrandLexicon, deadline: Deadline
) -> tuple[TextHit, ...]:
    """Read the first photos and find what their lines give away: look-alikes, replica wording, contacts.

    Brands that are named are the read stage's to tell (`serving.reading`). One photo is read after the other, so that
    other listings get their turn between them.

    Raises:
        Overloaded, DeadlineExceeded: as `BatchingEmbedder.read_pages`.
        ModelError: from the reader.

    """
    hits: list[TextHit] = []
    for photo in photos[:PAGES]:
        (lines,) = embedder.read_pages([photo.image.pixels], deadline=deadline)
        hits += _hits(listing, photo.index, lines, lexicon)
    return tuple(hits)


def _weakly_seen(at_stake: BrandAtStake, matches: Sequence[VisualMatch], *, named: bool) -> bool:
    return named and any(match.brand == at_stake.name and WEAKLY_SEEN <= match.probability < SEEN for match in matches)


def _hits(listing: Listing, image_index: int, lines: Sequence[Words], lexicon: BrandLexicon) -> Iterator[TextHit]:
    field_name = f"images[{image_index}]"
    beside = f"{listing.title}\n{listing.description}"
    for line in lines:
        if line.confidence < _LEGIBLE:
            continue
        found = find_wording_in({field_name: line.text}, lexicon, claimed_brand=listing.claimed_brand, beside=beside)
        for hit in found:
            doubtful = hit.method not in _TELLING or line.confidence < _BEYOND_DOUBT
            if hit.kind is TextKind.BRAND or (hit.kind is TextKind.LOOK_ALIKE and doubtful):
                continue
            yield replace(hit, image_index=image_index, box=line.box)
