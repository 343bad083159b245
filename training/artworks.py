"""Which marks are there to learn from? Vector artwork of brands, drawn once and kept in a file.

Two sources, both free to train on: Simple Icons (CC0, in the pinned package `simplepycons`: one colour) and a folder of
CC0 logo sets (`logos/cc0_logos.tar.gz` of the training data: full colour). Invented names are `training.wordmarks`'.
Brands held out for open-set evaluation never appear.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reference_brands.errors import RenderError
from reference_brands.held_out import is_held_out
from reference_brands.render import render
from reference_brands.seed import SeedMark, seed_marks

EDGE = 192
"""Pixels of the longest edge at which artwork is drawn: as large as a mark gets in a training scene."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Artwork:
    """A mark to print: what it looks like and what counts as the same mark.

    `colour` is uint8 [H, W, 3] RGB and `coverage` uint8 [H, W], 255 where there is ink; both tight around the mark, the
    longer edge at most 192. `one_colour` says that `colour` carries no information: any ink will do.
    """

    name: str
    brand: str
    colour: NDArray[np.uint8]
    coverage: NDArray[np.uint8]
    one_colour: bool


def load_artworks(logos: Path, cache: Path, *, most: int | None = None) -> list[Artwork]:
    """Draw every mark that may be learnt from, or read what an earlier call left in the file `cache`.

    `logos` is the archive of SVG files; `most` bounds the marks of each source. Marks that cannot be drawn are left
    out: the sets hold a few that resvg refuses. `cache` is read as it is: give each choice of `most` its own.

    Raises:
        OSError: `logos` is not there.
        tarfile.TarError: it is no archive.

    """
    if not cache.is_file():
        _save([*islice(_icons(), most), *islice(_logos(logos), most)], cache)
    return _load(cache)


def brand_token(name: str) -> str:
    """Reduce a mark's file or package name to its brand: "Adobe After-Effects_icon" and "adobe" give "adobe"."""
    return re.split(r"[^a-z0-9]+", name.lower().strip())[0]


def artwork_of(mark: SeedMark) -> Artwork | None:
    """Draw a mark of the seed catalogue to be printed; None where too little of it is to be seen."""
    drawn = _draw(mark.svg)
    if drawn is None:
        return None
    coverage = drawn[1]
    return Artwork(
        name=f"icon/{mark.mark_id}",
        brand=brand_token(mark.mark_id),
        colour=np.broadcast_to(np.asarray(mark.colour, np.uint8), (*coverage.shape, 3)),
        coverage=coverage,
        one_colour=True,
    )


def _icons() -> Iterator[Artwork]:
    for mark in seed_marks(everything=True, earlier=False):
        if is_held_out(mark.brand.name, mark.brand.brand_id, mark.mark_id, brand_token(mark.mark_id)):
            continue
        artwork = artwork_of(mark)
        if artwork is not None:
            yield artwork


def _logos(archive: Path) -> Iterator[Artwork]:
    with tarfile.open(archive) as files:
        for member in files:
            if not member.isfile() or not member.name.endswith(".svg"):
                continue
            path = Path(member.name)
            words = re.split(r"[^a-z0-9]+", path.stem.lower())
            folder = path.parent.name if len(path.parts) > 2 else ""
            handle = files.extractfile(member)
            if is_held_out(path.stem, "".join(words), words[0], "".join(words[:2]), folder) or handle is None:
                continue
            drawn = _draw(handle.read())
            if drawn is not None:
                yield Artwork(
                    name=member.name, brand=words[0], colour=drawn[0], coverage=drawn[1], one_colour=_is_plain(*drawn)
                )


def _draw(svg: bytes | str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Draw colour [H, W, 3] and coverage [H, W], both tight; None where resvg refuses or too little is to be seen."""
    try:
        rgba = render(svg, longest_edge=EDGE)
    except RenderError:
        return None
    return _tight(rgba[..., :3], rgba[..., 3])


def _tight(
    colour: NDArray[np.uint8], coverage: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    rows, columns = np.flatnonzero(coverage.max(axis=1) > 40), np.flatnonzero(coverage.max(axis=0) > 40)
    if min(len(rows), len(columns)) < 8 or max(len(rows), len(columns)) < 48:
        return None
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.ascontiguousarray(colour[part]), np.ascontiguousarray(coverage[part])


def _is_plain(colour: NDArray[np.uint8], coverage: NDArray[np.uint8]) -> bool:
    """Tell whether all ink has one colour, but for the edges' antialiasing."""
    ink = colour[coverage > 200].astype(np.float32)
    return bool(len(ink) == 0 or np.max(ink.std(axis=0)) < 12)


def _save(artworks: Sequence[Artwork], cache: Path) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_suffix(".partial.npz")
    np.savez(
        partial,
        names=np.array([each.name for each in artworks]),
        brands=np.array([each.brand for each in artworks]),
        one_colour=np.array([each.one_colour for each in artworks]),
        shapes=np.array([each.coverage.shape for each in artworks]),
        coverage=np.concatenate([each.coverage.ravel() for each in artworks]),
        colour=np.concatenate([each.colour.reshape(-1, 3) for each in artworks]),
    )
    partial.replace(cache)


def _load(cache: Path) -> list[Artwork]:
    with np.load(cache) as stored:
        arrays = {key: stored[key] for key in stored.files}
    ends = np.cumsum(np.prod(arrays["shapes"], axis=1))
    artworks = []
    for row, end in enumerate(ends):
        height, width = (int(edge) for edge in arrays["shapes"][row])
        start = int(end) - height * width
        artworks.append(
            Artwork(
                name=str(arrays["names"][row]),
                brand=str(arrays["brands"][row]),
                colour=arrays["colour"][start:end].reshape(height, width, 3),
                coverage=arrays["coverage"][start:end].reshape(height, width),
                one_colour=bool(arrays["one_colour"][row]),
            )
        )
    return artworks
