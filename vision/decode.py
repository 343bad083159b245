"""What does this file show? Untrusted bytes to upright RGB pixels, within limits; each image answers for itself.

The first step of a listing's way through: `vision.headers` reads what the file claims, the claims are held against
`DecodeLimits`, and only then does one of five allow-listed Pillow decoders run. Whatever goes wrong becomes an
`ImageError` with a named fault, so that one bad image never takes the others of its listing down.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageChops, ImageCms, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.ExifTags import Base as ExifTag
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vision.errors import ImageError, ImageFault
from vision.headers import Header, read_header

# The plugin classes are called directly. `PIL.Image.open` would guess the format again, and hold it against Pillow's
# process-wide pixel limit (a warning over 89 megapixels, an error over 179), which only a global variable changes.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "AVIF": AvifImageFile,
    "GIF": GifImageFile,
}

_UPRIGHT = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
_SWAPS_SIDES = (5, 6, 7, 8)

_LARGEST_PROFILE = 4 * 2**20
"""Bytes of a colour profile that is still looked at; press profiles have 0.5-2.5 MiB."""


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """What an image may claim and cost, and how large the result is.

    At an aspect of 20 the short edge of a working image is 64 pixels, the grid that the perceptual hash samples.
    Decoding takes this much memory a pixel at its peak (measured on 35 megapixels): JPEG 1.5 bytes, progressive JPEG 4,
    PNG 6, with alpha 10, AVIF 9, WebP 16; multiply by `max_pixels` and by the decodes that run at the same time.
    """

    max_bytes: int = 25 * 2**20
    max_pixels: int = 100_000_000
    max_frames: int = 1_000
    max_aspect: float = 20.0
    min_edge: int = 16
    working_edge: int = 1280


@dataclass(frozen=True)
class Image:
    """One decoded image.

    `pixels` is [H, W, 3] uint8 RGB in sRGB, upright, composited on white, its longest edge at most `working_edge`;
    `width` and `height` are those of the upright original; `sha256` is of the bytes as uploaded, in hex.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    sha256: str


_DEFAULT_LIMITS = DecodeLimits()


def decode(data: bytes, limits: DecodeLimits = _DEFAULT_LIMITS) -> Image:
    """Decode the first frame of a JPEG, PNG, WebP, AVIF or GIF file.

    Raises ImageError whose `fault` names the broken rule, and nothing else. Thread-safe: no global state is touched.
    """
    _check_bytes(data, limits)
    header = read_header(data)
    _check_claims(header, limits)
    try:
        with _PLUGINS[header.format](io.BytesIO(data)) as image:
            # The plugin reads headers in its own way; what it is about to allocate is what counts in the end.
            width, height = image.size
            _check_claims(Header(header.format, width, height, max(header.frames, _frames(image))), limits)
            image.draft(None, (limits.working_edge, limits.working_edge))  # JPEG only: may decode at 1/2, 1/4 or 1/8
            # Before EXIF is asked for: Pillow's PNG plugin loads the pixels to answer, and there a failure would hide.
            image.load()
            orientation = _orientation(image)
            pixels = np.array(_working_copy(image, limits.working_edge, orientation))
    except ImageError:
        raise
    except Exception as error:  # plugins raise whatever they like on hostile bytes
        raise _plugin_fault(header.format, error) from error
    if orientation in _SWAPS_SIDES:
        width, height = height, width
    return Image(pixels, width, height, header.format, hashlib.sha256(data).hexdigest())


def _check_bytes(data: bytes, limits: DecodeLimits) -> None:
    if not data:
        raise ImageError(ImageFault.EMPTY, "the file has 0 bytes; upload the image itself")
    if len(data) > limits.max_bytes:
        raise ImageError(
            ImageFault.TOO_MANY_BYTES,
            f"the file has {len(data):,} bytes; at most {limits.max_bytes:,} are accepted: "
            "compress the image or make it smaller",
        )


def _check_claims(header: Header, limits: DecodeLimits) -> None:
    size = f"the {header.format} image is {header.width} x {header.height} pixels"
    short, long = sorted((header.width, header.height))
    if short < limits.min_edge:
        raise ImageError(
            ImageFault.TOO_SMALL,
            f"{size}; both edges must have at least {limits.min_edge}: upload a larger photo",
        )
    if header.width * header.height > limits.max_pixels:
        raise ImageError(
            ImageFault.TOO_MANY_PIXELS,
            f"{size}, {header.width * header.height:,} in all; at most {limits.max_pixels:,} are accepted: "
            "scale it down",
        )
    if long > limits.max_aspect * short:
        raise ImageError(
            ImageFault.EXTREME_ASPECT,
            f"{size}, {long / short:.1f} to 1; at most {limits.max_aspect:g} to 1 is accepted: crop it",
        )
    if header.frames > limits.max_frames:
        raise ImageError(
            ImageFault.TOO_MANY_FRAMES,
            f"the {header.format} image has more than {limits.max_frames:,} frames, the most accepted: "
            "upload one frame as a still image",
        )


def _working_copy(image: Pillow.Image, edge: int, orientation: int) -> Pillow.Image:
    """Turn a loaded frame into upright sRGB on white, scaled down to `edge`; what is costly comes after scaling."""
    image = _resizable(image)
    image.thumbnail((edge, edge), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
    image = _on_white(_to_srgb(image))
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _resizable(image: Pillow.Image) -> Pillow.Image:
    """Bring the image into a mode whose values can be averaged: L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I;16"):
        return _from_16_bit(image)
    if image.mode in ("L", "RGB", "P", "1") and image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if image.mode == "CMYK":
        # Pillow takes every CMYK JPEG for one of Adobe's, whose inks are stored inverted; without their marker
        # they are not (the rule that libvips follows).
        return image if "adobe" in image.info else ImageChops.invert(image)
    return image.convert("RGB")


def _from_16_bit(image: Pillow.Image) -> Pillow.Image:
    """Greyscale of 16 bits to 8; a transparent value becomes an alpha channel."""
    values = np.asarray(image)
    grey = Pillow.fromarray((values >> 8).astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is None:
        return grey
    grey.putalpha(Pillow.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def _to_srgb(image: Pillow.Image) -> Pillow.Image:
    """Apply an embedded colour profile; a missing, damaged or unfitting one leaves the values as they are."""
    profile = image.info.get("icc_profile")
    if not profile or len(profile) > _LARGEST_PROFILE or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in (source.profile.profile_description or ""):
            return image
        if source.profile.xcolor_space.strip() != image.mode.removesuffix("A"):
            return image
        target_mode = "RGB" if image.mode == "CMYK" else image.mode
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=target_mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted or image


def _on_white(image: Pillow.Image) -> Pillow.Image:
    if image.mode not in ("LA", "RGBA"):
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Pillow.new("RGBA", rgba.size, "white")
    return Pillow.alpha_composite(white, rgba).convert("RGB")


def _frames(image: Pillow.Image) -> int:
    """Ask a plugin for its frames, but for GIF's, which would walk the whole file again to answer."""
    return 1 if isinstance(image, GifImageFile) else getattr(image, "n_frames", 1)


def _orientation(image: Pillow.Image) -> int:
    """EXIF orientation 1..8; unreadable EXIF is as good as none."""
    try:
        value = image.getexif().get(ExifTag.Orientation, 1)
    except Exception:  # noqa: BLE001 - the EXIF parser raises whatever it likes, and the pixels are fine
        return 1
    return value if value in _UPRIGHT else 1


def _plugin_fault(name: str, error: Exception) -> ImageError:
    """Translate a decoder's own exception; Pillow tells a missing end only by its message."""
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return ImageError(ImageFault.TRUNCATED, f"the {name} file ends too early ({error}); upload the whole file")
    return ImageError(
        ImageFault.CORRUPT,
        f"the {name} file cannot be decoded ({type(error).__name__}: {error}); save it again and upload that",
    )
