"""A run's figures: the names that tools rely on, the ratios it is judged by, the table and the picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from reference_brands.seed import seed_brands
from serving.bench.chart import draw, write_picture
from serving.bench.figures import Figures, Forward, SearchFigures, Service
from serving.bench.table import tables
from serving.bench.timing import percentile
from serving.bench.workload import EDGE, draw_photos
from vision.decode import decode
from vision.measuring import gflop_of, matrix_product_gflops

CONTRACT = (
    *("device", "model", "gemm_peak_gflops", "model_gflop_per_image", "forward_img_s", "service_img_s", "naive_img_s"),
    *("service_over_forward", "service_over_naive", "p50_ms", "p99_ms", "decode_img_s", "search"),
)


def _search(*, decision_ms: float, share: float) -> SearchFigures:
    return SearchFigures(qps=900.0, recall_at_10=0.99, bytes=2**20, share=share, decision_ms=decision_ms)


FIGURES = Figures(
    device="a <fast> processor",
    model="m@1",
    repeats=5,
    gemm_peak_gflops=100.0,
    forward=Forward(model="m@1", path="openvino", img_s=40.0, batch_16_ms=400.0, eager_img_s=10.0, least_cosine=1.0),
    service=Service(img_s=30.0, p50_ms=100.0, p99_ms=1_000.0, failed=0),
    naive_img_s=20.0,
    decode_img_s=150.0,
    scan_listings_s=35.0,
    search={
        100_000: _search(decision_ms=110.0, share=0.2),
        10_000: _search(decision_ms=100.0, share=0.05),
    },
)


def test_a_run_has_the_names_of_the_contract() -> None:
    """Every name is there, whether it was measured or not, and sizes of indexes hold what the contract names."""
    full, empty = FIGURES.document(), Figures(device="d", model="m", repeats=1).document()

    assert set(CONTRACT) <= full.keys()
    assert full.keys() == empty.keys()
    assert {"qps", "recall_at_10", "bytes"} <= full["search"]["10000"].keys()
    assert empty["service_over_forward"] is None


def test_ratios_are_taken_the_right_way_round() -> None:
    """Each ratio is that of its words, and is held to its bar: at least, or at most."""
    ratios: dict[str, tuple[Any, ...]] = {each.name: (each.value, each.reached) for each in FIGURES.ratios()}

    assert ratios == {
        "service_over_forward": (pytest.approx(0.75), True),
        "service_over_naive": (pytest.approx(1.5), False),
        "p99_over_batch_16": (pytest.approx(2.5), True),
        "search_share": (pytest.approx(0.2), False),
        "forward_over_eager": (pytest.approx(4.0), True),
        "cost_growth": (pytest.approx(1.1), True),
    }


def test_a_run_against_a_service_leaves_the_rest_open() -> None:
    """Without a forward of its own there is nothing to hold against, and nothing is called short."""
    service = Service(img_s=30.0, p50_ms=1.0, p99_ms=2.0, failed=0)

    ratios = Figures(device="host:1", model="m", repeats=5, service=service).ratios()

    assert all(each.value is None and each.reached is None for each in ratios)


def test_the_table_says_what_was_and_was_not_measured() -> None:
    """People read figures with units, a dash where there is none, and which ratios fall short."""
    console = Console(record=True, width=120)
    for table in tables(FIGURES):
        console.print(table)

    said = console.export_text()

    assert "40.0 images/s" in said
    assert "100,000" in said
    assert "short" in said
    assert re.search(r"service, peak memory\s+│\s+- │", said)


def test_the_picture_escapes_what_it_is_told(tmp_path: Path) -> None:
    """A device's name stands in the drawing as text; a PNG is rendered without the system's fonts."""
    assert "a &lt;fast&gt; processor" in draw(FIGURES)

    write_picture(tmp_path / "run.png", FIGURES)
    write_picture(tmp_path / "run.svg", FIGURES)

    assert Image.open(tmp_path / "run.png").width == 2_000
    assert (tmp_path / "run.svg").read_text().startswith("<svg")


def test_three_photos_of_ten_show_a_mark() -> None:
    """Photos are JPEGs of 1,000 x 1,000, the same bytes for the same seed; three of ten name the brand they show."""
    brands = seed_brands()[:3]

    photos = draw_photos(10, brands)

    assert sum(bool(photo.brand_id) for photo in photos) == 3
    assert {photo.brand_id for photo in photos} <= {"", *(brand.brand_id for brand in brands)}
    image = decode(photos[0].content)
    assert (image.format, image.width, image.height) == ("JPEG", EDGE, EDGE)
    assert draw_photos(1, brands)[0].content == photos[0].content
    assert len({photo.content for photo in photos}) == 10


def test_percentiles_are_values_that_were_measured() -> None:
    """The 99th of a hundred is the second largest, that of few the largest."""
    assert percentile([float(number) for number in range(1, 101)], 0.99) == 99.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_yardsticks_count_operations() -> None:
    """A product of two 64 x 64 matrices is 2 * 64^3 operations, and a processor does some in a second."""
    import torch

    square = torch.ones(64, 64)

    assert gflop_of(lambda: square @ square) == pytest.approx(2 * 64**3 / 1e9)
    assert matrix_product_gflops("cpu") > 0
