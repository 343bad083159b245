"""Which SVG may be drawn? Checks a stranger's file before `reference_brands.render` hands it to the renderer.

The renderer by itself reads local files that an `<image>` names and expands nested `<use>` elements without limit, so
nothing reaches it but a rebuilt document: known elements only, references into the document itself only, and a bound on
how large those references make it. Comments, processing instructions and document types do not survive the rebuilding:
what was checked is what is drawn.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from xml.parsers import expat

from reference_brands.errors import RenderError

MAX_BYTES = 2**20
"""1 MiB. The largest of the 3,466 marks of simplepycons has 54,891 bytes."""

MAX_DEPTH = 64
"""Each level may cost the renderer a layer of pixels and a stack frame."""

MAX_DRAWN_ELEMENTS = 10_000
"""Elements after every reference is followed; as many small translucent rectangles take about 2 s."""

MAX_ASPECT = 20.0
"""Longest edge over shortest; as a picture a longer strip has no detail left at the model's input size."""

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_CONTAINERS = frozenset({"svg", "g", "defs", "symbol", "use", "clipPath", "mask", "switch", "a"})
_SHAPES = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"})
_PAINTS = frozenset({"linearGradient", "radialGradient", "stop"})
_IGNORED = frozenset({"title", "desc", "metadata"})
ALLOWED_ELEMENTS = _CONTAINERS | _SHAPES | _PAINTS | _IGNORED | {"style"}

_ADVICE: Mapping[str, str] = {
    "image": "upload the raster image itself instead",
    "text": "convert text to outlines, since no fonts are loaded",
    "script": "remove it",
    "foreignObject": "remove it",
    "filter": "flatten effects before exporting",
    "pattern": "expand patterns to shapes before exporting",
}
_URL = re.compile(r"url\(\s*['\"]?\s*([^'\")\s]*)", re.IGNORECASE)


def check_svg(svg: bytes | str) -> str:
    """Return the document rebuilt from its allowed parts.

    Raises:
        RenderError: it is malformed, too large or holds what must not be drawn; the message says which and the remedy.

    """
    root = _parse(_decode(svg))
    _strip_foreign(root)
    for element, depth in _walk(root):
        _check_element(element, depth)
    _check_references(root)
    _check_aspect(root)
    return ET.tostring(root, encoding="unicode")


def _decode(svg: bytes | str) -> str:
    size = len(svg) if isinstance(svg, bytes) else len(svg.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise RenderError(f"the SVG has {size} bytes; the limit is {MAX_BYTES}: simplify its paths or upload a PNG")
    try:
        return svg.decode("utf-8-sig") if isinstance(svg, bytes) else svg
    except UnicodeDecodeError as error:
        raise RenderError(f"the SVG is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _parse(text: str) -> ET.Element:
    """Parse twice: once to refuse any entity declaration before one is expanded, once to build the tree."""
    try:
        sentinel = expat.ParserCreate()
        sentinel.EntityDeclHandler = _refuse_entity
        sentinel.Parse(text, True)
        root = ET.fromstring(text)  # noqa: S314 - entities were refused above
    except (expat.ExpatError, ET.ParseError, ValueError) as error:
        raise RenderError(f"the SVG is not well-formed XML: {error}") from error
    if root.tag != f"{_SVG}svg":
        raise RenderError(f'the root element is <{root.tag}>; expected <svg xmlns="{_SVG[1:-1]}">')
    return root


def _refuse_entity(name: str, *_: object) -> None:
    raise RenderError(f"the SVG declares the entity {name!r}; entities are not allowed: remove its document type")


def _strip_foreign(root: ET.Element) -> None:
    """Drop editors' private elements and attributes; the renderer ignores them, so they carry nothing but risk."""
    pending = [root]
    while pending:
        element = pending.pop()
        for child in list(element):
            if child.tag.startswith("{") and not child.tag.startswith(_SVG):
                element.remove(child)
            else:
                pending.append(child)
        for name in list(element.attrib):
            if name.startswith("{") and name != _XLINK_HREF:
                del element.attrib[name]


def _walk(root: ET.Element) -> Iterator[tuple[ET.Element, int]]:
    pending = [(root, 1)]
    while pending:
        element, depth = pending.pop()
        yield element, depth
        pending.extend((child, depth + 1) for child in element)


def _check_element(element: ET.Element, depth: int) -> None:
    name = element.tag.removeprefix(_SVG)
    if name not in ALLOWED_ELEMENTS:
        advice = _ADVICE.get(name, f"allowed are {', '.join(sorted(ALLOWED_ELEMENTS))}")
        raise RenderError(f"the SVG contains <{name[:40]}>, which is not allowed: {advice}")
    if depth > MAX_DEPTH:
        raise RenderError(f"the SVG nests elements over {MAX_DEPTH} deep: flatten its groups")
    if name == "style" and ("@import" in (element.text or "") or "\\" in (element.text or "")):
        raise RenderError("the SVG's <style> uses @import or escapes: write styles as plain attributes")
    for target in _targets(element):
        if not target.startswith("#"):
            raise RenderError(f"the SVG refers to {target[:60]!r} outside itself: only '#name' references are allowed")


def _targets(element: ET.Element) -> list[str]:
    """Return what the element refers to, in every way SVG has: href, url() in attributes and in style sheets."""
    hrefs = [element.attrib[name] for name in ("href", _XLINK_HREF) if name in element.attrib]
    texts = [*element.attrib.values(), element.text or ""] if element.tag == f"{_SVG}style" else element.attrib.values()
    return hrefs + [found for text in texts for found in _URL.findall(text)]


def _check_references(root: ET.Element) -> None:
    """Refuse references that run in circles or multiply: the "billion laughs" of `<use>`, masks and clip paths."""
    by_id = {element.attrib["id"]: element for element, _ in _walk(root) if "id" in element.attrib}
    for style in root.iter(f"{_SVG}style"):
        for target in _targets(style):
            # A class stands at any number of elements, which the count below would not see; paint is harmless.
            if target[1:] in by_id and by_id[target[1:]].tag.removeprefix(_SVG) not in _PAINTS:
                raise RenderError(f"the SVG's <style> uses {target!r}: export clip paths and masks as plain attributes")
    known: dict[ET.Element, int] = {}
    open_elements: set[ET.Element] = set()

    def drawn(element: ET.Element) -> int:
        if element in known:
            return known[element]
        if element in open_elements:
            raise RenderError(f"the SVG's element {element.attrib.get('id', element.tag)!r} refers to itself")
        if len(open_elements) > 4 * MAX_DEPTH:
            raise RenderError(f"the SVG's references are chained over {4 * MAX_DEPTH} deep: flatten them")
        open_elements.add(element)
        targets = (by_id[target[1:]] for target in _targets(element) if target[1:] in by_id)
        known[element] = 1 + sum(map(drawn, element)) + sum(map(drawn, targets))
        open_elements.discard(element)
        return known[element]

    if (total := drawn(root)) > MAX_DRAWN_ELEMENTS:
        raise RenderError(f"the SVG draws {total} elements; the limit is {MAX_DRAWN_ELEMENTS}: expand and simplify it")


def _check_aspect(root: ET.Element) -> None:
    width, height = _size(root)
    if not 1 / MAX_ASPECT <= width / height <= MAX_ASPECT:
        raise RenderError(f"the SVG is {width:g} x {height:g}; one edge may be at most {MAX_ASPECT:g} times the other")


def _size(root: ET.Element) -> tuple[float, float]:
    """Return width and height as the renderer takes them: the attributes when both are there, else the view box."""
    lengths = [_length(root.get(name, "")) for name in ("width", "height")]
    box = [_length(part) for part in re.split(r"[\s,]+", root.get("viewBox", "").strip())]
    if lengths[0] and lengths[1]:
        return lengths[0], lengths[1]
    if len(box) == 4 and box[2] and box[3]:
        return box[2], box[3]
    raise RenderError("the SVG gives no size: its root needs a viewBox, or a positive width and height")


def _length(text: str) -> float:
    """Return a positive number of pixels, or 0 for anything else (percentages among it)."""
    match = re.fullmatch(r"([0-9]{0,7}\.?[0-9]{1,6})(px)?", text.strip())
    return float(match[1]) if match else 0.0
