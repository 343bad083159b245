"""Drawing SVG that nobody vouches for: what is drawn, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reference_brands.errors import RenderError
from reference_brands.render import MAX_EDGE, paint, render, tight_mask, turned_square
from reference_brands.safe_svg import MAX_BYTES, MAX_DEPTH, check_svg
from reference_brands.untrusted import render_untrusted

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SQUARE = '<rect x="2" y="2" width="6" height="6" fill="#f00"/>'


def svg(body: str, *, size: str = 'viewBox="0 0 10 10"') -> str:
    """Wrap `body` into a document."""
    return f"<svg {NAMESPACES} {size}>{body}</svg>"


def test_draws_at_the_size_asked_for_and_keeps_the_aspect() -> None:
    """The longest edge gets the pixels asked for, the other follows, whatever the document says its size is."""
    wide = svg('<rect width="20" height="10"/>', size='width="2000" height="1000" viewBox="0 0 20 10"')
    tall = svg('<rect width="10" height="40"/>', size='viewBox="0 0 10 40"')

    assert render(wide, longest_edge=64).shape == (32, 64, 4)
    assert render(tall, longest_edge=64).shape == (64, 16, 4)


def test_pixels_are_rgba_with_transparent_paper() -> None:
    """A red square comes out red and opaque, its surroundings transparent."""
    pixels = render(svg(SQUARE).encode(), longest_edge=100)

    assert pixels.dtype == np.uint8
    assert pixels[50, 50].tolist() == [255, 0, 0, 255]
    assert pixels[5, 5, 3] == 0


def test_gradients_clips_styles_and_references_within_the_document_are_drawn() -> None:
    """What drawing programs write without asking is allowed: gradients, clip paths, classes, metadata."""
    document = f"""<?xml version="1.0" encoding="UTF-8"?>
    <!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
    <svg {NAMESPACES} xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" viewBox="0 0 10 10">
      <metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>
      <defs><linearGradient id="g"><stop offset="0" stop-color="#00f"/></linearGradient>
        <clipPath id="c"><rect width="5" height="10"/></clipPath><rect id="r" width="10" height="10"/></defs>
      <style>.ink {{ fill: url(#g) }}</style>
      <use xlink:href="#r" class="ink" clip-path="url(#c)" inkscape:label="all"/>
    </svg>"""

    pixels = render(document, longest_edge=100)

    assert pixels[50, 25].tolist() == [0, 0, 255, 255]
    assert pixels[50, 75, 3] == 0


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("", "well-formed"),
        ("not xml at all", "well-formed"),
        (svg(SQUARE)[:-4], "well-formed"),
        ("<html/>", "root element"),
        ('<svg viewBox="0 0 1 1"/>', "root element"),
        (svg("<script>alert(1)</script>"), "<script>"),
        (svg("<foreignObject/>"), "<foreignObject>"),
        (svg('<image href="data:image/png;base64,AAAA"/>'), "upload the raster image itself"),
        (svg("<text>Brand</text>"), "convert text to outlines"),
        (svg('<filter id="f"/>'), "flatten effects"),
        (svg('<use href="file:///etc/passwd"/>'), "outside itself"),
        (svg('<use xlink:href="https://example.org/a.svg#x"/>'), "outside itself"),
        (svg('<rect fill="url( http://example.org/p )"/>'), "outside itself"),
        (svg("<style>rect { fill: URL('//example.org/p') }</style>"), "outside itself"),
        (svg("<style>@import 'http://example.org/a.css'</style>"), "@import"),
        (svg(r"<style>@im\70ort 'a.css'</style>"), "@import"),
        (svg('<style>.a { mask: url(#m) }</style><mask id="m"/>'), "as plain attributes"),
        (svg('<g id="a"><use href="#a"/></g>'), "refers to itself"),
        (svg('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>'), "refers to itself"),
        (svg("<g>" * (MAX_DEPTH + 1) + "</g>" * (MAX_DEPTH + 1)), "deep"),
        (svg(SQUARE, size=""), "gives no size"),
        (svg(SQUARE, size='viewBox="0 0 0 10"'), "gives no size"),
        (svg(SQUARE, size='viewBox="0 0 NaN 10"'), "gives no size"),
        (svg(SQUARE, size='viewBox="0 0 1 1000000"'), "times the other"),
        (svg(SQUARE, size='width="1" height="99999"'), "times the other"),
    ],
)
def test_hostile_and_malformed_documents_are_refused_by_name(document: str, complaint: str) -> None:
    """Whatever reads files, calls out, runs, loops or is no SVG is refused with the rule that it broke."""
    with pytest.raises(RenderError, match=complaint):
        render(document, longest_edge=64)


def test_no_file_of_this_machine_gets_into_a_drawing(tmp_path: Path) -> None:
    """The renderer would open an image by its path; the check refuses the document before."""
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), (1, 2, 3)).save(secret)

    with pytest.raises(RenderError, match="<image>"):
        render(svg(f'<image width="10" height="10" href="{secret}"/>'), longest_edge=64)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % a SYSTEM "http://example.org/evil.dtd">',
    ],
)
def test_entities_are_refused_before_one_is_expanded(declaration: str) -> None:
    """Neither a billion laughs nor a file behind an entity is reached."""
    document = f"<!DOCTYPE svg [{declaration}]>" + svg("<title>&a;</title>")

    with pytest.raises(RenderError, match="entit"):
        render(document, longest_edge=64)


@pytest.mark.parametrize(
    "reference", ['<use href="#{0}"/>', '<rect mask="url(#{0})"/>', '<rect clip-path="url(#{0})"/>']
)
def test_references_that_multiply_are_refused(reference: str) -> None:
    """Thirty levels that each draw the one below twice would be a billion shapes; the count stops them in no time."""
    levels = "".join(f'<g id="l{n + 1}">{reference.format(f"l{n}") * 2}</g>' for n in range(30))

    with pytest.raises(RenderError, match=r"draws \d+ elements"):
        render(svg(f'<rect id="l0" width="1" height="1"/>{levels}'), longest_edge=64)


def test_long_chains_of_references_are_refused_without_exhausting_the_stack() -> None:
    """A chain of ten thousand references ends in an error of ours."""
    chain = "".join(f'<g id="l{n + 1}"><use href="#l{n}"/></g>' for n in range(10_000, 0, -1))

    with pytest.raises(RenderError, match=r"chained|elements"):
        render(svg(chain), longest_edge=64)


def test_too_many_bytes_and_other_encodings_are_refused() -> None:
    """The limit is named, and text must be UTF-8."""
    with pytest.raises(RenderError, match=str(MAX_BYTES)):
        render(svg(" " * MAX_BYTES), longest_edge=64)
    with pytest.raises(RenderError, match="UTF-8"):
        render(svg(SQUARE).encode("utf-16"), longest_edge=64)


@pytest.mark.parametrize("edge", [0, -1, MAX_EDGE + 1])
def test_sizes_out_of_range_are_refused(edge: int) -> None:
    """The message says what is allowed."""
    with pytest.raises(RenderError, match=f"1..{MAX_EDGE}"):
        render(svg(SQUARE), longest_edge=edge)


def test_the_rebuilt_document_holds_no_more_than_was_checked() -> None:
    """Comments, document type, processing instructions and foreign parts are gone."""
    document = "<?evil go?><!DOCTYPE svg><!-- hidden -->" + svg(
        '<x:script xmlns:x="urn:x">run()</x:script>'
        '<rect xmlns:x="urn:x" x:href="http://example.org" width="1" height="1"/>'
    )

    rebuilt = check_svg(document)

    assert "rect" in rebuilt
    assert not any(word in rebuilt for word in ("evil", "DOCTYPE", "hidden", "run()", "example.org"))


def test_a_stranger_s_drawing_comes_out_as_one_of_ours_would() -> None:
    """The child process draws the same pixels."""
    assert np.array_equal(render_untrusted(svg(SQUARE), longest_edge=64), render(svg(SQUARE), longest_edge=64))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<path d="M150 96 L450 -1e38 L418 560 C400 584 200 584 182 560 Z"/>', "crashes the renderer"),
        ('<circle cx="300" cy="300" r="999999999999"/>', "cannot be drawn"),
    ],
)
def test_a_drawing_that_brings_the_renderer_down_takes_nobody_along(body: str, complaint: str) -> None:
    """Coordinates past the renderer's range end its process or make it panic; the caller gets an error."""
    with pytest.raises(RenderError, match=complaint):
        render_untrusted(svg(body, size='viewBox="0 0 600 600"'), longest_edge=96)


def test_a_drawing_that_takes_too_long_is_given_up() -> None:
    """The limit is named with the remedy."""
    with pytest.raises(RenderError, match=r"longer to draw than 0\.001 s: simplify"):
        render_untrusted(svg(SQUARE), longest_edge=64, timeout_s=0.001)


def test_a_stranger_s_drawing_is_checked_before_a_process_starts() -> None:
    """The rules are those of every drawing."""
    with pytest.raises(RenderError, match="<script>"):
        render_untrusted(svg("<script/>"), longest_edge=64, timeout_s=0.0)


def test_tight_mask_centres_what_is_visible() -> None:
    """A small square off the centre ends up in the middle, with the margin kept clear."""
    rgba = render(svg('<rect width="5" height="5"/>'), longest_edge=40)

    mask = tight_mask(rgba, edge=50, margin=0.1)

    rows = np.flatnonzero(mask.any(axis=1))
    assert mask.shape == (50, 50)
    assert (rows[0], rows[-1]) == (15, 34)


def test_a_drawing_without_ink_is_refused() -> None:
    """An empty reference would match every plain photo."""
    with pytest.raises(RenderError, match="nothing visible"):
        tight_mask(render(svg('<rect width="5" height="5" fill="none"/>'), longest_edge=40), edge=50, margin=0.1)


def test_a_drawing_larger_than_its_square_is_refused() -> None:
    """The message names both sizes."""
    with pytest.raises(RenderError, match="does not fit into 40 x 40"):
        tight_mask(render(svg('<rect width="10" height="10"/>'), longest_edge=50), edge=50, margin=0.1)


def test_paint_blends_from_paper_to_ink() -> None:
    """Coverage 0 is paper, 255 is ink, 51 of 255 is a fifth of the way."""
    mask = np.array([[0, 51, 255]], np.uint8)

    painted = paint(mask, ink=(200, 0, 100), paper=(0, 100, 100))

    assert painted.tolist() == [[[0, 100, 100], [40, 80, 100], [200, 0, 100]]]


def test_a_turned_drawing_fills_the_square_within_its_margin() -> None:
    """A wide bar turned by a quarter stands upright, and is stretched to all four borders, in its own colour."""
    bar = np.zeros((20, 60, 4), np.uint8)
    bar[5:15] = (255, 0, 0, 255)
    bar[5:15, :30, 2] = 255  # the left half is purple: turned anticlockwise, it comes to lie below

    turned = turned_square(bar, degrees=90, edge=120, margin=1 / 12)

    covered = turned[..., 3] > 127
    assert np.flatnonzero(covered.any(axis=0))[[0, -1]].tolist() == [10, 109]
    assert np.flatnonzero(covered.any(axis=1))[[0, -1]].tolist() == [10, 109]
    assert turned[30, 60].tolist() == [255, 0, 0, 255]
    assert turned[90, 60].tolist() == [255, 0, 255, 255]


def test_a_turned_drawing_keeps_its_colour_at_its_edges() -> None:
    """What is half transparent at a slanted edge is not darkened by the empty pixels beside it."""
    square = np.zeros((64, 64, 4), np.uint8)
    square[16:48, 16:48] = (200, 100, 50, 255)

    turned = turned_square(square, degrees=15, edge=96, margin=0.0)

    half = turned[(turned[..., 3] > 80) & (turned[..., 3] < 180)]
    assert len(half)
    assert (np.array([200, 100, 50]) - half[:, :3]).max() <= 16


def test_nothing_visible_cannot_be_turned() -> None:
    """An empty drawing is named as such."""
    with pytest.raises(RenderError, match="nothing visible"):
        turned_square(np.zeros((8, 8, 4), np.uint8), degrees=15, edge=32, margin=0.0)
