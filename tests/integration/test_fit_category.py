"""The category head is fitted from labelled photos, and the file that it writes answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from training.category_rows import as_products
from training.fit_category import fit_category
from vision.category_head import MANIFEST, CategoryHead
from vision.fake import FakeEmbedder

GOODS = {
    "clothing": {"dress": (200, 40, 40), "hat": (40, 40, 200)},
    "grocery": {"Milk": (230, 230, 90), "Apple": (40, 180, 60)},
}


def _photo(colour: tuple[int, int, int], seed: int) -> Image.Image:
    """Paint a box on a noisy floor: a product that can be cut out."""
    noise = np.random.default_rng(seed).integers(-10, 10, (96, 72, 3))
    photo = np.full((96, 72, 3), (120, 90, 60)) + noise
    photo[20:76, 20:52] = np.array(colour) + noise[20:76, 20:52]
    return Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))


def _data(folder: Path, *, count: int) -> Path:
    for name, labels in GOODS.items():
        (folder / name).mkdir()
        lines = []
        for label, colour in labels.items():
            for number in range(count):
                image = f"{label}{number}.png"
                _photo(colour, number).save(folder / name / image)
                lines.append(json.dumps({"listing_id": image, "images": [image], "labels": {"category": label}}))
        (folder / name / "train.jsonl").write_text("\n".join(lines))
    return folder


def test_clothes_are_learnt_in_two_looks_and_groceries_in_one(tmp_path: Path) -> None:
    """What can be cut out of a photo of clothes is a catalogue look; a broken photo has none and stops nothing."""
    data, embedder, out = _data(tmp_path, count=12), FakeEmbedder(), tmp_path / "head"
    out.mkdir()
    (data / "clothing" / "hat3.png").write_bytes(b"no image")

    figures = fit_category(data, embedder, out, progress=lambda done, total: None)

    assert figures["examples"] == 48
    assert figures["catalogue_looks"] == 23
    assert json.loads((out / MANIFEST).read_text())["general"] == {"temperature": 1.0, "look_alikes": {}}
    head = CategoryHead.load(out, fingerprint=embedder.fingerprint)
    leaves, scores = head.scores(as_products(embedder, [np.array(_photo((200, 40, 40), seed=99))]))
    assert leaves[int(scores[0].argmax())] == ("fashion", "clothing", "dresses")
