"""Which categories are there, and which of them does a seller mean by these words? The taxonomy and its matching.

It is a readable file (vision/data/taxonomy.yaml, or the operator's own). `vision.classify` predicts its leaves,
`vision.describe` uses their nouns, and the pipeline compares the leaf that the seller declared with the predicted one.
A word that could mean two leaves means none: a wrong declared category would be evidence against an honest seller.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from vision.category_words import Modifiers, Words, key, parts, segments, words
from vision.errors import TaxonomyError
from vision.taxonomy_file import CategoryPath, Leaf, Risk, TaxonomyContent, read

__all__ = ["DEFAULT_TAXONOMY", "CategoryPath", "Leaf", "Risk", "Taxonomy", "load_taxonomy"]

DEFAULT_TAXONOMY = Path(__file__).parent / "data" / "taxonomy.yaml"


class Taxonomy:
    """All leaves, and the words for them and for the groups above them. Immutable; get one from `load_taxonomy`."""

    def __init__(self, content: TaxonomyContent) -> None:
        self.leaves = content.leaves
        self._by_path = {leaf.path: leaf for leaf in content.leaves}
        self._leaf_names = _index((leaf.path, _spellings(leaf)) for leaf in content.leaves)
        self._group_names = _index((path, (path[-1], *names)) for path, names in content.groups.items())
        self._modifiers = Modifiers(content.modifiers)
        # Sellers declare the same few hundred categories over and over; the size bounds what odd ones can take.
        self._meaning = functools.lru_cache(maxsize=4096)(self._match)

    def leaf(self, path: CategoryPath) -> Leaf:
        """Return the leaf at `path`.

        Raises:
            TaxonomyError: there is none.

        """
        try:
            return self._by_path[path]
        except KeyError as error:
            raise TaxonomyError(f"no leaf category {' > '.join(path)!r} among the {len(self.leaves)} leaves") from error

    def match(self, declared: str) -> Leaf | None:
        """Find the leaf that a seller's words mean ("Shoes > Sports-Shoes", "Women's Handbags", "女士手提包").

        None when the words are unknown, mean a whole group ("shoes"), or could mean more than one leaf.
        """
        return self._meaning(declared)

    def _match(self, declared: str) -> Leaf | None:
        phrases = [phrase for part in segments(declared) if (phrase := words(part))]
        while phrases and not self._modifiers.strip(phrases[-1]):
            phrases.pop()
        if not phrases:
            return None
        *context, last = phrases
        fitting = [path for path in self._candidates(last, context) if self._fits(path, context)]
        return self._by_path[fitting[0]] if len(fitting) == 1 else None

    def related(self, one: CategoryPath, other: CategoryPath) -> bool:
        """Tell whether confusing two leaves says nothing: they are the same, or of the same parent.

        Nor does a path say anything that this taxonomy does not have: the head may have been made for another one.
        """
        return one[:-1] == other[:-1] or not {one, other} <= self._by_path.keys()

    def _candidates(self, last: Words, context: list[Words]) -> frozenset[CategoryPath]:
        """Leaves that `last` names: with the level above first ("pet > beds"), then alone, then without modifiers."""
        stripped = self._modifiers.strip(last)
        above = [self._modifiers.strip(context[-1]) + phrase for phrase in (last, stripped)] if context else []
        for phrase in (*above, last, stripped):
            if found := self._named(phrase):
                return found
        joined = [self._named(part) or self._named(self._modifiers.strip(part)) for part in parts(last)]
        return frozenset.intersection(*joined) if len(joined) > 1 else frozenset()

    def _named(self, phrase: Words) -> frozenset[CategoryPath]:
        return self._leaf_names.get(key(phrase), frozenset())

    def _fits(self, path: CategoryPath, context: list[Words]) -> bool:
        """Every level above that names a known group or leaf must lead to `path`; unknown words do not speak."""
        for phrase in context:
            known = self._places(phrase)
            if known and not any(path[: len(place)] == place or path[:-1] == place[:-1] for place in known):
                return False
        return True

    def _places(self, phrase: Words) -> set[CategoryPath]:
        """Find the groups and leaves that a level above the last names."""
        alternatives = {phrase, self._modifiers.strip(phrase), *parts(phrase)}
        groups = {path for spelled in alternatives for path in self._group_names.get(key(spelled), ())}
        return groups | {path for spelled in alternatives for path in self._named(spelled)}


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Read and check a taxonomy file; the shipped one without `path`.

    Raises:
        TaxonomyError: the file cannot be read or breaks the rules in its head; the message names file and entry.

    """
    return Taxonomy(read(path)) if path else _shipped()


@functools.cache
def _shipped() -> Taxonomy:
    """Read the shipped file, which takes a quarter of a second, once."""
    return Taxonomy(read(DEFAULT_TAXONOMY))


def _spellings(leaf: Leaf) -> tuple[str, ...]:
    return (leaf.noun, leaf.path[-1], *(spelling for group in leaf.synonyms.values() for spelling in group))


def _index(named: Iterable[tuple[CategoryPath, tuple[str, ...]]]) -> dict[str, frozenset[CategoryPath]]:
    found: dict[str, set[CategoryPath]] = {}
    for path, spellings in named:
        for spelling in spellings:
            found.setdefault(key(words(spelling)), set()).add(path)
    return {name: frozenset(paths) for name, paths in found.items()}
