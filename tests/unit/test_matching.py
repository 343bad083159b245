"""Candidates of the search are verified by their references' keypoints, and judged by both together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from index.matches import BrandMatch
from index.records import ReferenceKind
from serving.findings import Reading
from serving.matching import Line, Readings, judge, likelihood, signs_of
from serving.verifying import Candidate, Verified, Verifier
from tests.unit.test_keypoints import a_picture
from tests.unit.test_overlaying import SHAPES, a_shape, printed
from vision.calibration import FALSE_POSITIVE_RATES, Curve, MatchCalibration, Shown
from vision.keypoints import PART_EDGE, LocalFeatures, in_grey, part_features, photo_features, reference_features
from vision.regions import WHOLE_IMAGE, Box, crop
from vision.verify import Variant, Verification

CURVE = Curve(bias=-6.0, score=5.0, strength=2.0, read=6.0, thresholds=dict.fromkeys(FALSE_POSITIVE_RATES, 0.5))
CALIBRATION = MatchCalibration(fingerprint="model@1", curves=dict.fromkeys(Shown, CURVE))


class Shelf:
    """Holds keypoints by reference id, and counts how often each was asked for."""

    def __init__(self, features: dict[str, LocalFeatures]) -> None:
        self.features = features
        self.asked: list[str] = []

    def features_of(self, reference_ids: Iterable[str]) -> dict[str, LocalFeatures]:
        """Give what is there."""
        wanted = list(reference_ids)
        self.asked += wanted
        return {one: self.features[one] for one in wanted if one in self.features}


class OnePhoto:
    """Shows one photo, and notes in which parts its keypoints were asked for."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels
        self.asked: list[Box | None] = []
        self.edges: list[int] = []
        self.cut: list[Box] = []

    def get(self, index: int, /) -> LocalFeatures | None:
        """Find those of all of it."""
        self.asked.append(None)
        return photo_features(in_grey(self.pixels)) if index == 0 else None

    def pixels_of(self, index: int, part: Box) -> NDArray[np.uint8] | None:
        """Cut out a part."""
        self.cut.append(part)
        return crop(self.pixels, part) if index == 0 else None

    def within(self, index: int, part: Box, *, edge: int = PART_EDGE) -> LocalFeatures | None:
        """Find those of a part."""
        self.asked.append(part)
        self.edges.append(edge)
        return part_features(in_grey(self.pixels), part, edge=edge) if index == 0 else None


def a_candidate(
    brand: str, *proposed: str, score: float, kind: ReferenceKind = ReferenceKind.EXAMPLE, image_index: int = 0
) -> Candidate:
    """Make a brand that was found by its embedding."""
    match = BrandMatch(
        brand_id=brand, brand=brand.title(), reference_id=proposed[0], kind=kind, region_row=0, similarity=score,
        score=score, proposed=proposed,
    )  # fmt: skip
    return Candidate(image_index=image_index, region=WHOLE_IMAGE, match=match)


def test_verification_puts_the_proven_brand_first() -> None:
    """The brand whose second reference is found in the photo overtakes one that only looks alike, and says where."""
    photo = a_picture(5)
    inset = np.ascontiguousarray(photo[60:200, 80:260])
    shelf = Shelf({"r1": reference_features(a_picture(6)), "r2": reference_features(inset)})
    candidates = [a_candidate("alike", "r1", score=0.8), a_candidate("there", "r0", "r2", score=0.7)]

    verified = Verifier(shelf).verify(candidates, OnePhoto(photo))
    matches = judge(candidates, verified, CALIBRATION, most=5)

    assert [match.brand_id for match in matches] == ["there", "alike"]
    there, alike = matches
    assert there.reference_id == "r2"
    assert there.verification is not None
    assert there.box.iou(type(there.box)(80 / 320, 60 / 240, 260 / 320, 200 / 240)) > 0.9
    assert there.probability > 0.9 > alike.probability
    assert alike.verification is None
    assert alike.box == WHOLE_IMAGE


def a_reading(text: str, *, image_index: int = 0, exact: bool = True) -> Reading:
    """Make a line that was read in the upper left quarter of a photo."""
    quarter = Box(0.0, 0.0, 0.5, 0.5)
    return Reading(image_index=image_index, box=quarter, text=text, confidence=0.9, exact=exact)


def test_a_brand_whose_name_is_read_goes_first() -> None:
    """A name outweighs a likeness; what looks alike and what is written keep their places apart."""
    candidates = [a_candidate("alike", "r1", score=0.8), a_candidate("named", "r2", score=0.4)]
    other = a_candidate("unproposed", "r3", score=0.3, image_index=2)
    readings = {"named": a_reading("NAMED", image_index=1), "unproposed": a_reading("Unproposed", image_index=2)}

    read = Readings(of_brand=readings, named=(other,))
    matches = judge(candidates, (None, None), CALIBRATION, most=5, read=read)

    assert [match.brand_id for match in matches] == ["named", "unproposed", "alike"]
    assert [match.image_index for match in matches] == [0, 2, 0]
    assert matches[0].box == candidates[0].region
    assert matches[0].reading == readings["named"]
    assert matches[2].reading is None


def test_a_proof_says_where_a_brand_is_that_is_read_as_well() -> None:
    """What was found point by point is shown there, though the name is read in another photo."""
    photo = a_picture(5)
    inset = np.ascontiguousarray(photo[60:200, 80:260])
    candidates = [a_candidate("there", "r2", score=0.7)]

    verified = Verifier(Shelf({"r2": reference_features(inset)})).verify(candidates, OnePhoto(photo))
    read = Readings(of_brand={"there": a_reading("There", image_index=1)})
    (match,) = judge(candidates, verified, CALIBRATION, most=5, read=read)

    assert match.image_index == 0
    assert match.box.iou(Box(80 / 320, 60 / 240, 260 / 320, 200 / 240)) > 0.9
    assert match.reading is not None


def test_a_name_that_is_nearly_read_counts_for_half() -> None:
    """One letter off, or an everyday word, is a weaker sign; none is none."""
    candidate = a_candidate("acme", "r1", score=0.5)
    readings = (Readings(of_brand={"acme": a_reading("Acme", exact=exact)}) for exact in (True, False))
    exact, near = (signs_of(candidate, None, read).read for read in readings)

    assert (exact, near) == (0.9, 0.45)
    assert signs_of(candidate, None).read == 0


def test_other_words_speak_against_the_brand_that_their_region_looks_like() -> None:
    """Words that fill a region and name no brand lower what looks alike there, and nothing beside them or found."""
    quarter, beside = Box(0.0, 0.0, 0.5, 0.5), Box(0.5, 0.5, 1.0, 1.0)
    words = Line(image_index=0, box=quarter, confidence=0.8)
    there, elsewhere = (replace(a_candidate("acme", "r1", score=0.5), region=box) for box in (quarter, beside))
    found = Verified("r1", Verification(inliers=20, tentative=30, outline=((0, 0), (1, 0), (1, 1), (0, 1))))

    read = Readings(lines=(words,))

    assert signs_of(there, None, read).read == pytest.approx(-0.16)
    assert signs_of(elsewhere, None, read).read == 0
    assert signs_of(replace(there, image_index=1), None, read).read == 0
    assert signs_of(there, found, read).read == 0
    assert signs_of(there, None, replace(read, of_brand={"acme": a_reading("Acme")})).read == 0.9


def test_points_count_for_less_among_many_brands() -> None:
    """The more brands are looked for, the more agrees by chance: a few are free, and many agreeing points stay many."""
    few, many = (Verification(inliers=inliers, tentative=90) for inliers in (4, 40))

    alone, among_a_few, among_many = (Verified("r1", few, among=count).strength for count in (1, 8, 32))

    assert alone == among_a_few == few.strength > among_many > 0
    assert Verified("r1", many, among=32).strength > 0.8 * many.strength
    candidate = a_candidate("acme", "r1", score=0.5)
    assert signs_of(candidate, Verified("r1", few, among=32)).strength == among_many


def test_a_candidate_is_verified_among_those_that_are_looked_for() -> None:
    """What is not worth looking for, or has no keypoints to look for, is not counted among them."""
    drawn = a_picture(7)
    shelf = Shelf({"r1": reference_features(drawn), "r2": reference_features(a_picture(8))})
    named = [("acme", "r1"), ("zoe", "r2"), ("bolt", "r1"), ("none", "without keypoints")]
    candidates = [a_candidate(brand, row, score=0.5) for brand, row in named]

    verified = Verifier(shelf).verify(candidates, OnePhoto(drawn), likelihood=lambda one: one.match.brand_id != "bolt")

    assert [one.among if one else None for one in verified] == [2, 2, None, None]


def test_inverted_marks_are_found_but_inverted_examples_are_not_looked_for() -> None:
    """A drawn mark is sought in exchanged light and dark as well."""
    drawn = a_picture(7)
    shelf = Shelf({"r1": reference_features(255 - drawn)})
    photo = OnePhoto(drawn)
    mark, example = (
        a_candidate("acme", "r1", score=0.5, kind=kind) for kind in (ReferenceKind.LOGO, ReferenceKind.EXAMPLE)
    )

    as_mark, as_example = Verifier(shelf).verify([mark, example], photo)

    assert as_mark is not None
    assert as_example is not None
    assert as_mark.verification.strength > 2
    assert as_example.verification.strength < 1


def a_plain_mark(name: str) -> LocalFeatures:
    """Make the reference of a mark of one colour that has hardly any details."""
    return reference_features(np.dstack([a_shape(name)] * 3), drawn=True)


def test_a_plain_mark_is_laid_over_the_photo() -> None:
    """A mark without details is told from others by where its drawing lies, and its outline is said."""
    photo, corners = printed("L", turn=6.0)
    shelf = Shelf({name: a_plain_mark(name) for name in SHAPES})
    candidates = [a_candidate(name, name, score=0.6, kind=ReferenceKind.LOGO) for name in reversed(SHAPES)]

    verified = Verifier(shelf).verify(candidates, OnePhoto(photo))
    first, *others = judge(candidates, verified, CALIBRATION, most=5)

    assert first.brand_id == first.reference_id == "L"
    assert first.verification is not None
    assert first.verification.inliers == 0
    assert first.verification.overlaid == pytest.approx(0.92, abs=0.07)
    assert first.verification.outline is not None
    np.testing.assert_allclose(np.array(first.verification.outline), corners, atol=0.04)
    assert first.box == first.verification.box != WHOLE_IMAGE
    assert first.probability > max(other.probability for other in others) + 0.1


def test_parts_where_only_drawings_are_sought_are_looked_at_in_fewer_pixels() -> None:
    """Drawings have few fine details; where an example is sought as well, all are compared with the finer points."""
    shelf = Shelf({"drawn": reference_features(a_picture(), drawn=True), "cut": reference_features(a_picture())})
    photo = OnePhoto(a_picture())
    mark = a_candidate("acme", "drawn", score=0.6, kind=ReferenceKind.LOGO)
    cut_out = a_candidate("acme", "cut", score=0.6, kind=ReferenceKind.LOGO)
    example = a_candidate("acme", "cut", score=0.6)

    for sought in ([mark], [cut_out], [example], [mark, example]):
        assert all(Verifier(shelf).verify(sought, photo))

    assert photo.edges == [192, 256, 256, 256]


def test_an_outline_in_a_region_is_one_in_the_photo() -> None:
    """Where a drawing lies in a region is said of the whole photo."""
    cut, corners = printed("L")
    height, width = cut.shape[:2]
    photo = np.full((2 * height, 4 * width, 3), 128, np.uint8)
    photo[height:, width : 2 * width] = cut
    region = Box(0.25, 0.5, 0.5, 1.0)
    there = replace(a_candidate("L", "L", score=0.6, kind=ReferenceKind.LOGO), region=region)

    (proof,) = Verifier(Shelf({"L": a_plain_mark("L")})).verify([there], OnePhoto(photo))

    assert proof is not None
    assert proof.verification.outline is not None
    expected = corners * np.array([0.25, 0.5]) + np.array([0.25, 0.5])
    np.testing.assert_allclose(np.array(proof.verification.outline), expected, atol=0.02)


def test_only_drawn_marks_are_laid_over_photos_and_not_where_points_tell() -> None:
    """Examples are no drawings, and where points have located a mark there is nothing left to find out."""
    photo, _ = printed("L")
    mark, example = (
        a_candidate("acme", "L", score=0.6, kind=kind) for kind in (ReferenceKind.LOGO, ReferenceKind.EXAMPLE)
    )
    detailed = a_picture(7)
    known = Shelf({"L": a_plain_mark("L"), "detailed": reference_features(detailed, drawn=True)})

    (as_mark,), (as_example,) = (Verifier(known).verify([one], OnePhoto(photo)) for one in (mark, example))
    located = OnePhoto(detailed)
    (by_points,) = Verifier(known).verify([replace(mark, match=replace(mark.match, proposed=("detailed",)))], located)

    assert as_mark is not None
    assert as_mark.verification.overlaid > 0.8
    assert as_example is None or as_example.verification.overlaid == 0
    assert by_points is not None
    assert (by_points.verification.inliers > 8, by_points.verification.overlaid) == (True, 0)
    less_likely = replace(mark, match=replace(mark.match, proposed=("detailed",), score=0.4))
    Verifier(known).verify([mark, less_likely], located)
    assert located.cut == []


def test_few_drawings_are_laid_over_a_listing() -> None:
    """Those of the likeliest brands, and of none that is far behind: the rest are judged as if there were none."""
    photo, _ = printed("ring")
    shelf = Shelf({"ring": a_plain_mark("ring")})
    candidates = [
        a_candidate(f"brand {place}", "ring", score=0.9 - place / 200, kind=ReferenceKind.LOGO) for place in range(20)
    ]
    far_below = a_candidate("far below", "ring", score=0.7, kind=ReferenceKind.LOGO)
    goods = a_candidate("goods", "none", score=0.99, kind=ReferenceKind.PRODUCT)

    def laid(sought: list[Candidate], likely: float) -> list[bool]:
        verified = Verifier(shelf).verify(sought, OnePhoto(photo), likelihood=lambda _one: likely)
        return [one is not None and one.verification.overlaid > 0 for one in verified]

    assert laid(candidates, 0.05) == [True] * 12 + [False] * 8
    assert laid([candidates[0], far_below], 0.05) == [True, False]
    assert laid([goods, far_below], 0.05) == [False, True]
    assert laid(candidates, 0.04) == [False] * 20


@pytest.mark.parametrize("kind", [ReferenceKind.LOGO, ReferenceKind.EXAMPLE, ReferenceKind.PACKAGING])
def test_a_flipped_photo_shows_what_it_showed(kind: ReferenceKind) -> None:
    """Sellers flip photos: whatever is referred to is sought in its mirror image as well, and said to be one."""
    shown = a_picture(7)
    photo = OnePhoto(np.ascontiguousarray(shown[:, ::-1]))

    (proof,) = Verifier(Shelf({"r1": reference_features(shown)})).verify(
        [a_candidate("acme", "r1", score=0.5, kind=kind)], photo
    )

    assert proof is not None
    assert proof.verification.strength > 2
    assert proof.verification.variant is Variant.MIRRORED


def test_what_has_no_keypoints_is_judged_by_its_embedding() -> None:
    """References of an older release and photos without keypoints are not verified, and not held against the match."""
    shelf = Shelf({"r1": reference_features(a_picture())})
    candidates = [a_candidate("old", "r0", score=0.9), a_candidate("blind", "r1", score=0.5, image_index=3)]

    verified = Verifier(shelf).verify(candidates, OnePhoto(a_picture()))
    matches = judge(candidates, verified, CALIBRATION, most=1)

    assert verified == (None, None)
    assert [match.brand_id for match in matches] == ["old"]
    assert matches[0].verification is None


def test_keypoints_are_read_once() -> None:
    """References of popular brands stay in memory from one listing to the next."""
    shelf = Shelf({"r1": reference_features(a_picture())})
    verifier, photo = Verifier(shelf), OnePhoto(a_picture())

    for _ in range(3):
        verifier.verify([a_candidate("acme", "r1", score=0.5)], photo)

    assert shelf.asked == ["r1"]


def test_only_what_its_embedding_makes_likely_is_verified() -> None:
    """The photo of brands below one in a hundred has no keypoints found: it is the dearest step of a listing's way."""
    shelf, photos = Shelf({"r1": reference_features(a_picture())}), OnePhoto(a_picture())
    likely, unlikely = a_candidate("acme", "r1", score=0.3), a_candidate("zeta", "r1", score=0.2)

    def by_embedding(candidate: Candidate) -> float:
        return likelihood(candidate, CALIBRATION)

    assert Verifier(shelf).verify([unlikely], photos, likelihood=by_embedding) == (None,)
    assert photos.asked == []
    proof, none = Verifier(shelf).verify([likely, unlikely], photos, likelihood=by_embedding)
    assert proof is not None
    assert none is None
    assert photos.asked == [WHOLE_IMAGE]


def test_a_mark_is_looked_for_where_it_is_likely_and_goods_everywhere() -> None:
    """Each part of a photo has its keypoints found once, and what lies beyond it proves nothing."""
    photo = a_picture(5)
    shelf = Shelf({"r1": reference_features(np.ascontiguousarray(photo[60:200, 80:260]))})
    here, beside = Box(0.2, 0.2, 0.85, 0.9), Box(0.0, 0.0, 0.25, 0.25)
    mark, again, missed, goods = (
        replace(a_candidate(brand, "r1", score=0.5, kind=kind), region=region)
        for brand, kind, region in (
            ("mark", ReferenceKind.LOGO, here),
            ("again", ReferenceKind.EXAMPLE, here),
            ("missed", ReferenceKind.LOGO, beside),
            ("goods", ReferenceKind.PACKAGING, beside),
        )
    )
    seen = OnePhoto(photo)

    verified = Verifier(shelf).verify([mark, again, missed, goods], seen)

    assert seen.asked == [here.grown(0.2), beside.grown(0.2), None]
    assert [one is not None and one.verification.strength > 0 for one in verified] == [True, True, False, True]
    boxes = [one.verification.box for one in verified if one is not None]
    assert boxes[0] is not None
    assert boxes[0].iou(Box(80 / 320, 60 / 240, 260 / 320, 200 / 240)) > 0.9
