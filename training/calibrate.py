"""What does a match of this model mean? Fits the curves of `vision.calibration` on photos whose content is known.

    python -m training.calibrate            # writes vision/models/touchstone-s/calibration.json

Each kind of reference has trials of its own, all from photos of clothing and groceries (their train splits: CC0 and
MIT). Marks of the seed catalogue are printed on photos and searched among the drawn marks, or, as examples, among marks
cut out of other such photos; products are searched among other photos of products. Every fourth registered brand is
not drawn, its name is written, for the world's marks are words more often than the catalogue's. A third of the photos
shows nothing that is registered, half of those a mark or a name that is not; of the products, half are not registered:
"no brand" must come out as unlikely. Everything is searched as the service searches it, but that every photo is read.
Run it again after the model or its regions change.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.manifest import ListingRow, read_listings
from index.records import Brand, Provenance, ReferenceKind
from reference_brands.seed import SeedMark, seed_marks
from serving.app import CALIBRATION, Application, open_application
from serving.cli.common import progress
from serving.deadline import NEVER
from serving.knowledge import catch_up
from serving.matching import find_candidates, proposed, signs_of
from serving.new_reference import NewReference, Picture
from serving.reading import read_names
from serving.reference_sources import brand_of, seed_references
from serving.registry import add_references
from serving.settings import Settings
from serving.visual import Photo, PhotoPoints, embed_regions
from training.artworks import Artwork, artwork_of
from training.calibration_fit import Trial, fit
from training.camera import expose
from training.wordmarks import installed_fonts
from training.world import photograph
from training.written import write_name
from vision.calibration import Curve, MatchCalibration, Shown
from vision.checkpoint import MODELS, model_folder
from vision.decode import decode
from vision.hashing import pdq
from vision.networks import DEFAULT_MODEL
from vision.regions import Box, crop

# A mark's edge as a share of the photo's shorter edge: about 2% to 30% of its area.
SHARES = (0.15, 0.6)
MARKS = 150  # of them two thirds registered: a curve needs more photos, not more marks
EXAMPLES_PER_BRAND = 5
PHOTOS_PER_PRODUCT = 5
EXAMPLE_BRANDS = 40
_TRIES = 20  # a tilted mark may lie outside the picture


@dataclass(frozen=True, eq=False)
class Query:
    """A picture, uint8 [H, W, 3], and the registered brand that it shows; None when it shows none."""

    pixels: NDArray[np.uint8]
    brand_id: str | None


@dataclass(frozen=True)
class Task:
    """What a kind of reference is tried on."""

    shown: Shown
    references: Iterable[NewReference]
    queries: Iterable[Query]


def tasks(data: Path, *, photos: int, seed: int) -> Iterator[Task]:
    """Prepare the three kinds' trials, each of about `photos` photos."""
    random = np.random.default_rng(seed)
    clothing, grocery = (_shuffled(data / name / "train.jsonl", random) for name in ("clothing", "grocery"))
    grounds = iter([row.images[0] for pair in zip(clothing, grocery, strict=False) for row in pair])
    marks = [mark for mark in seed_marks(earlier=False) if artwork_of(mark) is not None]
    order = random.permutation(len(marks))[: min(MARKS, len(marks))]
    known, unknown = ([marks[place] for place in part] for part in np.split(order, [2 * len(order) // 3]))
    yield Task(Shown.MARK, seed_references(known), _printed(islice(grounds, photos), known, unknown, random))
    shown = known[:EXAMPLE_BRANDS]
    examples = _examples(islice(grounds, EXAMPLES_PER_BRAND * len(shown)), shown, random)
    yield Task(Shown.EXAMPLE, examples, _printed(islice(grounds, photos), shown, unknown, random))
    registered = set(sorted({row.labels.brand for row in grocery if row.labels.brand})[::2])
    references, sold, strange = _split(grocery, registered)
    rows = [row for pair in zip(sold, strange, strict=False) for row in pair][:photos]
    yield Task(Shown.PRODUCT, map(_product, references), _products(rows, registered))


def search(application: Application, query: Query) -> list[Trial]:
    """Search a picture as the service does: one trial for each brand proposed."""
    pipeline = application.pipeline
    image = decode(_jpeg(query.pixels))
    photos = [Photo(0, image, pdq(image.pixels))]
    regions = embed_regions(photos, pipeline.embedder, NEVER)
    known = application.knowledge.current
    candidates = find_candidates(regions, known.catalogue, most=1)
    verified = pipeline.verifier.verify(candidates, PhotoPoints(photos))
    # Judged by nothing, no photo is settled, and every one is read.
    read = read_names(photos, regions, candidates, (), pipeline.embedder, known, NEVER)
    return [
        Trial(
            signs_of(candidate, proof, read),
            candidate.match.brand_id == query.brand_id,
        )
        for candidate, proof in proposed(candidates, verified, read)
    ]


def print_mark(
    pixels: NDArray[np.uint8], artwork: Artwork, random: np.random.Generator
) -> tuple[NDArray[np.uint8], Box]:
    """Print a mark into a photo as the world would, uint8 [H, W, 3], with its place; ValueError if it is never seen."""
    height, width = pixels.shape[:2]
    for _ in range(_TRIES):
        longest = min(height, width) * random.uniform(*SHARES)
        picture, place = photograph(artwork, pixels, random, longest=longest)
        if place is not None:
            x1, y1, x2, y2 = place
            return expose(picture, random), Box(x1 / width, y1 / height, x2 / width, y2 / height)
    raise ValueError(f"{artwork.name} was out of sight {_TRIES} times")


def _printed(
    grounds: Iterable[Path], known: Sequence[SeedMark], unknown: Sequence[SeedMark], random: np.random.Generator
) -> Iterator[Query]:
    """Print a registered mark on four photos of six, one that is not registered on the fifth, and none on the sixth.

    On the fourth, and on every other fifth, the brand's name is written instead.
    """
    fonts = installed_fonts()
    for number, path in enumerate(grounds):
        pixels = decode(path.read_bytes()).pixels
        if number % 6 == 5:
            yield Query(pixels, None)
            continue
        marks = unknown if number % 6 == 4 else known
        mark = marks[int(random.integers(len(marks)))]
        written = number % 6 == 3 or number % 12 == 4
        artwork = write_name(mark.brand.name, fonts, random) if written else _drawn(mark)
        shown, _ = print_mark(pixels, artwork, random)
        yield Query(shown, None if number % 6 == 4 else mark.brand.brand_id)


def _drawn(mark: SeedMark) -> Artwork:
    artwork = artwork_of(mark)
    assert artwork is not None  # those that cannot be drawn were left out
    return artwork


def _examples(
    grounds: Iterable[Path], marks: Sequence[SeedMark], random: np.random.Generator
) -> Iterator[NewReference]:
    """Cut marks out of photos that they are printed on, as a brand's own examples are."""
    for number, path in enumerate(grounds):
        mark = marks[number % len(marks)]
        shown, box = print_mark(decode(path.read_bytes()).pixels, _drawn(mark), random)
        views = (crop(shown, box), crop(shown, box.grown(0.2)))
        yield _reference(brand_of(mark.brand), ReferenceKind.EXAMPLE, views, box)


def _product(row: ListingRow) -> NewReference:
    name = str(row.labels.brand)
    pixels = decode(row.images[0].read_bytes()).pixels
    return _reference(Brand(brand_id=name, name=name), ReferenceKind.PRODUCT, (pixels,), None)


def _products(rows: Sequence[ListingRow], registered: set[str]) -> Iterator[Query]:
    for row in rows:
        name = row.labels.brand
        yield Query(decode(row.images[0].read_bytes()).pixels, name if name in registered else None)


def _split(rows: Sequence[ListingRow], registered: set[str]) -> tuple[list[ListingRow], ...]:
    """Part photos into registered products' references, further photos of those, and photos of other products."""
    counts: Counter[str] = Counter()
    references: list[ListingRow] = []
    further: list[ListingRow] = []
    others: list[ListingRow] = []
    for row in rows:
        name = str(row.labels.brand)
        counts[name] += 1
        if name not in registered:
            others.append(row)
        else:
            (references if counts[name] <= PHOTOS_PER_PRODUCT else further).append(row)
    return references, further, others


def _reference(
    brand: Brand, kind: ReferenceKind, views: tuple[NDArray[np.uint8], ...], box: Box | None
) -> NewReference:
    digest = hashlib.sha256(views[0].tobytes()).hexdigest()
    picture = Picture(views=views, sha256=digest)
    return NewReference(brand=brand, mark=None, kind=kind, picture=picture, box=box, provenance=Provenance())


def _shuffled(manifest: Path, random: np.random.Generator) -> list[ListingRow]:
    rows = list(read_listings(manifest))
    return [rows[place] for place in random.permutation(len(rows))]


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _curve(task: Task, *, photos: int) -> tuple[str, Curve]:
    """Fill a registry of its own, search it, and fit; with the fingerprint of the model that did."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_application(Settings(data_dir=Path(folder), store=None)) as application,
    ):
        add_references(application.store, application.embedder, task.references)
        catch_up(application.knowledge)
        searches, known = [], []
        for query in progress(task.queries, what=f"searching ({task.shown})", total=photos):
            searches.append(search(application, query))
            known.append(query.brand_id is not None)
        return application.embedder.fingerprint, fit(searches, known=known)


def main() -> None:
    """Fit and write the curves of the shipped model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=240, help="photos searched for each kind of reference")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))
    (MODELS / DEFAULT_MODEL / CALIBRATION).unlink(missing_ok=True)  # an earlier model's would be refused
    curves = {}
    for task in tasks(data, photos=arguments.photos, seed=arguments.seed):
        fingerprint, curves[task.shown] = _curve(task, photos=arguments.photos)
        print(f"{task.shown}: {curves[task.shown]}")
    target = model_folder(fingerprint) / CALIBRATION
    MatchCalibration(fingerprint=fingerprint, curves=curves).save(target)
    print(target)


if __name__ == "__main__":
    main()
