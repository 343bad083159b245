"""What do the photos show? The stages that look at pixels: read, find copies, embed regions, classify, measure.

Each is a function of its inputs; `serving.pipeline` runs them in order and owns the failures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from index.catalogue import ReferenceCatalogue
from serving.batching import BatchingEmbedder
from serving.deadline import Deadline
from serving.decoding import Decoder, decode_here
from serving.domain import Attribute, Category, ImageResult
from serving.findings import CategoryGuess, Duplicate
from serving.stages import Stages
from vision.attributes import AttributeClassifier
from vision.classify import CategoryClassifier, product_views
from vision.colour import measure_colours
from vision.decode import DecodeLimits, Image
from vision.errors import ImageError, ImageFault
from vision.hashing import PdqHash, as_matrix, pdq
from vision.keypoints import PART_EDGE, LocalFeatures, in_grey, part_features, photo_features
from vision.regions import WHOLE_IMAGE, Box, Region, centre_square, crop, middle

# Beyond PDQ's own 31 bits for the same picture, for a heavier crop or overlay. Different goods in one pose come as
# near, so that whatever is not certain is compared detail by detail (`serving.copying`).
LIKENESS_DISTANCE = 48

# What a found mark's box is widened by, in all, before it is embedded.
SURROUNDINGS = 0.2


@dataclass(frozen=True)
class Photo:
    """A photo that could be read. `index` is its place in the listing; the hash of a flat one is not `reliable`."""

    index: int
    image: Image
    hash: PdqHash


@dataclass(frozen=True)
class Regions:
    """Every region of every photo with its embedding: `vectors` is float32 [len(places), dim], unit rows.

    The first `photos` rows are the photos' middles, in the listing's order.
    """

    places: tuple[tuple[int, Region], ...]
    vectors: NDArray[np.float32]
    photos: int = 0

    @property
    def wholes(self) -> NDArray[np.float32]:
        """The vectors of the whole photos as marks, in the listing's order: float32 [photos, dim], or none."""
        rows = [row for row, (_, region) in enumerate(self.places) if region.source == "whole"]
        return self.vectors[rows]


def read_photos(
    images: Sequence[bytes], limits: DecodeLimits, stages: Stages, decoder: Decoder = decode_here
) -> tuple[tuple[ImageResult, ...], tuple[Photo, ...]]:
    """Decode each image by itself; one that cannot be used leaves its fault, and the others go on."""
    read = [
        stages.run("decode", partial(_read, index, data, limits, decoder, stages.deadline), None) or _failed(data)
        for index, data in enumerate(images)
    ]
    return tuple(result for result, _ in read), tuple(photo for _, photo in read if photo is not None)


def embed_regions(photos: Sequence[Photo], embedder: BatchingEmbedder, deadline: Deadline) -> Regions:
    """Embed the middle of every photo, and as marks what may be some, with a little of their surroundings."""
    pixels = [photo.image.pixels for photo in photos]
    found = embedder.find(pixels, deadline=deadline)
    marks = [
        (photo, replace(region, box=region.box.grown(SURROUNDINGS)))
        for photo, regions in zip(photos, found, strict=True)
        for region in regions
    ]
    middles = [(photo, Region(centre_square(photo.image.width, photo.image.height), "centre")) for photo in photos]
    vectors = np.concatenate(
        [
            embedder.embed([middle(photo.image.pixels) for photo in photos], deadline=deadline),
            embedder.embed_marks([crop(photo.image.pixels, region.box) for photo, region in marks], deadline=deadline),
        ]
    )
    return Regions(tuple((photo.index, region) for photo, region in middles + marks), vectors, len(middles))


class PhotoPoints:
    """The keypoints of photos by their places in the listing, whole and in part: found when they are first asked for.

    Most photos of a scan are spared: nothing on record may look like them. For one thread.
    """

    def __init__(self, photos: Sequence[Photo]) -> None:
        self._pixels = {photo.index: photo.image.pixels for photo in photos}
        self._greys: dict[int, NDArray[np.uint8]] = {}
        self._wholes: dict[int, LocalFeatures] = {}
        self._parts: dict[tuple[int, Box, int], LocalFeatures] = {}

    def get(self, index: int, /) -> LocalFeatures | None:
        """Give those of a whole photo, in as many pixels as are ever looked at; None where there are none of it."""
        if index not in self._pixels:
            return None
        if max(self._grey(index).shape) <= PART_EDGE:  # they are the same
            return self.within(index, WHOLE_IMAGE)
        if index not in self._wholes:
            self._wholes[index] = photo_features(self._grey(index))
        return self._wholes[index]

    def within(self, index: int, part: Box, *, edge: int = PART_EDGE) -> LocalFeatures | None:
        """Give the keypoints of a part of a photo, in so many pixels; None where there are none of that photo."""
        if index not in self._pixels:
            return None
        if (index, part, edge) not in self._parts:
            self._parts[index, part, edge] = part_features(self._grey(index), part, edge=edge)
        return self._parts[index, part, edge]

    def pixels_of(self, index: int, part: Box) -> NDArray[np.uint8] | None:
        """Give the pixels of a part of a photo, uint8 [H, W, 3]; None where there is no such photo."""
        return crop(self._pixels[index], part) if index in self._pixels else None

    def find_all(self) -> None:
        """Find now those by which all whole photos are kept."""
        for index in self._pixels:
            self.within(index, WHOLE_IMAGE)

    def _grey(self, index: int) -> NDArray[np.uint8]:
        if index not in self._greys:
            self._greys[index] = in_grey(self._pixels[index])
        return self._greys[index]


def find_no_keypoints(_photos: Sequence[Photo]) -> PhotoPoints:
    """Stand in for `PhotoPoints` where nothing is compared point by point."""
    return PhotoPoints(())


def find_copies(photos: Sequence[Photo], catalogue: ReferenceCatalogue) -> tuple[Duplicate, ...]:
    """Compare each photo, and its mirror image, with the pictures on record."""
    found = catalogue.near_duplicates(
        as_matrix([photo.hash.bits for photo in photos]),
        as_matrix([photo.hash.mirrored for photo in photos]),
        [photo.image.sha256 for photo in photos],
        usable=np.array([photo.hash.reliable for photo in photos], np.bool_),
        max_distance=LIKENESS_DISTANCE,
    )
    return tuple(
        Duplicate(
            image_index=photos[copy.image_row].index,
            source=copy.source,
            source_id=copy.source_id,
            brand=copy.brand,
            distance=copy.distance,
            exact=copy.exact,
            mirrored=copy.mirrored,
            source_sha256=copy.sha256,
        )
        for copy in found
    )


def classify_photos(regions: Regions, classifier: CategoryClassifier | None) -> Category:
    """Predict the product's category from all photos; unknown without any, or a finder and classifier that fit."""
    wholes = regions.wholes
    if classifier is None or not regions.photos or len(wholes) != regions.photos:
        return Category()
    found = classifier.predict(product_views(regions.vectors[: regions.photos], wholes))
    alternatives = tuple(CategoryGuess(each.path, each.probability) for each in found.alternatives)
    return Category(found.path, found.probability, alternatives)


def measure_attributes(
    photos: Sequence[Photo], regions: Regions, category: Category, classifier: AttributeClassifier | None
) -> tuple[Attribute, ...]:
    """Measure the first photo's colours, for sellers put the product itself first; ask the middles of all for the rest.

    The rest is left out without regions or a fitting classifier.
    """
    if not photos:
        return ()
    colours = [Attribute("colour", each.name, each.share) for each in measure_colours(photos[0].image.pixels)]
    said = classifier.predict(regions.vectors[: regions.photos], category.path) if classifier is not None else ()
    return (*colours, *(Attribute(each.name, each.value, each.probability) for each in said))


def _read(
    index: int, data: bytes, limits: DecodeLimits, decoder: Decoder, deadline: Deadline
) -> tuple[ImageResult, Photo | None]:
    try:
        image = decoder(data, limits, deadline=deadline)
    except ImageError as error:
        return ImageResult(sha256=_digest(data), fault=error.fault, message=str(error)), None
    result = ImageResult(sha256=image.sha256, width=image.width, height=image.height)
    return result, Photo(index, image, pdq(image.pixels))


def _failed(data: bytes) -> tuple[ImageResult, Photo | None]:
    """Say what stands when the decoder itself failed: an image that was not used."""
    return ImageResult(sha256=_digest(data), fault=ImageFault.CORRUPT, message="the image could not be decoded"), None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
