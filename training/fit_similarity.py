"""What does a cosine of this model mean? Fits the curve of `vision.calibration` on photos with and without a mark.

    python -m training.fit_similarity            # writes vision/models/touchstone-s/similarity.json

Half of the photos (clothing and grocery, their train splits: CC0 and MIT) get a mark of the seed catalogue printed on
them, half stay as they are. Each is searched as the service searches it; the curve is the probability that the best
match names the mark that is there. Run it again after the model or its regions change.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.manifest import read_listings
from reference_brands.render import Colour, render, tight_mask
from reference_brands.seed import SeedMark, seed_marks
from serving.app import Application, open_application
from serving.cli.common import progress
from serving.registry import add_references, seed_references
from serving.settings import Settings
from vision.calibration import SimilarityCalibration
from vision.checkpoint import model_folder
from vision.decode import decode

PHOTOS = ("clothing/train.jsonl", "grocery/train.jsonl")
# A mark's edge as a share of the photo's shorter edge: about 3% to 30% of its area.
SHARES = (0.2, 0.6)
_INKS: tuple[Colour, ...] = ((15, 15, 18), (245, 245, 242), (180, 25, 35), (25, 50, 140))


@dataclass(frozen=True)
class Trial:
    """One photo searched: the best match's cosine, and whether it names the mark that was printed on it."""

    similarity: float
    right: bool


def fit(trials: Sequence[Trial], *, fingerprint: str) -> SimilarityCalibration:
    """Fit the logistic curve by maximum likelihood. Raises ValueError unless both outcomes occur."""
    from sklearn.linear_model import LogisticRegression

    similarity = np.array([[trial.similarity] for trial in trials])
    right = np.array([trial.right for trial in trials])
    # Unregularised: one slope on hundreds of trials needs no prior, and a prior would flatten the curve.
    model = LogisticRegression(C=np.inf).fit(similarity, right)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise ValueError("right matches are no more similar than wrong ones: this model cannot tell the marks apart")
    return SimilarityCalibration(fingerprint=fingerprint, midpoint=-intercept / slope, scale=1 / slope)


def run_trials(application: Application, photos: Iterable[Path], *, seed: int) -> Iterator[Trial]:
    """Search each photo, every second one with a mark printed on it."""
    random = np.random.default_rng(seed)
    marks = list(seed_marks())
    add_references(application.store, application.embedder, seed_references(marks))
    application.knowledge.refresh()
    for number, path in enumerate(photos):
        pixels = decode(path.read_bytes()).pixels
        mark = marks[random.integers(len(marks))] if number % 2 else None
        shown = print_mark(pixels, mark, random) if mark else pixels
        _, matches, _ = application.pipeline.search_image(_jpeg(shown), most=1)
        if matches:
            yield Trial(matches[0].similarity, mark is not None and matches[0].brand_id == mark.brand.brand_id)


def print_mark(pixels: NDArray[np.uint8], mark: SeedMark, random: np.random.Generator) -> NDArray[np.uint8]:
    """Print a mark somewhere on a photo, uint8 [H, W, 3], in an ink that contrasts with what is below it."""
    height, width = pixels.shape[:2]
    edge = round(min(height, width) * random.uniform(*SHARES))
    mask = tight_mask(render(mark.svg, longest_edge=edge), edge=edge, margin=0.0)
    turned = Image.fromarray(mask).rotate(random.uniform(-25, 25), Image.Resampling.BICUBIC)
    coverage = np.asarray(turned, np.float32)[..., None] / 255 * 0.95
    top, left = random.integers(height - edge + 1), random.integers(width - edge + 1)
    printed = pixels.astype(np.float32)
    ground = printed[top : top + edge, left : left + edge]
    inks = np.asarray(_INKS, np.float32)
    ink = inks[np.abs(inks.mean(axis=1) - ground.mean()).argsort()[-random.integers(1, 3)]]
    # The ink takes on the light and shade of the ground, as print does.
    shade = np.clip(ground.mean(axis=2, keepdims=True) / max(float(ground.mean()), 1.0), 0.6, 1.3)
    printed[top : top + edge, left : left + edge] = ground * (1 - coverage) + ink * shade * coverage
    return np.clip(printed, 0, 255).astype(np.uint8)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def main() -> None:
    """Fit and write the curve of the shipped model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))
    listed = [row.images[0] for name in PHOTOS for row in read_listings(data / name)]
    chosen = np.random.default_rng(arguments.seed).permutation(len(listed))[: arguments.photos]
    with tempfile.TemporaryDirectory() as folder, open_application(Settings(data_dir=Path(folder))) as application:
        photos = progress([listed[place] for place in chosen], what="searching", total=len(chosen))
        trials = list(run_trials(application, photos, seed=arguments.seed))
        calibration = fit(trials, fingerprint=application.embedder.fingerprint)
    target = model_folder(calibration.fingerprint) / "similarity.json"
    calibration.save(target)
    printed = trials[1::2]
    found = sum(trial.right for trial in printed) / len(printed)
    print(f"{target}: midpoint {calibration.midpoint:.4f}, scale {calibration.scale:.4f}; {found:.1%} of marks named")


if __name__ == "__main__":
    main()
