"""Files made to harm: bombs, several formats in one, scripts, payloads in metadata. Each is refused, or harmless."""

from __future__ import annotations

import gzip
import io
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from reference_brands.errors import RenderError
from reference_brands.safe_svg import check_svg
from reference_brands.untrusted import render_untrusted
from serving.access.caller import name_of
from serving.errors import PackageError, Unauthenticated
from serving.image_views import View, original, shown_photo, shown_reference
from serving.packages.check import check_package
from serving.packages.pictures import StandingPhotos
from serving.spreadsheets import as_cell
from serving.wire.rules import check_id
from vision.decode import decode
from vision.errors import ImageError, ImageFault
from vision.thumbnails import thumbnail

PAYLOAD = b"<script>alert('touchstone')</script>"
SVG = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def encoded(kind: str = "JPEG", size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    """Encode a plain picture, left half red."""
    picture = Pillow.new("RGB", size, (30, 60, 200))
    picture.paste((200, 20, 20), (0, 0, size[0] // 2, size[1]))
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Make a PNG chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_with(extra: bytes) -> bytes:
    """Put a chunk behind the header of a sound PNG."""
    sound = encoded("PNG")
    return sound[:33] + extra + sound[33:]


def png_bomb() -> bytes:
    """Claim 10,000 x 10,000 pixels, one more row than allowed with the last digit, in 300 kB."""
    header = struct.pack(">IIBBBBB", 10_001, 10_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(30_004 * 1_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg_bomb() -> bytes:
    """Forge the size in a JPEG's frame header: 65,535 x 65,535."""
    forged = bytearray(encoded())
    start = forged.index(b"\xff\xc0")
    struct.pack_into(">HH", forged, start + 5, 65_535, 65_535)
    return bytes(forged)


def webp_bomb() -> bytes:
    """Forge the canvas of an extended WebP: 2**24 pixels an edge."""
    body = (
        b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6 + b"VP8L" + struct.pack("<I", 5) + b"\x2f" + bytes(5)
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def svgz_bomb() -> bytes:
    """Compress a drawing of 50 MB to 50 kB."""
    return gzip.compress(b"<svg " + SVG.encode() + b' viewBox="0 0 9 9">' + b" " * 50_000_000 + b"</svg>")


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (png_bomb, ImageFault.TOO_MANY_PIXELS),
        (jpeg_bomb, ImageFault.TOO_MANY_PIXELS),
        (webp_bomb, ImageFault.TOO_MANY_PIXELS),
        (svgz_bomb, ImageFault.UNSUPPORTED_FORMAT),
        (lambda: encoded("TIFF"), ImageFault.UNSUPPORTED_FORMAT),
        (lambda: encoded("BMP"), ImageFault.UNSUPPORTED_FORMAT),
    ],
)
def test_a_decompression_bomb_is_refused_by_its_claims(make: Callable[[], bytes], fault: ImageFault) -> None:
    """What would become gigabytes is refused by name before any of them is allocated."""
    bomb = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(ImageError) as refused:
        decode(bomb)

    assert refused.value.fault is fault
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # kB


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(300_000_000), 9)),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(300_000_000), 9)),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(300_000_000), 9)),
    ],
    ids=["zTXt", "iCCP", "iTXt"],
)
def test_a_bomb_in_a_png_s_metadata_does_not_go_off(extra: bytes) -> None:
    """300 MB of text or profile in 300 kB: the file is refused or read without them, and the memory is not taken."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    try:
        assert decode(png_with(extra)).width == 64
    except ImageError as error:
        assert error.fault is ImageFault.CORRUPT  # noqa: PT017 - either is sound

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def polyglots() -> dict[str, bytes]:
    """Make files that are a photo and something else."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("payload.js", PAYLOAD)
    exif = Pillow.Exif()
    exif[0x010E] = PAYLOAD.decode()  # ImageDescription
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}  # where it was taken
    text = PngInfo()
    text.add_text("Comment", PAYLOAD.decode())
    return {
        "photo and zip": encoded() + archive.getvalue(),
        "photo and page": encoded() + b"<html>" + PAYLOAD,
        "comment with script": encoded(comment=PAYLOAD),
        "EXIF": encoded(exif=exif),
        "XMP": encoded(xmp=b"<x:xmpmeta>" + PAYLOAD),
        "GIF that is JavaScript": encoded("GIF") + b"=1;/*" + PAYLOAD + b"*/",
        "PNG text": encoded("PNG", pnginfo=text),
        "WebP EXIF": encoded("WEBP", exif=exif),
    }


@pytest.mark.parametrize("name", polyglots())
def test_of_a_polyglot_nothing_but_its_pixels_is_shown(name: str) -> None:
    """Whatever stands beside the pixels is in no picture that leaves: whole, thumbnail, in a package."""
    content = polyglots()[name]

    class Kept:
        """Where the photo is kept."""

        def photo(self, sha256: str) -> bytes:
            """Return it."""
            return content

    shown = shown_photo(content, View())
    outputs = [
        shown.content,
        thumbnail(decode(content).pixels, edge=32),
        StandingPhotos(Kept(), (), originals=False).photo("") or b"",
    ]

    assert shown.media_type == "image/webp"
    for output in outputs:
        assert b"script" not in output
        assert b"PK\x03\x04" not in output
        picture = Pillow.open(io.BytesIO(output))
        assert not picture.getexif()
        assert not {"comment", "xmp", "exif", "Comment"} & picture.info.keys()


def test_orientation_is_honoured_when_exif_is_dropped() -> None:
    """A photo that EXIF turns is shown upright, and says nothing of it any more."""
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    shown = shown_photo(encoded(exif=exif), View())

    picture = Pillow.open(io.BytesIO(shown.content)).convert("RGB")
    assert picture.size == (48, 64)
    assert np.asarray(picture)[5, 24, 0] > 150  # what was left is above
    assert not picture.getexif()


def test_an_original_is_named_by_what_its_pixels_are() -> None:
    """The file as it came is given out as the photo that it is, an SVG as nothing that a browser would run."""
    assert original(polyglots()["photo and page"]).media_type == "image/jpeg"
    assert original(f"<svg {SVG}><script>1</script></svg>".encode()).media_type == "application/octet-stream"


@pytest.mark.parametrize(
    "document",
    [
        f'<svg {SVG} viewBox="0 0 9 9"><script>alert(1)</script></svg>',
        f'<svg {SVG} viewBox="0 0 9 9"><image xlink:href="file:///etc/passwd"/></svg>',
        f'<svg {SVG} viewBox="0 0 9 9"><image href="http://example.com/x.png"/></svg>',
        f'<svg {SVG} viewBox="0 0 9 9"><use href="http://example.com/x.svg#a"/></svg>',
        f'<svg {SVG} viewBox="0 0 9 9"><style>@import url(http://example.com/x.css)</style></svg>',
        f'<svg {SVG} viewBox="0 0 9 9"><rect fill="url(http://example.com/#a)"/></svg>',
        f'<svg {SVG} viewBox="0 0 9 9"><foreignObject><body/></foreignObject></svg>',
        f'<svg {SVG} viewBox="0 0 1000000 1"/>',
        '<!DOCTYPE svg [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        f'<svg {SVG} viewBox="0 0 9 9"><title>&b;</title></svg>',
        f'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg {SVG} viewBox="0 0 9 9"><desc>&x;</desc></svg>',
        f'<?xml-stylesheet href="http://example.com/x.xsl"?><svg {SVG} viewBox="0 0 9 9"><animate/></svg>',
    ],
)
def test_a_hostile_drawing_is_refused_before_it_is_drawn(document: str) -> None:
    """Scripts, references outside, entities and endless view boxes are named and refused."""
    with pytest.raises(RenderError):
        check_svg(document)
    with pytest.raises(RenderError):
        shown_reference(document.encode(), View())


def test_a_huge_view_box_of_sound_shape_is_drawn_at_the_size_asked_for() -> None:
    """What a document says of its size costs nothing: the pixels are as many as we ask for."""
    drawn = render_untrusted(
        f'<svg {SVG} viewBox="0 0 900000 900000"><rect width="9" height="9"/></svg>', longest_edge=64
    )

    assert drawn.shape == (64, 64, 4)


def test_handlers_of_events_do_not_survive_in_what_is_drawn() -> None:
    """What reaches the renderer is pixels' business alone; a drawing is given out as pixels."""
    document = f'<svg {SVG} viewBox="0 0 9 9" onload="alert(1)"><rect width="9" height="9" onclick="alert(1)"/></svg>'

    shown = shown_reference(document.encode(), View(edge=32))

    assert shown.media_type == "image/webp"
    assert b"alert" not in shown.content


def bomb_zip(path: Path, *, compression: int = zipfile.ZIP_DEFLATED, files: int = 1) -> Path:
    """Write a zip that holds much in little."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for number in range(files):
            archive.writestr(f"f{number}", bytes(50_000_000) if compression else b"")
        archive.writestr("SHA256SUMS", "")
    return path


def test_an_archive_bomb_is_no_evidence_package(tmp_path: Path) -> None:
    """Packages are not compressed, so nothing that unfolds is read; nor files without number, twins, nor links."""
    twins = tmp_path / "twins.zip"
    with zipfile.ZipFile(twins, "w") as archive:
        archive.writestr("SHA256SUMS", "")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("SHA256SUMS", "other")
    linked = tmp_path / "folder"
    linked.mkdir()
    (linked / "SHA256SUMS").write_text("")
    (linked / "package.json").symlink_to("/etc/passwd")

    for path, told in (
        (bomb_zip(tmp_path / "deep.zip"), "is compressed"),
        (bomb_zip(tmp_path / "many.zip", compression=zipfile.ZIP_STORED, files=1_001), "1,002 files"),
        (twins, "two files of one name"),
        (linked, "is a link"),
    ):
        with pytest.raises(PackageError, match=told):
            check_package(path)


def test_a_zip_that_lies_about_its_sizes_is_no_evidence_package(tmp_path: Path) -> None:
    """A stored entry that claims a terabyte is refused by its claim."""
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("SHA256SUMS", "x" * 100)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<II", content, directory + 20, 0xFFFF_FFFE, 0xFFFF_FFFE)
    path.write_bytes(content)

    with pytest.raises(PackageError):
        check_package(path)


def test_an_exported_table_runs_no_formula(tmp_path: Path) -> None:
    """Ids that begin like a formula are text to every spreadsheet, and what is none stays as it is."""
    hostile = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"]

    assert [as_cell(one) for one in hostile] == [f"'{one}" for one in hostile]
    assert [as_cell(one) for one in ("a=1", "", "Nike", 0.5, None)] == ["a=1", "", "Nike", 0.5, None]


def test_changes_between_scans_are_written_without_formulas(tmp_path: Path) -> None:
    """The one command that writes CSV writes its cells so."""
    from serving.cli.scan_diff import _write
    from serving.scan.diff import Change

    values = dict.fromkeys(Change.__dataclass_fields__) | {"listing_id": "=cmd|' /C calc'!A0"}
    for name, field in Change.__dataclass_fields__.items():
        if values[name] is None and field.type == "str":
            values[name] = "x"
    _write(tmp_path / "changes.csv", [Change(**values)])  # type: ignore[arg-type]

    table = pyarrow.csv.read_csv(tmp_path / "changes.csv")
    assert table["listing_id"][0].as_py() == "'=cmd|' /C calc'!A0"


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\0", "\x1b"])
def test_names_and_ids_cannot_pretend_to_be_others(sign: str) -> None:
    """Signs that turn or end a text are refused in ids and callers' names, as are names without end."""
    assert list(check_id("listing_id", f"ab{sign}cd", required=True))
    with pytest.raises(Unauthenticated):
        name_of(f"ann{sign}nad", "the token")
    with pytest.raises(Unauthenticated):
        name_of("a" * 257, "the token")
    assert list(check_id("listing_id", "a" * 257, required=True))
