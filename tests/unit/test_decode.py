"""Decoding: every accepted format and mode, what is done to the pixels, and each fault with its message."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms
from PIL import features as pillow_features

from vision.decode import DecodeLimits, Image, decode
from vision.errors import ImageError, ImageFault

RED, GREEN, BLUE = (200, 30, 30), (20, 160, 40), (30, 40, 200)
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF")


def encoded(image: Pillow.Image, name: str, **options: object) -> bytes:
    """Encode with Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def quadrants(width: int = 96, height: int = 64) -> Pillow.Image:
    """Draw a picture whose orientation shows: red and green above, blue and white below."""
    image = Pillow.new("RGB", (width, height), "white")
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def corners(pixels: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Read the middle of the four quadrants: top left, top right, bottom left, bottom right."""
    height, width = pixels.shape[:2]
    return [
        tuple(int(value) for value in pixels[y, x])
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


def assert_close(seen: object, wanted: object, *, within: int = 12) -> None:
    """Colours survive lossy formats only about."""
    np.testing.assert_allclose(np.array(seen, dtype=float), np.array(wanted, dtype=float), atol=within)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One PNG chunk with a right checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, bits: int, colour_type: int, rows: bytes, extra: bytes = b"") -> bytes:
    """Build a PNG of modes that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            extra,
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        )
    )


def fault_of(data: bytes, limits: DecodeLimits | None = None) -> ImageError:
    """Catch the error that decoding raises."""
    with pytest.raises(ImageError) as caught:
        decode(data, limits or DecodeLimits())
    return caught.value


class TestFormats:
    """What is accepted comes out as upright RGB."""

    @pytest.mark.parametrize("name", FORMATS)
    def test_each_accepted_format_decodes(self, name: str) -> None:
        """Size, format, digest and colours of the upload are reported."""
        data = encoded(quadrants(), name)

        image = decode(data)

        assert (image.width, image.height, image.format) == (96, 64, name)
        assert image.sha256 == hashlib.sha256(data).hexdigest()
        assert image.pixels.shape == (64, 96, 3)
        assert image.pixels.dtype == np.uint8
        assert_close(corners(image.pixels), [RED, GREEN, BLUE, (255, 255, 255)])

    def test_this_pillow_can_read_avif(self) -> None:
        """The pinned wheel carries the AVIF decoder; another build must not go unnoticed."""
        assert pillow_features.check("avif")

    @pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF"])
    def test_of_an_animation_the_first_frame_counts(self, name: str) -> None:
        """Later frames are not looked at."""
        first, second = (Pillow.new("RGB", (40, 40), colour) for colour in (RED, BLUE))
        data = encoded(first, name, save_all=True, append_images=[second])

        image = decode(data)

        assert_close(image.pixels[20, 20], RED)

    def test_a_progressive_jpeg_decodes(self) -> None:
        """Several scans are normal."""
        image = decode(encoded(quadrants(), "JPEG", progressive=True))

        assert_close(corners(image.pixels), [RED, GREEN, BLUE, (255, 255, 255)])

    def test_what_stands_behind_the_image_is_ignored(self) -> None:
        """Phones append videos to their photos."""
        image = decode(encoded(quadrants(), "JPEG") + b"\x00\x00\x00\x18ftypmp42" + b"\xff\xda" * 1000)

        assert_close(corners(image.pixels)[0], RED)

    def test_threads_do_not_disturb_each_other(self) -> None:
        """The same bytes decode to the same pixels, whoever else is decoding."""
        files = [encoded(quadrants(), name) for name in FORMATS] * 8
        alone = [decode(data).pixels for data in files]

        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(decode, files))

        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, other.pixels)


class TestModes:
    """Whatever the file stores becomes 8-bit RGB on white."""

    @pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
    def test_grey_becomes_equal_channels(self, name: str) -> None:
        """A grey photo has three equal channels."""
        image = decode(encoded(Pillow.new("L", (32, 32), 120), name))

        assert_close(image.pixels[16, 16], (120, 120, 120), within=3)

    @pytest.mark.parametrize("name", ["PNG", "WEBP", "AVIF"])
    def test_alpha_is_composited_on_white(self, name: str) -> None:
        """Half-transparent red is pink, and the colour under full transparency never shows."""
        half = Pillow.new("RGBA", (64, 32), (0, 0, 0, 0))
        half.paste((255, 0, 0, 128), (0, 0, 32, 32))

        image = decode(encoded(half, name, **({"lossless": True} if name == "WEBP" else {})))

        assert_close(image.pixels[16, 16], (255, 127, 127), within=4)
        assert_close(image.pixels[16, 48], (255, 255, 255), within=4)

    def test_grey_with_alpha_is_composited_on_white(self) -> None:
        """Mode LA."""
        image = decode(encoded(Pillow.new("LA", (32, 32), (0, 51)), "PNG"))

        assert_close(image.pixels[16, 16], (204, 204, 204), within=1)

    @pytest.mark.parametrize("name", ["PNG", "GIF"])
    def test_a_transparent_palette_entry_is_white(self, name: str) -> None:
        """Palette files say which entry is transparent."""
        picture = Pillow.new("P", (32, 32), 0)
        picture.putpalette([10, 20, 30, *RED])
        picture.paste(1, (16, 0, 32, 32))

        image = decode(encoded(picture, name, transparency=0))

        assert_close(image.pixels[16, 4], (255, 255, 255), within=0)
        assert_close(image.pixels[16, 28], RED, within=0)

    def test_a_palette_with_an_alpha_for_each_entry_is_composited(self) -> None:
        """PNG's tRNS chunk may hold a whole table."""
        picture = Pillow.new("P", (32, 32), 1)
        picture.putpalette([0, 0, 0, 255, 0, 0])

        image = decode(encoded(picture, "PNG", transparency=bytes([255, 128])))

        assert_close(image.pixels[16, 16], (255, 127, 127), within=1)

    def test_a_transparent_rgb_value_is_white(self) -> None:
        """PNG's tRNS chunk may name one colour."""
        image = decode(encoded(quadrants(), "PNG", transparency=RED))

        assert_close(corners(image.pixels), [(255, 255, 255), GREEN, BLUE, (255, 255, 255)], within=0)

    def test_black_and_white_of_one_bit(self) -> None:
        """Mode 1."""
        picture = Pillow.new("1", (32, 32), 0)
        picture.paste(1, (16, 0, 32, 32))

        image = decode(encoded(picture, "PNG"))

        assert image.pixels[16, 4].tolist() == [0, 0, 0]
        assert image.pixels[16, 28].tolist() == [255, 255, 255]

    def test_grey_of_16_bits_keeps_its_brightness(self) -> None:
        """Pillow alone would clip everything over 255 to white."""
        values = np.full((32, 32), 0x8040, dtype=np.uint16)

        image = decode(encoded(Pillow.fromarray(values), "PNG"))

        assert image.pixels[16, 16].tolist() == [128, 128, 128]

    def test_a_transparent_16_bit_value_is_white(self) -> None:
        """The transparent value is compared in 16 bits, before they are cut to 8."""
        row = b"\x00" + b"\x40\x01" * 16 + b"\x40\x02" * 16

        image = decode(png(32, 32, 16, 0, row * 32, png_chunk(b"tRNS", b"\x40\x01")))

        assert image.pixels[16, 4].tolist() == [255, 255, 255]
        assert image.pixels[16, 28].tolist() == [64, 64, 64]

    def test_colour_of_16_bits(self) -> None:
        """PNG with 48 bits a pixel."""
        row = b"\x00" + b"\xc8\x00\x1e\x00\x1e\x00" * 32

        image = decode(png(32, 32, 16, 2, row * 32))

        assert image.pixels[16, 16].tolist() == list(RED)

    def test_an_adobe_cmyk_jpeg(self) -> None:
        """Adobe stores inks inverted and says so in a marker; Pillow writes CMYK that way."""
        data = encoded(Pillow.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", quality=95)

        image = decode(data)

        assert b"Adobe" in data
        assert_close(image.pixels[16, 16], (255, 0, 0))

    def test_a_cmyk_jpeg_without_adobes_marker_is_not_inverted(self) -> None:
        """Other writers store plain inks."""
        inverted = encoded(Pillow.new("CMYK", (32, 32), (255, 0, 0, 255)), "JPEG", quality=95)
        marker = inverted.index(b"\xff\xee")
        plain = inverted[:marker] + inverted[marker + 2 + 14 :]

        image = decode(plain)

        assert b"Adobe" not in plain
        assert_close(image.pixels[16, 16], (255, 0, 0))

    def test_a_ycck_jpeg(self) -> None:
        """Adobe's other CMYK: the inks stored as luma, chroma and black, told by the marker's last byte."""
        luma, blue, red = Pillow.new("RGB", (1, 1), (255, 0, 0)).convert("YCbCr").getpixel((0, 0))  # type: ignore[misc]
        data = bytearray(encoded(Pillow.new("CMYK", (32, 32), (luma, blue, red, 0)), "JPEG", quality=95))
        data[data.index(b"Adobe") + 11] = 2

        image = decode(bytes(data))

        assert_close(image.pixels[16, 16], (255, 0, 0))


class TestUpright:
    """EXIF orientation is applied, and width and height are those of the upright picture."""

    @pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_every_orientation_ends_upright(self, name: str, orientation: int) -> None:
        """A picture that was turned and says so looks as before."""
        undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow.Transpose values that undo each orientation
        stored = quadrants().transpose(Pillow.Transpose(undo[orientation])) if orientation > 1 else quadrants()
        exif = Pillow.Exif()
        exif[0x0112] = orientation

        image = decode(encoded(stored, name, exif=exif))

        assert (image.width, image.height) == (96, 64)
        assert_close(corners(image.pixels), [RED, GREEN, BLUE, (255, 255, 255)])

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF")
    @pytest.mark.parametrize("exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00"])
    def test_unreadable_exif_is_as_good_as_none(self, exif: bytes) -> None:
        """A photo is not refused for its metadata."""
        assert decode(encoded(quadrants(), "JPEG", exif=exif)).width == 96

    def test_an_orientation_that_does_not_exist_is_ignored(self) -> None:
        """EXIF defines 1 to 8."""
        exif = Pillow.Exif()
        exif[0x0112] = 9

        assert decode(encoded(quadrants(), "JPEG", exif=exif)).height == 64


class TestWorkingSize:
    """The result is bounded whatever was uploaded."""

    @pytest.mark.parametrize("name", ["JPEG", "PNG"])
    def test_the_longest_edge_is_scaled_to_the_working_edge(self, name: str) -> None:
        """The aspect stays, and so does the reported size of the original."""
        image = decode(encoded(quadrants(3000, 2000), name), DecodeLimits(working_edge=300))

        assert (image.width, image.height) == (3000, 2000)
        assert image.pixels.shape == (200, 300, 3)
        assert_close(corners(image.pixels), [RED, GREEN, BLUE, (255, 255, 255)])

    def test_a_small_image_is_not_enlarged(self) -> None:
        """Nothing is invented."""
        assert decode(encoded(quadrants(50, 40), "PNG")).pixels.shape == (40, 50, 3)

    def test_scaling_averages_instead_of_picking(self) -> None:
        """A fine chequerboard becomes grey, not black or white."""
        board = np.indices((1024, 1024)).sum(axis=0) % 2 * np.uint8(255)

        image = decode(encoded(Pillow.fromarray(board.astype(np.uint8)), "PNG"), DecodeLimits(working_edge=128))

        assert_close(image.pixels[8:-8, 8:-8], np.full((112, 112, 3), 127.5), within=4)

    def test_scaling_does_not_bleed_the_colour_under_transparency(self) -> None:
        """Alpha is premultiplied: the edge of a cut-out stays free of what lies hidden beside it."""
        cut_out = Pillow.new("RGBA", (1000, 1000), (0, 0, 0, 0))
        cut_out.paste((255, 255, 255, 255), (0, 0, 501, 1000))

        image = decode(encoded(cut_out, "PNG"), DecodeLimits(working_edge=100))

        assert image.pixels.min() >= 250


class TestColourProfile:
    """Embedded profiles lead to sRGB; bad ones are ignored."""

    def test_a_profile_is_applied(self) -> None:
        """Under a profile whose red is sRGB's green, a red value is shown green."""
        swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        for one, other in ((b"rXYZ", b"?XYZ"), (b"gXYZ", b"rXYZ"), (b"?XYZ", b"gXYZ")):
            swapped = swapped.replace(one, other, 1)
        swapped = swapped.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))

        image = decode(encoded(Pillow.new("RGB", (32, 32), RED), "PNG", icc_profile=swapped))

        assert_close(image.pixels[16, 16], (30, 200, 30), within=2)

    @pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
    def test_a_damaged_profile_is_ignored(self, name: str) -> None:
        """The photo is as good without."""
        image = decode(encoded(quadrants(), name, icc_profile=b"not a profile" * 20))

        assert_close(corners(image.pixels)[0], RED)

    def test_a_profile_of_another_colour_space_is_ignored(self) -> None:
        """A Lab profile in an RGB file is a mistake."""
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

        image = decode(encoded(quadrants(), "PNG", icc_profile=lab))

        assert_close(corners(image.pixels)[0], RED, within=0)


class TestFaults:
    """Each way of being refused has its name, and its message tells value, limit and remedy."""

    def test_no_bytes(self) -> None:
        """EMPTY."""
        error = fault_of(b"")

        assert error.fault is ImageFault.EMPTY
        assert "0 bytes" in str(error)

    def test_too_many_bytes(self) -> None:
        """TOO_MANY_BYTES, before anything is read."""
        error = fault_of(b"x" * 1001, DecodeLimits(max_bytes=1000))

        assert error.fault is ImageFault.TOO_MANY_BYTES
        assert "1,001" in str(error)
        assert "1,000" in str(error)

    @pytest.mark.parametrize(
        "data",
        [
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"<?xml version='1.0'?><svg/>",
            b"%PDF-1.7\n",
            b"%!PS-Adobe-3.0 EPSF-3.0\n",
            b"BM" + bytes(100),
            b"II*\x00" + bytes(100),
            b"MM\x00*" + bytes(100),
            b"\x00\x00\x01\x00" + bytes(100),
            b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
            b"RIFF\x04\x00\x00\x00WAVE",
            b"P6 1 1 255\n000",
            b"hello",
            b"\x00",
        ],
    )
    def test_formats_not_on_the_list(self, data: bytes) -> None:
        """UNSUPPORTED_FORMAT names the accepted ones."""
        error = fault_of(data)

        assert error.fault is ImageFault.UNSUPPORTED_FORMAT
        assert all(name in str(error) for name in FORMATS)

    @pytest.mark.parametrize("name", ["TIFF", "BMP", "PPM", "TGA", "PCX", "ICO", "JPEG2000", "EPS", "PDF"])
    def test_pillows_other_plugins_never_run(self, name: str) -> None:
        """Pillow could open most of these."""
        assert fault_of(encoded(quadrants(), name)).fault is ImageFault.UNSUPPORTED_FORMAT

    @pytest.mark.parametrize("name", FORMATS)
    @pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
    def test_a_file_without_its_end(self, name: str, share: float) -> None:
        """TRUNCATED: the missing part is not guessed."""
        noise = np.random.default_rng(7).integers(0, 256, (80, 80, 3), dtype=np.uint8)
        whole = encoded(Pillow.fromarray(noise), name)

        error = fault_of(whole[: int(len(whole) * share)])

        assert error.fault is ImageFault.TRUNCATED
        assert "whole file" in str(error)

    @pytest.mark.parametrize("name", FORMATS)
    def test_one_pixel(self, name: str) -> None:
        """TOO_SMALL: tracking pixels are no product photos."""
        error = fault_of(encoded(Pillow.new("RGB", (1, 1)), name))

        assert error.fault is ImageFault.TOO_SMALL
        assert "1 x 1" in str(error)
        assert "16" in str(error)

    def test_too_long_and_thin(self) -> None:
        """EXTREME_ASPECT."""
        error = fault_of(encoded(Pillow.new("RGB", (1000, 20)), "PNG"))

        assert error.fault is ImageFault.EXTREME_ASPECT
        assert "50.0 to 1" in str(error)
        assert "20 to 1" in str(error)

    @pytest.mark.parametrize("name", FORMATS)
    def test_more_pixels_than_allowed(self, name: str) -> None:
        """TOO_MANY_PIXELS, by our own limit."""
        error = fault_of(encoded(quadrants(200, 100), name), DecodeLimits(max_pixels=19_999))

        assert error.fault is ImageFault.TOO_MANY_PIXELS
        assert "20,000" in str(error)
        assert "19,999" in str(error)

    def test_our_limit_rules_not_pillows(self) -> None:
        """95 megapixels pass without Pillow's warning about decompression bombs."""
        data = encoded(Pillow.new("1", (9500, 10_000)), "PNG")

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = decode(data, DecodeLimits(working_edge=64))

        assert (image.width, image.height) == (9500, 10_000)

    @pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF"])
    def test_too_many_frames(self, name: str) -> None:
        """TOO_MANY_FRAMES."""
        frames = [Pillow.new("RGB", (20, 20), (index * 20, 0, 0)) for index in range(6)]
        data = encoded(frames[0], name, save_all=True, append_images=frames[1:])

        error = fault_of(data, DecodeLimits(max_frames=5))

        assert error.fault is ImageFault.TOO_MANY_FRAMES
        assert "more than 5 frames" in str(error)
        assert decode(data, DecodeLimits(max_frames=6)).format == name

    def test_damaged_pixel_data(self) -> None:
        """CORRUPT."""
        whole = encoded(quadrants(), "PNG")
        start = whole.index(b"IDAT") + 4

        error = fault_of(whole[:start] + b"\x00" * 8 + whole[start + 8 :])

        assert error.fault is ImageFault.CORRUPT

    def test_the_cause_is_kept(self) -> None:
        """The library's own exception is chained for whoever debugs."""
        whole = encoded(quadrants(), "PNG")
        start = whole.index(b"IDAT") + 4

        assert isinstance(fault_of(whole[:start] + b"\x00" * 8 + whole[start + 8 :]).__cause__, Exception)


class TestForgedHeaders:
    """Sizes are believed only as far as the limits go, and nothing is allocated for them."""

    @staticmethod
    def forged(name: str, width: int, height: int) -> bytes:
        """Make a small file of that format that claims to be width x height."""
        data = bytearray(encoded(quadrants(), name, **({"lossless": True} if name == "WEBP" else {})))
        if name == "PNG":
            data[16:24] = struct.pack(">II", width, height)
            data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        elif name == "JPEG":
            start = data.index(b"\xff\xc0") + 5
            data[start : start + 4] = struct.pack(">HH", height, width)
        elif name == "GIF":
            data[6:10] = struct.pack("<HH", width, height)
        elif name == "AVIF":
            start = data.index(b"ispe") + 8
            data[start : start + 8] = struct.pack(">II", width, height)
        else:
            data[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
        return bytes(data)

    @pytest.mark.parametrize("name", FORMATS)
    def test_a_huge_claim_is_refused_by_the_header_alone(self, name: str) -> None:
        """TOO_MANY_PIXELS."""
        error = fault_of(self.forged(name, 16_000, 16_000))

        assert error.fault is ImageFault.TOO_MANY_PIXELS
        assert "16000 x 16000" in str(error)

    @pytest.mark.parametrize("name", ["PNG", "WEBP"])
    def test_a_claim_within_the_limits_but_untrue_is_a_named_fault(self, name: str) -> None:
        """The pixels are missing: TRUNCATED or CORRUPT."""
        assert fault_of(self.forged(name, 900, 900)).fault in (ImageFault.TRUNCATED, ImageFault.CORRUPT)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
    @pytest.mark.parametrize("frames", [1, 3])
    def test_an_avif_that_claims_less_than_it_holds(self, mode: str, frames: int) -> None:
        """The AV1 stream decides what the decoder allocates, so its size counts too."""
        large = Pillow.new(mode, (640, 480))
        others = [Pillow.effect_noise((640, 480), 9 + index).convert(mode) for index in range(frames - 1)]
        data = bytearray(encoded(large, "AVIF", save_all=True, append_images=others))
        start = -1
        while (start := data.find(b"ispe", start + 1)) > 0:
            data[start + 8 : start + 16] = struct.pack(">II", 64, 48)

        error = fault_of(bytes(data), DecodeLimits(max_pixels=300_000))

        assert error.fault is ImageFault.TOO_MANY_PIXELS
        assert "640 x 480" in str(error)

    def test_a_gif_frame_that_reaches_over_the_edge_counts(self) -> None:
        """The canvas grows to hold it, so its extent is what is checked."""
        data = bytearray(encoded(quadrants(), "GIF"))
        descriptor = data.index(b",\x00\x00\x00\x00")
        data[descriptor + 5 : descriptor + 9] = struct.pack("<HH", 60_000, 60_000)

        assert fault_of(bytes(data)).fault is ImageFault.TOO_MANY_PIXELS

    def test_an_animation_that_claims_billions_of_frames(self) -> None:
        """TOO_MANY_FRAMES."""
        frames = [Pillow.new("RGB", (20, 20), colour) for colour in (RED, BLUE)]
        data = bytearray(encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]))
        start = data.index(b"acTL") + 4
        data[start : start + 4] = struct.pack(">I", 2**31)
        data[start + 8 : start + 12] = struct.pack(">I", zlib.crc32(data[start - 4 : start + 8]))

        assert fault_of(bytes(data)).fault is ImageFault.TOO_MANY_FRAMES

    def test_a_jpeg_of_a_thousand_scans(self) -> None:
        """Each scan passes over the whole picture, so their number is bounded."""
        data = encoded(quadrants(), "JPEG", progressive=True)
        scan = data.rindex(b"\xff\xda")

        error = fault_of(data[:scan] + data[scan:-2] * 1000 + data[-2:])

        assert error.fault is ImageFault.CORRUPT
        assert "100 scans" in str(error)


class TestSlowFiles:
    """Files of legal size that keep a decoder busy for a minute are refused by the walk over their blocks."""

    @pytest.mark.parametrize(("junk", "at"), [(b"\xff", 20), (b"\x00", 20), (b"\xff", -2)])
    def test_padding_in_a_jpeg(self, junk: bytes, at: int) -> None:
        """Between segments or at the end of a scan: decoders skip it byte by byte."""
        data = encoded(quadrants(), "JPEG")

        error = fault_of(data[:at] + junk * 2_000_000 + data[at:])

        assert error.fault is ImageFault.CORRUPT
        assert "bytes of junk" in str(error)

    def test_a_run_of_padding_that_leads_nowhere(self) -> None:
        """The search for the next marker does not look back."""
        data = encoded(quadrants(), "JPEG")

        error = fault_of(data[:20] + b"\xff" * 2_000_000 + b"\x00")

        assert error.fault is ImageFault.CORRUPT

    @pytest.mark.parametrize(
        ("name", "at", "block"),
        [
            ("PNG", 33, b"\0\0\0\0prVt" + struct.pack(">I", zlib.crc32(b"prVt"))),
            ("JPEG", 2, b"\xff\xfe\x00\x02"),
            ("GIF", -1, b"!\xfe\0"),
            ("GIF", -1, b",\0\0\0\0\1\0\1\0\0\2\0"),
        ],
    )
    def test_blocks_without_number(self, name: str, at: int, block: bytes) -> None:
        """Each costs a decoder some microseconds."""
        data = encoded(quadrants(), name)

        error = fault_of(data[:at] + block * 60_000 + data[at:])

        assert error.fault is ImageFault.CORRUPT
        assert "more than 50,000 blocks" in str(error)

    def test_the_boxes_of_an_avif_without_number(self) -> None:
        """The walk over an AVIF counts its steps."""
        error = fault_of(encoded(quadrants(), "AVIF") + b"\0\0\0\x08free" * 120_000)

        assert error.fault is ImageFault.CORRUPT
        assert "100,000 parts" in str(error)


def test_limits_are_values() -> None:
    """Limits and images are frozen."""
    with pytest.raises(AttributeError):
        DecodeLimits().max_bytes = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Image(np.zeros((1, 1, 3), np.uint8), 1, 1, "PNG", "").width = 2  # type: ignore[misc]
