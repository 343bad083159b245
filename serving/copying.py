"""Is a photo made from one on record, by a crop, a border or words laid over it? Lookalikes compared detail by detail.

The copies stage of a listing's way through: photos with hashes like one on record are known by then
(`serving.visual.find_copies`), and keypoints and the photos' embeddings are there, so that nothing more passes the
network. What is found is the same evidence, with the arrangement of details that proves it. A hash alone proves little
beyond a few bits: two sneakers that one studio photographed in one pose differ by 18 of 256 and more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from index.catalogue import ReferenceCatalogue
from index.decision_records import ListingImage
from index.listing_regions import ListingRegions, Place
from index.pictures import Lookalike
from index.records import DuplicateSource
from serving.findings import Duplicate
from serving.recent import Recent
from serving.verifying import PointSource
from serving.visual import Photo, Regions
from vision.copies import KEPT_KEYPOINTS, CopyMatcher
from vision.hashing import CERTAIN_DISTANCE, HASH_BITS, PdqHash, as_matrix, hamming
from vision.keypoints import PART_EDGE, LocalFeatures
from vision.regions import WHOLE_IMAGE
from vision.verify import Variant, Verification

# Pictures of each source compared with a photo, at about 3 ms each. Among 700 photos of clothing/train, a crop to 60%
# of the area finds its original among the first 16 always, one to 60% of each edge in 0.94 of the cases; among the
# first 8 they do in 0.99 and 0.90.
COMPARED = 16
# Pictures whose keypoints stay in memory: 18 kB each.
_KEPT = 2_048

_Key = tuple[DuplicateSource, str, str]


class DetailSource(Protocol):
    """Where keypoints of pictures on record come from: the store, or something that stands in for it."""

    def features_of(self, reference_ids: Iterable[str]) -> dict[str, LocalFeatures]:
        """Give the keypoints of those references that have some, by id."""

    def removed_features(self, photos: Iterable[tuple[str, str]]) -> dict[tuple[str, str], LocalFeatures]:
        """Give the keypoints of those photos of removed listings that have some, by listing id and sha256."""


class CopyFinder:
    """Compares photos with pictures on record; keeps the keypoints used last. Any number of threads may use it."""

    def __init__(self, source: DetailSource) -> None:
        self._source = source
        self.recent: Recent[_Key, LocalFeatures] = Recent(_KEPT)

    def find(
        self,
        photos: Sequence[Photo],
        keypoints: PointSource,
        regions: Regions,
        catalogue: ReferenceCatalogue,
        *,
        near: Sequence[Duplicate] = (),
    ) -> tuple[Duplicate, ...]:
        """Find what photos are made from: what `near` says by their hashes and details do not deny, and what they tell.

        `keypoints` are the photos'.
        """
        certain = {_place(copy) for copy in near if _is_certain(copy)}
        lookalikes = [
            one
            for one in catalogue.lookalikes(regions.vectors[: regions.photos], most=COMPARED)
            if (photos[one.image_row].index, one.source, one.source_id) not in certain
        ]
        doubted = {_key_of(copy) for copy in near if not _is_certain(copy)}
        features = self.recent.get(doubted | {_key(one) for one in lookalikes}, self._read)
        matchers = _Matchers(keypoints)
        held = tuple(_not_denied(near, features, matchers))
        said = {_place(copy) for copy in held}
        found: dict[tuple[int, DuplicateSource, str], Duplicate] = {}
        for one in lookalikes:
            photo, points = photos[one.image_row], features.get(_key(one))
            if points is None or (photo.index, one.source, one.source_id) in said:
                continue
            matcher = matchers.of(photo.index, points)
            if matcher is None:
                continue
            verification = matcher.compare(points)
            copy = _duplicate(photo, one, verification)
            place = _place(copy)
            if verification.inliers > _inliers(found.get(place)):  # of a listing's photos, the one most like it
                found[place] = copy
        return (*held, *found.values())

    def _read(self, keys: Sequence[_Key]) -> dict[_Key, LocalFeatures]:
        removed = [key for key in keys if key[0] is DuplicateSource.REMOVED_LISTING]
        references = [key for key in keys if key[0] is not DuplicateSource.REMOVED_LISTING]
        of_photos = self._source.removed_features(key[1:] for key in removed) if removed else {}
        by_id = self._source.features_of(key[1] for key in references) if references else {}
        found = {key: of_photos[key[1:]] for key in removed if key[1:] in of_photos}
        found |= {key: by_id[key[1]].strongest(KEPT_KEYPOINTS) for key in references if key[1] in by_id}
        return found


class _Matchers:
    """Prepares each photo once for pictures that were looked at in few pixels, and once for others, as need be."""

    def __init__(self, keypoints: PointSource) -> None:
        self._keypoints = keypoints
        self._made: dict[tuple[int, bool], CopyMatcher | None] = {}

    def of(self, index: int, known: LocalFeatures) -> CopyMatcher | None:
        """Give what compares a photo with a picture: strong points of one size are not those of another."""
        large = max(known.width, known.height) > PART_EDGE  # most references, and photos recorded by an older release
        if (index, large) not in self._made:
            points = self._keypoints.get(index) if large else self._keypoints.within(index, WHOLE_IMAGE)
            self._made[index, large] = CopyMatcher(points) if points is not None else None
        return self._made[index, large]


def _not_denied(
    near: Iterable[Duplicate], features: Mapping[_Key, LocalFeatures], matchers: _Matchers
) -> Iterator[Duplicate]:
    """Give what hashes say for certain, what details prove, and what has no details on record to compare."""
    for copy in near:
        points = None if _is_certain(copy) else features.get(_key_of(copy))
        matcher = matchers.of(copy.image_index, points) if points is not None else None
        if points is None or matcher is None:
            yield copy
        elif (verification := matcher.compare(points)).inliers:
            yield replace(copy, verification=verification)


def _is_certain(copy: Duplicate) -> bool:
    return copy.exact or copy.distance <= CERTAIN_DISTANCE


def records_of(photos: Sequence[Photo], keypoints: PointSource, regions: Regions) -> tuple[ListingImage, ...]:
    """Say what the store keeps of photos, so that copies are recognised once the listing is removed."""
    return tuple(
        ListingImage(
            sha256=photo.image.sha256,
            pdq=photo.hash.bits if photo.hash.reliable else None,
            features=_kept(keypoints.within(photo.index, WHOLE_IMAGE)),
            embedding=regions.vectors[row].astype("<f2").tobytes() if row < regions.photos else None,
        )
        for row, photo in enumerate(photos)
    )


def regions_of(regions: Regions, category_path: tuple[str, ...]) -> ListingRegions:
    """Say by which regions the store lets the listing be found; the whole photos' vectors go with `records_of`."""
    return ListingRegions(
        places=tuple(Place(index, region.box) for index, region in regions.places),
        photos=regions.photos,
        marks=regions.vectors[regions.photos :],
        category_path=category_path,
    )


def _kept(points: LocalFeatures | None) -> bytes | None:
    return points.strongest(KEPT_KEYPOINTS).to_bytes() if points is not None else None


def _key(one: Lookalike) -> _Key:
    return one.source, one.source_id, one.sha256


def _key_of(copy: Duplicate) -> _Key:
    return copy.source, copy.source_id, copy.source_sha256


def _place(copy: Duplicate) -> tuple[int, DuplicateSource, str]:
    """Say which photo copies what; of a listing's photos any."""
    return copy.image_index, copy.source, copy.source_id


def _inliers(copy: Duplicate | None) -> int:
    return copy.verification.inliers if copy is not None and copy.verification is not None else 0


def _duplicate(photo: Photo, one: Lookalike, verification: Verification) -> Duplicate:
    return Duplicate(
        image_index=photo.index,
        source=one.source,
        source_id=one.source_id,
        brand=one.brand,
        distance=_distance(photo.hash, one.pdq),
        exact=False,
        mirrored=verification.variant is Variant.MIRRORED,
        verification=verification,
        source_sha256=one.sha256,
    )


def _distance(photo: PdqHash, known: bytes | None) -> int:
    """Count the differing bits of two hashes, the photo flipped or not; all of them when one says too little."""
    if known is None or not photo.reliable:
        return HASH_BITS
    return int(hamming(as_matrix((photo.bits, photo.mirrored)), as_matrix((known,))).min())
