"""How often is an imitation found, and how often is another word taken for one? Look-alikes of brand names, measured.

`python -m training.evaluate_look_alikes [MANIFEST...]` answers with the names of the seed catalogue: each is disguised
by `training.misspellings`, and what has nothing to do with brands (names of places and languages, and the titles of the
manifests) must pass. It also says what plain measures would do to single words, and what a title costs.
"""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import pycountry
from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

from index.manifest import read_listings
from index.records import Brand
from reference_brands.seed import seed_brands
from serving.domain import Listing
from serving.findings import TextKind
from serving.words.lexicon import BrandLexicon
from serving.words.spelling import SpellingTable
from serving.words.tokens import fold
from serving.words.wording import find_wording
from serving.words.wording_file import load_wording
from training.misspellings import Kind, misspellings
from vision.vocabulary import everyday_words

SEED = 0
MANY_BRANDS = 20_000
_SYLLABLES = ["".join(one) for one in itertools.product("bcdfghklmnprstvwz", "aeiou", ["", "n", "r", "l"])]


@dataclass(frozen=True)
class Found:
    """Of `asked` texts, those in which the brand, or any brand, was found imitated."""

    found: int
    asked: int

    @property
    def share(self) -> float:
        """0..1."""
        return self.found / self.asked if self.asked else 0.0


def known_brands() -> list[Brand]:
    """Give every brand of the seed catalogue, those without a curated entry too."""
    return [Brand(brand_id=one.brand_id, name=one.name, aliases=one.aliases) for one in seed_brands(everything=True)]


def imitated(text: str, lexicon: BrandLexicon) -> list[str]:
    """Name the brands that a title imitates."""
    hits = find_wording(Listing(listing_id="", images=(), title=text), lexicon)
    return [hit.brand for hit in hits if hit.kind is TextKind.LOOK_ALIKE]


def recall(brands: Sequence[Brand], lexicon: BrandLexicon) -> dict[Kind, dict[int, Found]]:
    """Say how many disguises are found, by kind and by letters of the name: 4, 5, 6, 7 and more.

    Names that are ordinary words are left out: nothing that is like them is suspected.
    """
    ordinary = load_wording().common
    names = [name for brand in brands if _is_plain(name := brand.name) and fold(name) not in ordinary]
    asked: Counter[tuple[Kind, int]] = Counter()
    found: Counter[tuple[Kind, int]] = Counter()
    for disguise, name, kind in misspellings(names, seed=SEED):
        if disguise.lower() in everyday_words():
            continue  # a disguise that is an everyday word deceives nobody
        key = kind, min(len(name), 7)
        asked[key] += 1
        found[key] += name in imitated(f"{disguise} in black, size 42", lexicon)
    table: dict[Kind, dict[int, Found]] = defaultdict(dict)
    for kind, length in sorted(asked):
        table[kind][length] = Found(found[kind, length], asked[kind, length])
    return dict(table)


def place_names() -> list[str]:
    """Give names that no list of brands and no English dictionary has: countries, their regions, and languages."""
    entries = (*pycountry.countries, *pycountry.subdivisions, *pycountry.languages)
    return sorted({entry.name for entry in entries})


def false_alarms(texts: Iterable[str], lexicon: BrandLexicon) -> tuple[Found, list[tuple[str, str]]]:
    """Count the texts in which a brand is taken to be imitated, and list them with the brand."""
    asked, wrong = 0, []
    for text in texts:
        asked += 1
        wrong += [(text, brand) for brand in imitated(text, lexicon)[:1]]
    return Found(len(wrong), asked), wrong


def compare(names: Sequence[str], words: Sequence[str]) -> list[tuple[str, float, float]]:
    """Say what plain measures do with misspelt names of five letters and more: (measure, recall, false alarms)."""
    long = sorted({"".join(fold(name)) for name in names if name.isascii() and name.isalpha() and len(name) >= 5})
    typed = [
        (disguise.lower(), name)
        for disguise, name, kind in misspellings(long, seed=SEED)
        if kind in {Kind.TYPING, Kind.DOUBLING, Kind.SOUND} and disguise.lower() not in everyday_words()
    ]
    strange = [word for word in words if word not in everyday_words() and word not in long]
    table = SpellingTable(long)
    measures: list[tuple[str, Callable[[str], str | None]]] = [
        ("the rules that ship", lambda word: found.name if (found := table.find(word)) else None),
        *((f"OSA <= {most}", partial(_nearest, names=long, most=most)) for most in (1, 2)),
        *((f"Jaro-Winkler >= {least}", partial(_likest, names=long, least=least)) for least in (0.97, 0.95, 0.93)),
    ]
    return [
        (
            name,
            statistics.fmean(measure(disguise) == right for disguise, right in typed),
            statistics.fmean(measure(word) is not None for word in strange),
        )
        for name, measure in measures
    ]


def time_titles(titles: Sequence[str], brands: Sequence[Brand]) -> tuple[float, float]:
    """Say what a title costs among 20,000 brands, known ones and invented ones: median and 99th percentile, in ms."""
    rng = random.Random(SEED)  # noqa: S311 - names to measure with
    names = {"".join(rng.choice(_SYLLABLES) for _ in range(rng.choice((2, 3, 3, 4)))) for _ in range(2 * MANY_BRANDS)}
    invented = [Brand(brand_id=f"invented-{name}", name=name.title()) for name in sorted(names)]
    lexicon = BrandLexicon.build([*brands, *rng.sample(invented, MANY_BRANDS - len(brands))])
    spent = []
    for title in rng.sample(titles, min(len(titles), 1000)):
        listing = Listing(listing_id="", images=(), title=title)
        start = time.thread_time()  # of this thread alone, whoever else uses the machine
        find_wording(listing, lexicon)
        spent.append((time.thread_time() - start) * 1000)
    return statistics.median(spent), statistics.quantiles(spent, n=100)[-1]


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isalpha() and len(name) >= 4


def _nearest(word: str, *, names: Sequence[str], most: int) -> str | None:
    best = process.extractOne(word, names, scorer=OSA.distance, score_cutoff=most)
    return best[0] if best else None


def _likest(word: str, *, names: Sequence[str], least: float) -> str | None:
    best = process.extractOne(word, names, scorer=JaroWinkler.similarity, score_cutoff=least)
    return best[0] if best else None


@click.command()
@click.argument("manifests", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(manifests: Sequence[Path]) -> None:
    """Print recall by kind and length, false alarms by source, and what a title costs."""
    brands = known_brands()
    lexicon = BrandLexicon.build(brands)
    for kind, by_length in recall(brands, lexicon).items():
        figures = ", ".join(f"{length} letters {one.share:.2f} of {one.asked}" for length, one in by_length.items())
        click.echo(f"recall {kind}: {figures}")
    places = place_names()
    sources = {"names of places and languages": places}
    for manifest in manifests:
        rows = list(read_listings(manifest))
        told = {row.title or (row.labels.brand or "").replace("-", " ") for row in rows}
        sources[manifest.as_posix()] = sorted(filter(None, told))
    for source, texts in sources.items():
        wrong, examples = false_alarms(texts, lexicon)
        click.echo(f"false alarms {source}: {wrong.found} of {wrong.asked} ({wrong.share:.2%}), such as {examples[:6]}")
    words = sorted({word for place in places for word in fold(place) if word.isascii() and len(word) >= 5})
    for measure, share, alarms in compare([brand.name for brand in brands], words):
        click.echo(f"{measure}: recall {share:.3f}, false alarms {alarms:.4f} of {len(words)} words")
    median, slow = time_titles(max(sources.values(), key=lambda texts: sum(map(len, texts))), brands)
    click.echo(f"a title among {MANY_BRANDS} brands: {median:.2f} ms p50, {slow:.2f} ms p99")


if __name__ == "__main__":
    main()
