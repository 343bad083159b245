"""Pictures on record that a photo resembles are proposed: removed ones and references, each source for itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from index.catalogue import ReferenceCatalogue
from index.decision_records import RemovedImage
from index.fake_source import FakeSource
from index.records import Brand, DuplicateSource, Reference, ReferenceEmbedding, ReferenceKind
from vision.regions import Box

MODEL = "model@1"
AXES = np.eye(6, dtype=np.float32)


def toward(axis: int, share: float) -> NDArray[np.float32]:
    """Make a unit vector whose cosine with an axis is `share`; the rest points along the last axis."""
    vector: NDArray[np.float32] = share * AXES[axis] + np.sqrt(np.float32(1 - share**2)) * AXES[-1]
    return vector


def removed(listing: str, vector: NDArray[np.float32] | None, *, fingerprint: str = MODEL) -> RemovedImage:
    """Make a photo of a removed listing, named by its listing."""
    embedding = None if vector is None else vector.astype("<f2").tobytes()
    sha256 = listing.encode().hex().rjust(64, "0")
    return RemovedImage(
        listing_id=listing, sha256=sha256, pdq=bytes(32), brand="", embedding=embedding, fingerprint=fingerprint
    )


def registry(*images: RemovedImage, references: Sequence[tuple[str, ReferenceKind, Box | None]] = ()) -> FakeSource:
    """Fill a registry with removed photos, and references that all look along the first axis."""
    source = FakeSource()
    source.put_brand(Brand(brand_id="acme", name="Acme"))
    for name, kind, box in references:
        reference = Reference(reference_id=name, brand_id="acme", kind=kind, image_sha256="1" * 64, box=box)
        source.put_reference(
            reference, [ReferenceEmbedding(reference_id=name, variant=0, fingerprint=MODEL, vector=AXES[0])]
        )
    for image in images:
        source.add_removed_image(image)
    return source


def found(catalogue: ReferenceCatalogue, vector: NDArray[np.float32], most: int = 8) -> list[str]:
    """Name what one photo resembles, most first."""
    return [one.source_id for one in catalogue.lookalikes(vector[None], most=most)]


@pytest.mark.parametrize("backend", ["exact", "faiss"])
def test_the_most_similar_come_first(backend: str) -> None:
    """Of the photos that this model has embedded the nearest are given, in order, with what identifies them."""
    source = registry(
        removed("far", toward(0, 0.2)), removed("near", toward(0, 0.9)), removed("nearer", toward(0, 0.95)),
        removed("other model", AXES[0], fingerprint="model@2"), removed("before", None),
    )  # fmt: skip

    catalogue = ReferenceCatalogue.build(source, MODEL, backend)

    assert found(catalogue, AXES[0], most=2) == ["nearer", "near"]
    (first, *_) = catalogue.lookalikes(AXES[[1, 0]], most=1)[-1:]
    assert (first.image_row, first.source) == (1, DuplicateSource.REMOVED_LISTING)
    assert first.sha256 == removed("nearer", None).sha256
    assert first.similarity == pytest.approx(0.95, abs=1e-3)
    assert first.pdq == bytes(32)


def test_each_source_has_its_own_places() -> None:
    """Removed listings do not crowd out a known counterfeit, and marks are no photos that could be copied."""
    references = [
        ("fake", ReferenceKind.COUNTERFEIT, None), ("official", ReferenceKind.PRODUCT, None),
        ("logo", ReferenceKind.LOGO, None), ("boxed", ReferenceKind.EXAMPLE, Box(0, 0, 0.5, 0.5)),
    ]  # fmt: skip
    source = registry(*(removed(f"l{number}", AXES[0]) for number in range(5)), references=references)

    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")

    assert sorted(found(catalogue, AXES[0], most=1)) == ["fake", "l0", "official"]


def test_photos_removed_later_are_found_after_a_renewal() -> None:
    """The first embedded photo gives the vectors their length; those before it stay unknown."""
    source = registry(removed("before", None))
    first = ReferenceCatalogue.build(source, MODEL, "exact")
    source.add_removed_image(removed("later", AXES[2]))

    second = first.renewed(source)

    assert found(first, AXES[2]) == []
    assert second is not None
    assert found(second, AXES[2]) == ["later"]


def test_an_embedding_of_another_length_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    """A photo whose embedding is not what the model makes matches nothing; the others are searched."""
    source = registry(removed("a", AXES[0]), removed("b", AXES[0][:3]))

    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")

    assert found(catalogue, AXES[0]) == ["a"]
    assert "removed listing b" in caplog.text
    assert "has 3 values and others 6" in caplog.text
