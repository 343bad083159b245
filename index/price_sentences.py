"""How is a price told to a moderator? One sentence with the ratio, the best innocent story and what it rests on."""

from __future__ import annotations

from typing import NamedTuple

from index.offer_words import DeclaredSale
from index.price_query import LevelCount
from index.price_stories import LARGEST_SALE, Story

# A score of 2 is a likelihood ratio of 7: below it the innocent story is named without a warning.
_SUSPICIOUS = 2.0


class Finding(NamedTuple):
    """What there is to tell: `ratio` is price / expected price, `enough` whether `basis` bears an assertion.

    `used` says that the goods are stated not to be new, and then that is what the expected price is for.
    """

    ratio: float
    score: float
    story: Story
    meant_in: str
    basis: LevelCount
    enough: bool
    sale: DeclaredSale | None
    used: bool = False


def explain(finding: Finding) -> str:
    """Return the sentence, without a full stop: it becomes a part of others."""
    resting, ratio = _resting(finding.basis), finding.ratio
    share = f"{ratio:.0%}" if ratio >= 0.1 else f"{100 * ratio:.2g}%"
    if not finding.enough:
        return f"{share} of the expected price, which rests on too few prices to be weighed ({resting})"
    usual = "the usual price of used goods" if finding.used else "the usual price"
    if ratio >= 1.0:
        told = finding.story is Story.CURRENCY or finding.used
        story = f"; consistent with {_in_words(finding)}" if told else ""
        return f"{_times(ratio)} {usual}: not low{story} ({resting})"
    if finding.score >= _SUSPICIOUS:
        return f"{share} of {usual}: likelier a counterfeit than {_in_words(finding)} ({resting})"
    return f"{share} of {usual}: consistent with {_in_words(finding)} ({resting})"


def _resting(basis: LevelCount) -> str:
    prices = f"{basis.name}, {basis.observations} price{'' if basis.observations == 1 else 's'}"
    return f"{prices} and the brand owner's price band" if basis.band_weight else prices


def _in_words(finding: Finding) -> str:
    off = 5 * round(20 * (1 - finding.ratio))
    match finding.story:
        case Story.USUAL if finding.used:
            return "used goods"
        case Story.USUAL:
            return f"the usual spread of prices or a {off}% sale" if off >= 10 else "the usual spread of prices"
        case Story.SALE:
            return _sale(finding.sale, off=off)
        case Story.USED:
            return "used goods"
        case Story.OTHER_GOODS:
            return "another article of the brand, such as an accessory"
        case Story.CURRENCY:
            return f"an amount meant in {finding.meant_in}"


def _sale(sale: DeclaredSale | None, *, off: int) -> str:
    if sale is None:
        return f"a {off}% sale"
    if sale.off is None:
        return f"the declared sale ('{sale.words}')"
    limit = f", believed up to {LARGEST_SALE:.0%}" if sale.off > LARGEST_SALE else ""
    return f"the declared {sale.off:.0%} sale ('{sale.words}'{limit})"


def _times(ratio: float) -> str:
    return f"{ratio:.0%} of" if ratio < 2.0 else f"{ratio:.3g} times"
