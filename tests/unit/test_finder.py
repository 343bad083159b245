"""Finding marks: the network's maps, the boxes read off them, and the shipped weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reference_brands.render import paint
from reference_brands.seed import seed_marks
from vision.errors import CheckpointError
from vision.finder import FINDER, MOST, GridFinder, MarkFinder, load_finder
from vision.finder_network import STRIDE, boxes_of
from vision.regions import WHOLE_IMAGE, Box


@pytest.fixture(scope="module")
def finder() -> MarkFinder:
    """Load the finder that ships."""
    return load_finder()


def poster(left: int, top: int, edge: int) -> NDArray[np.uint8]:
    """Hang a mark on a grey wall of 300 x 400 pixels: uint8 [300, 400, 3]."""
    mark = next(iter(seed_marks(["puma"])))
    wall = np.full((300, 400, 3), 150, np.uint8)
    drawn = cv2.resize(mark.renderings[0][..., 0], (edge, edge), interpolation=cv2.INTER_AREA)
    mask = np.asarray(255 - drawn, np.uint8)
    wall[top : top + edge, left : left + edge] = paint(mask, ink=(20, 20, 60), paper=(150, 150, 150))
    return wall


def test_the_grid_looks_everywhere() -> None:
    """Without a network, windows reach all corners, none comes twice, and it costs nothing."""
    grid = GridFinder()

    (regions,) = grid.find([np.zeros((10, 20, 3), np.uint8)])

    boxes = [region.box for region in regions]
    assert len(set(boxes)) == len(boxes) == 20
    assert (min(box.x1 for box in boxes), min(box.y1 for box in boxes)) == (0, 0)
    assert max(box.x2 for box in boxes) == pytest.approx(1)
    assert max(box.y2 for box in boxes) == pytest.approx(1)
    assert grid.forwards == 0


@pytest.mark.parametrize(("left", "top", "edge"), [(40, 30, 90), (250, 160, 70), (90, 40, 220)])
def test_a_mark_on_a_wall_is_found(finder: MarkFinder, left: int, top: int, edge: int) -> None:
    """One of the few boxes lies on the mark, whatever the mark's place and size, and the likeliest goes first."""
    photo = poster(left, top, edge)
    rows, columns = np.nonzero((photo != 150).any(axis=2))
    truth = Box(columns.min() / 400, rows.min() / 300, (columns.max() + 1) / 400, (rows.max() + 1) / 300)

    (regions,) = finder.find([photo])

    *boxes, whole = regions
    assert max(region.box.iou(truth) for region in boxes) > 0.4
    assert regions[0].confidence == max(region.confidence for region in regions)
    assert all(region.source == "mark" for region in boxes)
    assert (whole.source, whole.box, whole.confidence) == ("whole", WHOLE_IMAGE, 0)


def test_a_photo_has_at_most_so_many_regions_and_its_neighbours_do_not_matter(finder: MarkFinder) -> None:
    """Photos of any sizes travel together, each has its own few regions, and each pass is counted."""
    photos = [poster(40, 30, 90), np.zeros((1, 1, 3), np.uint8), poster(250, 160, 70)]
    before = finder.forwards

    together = finder.find(photos)

    assert finder.forwards - before == pytest.approx(3 * 347_624_032 / 383_907_552, rel=1e-3)
    assert all(1 <= len(regions) <= MOST + 1 for regions in together)
    alone = finder.find(photos[2:])[0]
    assert together[2][0].box.iou(alone[0].box) > 0.99
    assert finder.find([]) == []


def test_sides_become_boxes_around_their_place() -> None:
    """A place's distances to the four sides are pixels from the middle of its cell."""
    sides = torch.zeros(1, 4, 2, 3)
    sides[0, :, 1, 2] = torch.tensor([5.0, 6.0, 7.0, 8.0])

    boxes = boxes_of(sides)

    x, y = 2.5 * STRIDE, 1.5 * STRIDE
    assert boxes[0, :, 1, 2].tolist() == [x - 5, y - 6, x + 7, y + 8]


def test_weights_that_are_not_the_manifests_are_refused(tmp_path: Path) -> None:
    """A flipped byte, a missing file and a manifest of another format each say what to do."""
    folder = tmp_path / "finder"
    shutil.copytree(FINDER, folder)
    weights = folder / "finder.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1

    weights.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"not the file that finder\.json names: restore"):
        load_finder(folder)

    weights.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_finder(folder)

    manifest = json.loads((folder / "finder.json").read_text())
    (folder / "finder.json").write_text(json.dumps(manifest | {"format_version": 9}))
    with pytest.raises(CheckpointError, match="must have format_version 1"):
        load_finder(folder)
