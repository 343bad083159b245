"""Which words does a part of a photo show? A detector finds lines of writing in a crop, and a recogniser reads them.

Many marks are a word: read, it names a brand that no embedding has learnt (`index.named`). The two networks are
PP-OCRv6's small ones, as they lie in rapidocr's wheel (`vision.reading_networks` runs them); nothing else of that
package is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from vision.errors import CheckpointError
from vision.forward import AUTO, choose_path
from vision.lines import Maps, Pixels, at_height, box_around, corners_of_lines, resized, straightened
from vision.reading_networks import ReadingNetwork, through_opencv, through_openvino
from vision.regions import WHOLE_IMAGE, Box

PACKAGE = "rapidocr"
PACKAGE_VERSION = "3.10.0"

LINES = 1
"""Lines that are read in a crop, the largest first: the second names one more brand of 135, and costs 8% more."""

PAGE_LINES = 12
"""Lines that are read in a whole photo, the largest first."""

_GREY = (127.5, 127.5, 127.5)
_CELL = 32  # edges that the detector takes are multiples of it
# What is read into ornaments, one or two signs, mostly has less.
_LEGIBLE = 0.6

# Multiply-adds a pixel of either network's input, and those of EfficientNet-Lite0 with 224 x 224: counted over every
# convolution and matrix product, by the shapes that come out for crops of these sizes.
_TO_FIND, _TO_SPELL = 10_593, 76_800
_FORWARD = 383_907_552

_MODELS = {
    "PP-OCRv6_det_small.onnx": "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    "PP-OCRv6_rec_small.onnx": "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
}
_RESTORE = f"`pip install --no-deps {PACKAGE}=={PACKAGE_VERSION}` brings it"


@dataclass(frozen=True)
class Words:
    """One line as it was read, capitals and blanks included; `confidence` is the mean of its letters', 0..1.

    `box` is the upright rectangle around it in the picture that was read.
    """

    text: str
    confidence: float
    box: Box = WHOLE_IMAGE


@dataclass(frozen=True, kw_only=True)
class _Effort:
    """How closely a picture is read: pixels of its longer edge when lines are sought, and which lines are spelt.

    `slender` are the least and the largest width of a line for its height; a smaller picture is enlarged if `enlarges`.
    """

    edge: int
    lines: int
    slender: tuple[float, float]
    widest: int
    enlarges: bool


# A mark. On FlickrLogos-27, in the likeliest box grown by half, `index.named` names the brand of 47 / 52 / 53 / 54 of
# 135 photos at 64 / 96 / 128 / 160 pixels, and of all 270 a wrong one of the 27 for at most one. A line of less width
# for its height has no room for three letters, one of more is a sentence: a tenth of the cost, and no brand's name
# among them.
_MARK = _Effort(edge=96, lines=LINES, slender=(1.3, 8.0), widest=180, enlarges=True)
# The rim of a round mark, laid flat (`vision.roundels`): six times as wide as high, so lines are sought at 192 x 32.
_RIM = _Effort(edge=192, lines=LINES, slender=(1.3, 12.0), widest=180, enlarges=True)
# A whole photo, never enlarged. Letters of 22 pixels in a photo of 1,000 are read at 480 and not always at 320; at 960
# a photo costs 2.4 times as much.
_PAGE = _Effort(edge=480, lines=PAGE_LINES, slender=(1.0, 40.0), widest=640, enlarges=False)


class Reader(Protocol):
    """Crops in, words out. One thread at a time calls `read`; whoever batches owns that thread."""

    @property
    def forwards(self) -> float:
        """Work done so far, to add to `Embedder.forwards`: multiply-adds, by those of one whole image."""

    def read(self, crops: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Read each RGB crop, uint8 [H, W, 3]: its lines, largest first; none where nothing legible is written."""

    def read_rims(self, rims: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Read each rim of a round mark, laid flat by `vision.roundels`: RGB uint8 [h, w, 3], as `read` does."""

    def read_pages(self, photos: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Read all that is written in each RGB photo, uint8 [H, W, 3], as `read` does the most of a mark."""


class BlindReader:
    """Reads nothing: for embedders without a network, and to compare with."""

    @property
    def forwards(self) -> float:
        """Nothing: no network reads."""
        return 0.0

    def read(self, crops: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Find no words in any crop."""
        return [() for _ in crops]

    def read_rims(self, rims: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Find no words around any mark."""
        return [() for _ in rims]

    def read_pages(self, photos: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Find no words in any photo."""
        return [() for _ in photos]


class LineReader:
    """The two networks on the CPU; make one with `load_reader`."""

    def __init__(self, detector: ReadingNetwork, recogniser: ReadingNetwork, letters: Sequence[str]) -> None:
        """Take networks and the recogniser's `letters`, by the place of their class; class 0 is no letter."""
        self._detector = detector
        self._recogniser = recogniser
        self._letters = letters
        self._spent = 0

    @property
    def forwards(self) -> float:
        """Work done so far: multiply-adds, by those of EfficientNet-Lite0 for one whole image."""
        return self._spent / _FORWARD

    def read(self, crops: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Read each RGB crop, uint8 [H, W, 3]: its lines, at most `LINES`, largest first. Raises ModelError."""
        return [self._read(crop, _MARK) for crop in crops]

    def read_rims(self, rims: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Read each RGB rim, uint8 [h, w, 3]: its lines, at most `LINES`, largest first. Raises ModelError."""
        return [self._read(rim, _RIM) for rim in rims]

    def read_pages(self, photos: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Read each RGB photo, uint8 [H, W, 3]: its lines, at most `PAGE_LINES`, largest first. Raises ModelError."""
        return [self._read(photo, _PAGE) for photo in photos]

    def _read(self, picture: Pixels, effort: _Effort) -> tuple[Words, ...]:
        """Read the lines of a picture and keep what can be believed."""
        lines = self._lines(picture, effort)
        spelt = [
            replace(
                self._spell(self._pass(self._recogniser, at_height(line, widest=effort.widest), _TO_SPELL)[0]), box=box
            )
            for line, box in lines
        ]
        return tuple(words for words in spelt if words.text and words.confidence >= _LEGIBLE)

    def _lines(self, picture: Pixels, effort: _Effort) -> list[tuple[Pixels, Box]]:
        """Cut the largest lines out of a picture, straightened: uint8 [h, w, 3] each, with the box around it."""
        height, width = picture.shape[:2]
        share = effort.edge / max(height, width)
        share = share if effort.enlarges else min(share, 1.0)
        sides = [max(round(side * share / _CELL), 1) * _CELL for side in (width, height)]
        chance = self._pass(self._detector, resized(picture, sides[0], sides[1]), _TO_FIND)[0, 0]
        scale = np.array([width / sides[0], height / sides[1]], np.float32)
        places = [corners * scale for corners in corners_of_lines(chance)]
        found = [(straightened(picture, corners), box_around(corners, width, height)) for corners in places]
        least, most = effort.slender
        lines = [(line, box) for line, box in found if least <= line.shape[1] / line.shape[0] < most]
        return sorted(lines, key=lambda line: -line[0].size)[: effort.lines]

    def _pass(self, network: ReadingNetwork, picture: Pixels, cost: int) -> Maps:
        """Send one RGB picture, uint8 [h, w, 3], through a network that learnt BGR in -1..1; `cost` is a pixel's."""
        self._spent += picture.shape[0] * picture.shape[1] * cost
        blob = cv2.dnn.blobFromImage(picture, 2 / 255, mean=_GREY, swapRB=True)
        return network(np.asarray(blob, np.float32))

    def _spell(self, chances: Maps) -> Words:
        """Join the likeliest class of each step, float32 [steps, classes], repeated ones once (CTC)."""
        classes, likely = chances.argmax(axis=1), chances.max(axis=1)
        new = np.diff(classes, prepend=-1) != 0
        kept = new & (classes != 0)
        text = "".join(self._letters[place] for place in classes[kept])
        return Words(" ".join(text.split()), float(likely[kept].mean()) if kept.any() else 0.0)


def load_reader(folder: Path | None = None, *, path: str = AUTO) -> LineReader:
    """Build the reader from the networks in `folder`, or in rapidocr's wheel.

    `path` is one of vision.forward: by `openvino`, and by `auto` where it is installed, the networks run on that, by
    all others on OpenCV.

    Raises:
        CheckpointError: the package is not installed, or a network is missing or another than the one known.
        ModelError: OpenVINO is asked for and not installed.

    """
    folder = folder or _package_folder()
    detector, recogniser = (_verified(folder / name, digest) for name, digest in _MODELS.items())
    # The networks' blank comes first, and a space last, which is not in their list of letters.
    letters = ("", *_letters_of(recogniser), " ")
    # The other paths are torch's, some for a GPU, where these networks never run.
    wanted = path in (AUTO, "openvino") and choose_path(path, "cpu") == "openvino"
    through = through_openvino if wanted else through_opencv
    return LineReader(through(detector), through(recogniser), letters)


def _package_folder() -> Path:
    try:
        return Path(str(metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}/models")))
    except metadata.PackageNotFoundError as error:
        raise CheckpointError(f"package {PACKAGE}, whose networks read words, is not installed: {_RESTORE}") from error


def _verified(path: Path, digest: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): {_RESTORE}") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise CheckpointError(f"{path} is not the network of {PACKAGE} {PACKAGE_VERSION}: {_RESTORE}")
    return data


def _letters_of(recogniser: bytes) -> list[str]:
    """Read the letters, one a line, from the entry "character" of an ONNX file's metadata.

    In protobuf's encoding a string is its length, seven bits a byte and the least first, then its bytes; OpenCV gives
    no access to metadata.
    """
    key = b"\x0a\x09character\x12"
    at = recogniser.rindex(key) + len(key)
    length = shift = 0
    while True:
        byte = recogniser[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return recogniser[at : at + length].decode().split("\n")
