"""The view of a page as the query of a link: versioned and strict.

A link holds only what differs from the default view, so it stays short. Opening one computes nothing on a host.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import parse_qsl, quote, urlencode

from explorer.app.view.selection import check_picks, read_selection
from explorer.errors import RequestError

VERSION = "1"
"""Incremented when a key changes its meaning; older versions stay readable."""

Place: TypeAlias = str | float
"""An end of a steering path: the name of a value, or an intrinsic coordinate in [0, 1]."""
Theme = Literal["", "dark", "light"]
ShapeFilter = Literal["", "closed curve", "open curve", "surface", "blob"]
RegimeFilter = Literal["", "compact capture", "tiling", "dilution", "undetermined"]
Sort = Literal["manifold", "size", "features", "regime", "stability", "label"]
Paint = Literal["cluster", "shape", "regime", "stability", "rate"]
NoiseLook = Literal["shown", "faded", "hidden"]
Wall = Literal["tiles", "table"]
Ask = Literal["text", "message"]
Where = Literal["last_prompt", "all_prompt", "generated"]
Axes = Literal["3d", "12", "13", "23", "all"]

COLORS = ("coordinate", "value", "token", "document", "text")
"""Colourings of the cloud apart from features: intrinsic coordinate, value, token, position in document and text."""

MAX_TEXT = 2_000
"""Characters of one key."""
MAX_TRIED = 500
"""Characters of the text to try."""
MAX_STEPS = 999
"""Steps of a tour."""
MAX_STRENGTH = 100.0
"""Largest steering strength in a link; a host's own limit is lower."""
MAX_ZOOM = 64.0
"""At this zoom, the quantisation step of a feature's map position is about a pixel."""


@dataclass(frozen=True)
class View:
    """What a page shows, apart from its path."""

    theme: Theme = ""
    """"" follows the system."""
    query: str = ""
    """Search over labels, tokens and numbers."""
    shape: ShapeFilter = ""
    """Filter; "" is any shape."""
    regime: RegimeFilter = ""
    """Filter; "" is any regime."""
    sort: Sort = "manifold"
    """Order of tiles and table."""
    selection: str = ""
    """Filter: clusters in the form of ``read_selection``; "" is all."""
    wall: Wall = "tiles"
    """Whether clusters are shown as tiles or as a table."""
    paint: Paint = "cluster"
    """What colours the map."""
    noise: NoiseLook = "shown"
    """How the map draws features outside any cluster."""
    place: tuple[float, ...] = ()
    """Visible part of the map: centre x and y in [0, 1], and zoom; empty for all of it."""
    text: str = ""
    """Text to try: the page shows which clusters fire on it."""
    camera: tuple[float, ...] = ()
    """Eye, centre and up vector of the cloud's camera: nine numbers, or empty for the default."""
    color: str = "coordinate"
    """One of COLORS, or "feature-" and a feature's number."""
    axes: Axes = "3d"
    """Projection of the cloud: three axes, two of them, or all pairs side by side."""
    pick: str = ""
    """Selected samples, such as "3,7-12"."""
    position: float = 0.5
    """Position of the handle along the path, in [0, 1]."""
    prompt: str = ""
    """Prompt to steer."""
    start: Place | None = None
    """Start of the path; None is the prompt's own coordinate."""
    end: Place | None = None
    """End of the path; None lets the page choose."""
    strength: float = 1.0
    """Multiple of the full displacement."""
    step: int = 1
    """Step of a tour, counted from 1."""
    readout: str = ""
    """Edited readout classes, one a line; "" is the cluster's own."""
    phrases: str = ""
    """Phrases whose probability is measured along the path, one a line; "" is the page's own."""
    ask: Ask = "text"
    """Whether the prompt is text to continue, or a message to a chat model."""
    where: Where = "last_prompt"
    """Token positions to steer."""
    left: str = ""
    """Left side of a comparison: "run" or "run/cluster"; "" lets the page choose."""
    right: str = ""
    """Right side, likewise."""


KEYS = {
    "theme": "theme", "query": "q", "shape": "shape", "regime": "regime", "sort": "sort",
    "selection": "sel", "wall": "wall", "paint": "by", "noise": "noise", "place": "map", "text": "text",
    "camera": "cam", "color": "color", "axes": "axes", "pick": "pick",
    "position": "at", "prompt": "prompt", "start": "from", "end": "to",
    "strength": "strength", "ask": "ask", "where": "where", "step": "step", "readout": "values", "phrases": "phrases",
    "left": "a", "right": "b",
}  # fmt: skip
"""Link key of each field."""
_SIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[0-9]{1,9})?")
_FIELDS = {key: name for name, key in KEYS.items()}
_CHOICES: dict[str, tuple[str, ...]] = {
    "theme": get_args(Theme),
    "shape": get_args(ShapeFilter),
    "regime": get_args(RegimeFilter),
    "sort": get_args(Sort),
    "wall": get_args(Wall),
    "paint": get_args(Paint),
    "noise": get_args(NoiseLook),
    "ask": get_args(Ask),
    "where": get_args(Where),
    "axes": get_args(Axes),
}


def encode(view: View) -> str:
    """Format a view as a query, "?v=1&..."; "" for the default view."""
    default = View()
    pairs = [
        (KEYS[field.name], _encode_field(field.name, getattr(view, field.name)))
        for field in fields(view)
        if getattr(view, field.name) != getattr(default, field.name)
    ]
    return "?" + urlencode([("v", VERSION), *pairs], quote_via=quote, safe="~,/") if pairs else ""


def decode(query: str) -> View:
    """Parse the query of a link.

    Raises:
        RequestError: an unknown version or key, a repeated key, or a value out of range.
    """
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    given = dict(pairs)
    if len(given) != len(pairs):
        raise RequestError("link", "the same key twice", "each key once")
    version = given.pop("v", VERSION)
    if version != VERSION:
        raise RequestError("link v", repr(version), f"{VERSION}: another version of the app made the link")
    unknown = sorted(set(given) - set(_FIELDS))
    if unknown:
        raise RequestError("link", f"the key {unknown[0][:40]!r}", "one of " + ", ".join(sorted(_FIELDS)))
    return read_fields({_FIELDS[key]: text for key, text in given.items()})


def read_fields(texts: Mapping[str, str]) -> View:
    """Parse fields from the controls of a page, as strictly as those of a link.

    Raises:
        RequestError: a value out of range.
    """
    values: dict[str, Any] = {name: _decode_field(name, text) for name, text in texts.items()}
    return View(**values)


def encode_place(end: Place | None) -> str:
    """Format an end of a path: a name as it is, a coordinate after "~", "" for None."""
    if end is None:
        return ""
    if isinstance(end, str):
        return "~" + end if end.startswith("~") else end
    return f"~{end!r}"


def decode_place(text: str) -> Place | None:
    """Parse what encode_place writes.

    Raises:
        RequestError: a coordinate outside [0, 1], or too long a name.
    """
    if not text:
        return None
    if text.startswith("~") and not text.startswith("~~"):
        return _number("place", text[1:], 0.0, 1.0)
    name = text[1:] if text.startswith("~~") else text
    return _short("place", name, 200)


def _encode_field(name: str, value: str | float | tuple[float, ...] | None) -> str:
    if isinstance(value, tuple):
        return ",".join(repr(number) for number in value)
    return encode_place(value) if name in ("start", "end") else str(value)


def _decode_field(name: str, text: str) -> str | float | tuple[float, ...] | None:
    if name in _CHOICES:
        return _one_of(name, text, _CHOICES[name])
    if name == "camera":
        return _camera(text)
    if name == "place":
        return _map_view(text)
    if name == "selection":
        read_selection(text)
        return text
    if name in ("start", "end"):
        return decode_place(text)
    if name == "position":
        return _number(name, text, 0.0, 1.0)
    if name == "strength":
        return _number(name, text, -MAX_STRENGTH, MAX_STRENGTH)
    if name == "color":
        return _color(text)
    if name == "step":
        return int(_number(name, text, 1, MAX_STEPS))
    if name in ("left", "right"):
        return _side(text)
    if name == "pick":
        return check_picks(_short(name, text, MAX_TEXT))
    return _short(name, text, MAX_TRIED if name == "text" else MAX_TEXT)


def _color(text: str) -> str:
    number = text.removeprefix("feature-")
    if text in COLORS or (number != text and number.isascii() and number.isdigit()):
        return _short("color", text, 30)
    raise RequestError("link color", repr(text[:40]), f'{", ".join(COLORS)} or "feature-" and a number')


def _side(text: str) -> str:
    if not text or _SIDE.fullmatch(text):
        return text
    raise RequestError("link", repr(text[:40]), "a run, or a run and its cluster such as almanac/3")


def _camera(text: str) -> tuple[float, ...]:
    parts = text.split(",") if text else []
    if len(parts) not in (0, 9):
        raise RequestError("link cam", f"{len(parts)} numbers", "nine: eye, centre and up, three each")
    return tuple(_number("cam", part, -1000.0, 1000.0) for part in parts)


def _map_view(text: str) -> tuple[float, ...]:
    parts = text.split(",") if text else []
    if len(parts) not in (0, 3):
        raise RequestError("link map", f"{len(parts)} numbers", "three: x, y and zoom")
    ends = zip(parts, (1.0, 1.0, MAX_ZOOM), strict=False)
    return tuple(_number("map", part, 0.0, high) for part, high in ends)


def _number(name: str, text: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise RequestError(f"link {name}", repr(text[:40]), f"a number from {low:g} to {high:g}")
    return number


def _one_of(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise RequestError(
            f"link {name}", repr(text[:40]), "one of " + ", ".join(choice for choice in choices if choice)
        )
    return text


def _short(name: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise RequestError(f"link {name}", f"{len(text)} characters", f"at most {limit}")
    return text
