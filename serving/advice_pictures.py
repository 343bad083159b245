"""What does a picture of a brand's advice look like to buyers? A small copy, drawn once and remembered.

Everybody may ask for one, as often as pages with it are opened; what may be shown is `serving.buyer_answers`'s.
"""

from __future__ import annotations

from functools import lru_cache

from index.blobs import BlobStore
from index.records import Reference
from serving.decoding import Decoder, decode_here
from serving.new_reference import read_picture
from vision.regions import Box
from vision.thumbnails import thumbnail

# Longer edge, in pixels.
PICTURE_EDGE = 512
# Some 50 kB each.
REMEMBERED = 256


class AdvicePictures:
    """Copies of references' pictures. Thread-safe; of more than `remembered` the one unused for longest goes."""

    def __init__(self, blobs: BlobStore, *, remembered: int = REMEMBERED, decoder: Decoder = decode_here) -> None:
        self._blobs, self._decoder = blobs, decoder
        self._copy = lru_cache(maxsize=remembered)(self._draw)

    def copy_of(self, reference: Reference) -> bytes:
        """Return a JPEG of what a reference shows, its longer edge at most `PICTURE_EDGE` pixels. Raises BlobError."""
        return self._copy(reference.image_sha256, reference.box)

    def _draw(self, sha256: str, box: Box | None) -> bytes:
        picture = read_picture(self._blobs.get(sha256), box, decoder=self._decoder)
        return thumbnail(picture.views[0], edge=PICTURE_EDGE)
