"""How is a model trained? One function for each recipe, its command on top; nothing else decides.

touchstone train --out runs/s                                    # `touchstone_s`, what ships: see docs/training.md
touchstone train --out runs/tiny --recipe miniature              # a minute: what the tests run
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One network's training: `batch` is scenes or pairs a step, `edge` pixels of a picture."""

    steps: int
    batch: int
    edge: int
    learning_rate: float
    frozen: int  # stages of the trunk that learn nothing: their filters are edges and corners, and they cost the most
    warm_up: int = 100  # steps
    decay: float = 1e-4  # AdamW's
    average: float = 0.998  # of the weights that are kept, from step to step
    save_every: int = 50  # steps


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a run depends on, but the data and the pinned packages."""

    name: str
    seed: int
    finder: Stage
    embedder: Stage
    anchored: Stage
    beside: Stage  # the products that the anchored stage learns beside marks: its batch and edge count
    products: Stage
    temperature: float = 0.07  # of the contrastive loss
    keep_weight: float = 2.0  # of photos of products staying near what ImageNet taught
    most_artworks: int | None = None
    most_photos: int | None = None


def touchstone_s() -> Recipe:
    """Train what ships: two and a half hours of a 2-core CPU."""
    marks = Stage(steps=1000, batch=64, edge=160, learning_rate=3e-4, frozen=3)
    return Recipe(
        name="touchstone_s",
        seed=1,
        finder=Stage(steps=1200, batch=16, edge=224, learning_rate=5e-4, frozen=2),
        embedder=marks,
        anchored=replace(marks, edge=128),
        beside=replace(marks, batch=32, edge=144),
        products=Stage(steps=600, batch=32, edge=176, learning_rate=3e-4, frozen=2),
    )


def miniature() -> Recipe:
    """Run every line of a training in a minute: the tests'."""
    full = touchstone_s()
    small = {"steps": 3, "batch": 4, "warm_up": 1, "save_every": 2}
    return replace(
        full,
        name="miniature",
        finder=replace(full.finder, edge=96, **small),
        embedder=replace(full.embedder, edge=64, **small),
        anchored=replace(full.anchored, edge=64, **small),
        beside=replace(full.beside, edge=64, **small),
        products=replace(full.products, edge=64, **small),
        most_artworks=40,
        most_photos=12,
    )


RECIPES = {"touchstone_s": touchstone_s, "miniature": miniature}
