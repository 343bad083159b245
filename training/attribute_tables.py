"""Which attributes do photos and titles have? Reads committed tables, to fit on and to measure with.

`clothing_attributes.yaml` says what photos of clothing/train show; `training.fit_attributes` fits on it.
`clothing_leaves.yaml`, in the same form, says which leaf they show; `training.fit_category` fits on it.
`title_attributes.yaml` says what the words of a title mean; `training.evaluate_attributes` measures with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vision.errors import TaxonomyError

PHOTO_TABLE = Path(__file__).parent / "data" / "clothing_attributes.yaml"
PHOTO_LEAVES = Path(__file__).parent / "data" / "clothing_leaves.yaml"
TITLE_TABLE = Path(__file__).parent / "data" / "title_attributes.yaml"
FORMAT_VERSION = 1
_NAMED_BY = 8  # characters of a listing_id

PhotoLabels = Mapping[str, Mapping[str, str]]
"""For each trait: the beginning of a listing_id to the value that the photo shows."""


def load_photo_labels(path: Path = PHOTO_TABLE) -> PhotoLabels:
    """Read what the photos show; every beginning has the length that `photo_key` gives.

    Raises:
        TaxonomyError: the table cannot be read, or calls one photo two things.

    """
    try:
        labels: dict[str, dict[str, str]] = {}
        for trait, values in _read(path)["labels"].items():
            pairs = [(photo, str(value)) for value, photos in values.items() for photo in photos.split()]
            labels[str(trait)] = dict(pairs)
            if len(labels[str(trait)]) != len(pairs):
                raise TaxonomyError(f"{path}: {trait} names a photo twice")
    except (KeyError, TypeError, AttributeError) as error:
        raise TaxonomyError(f"{path}: is not a table of photos and attributes: {error!r}") from error
    return labels


def photo_key(listing_id: str) -> str:
    """Say by which name the table knows a photo."""
    return listing_id[:_NAMED_BY]


@dataclass(frozen=True)
class TitleMeaning:
    """What titles and categories say of one trait: `words` and `categories` give the value of each."""

    words: Mapping[str, str]
    categories: Mapping[str, str]

    def value(self, title: str, category: str) -> str | None:
        """Say which value a listing states; None when it states none, or several."""
        said = {self.words[word] for word in re.findall(r"[a-z]+", title.lower()) if word in self.words}
        if said:
            return said.pop() if len(said) == 1 else None
        return self.categories.get(category)


def load_title_meanings(path: Path = TITLE_TABLE) -> Mapping[str, TitleMeaning]:
    """Read what titles say of each trait.

    Raises:
        TaxonomyError: the table cannot be read.

    """
    try:
        return {
            str(trait): TitleMeaning(
                words={str(word): str(value) for value, each in values.items() for word in each["words"]},
                categories={str(name): str(value) for value, each in values.items() for name in each["categories"]},
            )
            for trait, values in _read(path)["attributes"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise TaxonomyError(f"{path}: is not a table of words and attributes: {error!r}") from error


def _read(path: Path) -> Any:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        version = document["format_version"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise TaxonomyError(f"{path}: cannot be read: {error!r}") from error
    if version != FORMAT_VERSION:
        raise TaxonomyError(f"{path}: format_version is {version}; this reads {FORMAT_VERSION}")
    return document
