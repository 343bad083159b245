"""What a catalogue answers: references and brands by look, copies by hash, from the store or from a snapshot."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.build_lock import building
from index.catalogue import ReferenceCatalogue
from index.decision_records import RemovedImage
from index.fake_source import FakeSource
from index.opening import open_catalogue
from index.records import Brand, DuplicateSource, Reference, ReferenceEmbedding, ReferenceKind, ReferenceState
from index.snapshot import FORMAT_VERSION, current_snapshot
from index.store.store import Store
from tests.support.databases import with_tables
from vision.hashing import as_matrix
from vision.regions import WHOLE_IMAGE, Box

MODEL = "model@1"
AXES = np.eye(8, dtype=np.float32)
FAR = "0" * 64
GOLDEN = Path(__file__).parent.parent / "golden"


def unit_rows(seed: int, count: int, dim: int) -> NDArray[np.float32]:
    """Random directions, float32 [count, dim]."""
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    normalised: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return normalised


def reference(
    reference_id: str,
    brand_id: str = "acme",
    *,
    kind: ReferenceKind = ReferenceKind.LOGO,
    sha256: str = "a" * 64,
    pdq: bytes | None = None,
    state: ReferenceState = ReferenceState.ACTIVE,
    box: Box | None = WHOLE_IMAGE,
) -> Reference:
    """Make a reference with what matters to a test; with its box, it is a mark whatever its kind."""
    return Reference(
        reference_id=reference_id,
        brand_id=brand_id,
        kind=kind,
        image_sha256=sha256,
        pdq=pdq,
        state=state,
        box=box,
    )


def views(reference_id: str, *vectors: NDArray[np.float32], fingerprint: str = MODEL) -> list[ReferenceEmbedding]:
    """Make a reference's embeddings."""
    return [
        ReferenceEmbedding(reference_id=reference_id, variant=variant, fingerprint=fingerprint, vector=vector)
        for variant, vector in enumerate(vectors)
    ]


@pytest.fixture
def source() -> FakeSource:
    """Two brands, Acme with a logo of two views and a known counterfeit, Zoë with a product photo; a removed photo."""
    registry = FakeSource()
    registry.put_brand(Brand(brand_id="acme", name="Acme"))
    registry.put_brand(Brand(brand_id="zoe", name="Zoë"))
    registry.put_reference(reference("r1", sha256="1" * 64, pdq=bytes(32)), views("r1", AXES[0], AXES[1]))
    fake = reference("r2", kind=ReferenceKind.COUNTERFEIT, sha256="2" * 64, pdq=b"\x0f" * 32)
    registry.put_reference(fake, views("r2", AXES[2]))
    product = reference("r3", "zoe", kind=ReferenceKind.PRODUCT, sha256="3" * 64)
    registry.put_reference(product, views("r3", AXES[3]))
    registry.add_removed_image(RemovedImage(listing_id="l9", sha256="9" * 64, pdq=b"\xf0" * 32, brand="Acme"))
    return registry


@pytest.fixture(params=["exact", "faiss"])
def catalogue(source: FakeSource, request: pytest.FixtureRequest) -> ReferenceCatalogue:
    """Build the catalogue of `source`, on each backend."""
    return ReferenceCatalogue.build(source, MODEL, request.param)


def bits(*hashes: bytes) -> NDArray[np.uint8]:
    """Stack PDQ hashes."""
    return as_matrix(list(hashes))


# --- search ----------------------------------------------------------------------------------------------------------


def test_search_names_reference_brand_and_kind(catalogue: ReferenceCatalogue) -> None:
    """Each region gets its own hits, best first; a known counterfeit says that it is one."""
    first, second = catalogue.search(AXES[[3, 2]], 2)

    assert (first[0].reference_id, first[0].brand_id, first[0].brand) == ("r3", "zoe", "Zoë")
    assert first[0].score == pytest.approx(1)
    assert (second[0].reference_id, second[0].kind) == ("r2", ReferenceKind.COUNTERFEIT)
    assert len(first) == len(second) == 2


def test_search_gives_a_reference_once_however_many_views_it_has(catalogue: ReferenceCatalogue) -> None:
    """The views of one reference do not crowd out the others."""
    (hits,) = catalogue.search(AXES[:1], 5)

    assert [hit.reference_id for hit in hits] == ["r1", "r2", "r3"]
    assert hits[0].score == pytest.approx(1)


def test_marks_are_compared_with_regions_and_products_with_photos(source: FakeSource) -> None:
    """Equal vectors of a mark and of a product's photo mean nothing to each other: two networks made them."""
    shelf = reference("r4", "zoe", kind=ReferenceKind.PACKAGING, sha256="4" * 64, box=None)
    source.put_reference(shelf, views("r4", AXES[0]))
    catalogue = ReferenceCatalogue.build(source, MODEL)

    photo, region = catalogue.search(AXES[[0, 0]], 1, photos=1)

    assert [hit.reference_id for hit in (*photo, *region)] == ["r4", "r1"]
    assert [match.brand_id for match in catalogue.best_per_brand(AXES[:1], 5, photos=1)] == ["zoe"]
    assert {match.brand_id for match in catalogue.best_per_brand(AXES[[0, 0]], 5, photos=1)} == {"zoe", "acme"}
    assert catalogue.best_per_brand(AXES[:1], 1)[0].brand_id == "acme"


def test_best_per_brand_takes_the_best_region_and_reference(catalogue: ReferenceCatalogue) -> None:
    """Of all regions and references each brand gets its best pair, most similar brand first."""
    blurred = (0.8 * AXES[3] + 0.6 * AXES[7]).astype(np.float32)
    regions = np.stack([AXES[7], blurred, AXES[2]])

    acme, zoe = catalogue.best_per_brand(regions, 10)

    assert (acme.brand_id, acme.reference_id, acme.region_row) == ("acme", "r2", 2)
    assert acme.kind is ReferenceKind.COUNTERFEIT
    assert (zoe.brand, zoe.reference_id, zoe.region_row) == ("Zoë", "r3", 1)
    assert zoe.similarity == pytest.approx(0.8)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), brands=st.integers(1, 12), regions=st.integers(0, 6), most=st.integers(1, 15))
def test_best_per_brand_is_that_of_comparing_everything(seed: int, brands: int, regions: int, most: int) -> None:
    """Even when one brand's many references fill every region's first hits, the others' best are right."""
    generator = np.random.default_rng(seed)
    registry, vectors, owners = FakeSource(), unit_rows(seed, 600, 6), np.zeros(600, dtype=int)
    owners[500:] = generator.integers(0, brands, 100)  # brand 0 has five references in six
    vectors[:500] = unit_rows(seed + 1, 500, 6) * np.float32(0.1) + AXES[0, :6]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for brand in range(brands):
        registry.put_brand(Brand(brand_id=f"b{brand}", name=f"Brand {brand}"))
    for row, owner in enumerate(owners):
        registry.put_reference(reference(f"r{row:03}", f"b{owner}"), views(f"r{row:03}", vectors[row]))
    asked = unit_rows(seed + 2, regions, 6) * np.float32(0.2) + AXES[0, :6]
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)

    found = ReferenceCatalogue.build(registry, MODEL, "exact").best_per_brand(asked, most)

    scores = asked.astype(np.float64) @ vectors.T.astype(np.float64)
    best = {f"b{brand}": scores[:, owners == brand].max() for brand in set(owners.tolist())} if regions else {}
    expected = sorted(best.items(), key=lambda item: -item[1])[:most]
    assert [match.brand_id for match in found] == [brand_id for brand_id, _ in expected]
    assert [match.similarity for match in found] == pytest.approx([score for _, score in expected], abs=1e-6)
    for match in found:
        assert scores[match.region_row, int(match.reference_id[1:])] == pytest.approx(match.similarity, abs=1e-6)


def test_a_brand_s_match_is_the_one_that_all_brands_search_gives(catalogue: ReferenceCatalogue) -> None:
    """Asked for one brand, the answer is that of asking for the best of all: same region, reference and score."""
    blurred = (0.8 * AXES[3] + 0.6 * AXES[7]).astype(np.float32)
    regions = np.stack([AXES[7], blurred, AXES[2]])

    for match in catalogue.best_per_brand(regions, 10):
        alone = catalogue.match_of(match.brand_id, regions)
        assert alone is not None
        assert (alone.reference_id, alone.region_row, alone.kind) == (match.reference_id, match.region_row, match.kind)
        assert alone.score == pytest.approx(match.score)
    assert catalogue.match_of("unknown", regions) is None
    assert catalogue.match_of("acme", regions[:0]) is None
    assert catalogue.match_of("acme", regions, photos=3) is None  # its marks are not compared with whole photos


def test_examples_of_a_brand_must_agree(source: FakeSource) -> None:
    """One example alone resembles many things, so the mean of three counts; a logo speaks for itself."""
    for number, axis in enumerate((4, 5, 6)):
        example = reference(f"e{number}", "zoe", kind=ReferenceKind.EXAMPLE, sha256=f"{number}e" * 32)
        source.put_reference(example, views(f"e{number}", AXES[axis]))
    region = (0.9 * AXES[4] + 0.3 * AXES[5] + 0.3 * AXES[6] + np.sqrt(0.01) * AXES[0]).astype(np.float32)[None]
    region /= np.linalg.norm(region)

    zoe, acme = ReferenceCatalogue.build(source, MODEL, "exact").best_per_brand(region, 5)

    assert (zoe.brand_id, zoe.reference_id) == ("zoe", "e0")
    assert zoe.similarity == pytest.approx(float(region[0, 4]), abs=1e-6)
    assert zoe.score == pytest.approx(float(region[0, 4:7].mean()), abs=1e-6)
    assert acme.score == acme.similarity == pytest.approx(float(region[0, 0]), abs=1e-6)


def test_an_empty_catalogue_matches_nothing() -> None:
    """Before the first reference every question has an empty answer, for regions of any model."""
    catalogue = ReferenceCatalogue.build(FakeSource(), MODEL, "exact")

    assert catalogue.search(AXES[:2], 3) == ((), ())
    assert catalogue.best_per_brand(AXES[:2], 3) == ()
    assert catalogue.near_duplicates(bits(bytes(32)), bits(bytes(32)), [FAR]) == ()
    assert (len(catalogue), catalogue.dim) == (0, 0)


def test_no_region_matches_nothing(catalogue: ReferenceCatalogue) -> None:
    """A listing without a readable photo asks with no region at all."""
    assert catalogue.search(AXES[:0], 3) == ()
    assert catalogue.best_per_brand(AXES[:0], 3) == ()
    assert catalogue.near_duplicates(bits(), bits(), []) == ()


def test_vectors_of_another_length_are_refused(catalogue: ReferenceCatalogue) -> None:
    """Regions that another model embedded are an error, not a poor match."""
    with pytest.raises(ValueError, match=r"\[n, 8\]"):
        catalogue.best_per_brand(np.eye(1, 4, dtype=np.float32), 3)


# --- copies ----------------------------------------------------------------------------------------------------------


def test_a_near_copy_is_found_with_its_source_and_distance(catalogue: ReferenceCatalogue) -> None:
    """Hashes a few bits apart are the same picture, of a known counterfeit as of an official one or a removed one."""
    photos = bits(b"\x01" + bytes(31), b"\x0e" + b"\x0f" * 31, b"\xf0" * 32)
    unlike = bits(*[b"\x33" * 32] * 3)

    official, fake, removed = catalogue.near_duplicates(photos, unlike, [FAR] * 3)

    assert (official.source, official.source_id, official.distance) == (DuplicateSource.OFFICIAL_REFERENCE, "r1", 1)
    assert (fake.source, fake.source_id, fake.image_row) == (DuplicateSource.KNOWN_COUNTERFEIT, "r2", 1)
    assert (removed.source, removed.source_id, removed.brand) == (DuplicateSource.REMOVED_LISTING, "l9", "Acme")
    assert not official.exact
    assert not official.mirrored


@pytest.mark.parametrize(("distance", "found"), [(31, 1), (32, 0)])
def test_copies_end_at_the_distance_of_pdqs_authors(catalogue: ReferenceCatalogue, distance: int, found: int) -> None:
    """At most 31 differing bits of 256 are the same picture."""
    differing = np.packbits(np.arange(256) < distance)[np.newaxis]

    assert len(catalogue.near_duplicates(differing, bits(b"\x33" * 32), [FAR])) == found


def test_a_mirrored_copy_is_found(catalogue: ReferenceCatalogue) -> None:
    """A photo flipped left to right matches by its mirror's hash, and says so."""
    (match,) = catalogue.near_duplicates(bits(b"\x33" * 32), bits(b"\x0f" * 32), [FAR])

    assert match.mirrored
    assert (match.source_id, match.distance) == ("r2", 0)


def test_the_same_file_is_an_exact_copy_even_without_a_hash(catalogue: ReferenceCatalogue) -> None:
    """Reference r3 is too plain for a PDQ hash; its file is recognised all the same."""
    (match,) = catalogue.near_duplicates(bits(b"\x33" * 32), bits(b"\x33" * 32), ["3" * 64])

    assert match.exact
    assert (match.source_id, match.distance, match.mirrored) == ("r3", 0, False)


def test_a_picture_found_both_ways_is_given_once(catalogue: ReferenceCatalogue) -> None:
    """The same file has the same hash: one match, marked exact."""
    (match,) = catalogue.near_duplicates(bits(b"\x0f" * 32), bits(b"\x0f" * 32), ["2" * 64])

    assert match.exact


def test_a_photo_without_a_usable_hash_is_compared_by_file_alone(catalogue: ReferenceCatalogue) -> None:
    """A plain photo hashes like any other plain one, so only the very same file counts."""
    hashes = bits(bytes(32), bytes(32))

    matches = catalogue.near_duplicates(hashes, hashes, [FAR, "2" * 64], usable=np.array([False, False]))

    assert [(match.image_row, match.source_id, match.exact) for match in matches] == [(1, "r2", True)]


def test_many_removed_copies_do_not_hide_a_known_counterfeit(source: FakeSource) -> None:
    """The number of matches is limited for each source apart, so the one that decides is always among them."""
    for listing in range(50):
        image = RemovedImage(listing_id=f"m{listing:02}", sha256=f"{listing:064x}", pdq=b"\x0e" * 32, brand="Acme")
        source.add_removed_image(image)
    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")
    near = bits(b"\x0e" * 31 + b"\x0f")

    matches = catalogue.near_duplicates(near, near, [FAR], max_distance=64)

    sources = [match.source for match in matches]
    assert sources.count(DuplicateSource.REMOVED_LISTING) == 10
    assert sources.count(DuplicateSource.KNOWN_COUNTERFEIT) == 1
    assert [match.distance for match in matches] == sorted(match.distance for match in matches)


def test_hashes_of_another_shape_are_refused(catalogue: ReferenceCatalogue) -> None:
    """Each photo needs its hash, its mirror's hash and its digest."""
    with pytest.raises(ValueError, match=r"2 photos need uint8 \[2, 32\]"):
        catalogue.near_duplicates(bits(bytes(32)), bits(bytes(32)), [FAR, FAR])


# --- building --------------------------------------------------------------------------------------------------------


def test_only_active_references_are_searched(source: FakeSource) -> None:
    """A reference that waits for review, or was retired, neither matches a region nor a copy."""
    for state in (ReferenceState.PENDING, ReferenceState.RETIRED, ReferenceState.QUARANTINED):
        source.put_reference(reference(state, sha256="7" * 64, state=state), views(state, AXES[7]))

    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")

    assert len(catalogue) == 3
    assert catalogue.search(AXES[7:], 1)[0][0].score == pytest.approx(0)
    assert catalogue.near_duplicates(bits(b"\x33" * 32), bits(b"\x33" * 32), ["7" * 64]) == ()


def test_references_that_the_model_has_not_seen_are_reported(
    source: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    """After a change of model nothing would match, silently: the log says how many references have no embedding."""
    with caplog.at_level(logging.WARNING):
        catalogue = ReferenceCatalogue.build(source, "other@2", "exact")

    assert "3 of 3 active references match nothing: no embedding by other@2" in caplog.text
    assert catalogue.best_per_brand(AXES[:1], 3) == ()
    assert catalogue.near_duplicates(bits(b"\x0f" * 32), bits(b"\x0f" * 32), [FAR])[0].source_id == "r2"


BAD_VECTORS = pytest.mark.parametrize(
    ("vector", "fault"),
    [
        (2 * AXES[0], "has norm 2, not 1"),
        (np.full(8, np.nan, dtype=np.float32), "has norm nan, not 1"),
        (AXES[0, :4], "has 4 values and others 8"),
        (AXES[0, :0], "has 0 values and others 8"),
    ],
)


@BAD_VECTORS
def test_a_stored_vector_that_no_model_makes_stops_nothing(
    source: FakeSource, caplog: pytest.LogCaptureFixture, vector: NDArray[np.float32], fault: str
) -> None:
    """It is left out and named in the log; the reference's other views, and all other references, are searched."""
    source.put_reference(reference("r4"), views("r4", AXES[4], vector))

    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")

    assert f"1 embeddings by {MODEL} are LEFT OUT" in caplog.text
    assert f"embedding 1 of reference r4 {fault}. " in caplog.text
    assert catalogue.left_out == {"r4"}
    assert [one[0].reference_id for one in catalogue.search(AXES[[2, 4]], 1)] == ["r2", "r4"]


@BAD_VECTORS
def test_a_bad_vector_among_additions_holds_up_no_later_one(
    source: FakeSource, caplog: pytest.LogCaptureFixture, vector: NDArray[np.float32], fault: str
) -> None:
    """Renewals go on, each says in the log what it leaves out, and searches say nothing; once mended it is searched."""
    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")
    source.put_reference(reference("r4"), views("r4", vector))
    followed = catalogue.up_to_date(source)
    source.put_reference(reference("r5"), views("r5", AXES[5]))
    caplog.clear()

    followed = followed.up_to_date(source)
    found = followed.search(AXES[[5]], 1)

    assert found[0][0].reference_id == "r5"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert f"embedding 0 of reference r4 {fault}. " in caplog.text
    assert followed.left_out == {"r4"}
    assert followed.version == ReferenceCatalogue.build(source, MODEL, "exact").version
    source.put_reference(reference("r4"), views("r4", AXES[4]))
    mended = followed.up_to_date(source)
    assert mended.left_out == frozenset()
    assert mended.search(AXES[[4]], 1)[0][0].reference_id == "r4"


@pytest.mark.parametrize("embedding", [bytes(16), b"odd", AXES[0, :4].astype("<f2").tobytes()])
def test_a_removed_photo_with_a_bad_embedding_is_still_known_by_its_hash(
    source: FakeSource, caplog: pytest.LogCaptureFixture, embedding: bytes
) -> None:
    """What a removed photo looks like may be damaged, too: its listing is named, and its file is still recognised."""
    photo = RemovedImage(
        listing_id="l7", sha256="7" * 64, pdq=None, brand="Acme", embedding=embedding, fingerprint=MODEL
    )
    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")
    source.add_removed_image(photo)

    followed = catalogue.up_to_date(source)

    assert "the embedding of removed listing l7" in caplog.text
    assert followed.left_out == {"l7"}
    copies = followed.near_duplicates(bits(b"\x33" * 32), bits(b"\x33" * 32), ["7" * 64])
    assert [one.source_id for one in copies] == ["l7"]


def test_a_damaged_whole_view_is_not_replaced_by_another_view(source: FakeSource) -> None:
    """Pictures are recognised by their whole, the first view: without it a crop must not pass for it."""
    product = reference("r4", kind=ReferenceKind.PRODUCT, sha256="4" * 64, box=None)
    source.put_reference(product, views("r4", 2 * AXES[4], AXES[5]))

    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")

    assert "r4" not in [one.source_id for one in catalogue.lookalikes(AXES[[5]], most=4)]
    assert catalogue.search(AXES[[5]], 1, photos=1)[0][0].reference_id == "r4"


def test_the_version_follows_the_store_and_the_content(source: FakeSource) -> None:
    """Two catalogues have one version exactly when they hold the same, whatever searches them."""
    first = ReferenceCatalogue.build(source, MODEL, "exact")
    again = ReferenceCatalogue.build(source, MODEL, "faiss")
    source.put_brand(Brand(brand_id="acme", name="Acme Ltd"))
    renamed = ReferenceCatalogue.build(source, MODEL, "exact")

    assert first.version == again.version
    assert first.version.startswith("6-")
    assert renamed.version.startswith("7-")
    assert renamed.version.removeprefix("7") != first.version.removeprefix("6")


def test_an_unchanged_store_needs_no_new_catalogue(source: FakeSource) -> None:
    """Asked again about the same state, there is nothing to do."""
    assert ReferenceCatalogue.build(source, MODEL, "exact").renewed(source) is None


def test_a_removed_listing_is_recognised_without_reading_the_vectors_again(source: FakeSource) -> None:
    """Removals come often: the renewed catalogue is that of a whole build, on the index it had."""
    old = ReferenceCatalogue.build(source, MODEL, "exact")
    source.add_removed_image(RemovedImage(listing_id="l10", sha256="b" * 64, pdq=b"\x33" * 32, brand=""))

    new = old.renewed(source)

    assert new is not None
    assert new.version == ReferenceCatalogue.build(source, MODEL, "exact").version
    assert new.layers[0].tables is old.layers[0].tables
    assert {match.source_id for match in new.near_duplicates(bits(b"\x33" * 32), bits(b"\x33" * 32), [FAR])} == {"l10"}
    assert new.best_per_brand(AXES, 5) == old.best_per_brand(AXES, 5)


def test_a_new_reference_among_removals_is_found(source: FakeSource) -> None:
    """What came in between is found, and the version is that of a whole build."""
    old = ReferenceCatalogue.build(source, MODEL, "exact")
    source.add_removed_image(RemovedImage(listing_id="l10", sha256="b" * 64, pdq=None, brand=""))
    source.put_reference(reference("r4", "zoe"), views("r4", AXES[5]))

    new = old.renewed(source)

    assert new is not None
    assert new.search(AXES[5:6], 1)[0][0].reference_id == "r4"
    assert new.version == ReferenceCatalogue.build(source, MODEL, "exact").version


# --- snapshots -------------------------------------------------------------------------------------------------------


def test_a_missing_snapshot_is_built_and_then_used(source: FakeSource, tmp_path: Path) -> None:
    """The first start writes a snapshot; the second reads it and answers the same."""
    first = open_catalogue(source, tmp_path / "index", MODEL)
    path = current_snapshot(tmp_path / "index")
    second = open_catalogue(source, tmp_path / "index", MODEL)

    assert current_snapshot(tmp_path / "index") == path
    assert first.version == second.version
    assert first.best_per_brand(AXES, 5) == second.best_per_brand(AXES, 5)
    assert first.search(AXES, 5) == second.search(AXES, 5)


def test_a_snapshot_older_than_the_store_is_replaced(source: FakeSource, tmp_path: Path) -> None:
    """The store is the truth: what changed since the snapshot is found after the next start."""
    old = open_catalogue(source, tmp_path, MODEL, "exact")
    source.put_reference(reference("r4", "zoe"), views("r4", AXES[5]))

    new = open_catalogue(source, tmp_path, MODEL, "exact")

    assert new.version != old.version
    assert new.search(AXES[5:6], 1)[0][0].reference_id == "r4"
    path = current_snapshot(tmp_path)
    assert open_catalogue(source, tmp_path, MODEL, "exact").version == new.version
    assert current_snapshot(tmp_path) == path


def test_a_snapshot_of_another_model_is_replaced(
    source: FakeSource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a change of model the index is built of the store's embeddings by the new one, and the log says why."""
    open_catalogue(source, tmp_path, MODEL, "exact")

    with caplog.at_level(logging.WARNING):
        catalogue = open_catalogue(source, tmp_path, "other@2", "exact")

    assert f"holds vectors of model {MODEL}, but the model in use is other@2" in caplog.text
    assert catalogue.fingerprint == "other@2"
    assert catalogue.brand_count == 0


def test_a_damaged_snapshot_is_replaced(source: FakeSource, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The store is the truth, an index a cache: a damaged one is named in the log, and a sound one made."""
    before = open_catalogue(source, tmp_path, MODEL, "exact").version
    path = current_snapshot(tmp_path)
    assert path is not None
    (path / "brand_ids.npy").write_bytes(b"damaged")

    with caplog.at_level(logging.WARNING):
        mended = open_catalogue(source, tmp_path, MODEL, "exact")

    assert "brand_ids.npy does not digest" in caplog.text
    assert mended.version == before
    assert current_snapshot(tmp_path) != path
    assert open_catalogue(source, tmp_path, MODEL, "exact").version == before


@pytest.mark.parametrize("golden", ["snapshot_v1", "snapshot_v2"])
def test_a_snapshot_of_an_older_format_is_replaced(source: FakeSource, tmp_path: Path, golden: str) -> None:
    """A new release builds the index anew from the store; the old snapshot is not in its way."""
    shutil.copytree(GOLDEN / golden, tmp_path / "index")

    catalogue = open_catalogue(source, tmp_path / "index", "golden@00000001", "exact")

    assert catalogue.version == ReferenceCatalogue.build(source, "golden@00000001", "exact").version
    assert catalogue.snapshot is not None
    assert catalogue.snapshot.manifest.format_version == FORMAT_VERSION


def test_a_folder_that_cannot_be_written_leaves_the_index_in_memory(
    source: FakeSource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A replica without access to the snapshots starts all the same, and follows the store."""
    (tmp_path / "index").write_text("a file stands in the way", encoding="utf-8")

    with caplog.at_level(logging.WARNING):
        catalogue = open_catalogue(source, tmp_path / "index", MODEL, "exact")
    source.put_reference(reference("r4", "zoe"), views("r4", AXES[5]))
    renewed = catalogue.renewed(source)

    assert "The index is kept in memory" in caplog.text
    assert renewed is not None
    assert renewed.search(AXES[5:6], 1)[0][0].reference_id == "r4"


def test_while_another_process_builds_the_index_stands_in_memory(source: FakeSource, tmp_path: Path) -> None:
    """One process builds at a time, and nobody waits for it to start."""
    with building(tmp_path) as alone:
        catalogue = open_catalogue(source, tmp_path, MODEL, "exact")

    assert alone
    assert catalogue.snapshot is None
    assert current_snapshot(tmp_path) is None


def test_a_snapshot_newer_than_the_store_is_replaced(source: FakeSource, tmp_path: Path) -> None:
    """After a backup of the store was put back, the index is of what the store says."""
    source.put_reference(reference("r4", "zoe"), views("r4", AXES[5]))
    later = open_catalogue(source, tmp_path, MODEL, "exact")
    earlier = FakeSource()
    earlier.put_brand(Brand(brand_id="acme", name="Acme"))

    opened, renewed = open_catalogue(earlier, tmp_path, MODEL, "exact"), later.renewed(earlier)

    assert renewed is not None
    assert len(opened) == len(renewed) == 0
    assert opened.version == renewed.version


def test_the_store_itself_is_a_source(tmp_path: Path) -> None:
    """What goes into the real store comes out as a catalogue that finds it."""
    with Store.open(with_tables(tmp_path / "registry.db")) as store:
        store.put_brands([Brand(brand_id="acme", name="Acme")])
        logo = reference("r1", sha256="1" * 64, pdq=b"\x0f" * 32)
        store.add_references([(logo, views("r1", AXES[0], AXES[1])), (reference("r2"), views("r2", AXES[2]))])
        empty_handed = open_catalogue(store, tmp_path / "index", MODEL)
        store.set_reference_state("r2", ReferenceState.RETIRED)

        catalogue = open_catalogue(store, tmp_path / "index", MODEL)

    assert len(empty_handed) == 2
    assert len(catalogue) == 1
    assert [match.reference_id for match in catalogue.best_per_brand(AXES[1:3], 5)] == ["r1"]
    assert catalogue.near_duplicates(bits(b"\x0f" * 32), bits(bytes(32)), [FAR])[0].brand == "Acme"
