"""Is a brands file usable? Reads the YAML that people edit and checks every rule before a brand reaches the registry.

`reference_brands.seed` reads the shipped `brands.yaml` with it; an operator's own file goes the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reference_brands.errors import SeedError

FORMAT_VERSION = 1
TIERS = ("luxury", "premium", "mainstream")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REQUIRED = frozenset({"id", "name", "sector"})
_OPTIONAL = frozenset({"aliases", "tier", "categories", "logos", "wordmarks", "earlier_logos", "earlier_wordmarks"})


@dataclass(frozen=True, kw_only=True)
class SeedBrand:
    """One brand of the seed catalogue.

    `logos` and `wordmarks` name simplepycons marks, `earlier_logos` and `earlier_wordmarks` drawings of marks that the
    brand had before; `categories` are what genuine goods usually are, in free words.
    """

    brand_id: str
    name: str
    aliases: tuple[str, ...] = ()
    sector: str = ""
    tier: str = "mainstream"
    categories: tuple[str, ...] = ()
    logos: tuple[str, ...] = ()
    wordmarks: tuple[str, ...] = ()
    earlier_logos: tuple[str, ...] = ()
    earlier_wordmarks: tuple[str, ...] = ()

    @property
    def marks(self) -> tuple[str, ...]:
        """Names of all its simplepycons marks, logos first."""
        return self.logos + self.wordmarks

    @property
    def earlier_marks(self) -> tuple[str, ...]:
        """Names of all drawings of marks that it had before, logos first."""
        return self.earlier_logos + self.earlier_wordmarks

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.aliases)


@dataclass(frozen=True)
class _Sector:
    tier: str
    categories: tuple[str, ...]


def read_brands_file(
    path: Path, *, known_marks: frozenset[str], earlier_marks: frozenset[str] = frozenset()
) -> tuple[SeedBrand, ...]:
    """Read and check a brands file.

    Args:
        path: the YAML file; `brands.yaml` documents its keys.
        known_marks: the names that `logos` and `wordmarks` may use.
        earlier_marks: the names that `earlier_logos` and `earlier_wordmarks` may use.

    Raises:
        SeedError: the file breaks a rule; the message names file, entry, value and what is allowed.

    """
    document = _load(path)
    if document.get("format_version") != FORMAT_VERSION:
        raise SeedError(f"{path}: format_version is {document.get('format_version')!r}; expected {FORMAT_VERSION}")
    sectors = {
        name: _read_sector(_Entry(path, f"sector {name!r}", value))
        for name, value in _Entry(path, "sectors", document.get("sectors")).mapping().items()
    }
    rows = document.get("brands")
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise SeedError(f"{path}: 'brands' must be a list with at least one entry")
    brands = tuple(
        _read_brand(
            _Entry(path, f"brand {_label(row, place)}", row),
            sectors=sectors,
            known_marks=known_marks,
            earlier_marks=earlier_marks,
        )
        for place, row in enumerate(rows, start=1)
    )
    _check_unique(path, brands)
    return brands


def _load(path: Path) -> Mapping[str, Any]:
    try:
        # The safe loader in C: ten times as fast as yaml.safe_load on the 400 lines shipped.
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SeedError(f"{path}: cannot be read as a brands file: {error}") from error
    return _Entry(path, "the file", document).mapping()


@dataclass(frozen=True)
class _Entry:
    """A value of the file with the words that name it in a message."""

    path: Path
    label: str
    value: Any

    def error(self, problem: str) -> SeedError:
        return SeedError(f"{self.path}: {self.label}: {problem}")

    def mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.value, Mapping) or not all(isinstance(key, str) for key in self.value):
            raise self.error(f"expected keys with values, found {self.value!r}")
        return self.value

    def check_keys(self, *, required: frozenset[str], optional: frozenset[str] = frozenset()) -> None:
        keys = self.mapping().keys()
        if missing := required - keys:
            raise self.error(f"lacks {_listing(missing)}")
        if unknown := keys - required - optional:
            raise self.error(f"has unknown {_listing(unknown)}; allowed are {_listing(required | optional)}")

    def text(self, key: str) -> str:
        value = self.mapping()[key]
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{key} is {value!r}; expected words (quote them if YAML reads a number or a truth value)")
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.mapping().get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
            raise self.error(f"{key} is {values!r}; expected a list of words")
        if len(set(values)) < len(values):
            raise self.error(f"{key} says something twice: {values!r}")
        return tuple(value.strip() for value in values)

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        if (value := self.text(key)) not in allowed:
            raise self.error(f"{key} is {value!r}; allowed are {_listing(allowed)}")
        return value


def _read_sector(entry: _Entry) -> _Sector:
    entry.check_keys(required=frozenset({"tier", "categories"}))
    return _Sector(tier=entry.choice("tier", TIERS), categories=entry.texts("categories"))


def _read_brand(
    entry: _Entry, *, sectors: Mapping[str, _Sector], known_marks: frozenset[str], earlier_marks: frozenset[str]
) -> SeedBrand:
    entry.check_keys(required=_REQUIRED, optional=_OPTIONAL)
    brand_id = entry.text("id")
    if not _SLUG.fullmatch(brand_id):
        raise entry.error(f"id is {brand_id!r}; expected lower-case letters and digits joined by hyphens")
    sector = sectors[entry.choice("sector", tuple(sectors))]
    brand = SeedBrand(
        brand_id=brand_id,
        name=entry.text("name"),
        aliases=entry.texts("aliases"),
        sector=entry.text("sector"),
        tier=entry.choice("tier", TIERS) if "tier" in entry.mapping() else sector.tier,
        categories=entry.texts("categories") or sector.categories,
        logos=entry.texts("logos"),
        wordmarks=entry.texts("wordmarks"),
        earlier_logos=entry.texts("earlier_logos"),
        earlier_wordmarks=entry.texts("earlier_wordmarks"),
    )
    if not brand.marks:
        raise entry.error("has no mark; name at least one under logos or wordmarks")
    if unknown := set(brand.marks) - known_marks:
        raise entry.error(f"simplepycons has no mark {_listing(unknown)}; simplepycons.all_icons.names() lists them")
    if unknown := set(brand.earlier_marks) - earlier_marks:
        raise entry.error(f"there is no earlier mark {_listing(unknown)}; known are {_listing(earlier_marks)}")
    return brand


def _check_unique(path: Path, brands: Sequence[SeedBrand]) -> None:
    """Refuse one id, name, alias or mark in two places: a match could not say whose it is."""
    owners: dict[tuple[str, str], str] = {}
    for brand in brands:
        claims = [("id", brand.brand_id), *(("mark", mark) for mark in brand.marks + brand.earlier_marks)]
        claims += [("name or alias", name) for name in sorted({name.casefold() for name in brand.names})]
        for claim in claims:
            if claim in owners:
                raise SeedError(
                    f"{path}: brand {brand.brand_id!r}: {claim[0]} {claim[1]!r} already belongs to brand "
                    f"{owners[claim]!r}; it may stand in one entry only"
                )
            owners[claim] = brand.brand_id


def _label(row: object, place: int) -> str:
    return repr(row["id"]) if isinstance(row, Mapping) and "id" in row else f"number {place}"


def _listing(words: Sequence[str] | frozenset[str] | set[str]) -> str:
    return ", ".join(repr(word) for word in sorted(words))
