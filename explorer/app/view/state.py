"""The whole view, as the query part of a link: pure, versioned, strict.

A link holds only what differs from the default view, so it stays short and readable. Opening one sets up the page and
computes nothing on a host.
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
"""Raised when a key of a link changes its meaning; older versions stay readable."""

Place: TypeAlias = str | float
"""A value's name, or an intrinsic coordinate in [0, 1]."""
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
"""What colours the cloud beside features: place on the shape, value, token, place in its document and in the text."""

MAX_TEXT = 2_000
"""Longest text of one key, in characters."""
MAX_TRIED = 500
"""Longest text that is tried, in characters."""
MAX_STEPS = 999
"""Largest number of a tour's step."""
MAX_STRENGTH = 100.0
"""Largest strength that a link may name; a host's own limit is lower."""


MAX_ZOOM = 64.0
"""The map is not zoomed in further: one step of a feature's place is then about a pixel."""


@dataclass(frozen=True)
class View:
    """What a page shows beyond its path."""

    theme: Theme = ""
    """Colours of the page; "" follows the system."""
    query: str = ""
    """Search over labels, tokens and numbers."""
    shape: ShapeFilter = ""
    """Only clusters of this shape."""
    regime: RegimeFilter = ""
    """Only clusters of this regime."""
    sort: Sort = "manifold"
    """Order of the tiles."""
    selection: str = ""
    """Only these clusters, as ``read_selection`` reads them; "" is all of them."""
    wall: Wall = "tiles"
    """Whether clusters stand as tiles or as rows of a table."""
    paint: Paint = "cluster"
    """What colours the map."""
    noise: NoiseLook = "shown"
    """How features in no cluster look on the map."""
    place: tuple[float, ...] = ()
    """Middle of what is seen of the map, x and y in [0, 1], and how far it is zoomed in; or none for all of it."""
    text: str = ""
    """Text that is tried: which clusters fire on it."""
    camera: tuple[float, ...] = ()
    """Eye, centre and up vector of the cloud's camera: nine numbers, or none for the page's own."""
    color: str = "coordinate"
    """What colours the cloud: one of COLORS, or "feature-" and a feature's number."""
    axes: Axes = "3d"
    """Which axes of the cloud are drawn: all three at once, two of them, or each way side by side."""
    pick: str = ""
    """Drawn tokens that are picked, such as "3,7-12"."""
    position: float = 0.5
    """How far along the path the handle stands, in [0, 1]."""
    prompt: str = ""
    """Text whose last token is steered."""
    start: Place | None = None
    """Where the path begins; None is the prompt's own place."""
    end: Place | None = None
    """Where the path ends; None lets the page choose."""
    strength: float = 1.0
    """Multiple of the whole move."""
    step: int = 1
    """Step of a tour, from 1."""
    readout: str = ""
    """Readout classes as they are edited, one a line; "" is the cluster's own."""
    phrases: str = ""
    """Phrases that are watched along the path, one a line; "" is the page's own."""
    ask: Ask = "text"
    """Whether the prompt is text to go on with, or a message to a model that answers."""
    where: Where = "last_prompt"
    """Which tokens are steered."""
    left: str = ""
    """What is compared: a run's id, or "run/cluster"; "" lets the page choose."""
    right: str = ""
    """With what it is compared, likewise."""


KEYS = {
    "theme": "theme", "query": "q", "shape": "shape", "regime": "regime", "sort": "sort",
    "selection": "sel", "wall": "wall", "paint": "by", "noise": "noise", "place": "map", "text": "text",
    "camera": "cam", "color": "color", "axes": "axes", "pick": "pick",
    "position": "at", "prompt": "prompt", "start": "from", "end": "to",
    "strength": "strength", "ask": "ask", "where": "where", "step": "step", "readout": "values", "phrases": "phrases",
    "left": "a", "right": "b",
}  # fmt: skip
"""Key in the link of each field of a view."""
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
    """Write a view as a link's query, "?v=1&..."; "" for the default view."""
    default = View()
    pairs = [
        (KEYS[field.name], _encode_field(field.name, getattr(view, field.name)))
        for field in fields(view)
        if getattr(view, field.name) != getattr(default, field.name)
    ]
    return "?" + urlencode([("v", VERSION), *pairs], quote_via=quote, safe="~,/") if pairs else ""


def decode(query: str) -> View:
    """Read a link's query.

    Raises:
        RequestError: an unknown version or key, a key twice, or a value outside its range.
    """
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    given = dict(pairs)
    if len(given) != len(pairs):
        raise RequestError("link", "the same key twice", "each key once")
    version = given.pop("v", VERSION)
    if version != VERSION:
        raise RequestError("link v", repr(version), f"{VERSION}: the link was made by another version of the app")
    unknown = sorted(set(given) - set(_FIELDS))
    if unknown:
        raise RequestError("link", f"the key {unknown[0][:40]!r}", "one of " + ", ".join(sorted(_FIELDS)))
    return read_fields({_FIELDS[key]: text for key, text in given.items()})


def read_fields(texts: Mapping[str, str]) -> View:
    """Read fields of a view that a page's controls hold, as strictly as a link's.

    Raises:
        RequestError: a value outside its range.
    """
    values: dict[str, Any] = {name: _decode_field(name, text) for name, text in texts.items()}
    return View(**values)


def encode_place(place: Place | None) -> str:
    """Write a place: a name as it is, a coordinate after "~", nothing for None."""
    if place is None:
        return ""
    if isinstance(place, str):
        return "~" + place if place.startswith("~") else place
    return f"~{place!r}"


def decode_place(text: str) -> Place | None:
    """Read a place written by encode_place.

    Raises:
        RequestError: a coordinate outside [0, 1], or a name that is too long.
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
        return _map_place(text)
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


def _map_place(text: str) -> tuple[float, ...]:
    parts = text.split(",") if text else []
    if len(parts) not in (0, 3):
        raise RequestError("link map", f"{len(parts)} numbers", "three: x, y and how far it is zoomed in")
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
