"""A catalogue that followed the store change by change is, in every answer, the one that is built of it at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index import catalogue as catalogue_module
from index.catalogue import ReferenceCatalogue
from index.decision_records import RemovedImage
from index.fake_source import FakeSource
from index.opening import build_catalogue, catalogue_of, changes_until_due, is_due
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind, ReferenceState
from index.snapshot import load_snapshot
from vision.hashing import as_matrix
from vision.regions import WHOLE_IMAGE

MODEL = "model@1"
Stored = tuple[Reference, tuple[ReferenceEmbedding, ...]]
DIM = 6
# Few directions and hashes, so that equal ones are common: of equals the order must be right, too.
DIRECTIONS = np.random.default_rng(0).standard_normal((12, DIM)).astype(np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
HASHES = [bytes(32), b"\x01" + bytes(31), b"\x0f" * 32, b"\xf0" * 32, None]

few = st.integers(0, 7)
add_or_replace = st.tuples(
    st.just("reference"),
    few,
    st.integers(0, 3),
    st.sampled_from(list(ReferenceKind)),
    st.sampled_from([ReferenceState.ACTIVE, ReferenceState.ACTIVE, ReferenceState.RETIRED, ReferenceState.QUARANTINED]),
    st.lists(st.integers(0, len(DIRECTIONS) - 1), max_size=3),
    st.sampled_from(HASHES),
    st.booleans(),
)
name_brand = st.tuples(st.just("brand"), st.integers(0, 3), st.sampled_from(["Acme", "Zoë", "Ångström & Co"]))
remove_listing = st.tuples(
    st.just("removal"), few, st.sampled_from(HASHES), st.one_of(st.none(), st.integers(0, len(DIRECTIONS) - 1))
)
forget_listing = st.tuples(st.just("forgotten"), few)
renew = st.tuples(st.just("renew"))
steps = st.lists(
    st.one_of(add_or_replace, add_or_replace, name_brand, remove_listing, forget_listing, renew), max_size=40
)


def registry() -> FakeSource:
    """Make a registry of four brands and nothing else."""
    source = FakeSource()
    for number in range(4):
        source.put_brand(Brand(brand_id=f"b{number}", name=f"Brand {number}"))
    return source


def apply(source: FakeSource, step: tuple[object, ...]) -> None:
    """Make one change."""
    match step:
        case (
            "reference",
            int(number),
            int(brand),
            ReferenceKind() as kind,
            ReferenceState() as state,
            list(rows),
            pdq,
            boxed,
        ):
            name = f"r{number}"
            reference = Reference(
                reference_id=name, brand_id=f"b{brand}", kind=kind, image_sha256=f"{number:064x}", state=state,
                pdq=pdq if isinstance(pdq, bytes) else None, box=WHOLE_IMAGE if boxed else None,
            )  # fmt: skip
            views = [
                ReferenceEmbedding(reference_id=name, variant=place, fingerprint=MODEL, vector=DIRECTIONS[row])
                for place, row in enumerate(rows)
            ]
            source.put_reference(reference, views)
        case ("brand", int(number), str(name)):
            source.put_brand(Brand(brand_id=f"b{number}", name=name))
        case ("removal", int(number), pdq, row):
            embedding = DIRECTIONS[row].astype("<f2").tobytes() if isinstance(row, int) else None
            image = RemovedImage(
                listing_id=f"l{number}", sha256=f"{source.version():064x}", brand="Acme", embedding=embedding,
                pdq=pdq if isinstance(pdq, bytes) else None, fingerprint=MODEL,
            )  # fmt: skip
            source.add_removed_image(image)
        case ("forgotten", int(number)):
            source.forget_listing(f"l{number}")


def answers(catalogue: ReferenceCatalogue) -> list[object]:
    """Ask a catalogue everything that it can be asked."""
    blurred = DIRECTIONS[:4] + 0.2 * DIRECTIONS[4:8]
    regions: NDArray[np.float32] = np.concatenate(
        [DIRECTIONS, blurred / np.linalg.norm(blurred, axis=1, keepdims=True)]
    ).astype(np.float32)
    bits = as_matrix([bytes(32), b"\x0f" * 32, b"\x33" * 32])
    mirrored = as_matrix([b"\x33" * 32, b"\xf0" * 32, b"\x33" * 32])
    return [
        catalogue.version,
        len(catalogue),
        catalogue.brand_count,
        *(catalogue.search(regions, k, photos=4) for k in (1, 3, 30)),
        *(catalogue.best_per_brand(regions, most, photos=photos) for most in (1, 5) for photos in (0, 4, 16)),
        *(catalogue.match_of(f"b{number}", regions, photos=4) for number in range(5)),
        catalogue.near_duplicates(bits, mirrored, [f"{number:064x}" for number in (1, 2, 99)]),
        catalogue.near_duplicates(bits, mirrored, ["0" * 64] * 3, max_distance=300),
        *(catalogue.lookalikes(regions[:3], most=most) for most in (1, 4)),
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=steps, after=steps, layer_size=st.sampled_from([1, 3, 1000]))
def test_following_is_rebuilding(
    before: list[tuple[object, ...]], after: list[tuple[object, ...]], layer_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is added, replaced, retired, renamed, removed or forgotten, and however often it is looked for."""
    monkeypatch.setattr(catalogue_module, "_LAYER_SIZE", layer_size)
    source = registry()
    for step in before:
        apply(source, step)
    followed = ReferenceCatalogue.build(source, MODEL, "exact")
    for step in after:
        apply(source, step)
        if step == ("renew",):
            followed = followed.up_to_date(source)
    followed = followed.up_to_date(source)

    assert answers(followed) == answers(ReferenceCatalogue.build(source, MODEL, "exact"))


@settings(max_examples=20, deadline=None)
@given(before=steps, between=steps, after=steps)
def test_a_new_base_is_brought_up_to_date(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[object, ...]],
    between: list[tuple[object, ...]],
    after: list[tuple[object, ...]],
) -> None:
    """A replica that takes up the snapshot of a builder answers as one that never saw it."""
    source = registry()
    for step in before:
        apply(source, step)
    followed = ReferenceCatalogue.build(source, MODEL, "exact")
    for step in between:
        apply(source, step)
    built = build_catalogue(source, tmp_path_factory.mktemp("index"), MODEL, "exact")
    for step in after:
        apply(source, step)
    assert built.snapshot is not None
    reopened = catalogue_of(load_snapshot(built.snapshot.path, fingerprint=MODEL), "exact")

    swapped, stayed = reopened.up_to_date(source), followed.up_to_date(source)

    assert answers(swapped) == answers(stayed)


def many(count: int) -> FakeSource:
    """Make a registry of references that look along the first direction, one less than the other."""
    source = registry()
    for number in range(count):
        step = ("reference", number, number % 4, ReferenceKind.LOGO, ReferenceState.ACTIVE, [number % 12], None, False)
        apply(source, step)
    return source


def test_a_brand_that_withdraws_all_it_has_hides_nobody_else() -> None:
    """Hundreds of masked references in front of the others are passed over, with either backend."""
    for backend in ("exact", "faiss"):
        source = registry()
        for number in range(300):
            apply(source, ("reference", number, 0, ReferenceKind.LOGO, ReferenceState.ACTIVE, [0], None, False))
        apply(source, ("reference", 999, 1, ReferenceKind.LOGO, ReferenceState.ACTIVE, [1], None, False))
        catalogue = ReferenceCatalogue.build(source, MODEL, backend)
        for number in range(300):
            apply(source, ("reference", number, 0, ReferenceKind.LOGO, ReferenceState.RETIRED, [0], None, False))

        renewed = catalogue.renewed(source)

        assert renewed is not None
        assert [hit.reference_id for hit in renewed.search(DIRECTIONS[:1], 3)[0]] == ["r999"]
        assert [match.brand_id for match in renewed.best_per_brand(DIRECTIONS[:1], 3)] == ["b1"]


def test_only_what_changed_is_read() -> None:
    """A renewal reads one reference, not all of them."""
    source = _Counting()
    for number in range(50):
        apply(source, ("reference", number, 0, ReferenceKind.LOGO, ReferenceState.ACTIVE, [0], None, False))
    source.put_brand(Brand(brand_id="b0", name="Acme"))
    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")
    apply(source, ("reference", 7, 0, ReferenceKind.LOGO, ReferenceState.RETIRED, [0], None, False))
    source.read = 0

    renewed = catalogue.renewed(source)

    assert renewed is not None
    assert len(renewed) == 49
    assert source.read == 1


def test_a_new_base_is_due_after_enough_changes(tmp_path: Path) -> None:
    """Few changes are kept in memory; when a twentieth of many references has changed, a new base pays."""
    source = many(2)
    catalogue = build_catalogue(source, tmp_path, MODEL, "exact")

    assert [changes_until_due(references) for references in (0, 5_000, 100_000, 10**6)] == [1_000, 1_000, 5_000, 10_000]
    assert not is_due(catalogue, catalogue.base_version + 1_000)
    assert is_due(catalogue, catalogue.base_version + 1_001)
    assert is_due(catalogue, catalogue.base_version - 1)


class _Counting(FakeSource):
    """A registry that counts how many references are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0
        self.put_brand(Brand(brand_id="b0", name="Brand 0"))

    def iter_references(self, fingerprint: str) -> Iterator[Stored]:
        for one in super().iter_references(fingerprint):
            self.read += 1
            yield one

    def references_by_id(self, reference_ids: Collection[str], fingerprint: str) -> Iterator[Stored]:
        for one in super().references_by_id(reference_ids, fingerprint):
            self.read += 1
            yield one
