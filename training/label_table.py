"""Which leaves of the taxonomy does a data set's label mean? Reads training/data/label_to_leaf.yaml.

`training.fit_category` fits the shipped head through it, and `eval categories --taxonomy` scores it through it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import yaml

from vision.errors import TaxonomyError
from vision.taxonomy import CategoryPath, Taxonomy

DEFAULT_TABLE = Path(__file__).parent / "data" / "label_to_leaf.yaml"
FORMAT_VERSION = 1

LeavesOfLabel = Mapping[str, tuple[CategoryPath, ...]]
"""Label to the paths that its photos may show, the one to assume first; none where no leaf fits the label."""


class LabelTable:
    """The labels of several data sets, each with its leaves. Get one from `load_label_table`."""

    def __init__(self, data_sets: Mapping[str, LeavesOfLabel], *, source: Path) -> None:
        self.data_sets = data_sets
        self._source = source

    def covering(self, labels: Collection[str]) -> LeavesOfLabel:
        """Return the data set's table that knows all `labels`.

        Raises:
            TaxonomyError: none does; the message names a label that the nearest one lacks.

        """
        nearest, missing = "", set(labels)
        for name, leaves in self.data_sets.items():
            unknown = set(labels) - leaves.keys()
            if not unknown:
                return leaves
            if len(unknown) < len(missing) or not nearest:
                nearest, missing = name, unknown
        raise TaxonomyError(
            f"{self._source}: no data set there has the label {min(missing)!r} ({nearest} is nearest and lacks "
            f"{len(missing)}): add the labels with their leaves, or evaluate with --train"
        )


def load_label_table(taxonomy: Taxonomy, path: Path | None = None) -> LabelTable:
    """Read a table, the shipped one without `path`, and check its leaves against `taxonomy`.

    Raises:
        TaxonomyError: it cannot be read, or names a leaf that there is not; the message names file and entry.

    """
    source = path or DEFAULT_TABLE
    try:
        document = yaml.load(source.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        if document["format_version"] != FORMAT_VERSION:
            raise TaxonomyError(
                f"{source}: format_version is {document['format_version']}; this reads {FORMAT_VERSION}"
            )
        data_sets = {
            str(name): {
                str(label): tuple(_leaf(taxonomy, leaf, f"{source}: {name} {label}") for leaf in _listed(leaves))
                for label, leaves in labels.items()
            }
            for name, labels in document["labels"].items()
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise TaxonomyError(f"{source}: is not a table of labels and leaves: {error!r}") from error
    return LabelTable(data_sets, source=source)


def _listed(leaves: str | list[str] | None) -> list[str]:
    if leaves is None:
        return []
    return [leaves] if isinstance(leaves, str) else leaves


def _leaf(taxonomy: Taxonomy, name: str, entry: str) -> CategoryPath:
    try:
        return taxonomy.leaf(tuple(name.split(" > "))).path
    except TaxonomyError as error:
        raise TaxonomyError(f"{entry}: {error}") from error
