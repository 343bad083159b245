"""Which references are held back, and do predicted rates come true? The figures of docs/preview.md.

    python -m training.measure_breadth

Assesses every mark of the seed catalogue against all the others, and altered copies of some as another brand's; then
compares the rates predicted from the background that ships with what held-out photos show.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from index.breadth import MILLION, false_matches_per_million
from index.catalogue import ReferenceCatalogue
from index.fake_source import FakeSource
from index.manifest import ListingRow, read_listings, read_references
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind, ReferenceState
from reference_brands.seed import SeedMark, seed_marks
from serving.app import load_calibration, load_embedder, load_finder
from serving.assessing import CatalogueAssessor
from serving.background_making import make_background, photos_of
from serving.batching import BatchingEmbedder
from serving.cli.common import progress
from serving.scoping import Assessment
from serving.settings import Settings
from vision.background import Background
from vision.decode import decode
from vision.regions import middle

Vectors = NDArray[np.float32]
Pixels = NDArray[np.uint8]

HELD_OUT = {"clothing": 372, "grocery": 248}
COPIED = 200  # marks of which altered copies are made
_SEED = 0
THRESHOLDS = (0.65, 0.7, 0.75, 0.8, 0.82, 0.84, 0.86)
# Up to here a reference's rate is said to be so high, of a million.
RATES = (0.01, 0.1, 1.0, 10.0, 30.0, 100.0)


def altered(picture: Pixels) -> Iterator[tuple[str, Pixels]]:
    """Alter a mark as somebody would who uploads another brand's."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    _, code = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 30])
    yield "half the size, JPEG quality 30", np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 1)
    yield "turned by 5 degrees", _uint8(cv2.warpAffine(picture, turn, (width, height), borderValue=(255, 255, 255)))
    yield "squeezed by a fifth", _uint8(cv2.resize(picture, (width, height * 4 // 5)))
    ink = np.random.default_rng(_SEED).integers(0, 200, 3)
    yield "in another colour", (picture / 255 * (255 - ink) + ink).astype(np.uint8)
    edge = width // 5
    yield "with a margin of a fifth", np.pad(picture, ((edge, edge), (edge, edge), (0, 0)), constant_values=255)


def assess_marks(assessor: CatalogueAssessor, views: Mapping[str, tuple[str, Vectors]]) -> dict[str, Assessment]:
    """Assess each mark as its brand's, by name."""
    return {name: assessor.assess(brand, rows, marks=True) for name, (brand, rows) in views.items()}


def embed_marks(marks: list[SeedMark], embedder: BatchingEmbedder) -> dict[str, tuple[str, Vectors]]:
    """Embed the marks' renderings: by mark its brand's id and float32 [views, dim]."""
    return {
        mark.mark_id: (mark.brand.brand_id, embedder.embed_marks(list(mark.renderings)))
        for mark in progress(marks, what="embedding marks")
    }


def catalogue_of(
    marks: list[SeedMark], views: Mapping[str, tuple[str, Vectors]], fingerprint: str
) -> ReferenceCatalogue:
    """Put the marks into a catalogue."""
    source = FakeSource()
    for mark in marks:
        brand_id, rows = views[mark.mark_id]
        source.put_brand(Brand(brand_id=brand_id, name=mark.brand.name))
        reference = Reference(
            reference_id=mark.mark_id, brand_id=brand_id, kind=ReferenceKind(mark.kind), image_sha256="0" * 64
        )
        source.put_reference(
            reference,
            [
                ReferenceEmbedding(reference_id=mark.mark_id, variant=place, fingerprint=fingerprint, vector=row)
                for place, row in enumerate(rows)
            ],
        )
    return ReferenceCatalogue.build(source, fingerprint)


def report_marks(found: Mapping[str, Assessment]) -> None:
    """Say how many marks are held back and why, and name the worst."""
    held = {name: each for name, each in found.items() if each.state is ReferenceState.QUARANTINED}
    causes = Counter(
        cause
        for each in held.values()
        for cause, words in (("too broad", "would match"), ("a shape", "which goods"), ("collides", "a picture of"))
        if words in each.reason
    )
    click.echo(f"marks held back: {len(held)} of {len(found)} ({len(held) / len(found):.2%}): {dict(causes)}")
    rates = np.array([each.scope.false_matches_per_million for each in found.values()])
    click.echo(f"expected false matches in a million: mean {rates.mean():.2f}, median {np.median(rates):.4f}")
    for most in RATES:
        click.echo(f"  up to {most:g}: {np.mean(rates <= most):.2%} of the marks")
    for name, each in sorted(held.items(), key=lambda item: item[1].reason):
        click.echo(f"  {name}: {each.reason}")


def report_rates(title: str, references: list[Vectors], near: Background, far: Background, *, marks: bool) -> None:
    """Compare what one background predicts with what another one shows, for all references together."""
    click.echo(f"{title}: {len(references)} references, {len(near)} photos, {len(far)} held out")
    known = [near.similarities(rows, marks=marks) for rows in references]
    strange = np.stack([far.similarities(rows, marks=marks) for rows in references])
    for at_least in THRESHOLDS:
        predicted = np.mean([false_matches_per_million(each, at_least) for each in known])
        seen = strange >= at_least
        click.echo(
            f"  at {at_least:.2f}: predicted {predicted:9.2f} of a million, observed {seen.mean() * MILLION:9.2f} "
            f"({seen.sum()} matches)"
        )


def report_copies(marks: list[SeedMark], assessor: CatalogueAssessor, embedder: BatchingEmbedder) -> None:
    """Say how many altered copies are found out when another brand sends them."""
    caught: Counter[str] = Counter()
    picked = np.random.default_rng(_SEED).permutation(len(marks))[:COPIED]
    for place in progress(picked, what="copying marks"):
        for name, picture in altered(marks[place].renderings[0]):
            found = assessor.assess("another-brand", embedder.embed_marks([picture]), marks=True)
            caught[name] += any(each.reference_id == marks[place].mark_id for each in found.collisions)
    for name, count in caught.items():
        click.echo(f"copies {name}: {count / len(picked):.1%} collide with the original")


def report_speed(assessor: CatalogueAssessor, references: list[Vectors], catalogue: ReferenceCatalogue) -> None:
    """Time single assessments."""
    spent = []
    for rows in references[:300]:
        start = time.perf_counter()
        assessor.assess("another-brand", rows, marks=True)
        spent.append((time.perf_counter() - start) * 1_000)
    low, high = np.quantile(spent, [0.5, 0.99])
    click.echo(f"one assessment among {len(catalogue)} references: {low:.1f} ms (median), {high:.1f} ms (p99)")


def report_products(data: Path, assessor: CatalogueAssessor, embedder: BatchingEmbedder, far: Background) -> None:
    """Assess clean product pictures, and sellers' photos of clothes, as products."""
    iconic = [row.image for row in read_references(data / "grocery" / "iconic_references.jsonl")]
    worn = [row.images[0] for row in read_listings(data / "clothing" / "validation.jsonl")]
    for title, paths in (("clean product pictures", iconic), ("sellers' photos of clothes", worn)):
        pictures = [middle(decode(path.read_bytes()).pixels) for path in progress(paths, what=title)]
        rows = [embedder.embed([picture]) for picture in pictures]
        found = [assessor.assess("a-brand", each, marks=False) for each in rows]
        held = sum(each.state is ReferenceState.QUARANTINED for each in found)
        click.echo(f"{title} held back as products: {held} of {len(found)}")
        assert assessor.background is not None
        report_rates(title, rows, assessor.background, far, marks=False)


def held_out(data: Path) -> Iterator[ListingRow]:
    """Draw photos that are not in the background."""
    for name, count in HELD_OUT.items():
        rows = list(read_listings(data / name / "test.jsonl"))
        for place in np.random.default_rng(_SEED).permutation(len(rows))[:count]:
            yield rows[place]


def _uint8(values: NDArray[np.generic]) -> Pixels:
    return np.asarray(values, np.uint8)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the data sets.")
def main(data: Path | None) -> None:
    """Measure on the seed catalogue and photos held out. About ten minutes on two cores."""
    source = data or Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))
    settings = Settings()
    marks = list(seed_marks(everything=True, earlier=False))
    with BatchingEmbedder(load_embedder(settings), load_finder(settings)) as embedder:
        far = make_background(photos_of(progress(list(held_out(source)), what="held out")), embedder, source="held out")
        views = embed_marks(marks, embedder)
        catalogue = catalogue_of(marks, views, embedder.fingerprint)
        assessor = CatalogueAssessor.of(settings, lambda: catalogue, load_calibration(embedder.fingerprint))
        assert assessor.background is not None
        references = [rows for _, rows in views.values()]
        report_marks(assess_marks(assessor, views))
        report_rates("marks", references, assessor.background, far, marks=True)
        report_copies(marks, assessor, embedder)
        report_products(source, assessor, embedder, far)
        report_speed(assessor, references, catalogue)


if __name__ == "__main__":
    main()
