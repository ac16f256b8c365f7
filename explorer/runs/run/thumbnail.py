"""Validates tile portraits against an allow-list of SVG elements and attributes."""

import re
from pathlib import Path
from xml.etree import ElementTree

from explorer.errors import RunError
from explorer.runs.io.files import file_name, quoted

MAX_THUMBNAIL = 256 << 10
"""Maximum size of a portrait in bytes."""
_MAX_DEPTH = 16
_NAMESPACE = "http://www.w3.org/2000/svg"
ALLOWED_ELEMENTS = frozenset(("svg", "g", "path", "circle", "polyline", "ellipse", "rect"))
ALLOWED_ATTRIBUTES = frozenset(
    (
        *("viewBox", "width", "height", "preserveAspectRatio", "x", "y", "cx", "cy", "r", "rx", "ry", "d", "points"),
        *("transform", "class", "opacity", "vector-effect", "fill", "fill-opacity", "fill-rule", "stroke"),
        *("stroke-width", "stroke-opacity", "stroke-linecap", "stroke-linejoin", "stroke-dasharray"),
    )
)
_VALUE = re.compile(r"[A-Za-z0-9#%.,+\-() \n]*")
_FORBIDDEN = re.compile(r"url|script|expression|var", re.IGNORECASE)


def check_thumbnail(data: bytes, path: Path) -> str:
    """Return the SVG text; raises RunError if it holds anything but plain shapes."""
    where = file_name(path)
    if len(data) > MAX_THUMBNAIL:
        raise RunError(where, f"{len(data)} bytes", f"at most {MAX_THUMBNAIL} bytes")
    if b"<!" in data or b"<?" in data or b"&" in data:
        raise RunError(where, "a declaration, comment or entity", "an SVG picture of plain shapes")
    try:
        text = data.decode("utf-8")
        root = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError) as fault:
        raise RunError(where, f"bad XML ({quoted(str(fault))[1:-1]})", "an SVG picture") from fault
    if root.tag != f"{{{_NAMESPACE}}}svg":
        raise RunError(where, f"the element {quoted(root.tag)}", "an svg element of the SVG namespace")
    _check_element(root, where, 0)
    return text


def _check_element(element: ElementTree.Element, where: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise RunError(where, "shapes nested too deeply", f"at most {_MAX_DEPTH} levels")
    tag = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
    if tag not in ALLOWED_ELEMENTS:
        raise RunError(where, f"the element {quoted(tag)}", f"only {', '.join(sorted(ALLOWED_ELEMENTS))}")
    if (element.text or "").strip() or (element.tail or "").strip():
        raise RunError(where, f"text in the element {quoted(tag)}", "shapes without text")
    for name, value in element.attrib.items():
        if name not in ALLOWED_ATTRIBUTES:
            raise RunError(where, f"the attribute {quoted(name)}", "only attributes that FORMAT.md lists")
        if not _VALUE.fullmatch(value) or _FORBIDDEN.search(value):
            raise RunError(where, f"{quoted(value)} in {quoted(name)}", "a number, a colour or a path")
    for child in element:
        _check_element(child, where, depth + 1)
