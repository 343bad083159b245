"""Copies are found by details, of whichever size the photo on record was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from index.catalogue import ReferenceCatalogue
from index.pictures import Lookalike
from index.records import DuplicateSource
from serving.copying import CopyFinder, records_of
from serving.findings import Duplicate
from serving.visual import Photo, PhotoPoints, Regions
from tests.unit.test_keypoints import a_picture
from vision.copies import COPIED, KEPT_KEYPOINTS
from vision.decode import Image
from vision.hashing import CERTAIN_DISTANCE, MATCH_DISTANCE, pdq
from vision.keypoints import PART_EDGE, PHOTO_EDGE, LocalFeatures, in_grey, photo_features, reference_features

PHOTO = np.asarray(cv2.resize(a_picture(8), (1000, 750), interpolation=cv2.INTER_CUBIC), np.uint8)
COPY = np.ascontiguousarray(PHOTO[60:660, 100:900])
UNSEEN = Regions((), np.zeros((1, 4), np.float32), 1)


class Details:
    """Holds the keypoints of one removed photo and of one reference."""

    def __init__(self, removed: LocalFeatures | None, reference: LocalFeatures | None) -> None:
        self.removed, self.reference = removed, reference

    def features_of(self, reference_ids: Iterable[str]) -> dict[str, LocalFeatures]:
        """Give those of the reference."""
        return {one: self.reference for one in reference_ids if self.reference is not None}

    def removed_features(self, photos: Iterable[tuple[str, str]]) -> dict[tuple[str, str], LocalFeatures]:
        """Give those of the removed photo."""
        return {one: self.removed for one in photos if self.removed is not None}


class Noting(PhotoPoints):
    """Counts how often a whole photo was asked for in many pixels."""

    asked = 0

    def get(self, index: int, /) -> LocalFeatures | None:
        """Give them, and count."""
        self.asked += 1
        return super().get(index)


class Everything:
    """Takes any photo to look like all that is on record."""

    def lookalikes(self, _vectors: object, *, most: int) -> tuple[Lookalike, ...]:
        """Name a removed listing and a reference."""
        common: dict[str, Any] = {"image_row": 0, "sha256": "ab", "brand": "Acme", "pdq": None, "similarity": 0.9}
        found = (
            Lookalike(source=DuplicateSource.REMOVED_LISTING, source_id="sold-again", **common),
            Lookalike(source=DuplicateSource.OFFICIAL_REFERENCE, source_id="studio", **common),
        )
        return found[:most]


def a_photo(pixels: NDArray[np.uint8]) -> Photo:
    """Take pixels for the listing's third photo."""
    return Photo(2, Image(pixels, pixels.shape[1], pixels.shape[0], "JPEG", "cd"), pdq(pixels))


def found(pixels: NDArray[np.uint8], details: Details) -> dict[str, int]:
    """Give the details in place, by what the photo is said to copy."""
    photos = [a_photo(pixels)]
    copies = CopyFinder(details).find(photos, PhotoPoints(photos), UNSEEN, cast(ReferenceCatalogue, Everything()))
    return {copy.source_id: copy.verification.inliers for copy in copies if copy.verification is not None}


def kept(pixels: NDArray[np.uint8]) -> LocalFeatures:
    """Give what the store keeps of a photo."""
    photos = [a_photo(pixels)]
    (record,) = records_of(photos, PhotoPoints(photos), UNSEEN)
    assert record.features is not None
    return LocalFeatures.from_bytes(record.features)


def test_what_is_kept_of_a_photo_finds_its_crop() -> None:
    """A photo is kept by its strongest points in 256 pixels, and found by them."""
    points = kept(PHOTO)

    assert max(points.width, points.height) == PART_EDGE
    assert len(points) <= KEPT_KEYPOINTS
    assert found(COPY, Details(points, None))["sold-again"] >= COPIED
    assert found(a_picture(9, height=750, width=1000), Details(points, None)) == {}


def test_what_was_looked_at_in_more_pixels_is_compared_in_as_many() -> None:
    """References, and photos that an older release kept, have finer points, which a small picture does not show."""
    older = photo_features(in_grey(PHOTO)).strongest(KEPT_KEYPOINTS)
    reference = reference_features(PHOTO)

    assert max(older.width, older.height) == PHOTO_EDGE
    both = found(COPY, Details(older, reference))
    assert min(both["sold-again"], both["studio"]) >= COPIED
    asked: list[int] = []
    for known in (older, reference, kept(PHOTO)):
        photos = [a_photo(COPY)]
        points = Noting(photos)
        CopyFinder(Details(known, None)).find(photos, points, UNSEEN, cast(ReferenceCatalogue, Everything()))
        asked.append(points.asked)
    assert asked == [1, 1, 0]


@pytest.mark.parametrize("plain", [False, True])
def test_what_has_no_details_is_copied_by_nothing(plain: bool) -> None:
    """Pictures whose points are not on record, or that have none, are passed over."""
    removed = kept(np.full((300, 300, 3), 9, np.uint8)) if plain else None

    assert found(COPY, Details(removed, None)) == {}


class Nothing:
    """Knows no photo that looks like any."""

    def lookalikes(self, _vectors: object, *, most: int) -> tuple[Lookalike, ...]:
        """Name none."""
        return ()


def near(distance: int, *, exact: bool = False) -> Duplicate:
    """Say of the photo that its hash comes as near to the removed one's."""
    return Duplicate(
        image_index=2,
        source=DuplicateSource.REMOVED_LISTING,
        source_id="sold",
        brand="Acme",
        distance=distance,
        exact=exact,
        mirrored=False,
        source_sha256="ab",
    )


@pytest.mark.parametrize(
    ("said", "on_record", "proof"),
    [
        (near(MATCH_DISTANCE), "the photo", "details"),
        (near(MATCH_DISTANCE), "another", "denied"),
        (near(CERTAIN_DISTANCE + 1), "another", "denied"),
        (near(CERTAIN_DISTANCE), "another", "hash"),
        (near(0, exact=True), "another", "hash"),
        (near(MATCH_DISTANCE), "nothing", "hash"),
    ],
)
def test_a_near_hash_counts_if_details_do_not_deny_it(said: Duplicate, on_record: str, proof: str) -> None:
    """Other goods in one pose have near hashes: beyond the nearest, what can be compared is, and must agree."""
    known = {"the photo": kept(PHOTO), "another": kept(a_picture(9, height=750, width=1000)), "nothing": None}
    photos = [a_photo(COPY)]
    finder = CopyFinder(Details(known[on_record], None))

    copies = finder.find(photos, PhotoPoints(photos), UNSEEN, cast(ReferenceCatalogue, Nothing()), near=[said])

    told = ["hash" if copy.verification is None else "details" for copy in copies]
    assert told == ([] if proof == "denied" else [proof])


class Album(Details):
    """Holds two photos of one removed listing, of which the second, "ab", is the one that was copied."""

    def removed_features(self, photos: Iterable[tuple[str, str]]) -> dict[tuple[str, str], LocalFeatures]:
        """Give the copied one's by its own file, and another's by any other."""
        other, copied = kept(a_picture(9, height=750, width=1000)), kept(PHOTO)
        return {one: copied if one[1] == "ab" else other for one in photos}


def test_a_near_hash_that_is_denied_hides_no_other_photo_of_the_listing() -> None:
    """A removed listing shows the goods in a pose that many share, and in the photo that this one is cut from."""
    photos = [a_photo(COPY)]
    posed = replace(near(MATCH_DISTANCE), source_id="sold-again", source_sha256="ef")
    catalogue = cast(ReferenceCatalogue, Everything())

    (copy,) = CopyFinder(Album(None, None)).find(photos, PhotoPoints(photos), UNSEEN, catalogue, near=[posed])

    assert (copy.source_id, copy.source_sha256) == ("sold-again", "ab")
