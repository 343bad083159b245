"""What did ImageNet teach the trunk? The classifier that the package of the first weights ships, and its class names.

Its thousand rows say which direction pictures of a thing take: `training.fit_text` hangs words on them, and
`training.fit_category` predicts leaves for which the project has no photos of its own. They fit the package's trunk;
`rows_in` carries them over to one that was trained further.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from training.category_rows import LabelledRow, as_photos, embed_rows
from training.convert_touchstone_s import read_package, write_folder
from training.progress import Progress
from vision.clip import load_embedder
from vision.errors import TaxonomyError
from vision.taxonomy import Taxonomy

# Pull towards "nothing has moved", in units of examples: what few photos do not show stays as it was.
_PULL = 1.0

# Length of the package trunk's pooled features, on average over clothing and grocery photos. Embeddings have length 1;
# with this factor the classifier is as sure of them as it was of the features.
FEATURE_LENGTH = 15.5

LEAF_TABLE = Path(__file__).parent / "data" / "imagenet_to_leaf.yaml"
FORMAT_VERSION = 1

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ImageNetClassifier:
    """`logits = features @ weights.T + bias` for pooled features of the package's trunk, [n, 1280], not normalised."""

    weights: Vectors  # [1000, dim]
    bias: Vectors  # [1000]
    names: tuple[str, ...]  # a class's first name, torchvision's
    descriptions: tuple[str, ...]  # all its names: "notebook, notebook computer"


def load_imagenet() -> ImageNetClassifier:
    """Read the classifier from the package and the names from timm and torchvision."""
    from timm.data.imagenet_info import ImageNetInfo
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    *_, weights, bias = read_package().values()
    info = ImageNetInfo()
    return ImageNetClassifier(
        weights=weights.numpy(),
        bias=bias.numpy(),
        names=tuple(_IMAGENET_CATEGORIES),
        descriptions=tuple(info.index_to_description(place) for place in range(len(weights))),
    )


def rows_in(weights: Vectors, *, old: Vectors, new: Vectors) -> Vectors:
    """Carry rows over to another trunk: `rows @ new` is then what `weights @ old` was, as near as a linear map comes.

    `old` and `new`, float32 [n, dim] unit rows, are the same photos embedded by the package's trunk and by the other.
    The map is the ridge regression from one to the other around the identity.
    """
    identity = np.eye(new.shape[1], dtype=np.float64)
    seen = new.astype(np.float64)
    moved = np.linalg.solve(seen.T @ seen + _PULL * identity, seen.T @ old + _PULL * identity)
    rows: Vectors = (weights @ moved.T).astype(np.float32)
    return rows


def embed_as_packaged(rows: Sequence[LabelledRow], photos: Vectors, *, fingerprint: str, progress: Progress) -> Vectors:
    """Embed the photos of `rows` with the package's trunk; `photos` themselves when `fingerprint` is that trunk's."""
    with tempfile.TemporaryDirectory() as place:
        write_folder(Path(place))
        packaged = load_embedder(place, device="cpu")
        return photos if packaged.fingerprint == fingerprint else embed_rows(rows, packaged, progress, seen=as_photos)


def load_meanings(taxonomy: Taxonomy, names: Sequence[str], path: Path = LEAF_TABLE) -> tuple[str, ...]:
    """Say which leaf each of the classes `names` means, "" for those that mean none.

    Raises:
        TaxonomyError: the table cannot be read, or names a leaf or class that there is not; the message names it.

    """
    meaning = _read_table(taxonomy, names, path, "leaves")
    return tuple(meaning.get(name, "") for name in names)


def load_look_alikes(taxonomy: Taxonomy, names: Sequence[str], path: Path = LEAF_TABLE) -> dict[int, str]:
    """Say which classes, by their number, goods of which leaf are taken for. Raises as `load_meanings`."""
    return {names.index(name): leaf for name, leaf in _read_table(taxonomy, names, path, "look_alikes").items()}


def _read_table(taxonomy: Taxonomy, names: Sequence[str], path: Path, section: str) -> dict[str, str]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        if document["format_version"] != FORMAT_VERSION:
            raise TaxonomyError(f"{path}: format_version is {document['format_version']}; this reads {FORMAT_VERSION}")
        pairs = [(str(name), str(leaf)) for leaf, classes in document[section].items() for name in classes]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise TaxonomyError(f"{path}: is not a table of leaves and classes: {error!r}") from error
    for name, leaf in pairs:
        taxonomy.leaf(tuple(leaf.split(" > ")))
        if names.count(name) != 1 or sum(name == other for other, _ in pairs) != 1:
            raise TaxonomyError(
                f"{path}: {leaf} has {name!r}, which is not the name of one class, or stands there twice"
            )
    return dict(pairs)
