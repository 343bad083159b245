"""Does the seller say that the price is a sale's, or that there are several pieces? Words of title and description.

`serving.price_evidence` and `index.price_history` ask before a price is compared: "pack of 3" divides it, and "-40%" or
"was 120, now 70" makes the sale the story to check first. The words stand in a readable file
(index/data/offer_words.yaml). What is said here is the seller's claim: `index.price_stories` believes it within limits.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import yaml

from index.names import normalise_name

# More pieces than this are a typing error, or a wholesaler's lot that no history of single prices speaks of.
_MOST_UNITS = 100
# Below this a price cut is no sale; above 95% it is no price.
_LEAST_OFF, _MOST_OFF = 0.05, 0.95
# "from 120 to 70" speaks of this listing only if its price is within this share of the 70.
_SAME_PRICE = 0.02

_NUMBER = r"(\d{1,3}(?:[ .,]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)"
_SIGN = r"(?:[€$£¥₹₽₺]|[a-z]{2,4}\.?)?"
_AMOUNT = rf"{_SIGN} ?{_NUMBER}(?![\d%]) ?{_SIGN}"
_WORD, _DIGIT = re.compile(r"\w+"), re.compile(r"\d")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
# Hyphens are gaps to `normalise_name`, but "-40%" is not "40%".
_KEPT_HYPHEN = "\ue000"


@dataclass(frozen=True)
class DeclaredSale:
    """A sale that the seller declares: `off` is the share taken off, 0.05..0.95, None when unstated; `words` say so."""

    off: float | None
    words: str


@dataclass(frozen=True)
class OfferWords:
    """The data file as patterns. The groups of all but `sale` and the `not_` ones hold the numbers.

    `hints` says by pattern which words a text must hold, all of one set, or which characters, for a phrase of it to
    stand there.
    """

    percent_off: re.Pattern[str]
    tenths_left: re.Pattern[str]
    was: re.Pattern[str]
    from_to: re.Pattern[str]
    sale: re.Pattern[str]
    not_sale: re.Pattern[str]
    units: re.Pattern[str]
    not_units: re.Pattern[str]
    hints: dict[str, tuple[tuple[frozenset[str], ...], tuple[str, ...]]]

    def may_hold(self, name: str, plain: str, words: frozenset[str]) -> bool:
        """Tell whether the pattern may match a text of these words; to try it costs many times as much."""
        phrases, unspaced = self.hints[name]
        return any(phrase <= words for phrase in phrases) or any(part in plain for part in unspaced)


@functools.cache
def offer_words() -> OfferWords:
    """Return the words that Touchstone ships with."""
    content = yaml.safe_load((resources.files("index") / "data" / "offer_words.yaml").read_text(encoding="utf-8"))
    off, off_to, lot = content["percent_off"], content["from_to"], content["pieces"]
    minus, after, before = r"(?:^|(?<=[\s(\[,;:!]))[-–](\d{1,2}) ?%", _any(off["after"]), _any(off["before"])
    counted = r"(?<![\w.,])(\d{1,3})"
    return OfferWords(
        percent_off=re.compile(rf"{minus}|(?<!\d)(\d{{1,2}}) ?% ?(?:{after})|(?:{before}) ?(\d{{1,2}}) ?%"),
        tenths_left=re.compile(r"(?<![\d.])([1-9](?:\.\d)?)折"),
        was=re.compile(rf"(?:{_any(content['was'])}):? ?{_AMOUNT}"),
        from_to=re.compile(rf"(?:{_any(off_to['from'])}) {_AMOUNT} (?:{_any(off_to['to'])}) {_AMOUNT}"),
        sale=re.compile(_any(content["sale"])),
        not_sale=re.compile(_any(content["not_sale"])),
        units=re.compile(
            rf"(?:{_any(lot['before'])}) ?(\d{{1,3}})(?!\d|[.,]\d|%)|{counted}[ -]?(?:{_any(lot['after'], led=False)})"
            r"|^(\d{1,2}) ?[x×] (?=[^\W\d])|[ (]x ?(\d{1,2})\)?$|\((\d{1,2}) ?[x×]\)$"
        ),
        not_units=re.compile(_any(content["not_units"], led=False)),
        hints={
            "was": _hints(content["was"]),
            "sale": _hints(content["sale"]),
            "not_sale": _hints(content["not_sale"]),
            "from_to": _hints(off_to["from"]),
        },
    )


def declared_sale(*texts: str, price: float | None = None) -> DeclaredSale | None:
    """Return the sale that the first of `texts` to speak of one declares; None when none does.

    `price` is the listing's own: what "was 120" takes off follows only from it.
    """
    words = offer_words()
    for text in texts:
        plain = _plain(text)
        spoken = frozenset(_WORD.findall(plain))
        if words.may_hold("not_sale", plain, spoken):
            plain = words.not_sale.sub(" ", plain)
        for off, said in _sizes(plain, spoken, price):
            if _LEAST_OFF <= off <= _MOST_OFF:
                return DeclaredSale(round(off, 4), said.strip())
        if words.may_hold("sale", plain, spoken) and (match := words.sale.search(plain)):
            return DeclaredSale(None, match[0].strip())
    return None


def declared_units(title: str) -> int:
    """Return how many pieces a title says are sold together, 1 when it says nothing of it or contradicts itself."""
    words = offer_words()
    plain = words.not_units.sub(" ", _plain(title))
    counts = {int(_group(match)) for match in words.units.finditer(plain)}
    said = {count for count in counts if 1 < count <= _MOST_UNITS}
    return said.pop() if len(said) == 1 else 1


def _sizes(plain: str, spoken: frozenset[str], price: float | None) -> Iterator[tuple[float, str]]:
    """Yield each share taken off that a text of the words `spoken` states, with the words that do."""
    words = offer_words()
    for match in words.percent_off.finditer(plain) if "%" in plain else ():
        yield int(_group(match)) / 100, match[0]
    for match in words.tenths_left.finditer(plain):
        yield 1.0 - float(match[1]) / 10, match[0]
    if not price or not _DIGIT.search(plain):
        return
    for match in words.from_to.finditer(plain) if words.may_hold("from_to", plain, spoken) else ():
        was, now = _number(match[1]), _number(match[2])
        if was > 0 and abs(now - price) <= _SAME_PRICE * price:
            yield 1.0 - now / was, match[0]
    for match in words.was.finditer(plain) if words.may_hold("was", plain, spoken) else ():
        if (was := _number(match[1])) > 0:
            yield 1.0 - price / was, match[0]


def _group(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)


def _plain(text: str) -> str:
    """Return a text in small letters without accents, its hyphens kept."""
    kept = text.replace("-", _KEPT_HYPHEN).replace("−", _KEPT_HYPHEN)
    return normalise_name(kept).replace(_KEPT_HYPHEN, "-")


def _number(digits: str) -> float:
    """Read "1.299,00", "1,299.00" and "120": a last separator with one or two digits after it is the decimal one."""
    match = re.fullmatch(r"(.*)[.,](\d{1,2})", digits)
    whole, fraction = (match[1], match[2]) if match else (digits, "0")
    return float(f"{re.sub('[^0-9]', '', whole)}.{fraction}")


def _hints(languages: list[list[str]]) -> tuple[tuple[frozenset[str], ...], tuple[str, ...]]:
    """Return the words of each phrase, and the phrases that are written without spaces."""
    plain = [_plain(str(phrase)) for phrases in languages for phrase in phrases]
    spaced = (frozenset(_WORD.findall(phrase)) for phrase in plain if not _UNSPACED.search(phrase))
    return tuple(spaced), tuple(phrase for phrase in plain if _UNSPACED.search(phrase))


def _any(languages: list[list[str]], *, led: bool = True) -> str:
    """Return a pattern for any of the phrases as whole words; without `led` a digit may stand before them."""
    plain = [_plain(str(phrase)) for phrases in languages for phrase in phrases]
    before = r"(?<!\w)" if led else ""
    bounded = (re.escape(p) if _UNSPACED.search(p) else rf"{before}{re.escape(p)}(?!\w)" for p in plain)
    return "|".join(sorted(bounded, key=len, reverse=True))
