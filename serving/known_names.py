"""By which words are the registry's brands known? Two tables of one state of it, part of `serving.knowledge`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from index.named import NameTable
from index.records import Brand
from index.store.store import Store
from serving.words.lexicon import BrandLexicon
from serving.words.wording_file import load_wording


@dataclass(frozen=True, kw_only=True)
class KnownNames:
    """What names a brand in a text (`lexicon`) and in a photo (`table`), made of `brands` and `keywords`.

    `version` is the `brand_version` of a catalogue whose brands are all among them.
    """

    brands: tuple[Brand, ...]
    keywords: Mapping[str, tuple[str, ...]]
    lexicon: BrandLexicon
    table: NameTable
    version: int


def read_known_names(store: Store, version: int, *, last: KnownNames | None = None) -> KnownNames:
    """Read the names of a state of the store that has reached `version`: about 2 ms a brand.

    Most changes of a brand leave its names as they are: when they are those of the `last` time, so are the tables.
    """
    brands, keywords = tuple(store.iter_brands()), store.brand_keywords()
    if last is not None and (brands, keywords) == (last.brands, last.keywords):
        return replace(last, version=version)
    everyday = (" ".join(words) for words in load_wording().common)
    return KnownNames(
        brands=brands,
        keywords=keywords,
        lexicon=BrandLexicon.build(brands, keywords),
        table=NameTable(brands, everyday=everyday),
        version=version,
    )
