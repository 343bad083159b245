"""Which listings is a rule about? Its categories, markets and brands, checked when the policy is loaded.

Part of `serving.policy`. A limit that is set is met only by what is known: a listing without a market is in no market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from index.names import normalise_name
from serving.facts import Facts
from serving.wire.rules import countries
from vision.taxonomy import Taxonomy

_SEPARATOR = " > "
_CATEGORY_FACTS = ("category.predicted", "category.declared_path")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The limits of a rule; empty ones limit nothing. `brands` in their normal form, `categories` as `a > b`."""

    categories: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()

    def covers(self, facts: Facts) -> bool:
        """Tell whether a listing is within every limit: of its two categories, seen and declared, one suffices."""
        values = facts.values
        return (
            (not self.categories or any(self._in_category(str(values[name])) for name in _CATEGORY_FACTS))
            and (not self.markets or values["listing.market"] in self.markets)
            and (not self.brands or normalise_name(str(values["brand.name"])) in self.brands)
        )

    def _in_category(self, path: str) -> bool:
        return any(path == within or path.startswith(within + _SEPARATOR) for within in self.categories)


EVERYWHERE = Scope()


class ScopeRules:
    """Turns what a policy file says into a limit, or raises ValueError with what is allowed."""

    def __init__(self, taxonomy: Callable[[], Taxonomy]) -> None:
        self._taxonomy = taxonomy

    def category(self, text: str) -> str:
        """Check a path of the taxonomy, of a leaf or of all below it."""
        path = tuple(level.strip() for level in text.split(_SEPARATOR.strip()))
        if path in self._below:
            return _SEPARATOR.join(path)
        known = next(path[:length] for length in reversed(range(len(path))) if path[:length] in self._below)
        where = f"under {_SEPARATOR.join(known)!r}" if known else "at the top"
        raise ValueError(f"category {text!r:.80} is not in the taxonomy; {where} are: {_listed(self._below[known])}")

    def market(self, text: str) -> str:
        """Check a country's code."""
        if text not in countries():
            raise ValueError(f"market {text!r:.80} is not an ISO 3166-1 alpha-2 code in capitals, such as DE")
        return text

    def brand(self, text: str) -> str:
        """Take any name: brands come and go in the registry, and a policy outlives them."""
        if not (name := normalise_name(text)):
            raise ValueError(f"brand {text!r:.80} names nothing; write it as the registry does")
        return name

    @cached_property
    def _below(self) -> dict[tuple[str, ...], list[str]]:
        """Each path of the taxonomy with the names directly below it."""
        below: dict[tuple[str, ...], list[str]] = {(): []}
        for leaf in self._taxonomy().leaves:
            for length, name in enumerate(leaf.path):
                if leaf.path[: length + 1] not in below:
                    below[leaf.path[: length + 1]] = []
                    below[leaf.path[:length]].append(name)
        return below


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing; it is a leaf"
