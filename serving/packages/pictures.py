"""Which pictures go into an evidence package? Photos and references as they were sent, and drawings of the matches.

A match is drawn on its photo as a numbered box, with the outline in which the reference's corners lie where details
prove it, and cut out beside it. Drawings are PNG files of the upright photo, its longest edge at most
`DecodeLimits.working_edge`.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from index.blobs import BlobStore
from index.errors import BlobDamaged, BlobMissing
from index.records import Reference
from serving.decoding import Decoder, decode_here
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from vision.errors import ImageError
from vision.headers import read_header

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 2**20
"""Photos and references of one package together; a zip is built in memory, and read out in pieces of it."""

_LINE, _BACK = (255, 221, 0), (0, 0, 0)
_WIDTH, _LABEL = 3, 22  # pixels
_LEAST_EDGE = 4  # pixels; a smaller part shows nothing


class Photos(Protocol):
    """Where photos of listings are kept."""

    def photo(self, sha256: str) -> bytes | None:
        """Return a photo as it was sent, None when it is not kept."""


@dataclass(frozen=True)
class BlobPhotos:
    """Photos that lie in the blob store under their sha256."""

    blobs: BlobStore

    def photo(self, sha256: str) -> bytes | None:
        """Return a photo; one that is damaged counts as not kept, and the log says so."""
        return kept(self.blobs, sha256)


@dataclass(frozen=True)
class StandingPhotos:
    """The photos of a case that are to be seen: none of `gone`, and drawn anew from their pixels unless `originals`.

    A file as it came says where and with which camera a photo was taken.
    """

    photos: Photos
    gone: Collection[str]
    originals: bool
    decoder: Decoder = decode_here

    def photo(self, sha256: str) -> bytes | None:
        """Return a photo, None when it is not kept, or its pixels cannot be read."""
        content = None if sha256 in self.gone else self.photos.photo(sha256)
        if content is None or self.originals:
            return content
        try:
            return _png(Pillow.fromarray(self.decoder(content).pixels))
        except ImageError as error:
            log.warning("a photo is left out of an evidence package: %s", error)
            return None


@dataclass(frozen=True)
class Pictures:
    """Files by their path in the package, and paths by what they show: "photo 0", "crop 2"."""

    files: Mapping[str, bytes]
    names: Mapping[str, str]


def kept(blobs: BlobStore, sha256: str) -> bytes | None:
    """Return a file of the blob store, None when it is not there or damaged."""
    try:
        return blobs.get(sha256) if sha256 else None
    except BlobMissing:
        return None
    except BlobDamaged as error:
        log.warning("left out of an evidence package: %s", error)
        return None


def pictures_of(
    decision: decision_pb2.Decision,
    references: Mapping[str, Reference],
    photos: Photos,
    blobs: BlobStore,
    decoder: Decoder = decode_here,
) -> Pictures:
    """Collect the pictures of a decision, photos before references, as far as they fit `MOST_BYTES`."""
    matches = [one.visual_match for one in decision.evidence if one.HasField("visual_match")]
    files: dict[str, bytes] = {}
    names: dict[str, str] = {}
    left = MOST_BYTES
    for name, stem, content in (*_photos(decision, photos), *_references(matches, references, blobs)):
        if len(content) <= left:
            left -= len(content)
            names[name] = f"images/{stem}.{_suffix(content)}"
            files[names[name]] = content
    for index in range(len(decision.image_results)):
        path = names.get(f"photo {index}")
        own = [(number, match) for number, match in enumerate(matches) if match.image_index == index]
        if path is not None and own:
            for name, drawn in _drawings(files[path], index, own, decoder):
                names[name] = f"overlays/{name.replace(' ', '-')}.png"
                files[names[name]] = drawn
    return Pictures(files, names)


def _photos(decision: decision_pb2.Decision, photos: Photos) -> Iterator[tuple[str, str, bytes]]:
    for index, result in enumerate(decision.image_results):
        content = photos.photo(result.sha256) if result.sha256 else None
        if content is not None:
            yield f"photo {index}", f"photo-{index:02d}", content


def _references(
    matches: Sequence[evidence_pb2.VisualMatch], references: Mapping[str, Reference], blobs: BlobStore
) -> Iterator[tuple[str, str, bytes]]:
    for number, match in enumerate(matches):
        reference = references.get(match.reference_id)
        content = None if reference is None else kept(blobs, reference.image_sha256)
        if content is not None:
            yield f"reference {number}", f"reference-{number:02d}", content


def _drawings(
    photo: bytes, index: int, matches: Sequence[tuple[int, evidence_pb2.VisualMatch]], decoder: Decoder
) -> Iterator[tuple[str, bytes]]:
    try:
        upright = Pillow.fromarray(decoder(photo).pixels)
    except ImageError as error:
        log.warning("photo %d of an evidence package cannot be drawn on: %s", index, error)
        return
    drawn = upright.copy()
    pen = ImageDraw.Draw(drawn)
    for number, match in matches:
        box = _pixels(match.box, upright.size)
        if min(box[2] - box[0], box[3] - box[1]) >= _LEAST_EDGE:
            yield f"crop {number}", _png(upright.crop(box))
        _draw(pen, number, match, box, upright.size)
    yield f"overlay {index}", _png(drawn)


def _draw(
    pen: ImageDraw.ImageDraw,
    number: int,
    match: evidence_pb2.VisualMatch,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
) -> None:
    left, top, right, bottom = box
    outer = (left - 1, top - 1, right + 1, bottom + 1)
    if right > left and bottom > top:
        pen.rectangle(outer, outline=_BACK, width=_WIDTH + 2)
        pen.rectangle(box, outline=_LINE, width=_WIDTH)
    outline = [(point.x * size[0], point.y * size[1]) for point in match.verification.outline]
    if outline:
        closed = [*outline, outline[0]]
        pen.line(closed, fill=_BACK, width=_WIDTH + 2)
        pen.line(closed, fill=_LINE, width=_WIDTH)
    label = f" {number} "
    font = ImageFont.load_default(_LABEL)
    pen.rectangle(pen.textbbox((left, top), label, font), fill=_BACK)
    pen.text((left, top), label, fill=_LINE, font=font)


def _pixels(box: evidence_pb2.Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = size
    return (
        max(0, round(box.x1 * width)),
        max(0, round(box.y1 * height)),
        min(width, round(box.x2 * width)),
        min(height, round(box.y2 * height)),
    )


def _png(picture: Pillow.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _suffix(content: bytes) -> str:
    """Name a file by what it is; what is no picture of ours, such as a drawing of a mark, by its first letters."""
    try:
        return {"JPEG": "jpg"}.get(kind := read_header(content).format, kind.lower())
    except ImageError:
        return "svg" if b"<svg" in content[:1_000] else "bin"
