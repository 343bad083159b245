"""How is a price told to a moderator? One sentence with the ratio, the best innocent story and what it rests on."""

from __future__ import annotations

from index.price_explanations import Story, Weighing

# A score of 2 is a likelihood ratio of 7: below it the innocent story is named without a warning.
_SUSPICIOUS = 2.0


def explain(weighing: Weighing, *, ratio: float, basis: str, observations: int, minimum: int) -> str:
    """Return the sentence, without a full stop: it becomes a part of others. `ratio` is price / expected price."""
    resting = f"{basis}, {observations} price{'' if observations == 1 else 's'}"
    share = f"{ratio:.0%}" if ratio >= 0.1 else f"{100 * ratio:.2g}%"
    if observations < minimum:
        return f"{share} of the expected price, which rests on too few prices to be weighed ({resting})"
    if ratio >= 1.0:
        return f"{_times(ratio)} the usual price: not low ({resting})"
    story = _in_words(weighing, ratio=ratio)
    if weighing.score >= _SUSPICIOUS:
        return f"{share} of the usual price: likelier a counterfeit than {story} ({resting})"
    return f"{share} of the usual price: consistent with {story} ({resting})"


def _in_words(weighing: Weighing, *, ratio: float) -> str:
    off = 5 * round(20 * (1 - ratio))
    return {
        Story.USUAL: f"the usual spread of prices or a {off}% sale" if off >= 10 else "the usual spread of prices",
        Story.SALE: f"a {off}% sale",
        Story.USED: "used goods",
        Story.OTHER_GOODS: "another article of the brand, such as an accessory",
        Story.CURRENCY: f"an amount meant in {weighing.meant_in}",
    }[weighing.story]


def _times(ratio: float) -> str:
    return f"{ratio:.0%} of" if ratio < 2.0 else f"{ratio:.3g} times"
