"""Into what are queries searched? A registry of their own, filled through the served path and thrown away afterwards.

`eval brands` and `eval marks` open one, ask it (`training.asking`) and leave nothing behind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from index.names import normalise_name
from index.records import Brand
from serving.app import Application, open_application
from serving.knowledge import catch_up
from serving.new_reference import NewReference
from serving.registry import add_references
from serving.settings import Settings
from training.progress import Progress
from vision.thumbnails import thumbnail

_THUMBNAIL_EDGE = 112  # pixels: enough to recognise a reference beside the photo that matched it

References = Callable[[Application], Iterable[NewReference]]
"""Gives the references to fill a registry with; some sources look brands up in its store."""


class BrandNames:
    """Brands by every spelling: as the registry compares names, and run together ("Cocacola" is Coca-Cola)."""

    def __init__(self, brands: Iterable[Brand]) -> None:
        known = list(brands)
        spellings = [(brand.name, brand) for brand in known]
        spellings += [(alias, brand) for brand in known for alias in brand.aliases]
        self._by_spelling: dict[str, str] = {}
        for form in (str, normalise_name, _run_together):
            for spelling, brand in spellings:
                self._by_spelling.setdefault(form(spelling), brand.name)

    def __contains__(self, label: str) -> bool:
        """Whether a brand goes by this label."""
        return self._find(label) is not None

    def registered(self, label: str) -> str:
        """Return the brand's name as the registry has it; the label itself when no brand goes by it."""
        return self._find(label) or label

    def _find(self, label: str) -> str | None:
        forms = (label, normalise_name(label), _run_together(label))
        return next((self._by_spelling[form] for form in forms if form in self._by_spelling), None)


@dataclass(frozen=True, kw_only=True)
class Throwaway:
    """A filled registry. `names` are those of brands with references, `pictures` small JPEGs by reference id."""

    application: Application
    names: BrandNames
    pictures: Mapping[str, bytes]

    @property
    def references(self) -> int:
        """Count what is searched."""
        return len(self.application.knowledge.current.catalogue)


@contextmanager
def throwaway_registry(
    settings: Settings, references: References, *, progress: Progress, total: int
) -> Iterator[Throwaway]:
    """Open an application over an empty store of its own and bring the references in; about `total` are expected.

    Raises whatever opening, reading references and embedding raise.
    """
    brands: dict[str, Brand] = {}
    pictures: dict[str, bytes] = {}

    def noted(items: Iterable[NewReference]) -> Iterator[NewReference]:
        for done, item in enumerate(items, start=1):
            brands[item.brand.brand_id] = item.brand
            pictures[item.reference_id] = thumbnail(item.picture.views[0], edge=_THUMBNAIL_EDGE)
            progress(done, max(done, total))
            yield item

    with (
        tempfile.TemporaryDirectory() as folder,
        open_application(settings.model_copy(update={"data_dir": Path(folder), "store": None})) as application,
    ):
        add_references(application.store, application.embedder, noted(references(application)))
        catch_up(application.knowledge)
        yield Throwaway(application=application, names=BrandNames(brands.values()), pictures=pictures)


def _run_together(name: str) -> str:
    return normalise_name(name).replace(" ", "")
