"""What a decision's dear parts cost, by pytest-benchmark: to compare two versions on one machine (docs/speed.md).

    pytest tests/bench/test_speed.py --benchmark-save before
    pytest tests/bench/test_speed.py --benchmark-compare

No figure here fails a test; in the gate they only show that all of it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from index.catalogue import ReferenceCatalogue
from index.stand_ins import columns_of
from reference_brands.seed import seed_brands
from serving.app import open_application
from serving.bench.networks import Networks, Seen
from serving.bench.workload import draw_photos
from serving.domain import Listing
from serving.settings import Settings
from vision.decode import decode

ROUNDS = 3
REFERENCES, DIM = 10_000, 256


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    """Four photos of 1,000 x 1,000."""
    return [photo.content for photo in draw_photos(4, seed_brands()[:4])]


@pytest.fixture(scope="module")
def photos(files: list[bytes]) -> list[NDArray[np.uint8]]:
    """Decode them."""
    return [decode(data).pixels for data in files]


def test_decode(benchmark: Any, files: list[bytes]) -> None:
    """A JPEG of 1,000 x 1,000 into pixels."""
    image = benchmark.pedantic(decode, (files[0],), rounds=ROUNDS, warmup_rounds=1)

    assert image.pixels.shape == (1_000, 1_000, 3)


@pytest.mark.parametrize("path", ["channels_last", "openvino"])
def test_forward(benchmark: Any, photos: Sequence[NDArray[np.uint8]], path: str) -> None:
    """Four photos with all their regions through finder and embedder, by one path."""
    networks = Networks.load(Settings().model_copy(update={"forward": path}))
    seen = Seen.by(networks.finder, photos)

    rows = benchmark.pedantic(seen.look, (networks,), rounds=ROUNDS, warmup_rounds=1)

    assert len(rows) == len(photos) + sum(map(len, seen.boxes))


def test_search(benchmark: Any) -> None:
    """The brands that four regions look like, among 10,000 references."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((REFERENCES, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    catalogue = ReferenceCatalogue.of(
        columns_of(vectors), fingerprint="m@1", store_version=1, store_mark="", backend="faiss"
    )

    matches = benchmark.pedantic(catalogue.best_per_brand, (vectors[:4], 5), rounds=ROUNDS, warmup_rounds=1)

    assert len(matches) == 5
    assert matches[0].similarity == pytest.approx(1.0, abs=1e-5)


def test_decision(benchmark: Any, files: list[bytes], tmp_path: Path) -> None:
    """One listing of one photo, without the networks: everything from its bytes to its verdict."""
    with open_application(Settings(data_dir=tmp_path, embedder="fake")) as application:
        listing = Listing(listing_id="a", images=(files[0],), title="A jacket")

        screening = benchmark.pedantic(application.pipeline.screen, (listing,), rounds=ROUNDS, warmup_rounds=1)

    assert screening.decision.listing_id == "a"
