"""Which brands is nothing ever trained on? One rule that training, rendering and evaluation all ask.

A network that has seen a mark recognises that mark; whether it recognises one it has never seen, which is every brand
that an operator adds, only brands kept out of training can tell. The rule holds out two groups:

- the brands of FlickrLogos-27, so that the figures on its photos are figures on unseen brands;
- a tenth of all other brands, by a hash of the name: the same on every machine, and for good, whatever is added later.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

FLICKRLOGOS_27 = (
    "Adidas",
    "Apple",
    "BMW",
    "Citroën",
    "Coca-Cola",
    "DHL",
    "FedEx",
    "Ferrari",
    "Ford",
    "Google",
    "Heineken",
    "HP",
    "Intel",
    "McDonald's",
    "Mini",
    "NBC",
    "Nike",
    "Pepsi",
    "Porsche",
    "Puma",
    "Red Bull",
    "Sprite",
    "Starbucks",
    "Texaco",
    "UNICEF",
    "Vodafone",
    "Yahoo",
)
"""The brands of the FlickrLogos-27 dataset (Kalantidis et al., ICMR 2011)."""

# What else these brands are called; "CocaCola" and "coca-cola" need no entry, since spelling does not count.
_ALSO_CALLED = ("Coke", "Federal Express", "Hewlett-Packard", "National Broadcasting Company")

_EVERY = 10  # one in so many of the other brands

# Collections call one brand's variants "github-icon", "adidas-2", "uniqlo_logo": all the same brand.
_VARIANT = re.compile(r"(?:[\s_-]+(?:icon|logo|logomark|wordmark|symbol)|-\d)+$")
# Simple Icons writes signs as words in its slugs ("handm", "dotnet"); a name must come out like its slug.
_SIGNS = str.maketrans({"&": "and", "+": "plus", ".": "dot"})
# Shorter names start too many others: Ford is not Fordson. (At five letters IntelliJ IDEA is held out with Intel.)
_LONG = 5


def is_held_out(*names: str) -> bool:
    """Say whether a brand must stay out of training; give every name, slug or file name (less its ending) it goes by.

    One name held out is enough. Products named after a brand of FlickrLogos-27 ("Google Drive", "applemusic") are held
    out with it: their marks borrow from its mark.
    """
    return any(_is_of_flickrlogos(name) or _is_in_the_tenth(name) for name in names)


def _is_of_flickrlogos(name: str) -> bool:
    compact, first = _compact(name), _compact(re.split(r"[\s_-]", name.strip(), maxsplit=1)[0])
    return compact in _KEPT or first in _KEPT or compact.startswith(_LONG_KEPT)


def _is_in_the_tenth(name: str) -> bool:
    compact = _compact(name)
    return bool(compact) and int.from_bytes(hashlib.sha256(compact.encode()).digest()[:8], "big") % _EVERY == 0


def _compact(name: str) -> str:
    """Return the name's letters and digits alone, lower case, without accents and variant words."""
    plain = unicodedata.normalize("NFKD", _VARIANT.sub("", name.strip().casefold()).translate(_SIGNS))
    return "".join(letter for letter in plain if letter.isalnum())


_KEPT = frozenset(map(_compact, (*FLICKRLOGOS_27, *_ALSO_CALLED)))
_LONG_KEPT = tuple(sorted(name for name in _KEPT if len(name) >= _LONG))
