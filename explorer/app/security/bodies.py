"""JSON bodies with bounds: what a browser writes, and nothing that makes a parser or a callback stumble."""

import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from explorer.app.security.answers import Refusal

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

LONGEST_INTEGER = 25
"""Digits of an integer literal, sign included: JavaScript writes integers below 1e21 in full."""
# Half of a surrogate pair, spelt as an escape: Python keeps it and then cannot write it as UTF-8.
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class BodyLimits:
    """How large a request may be."""

    max_bytes: int = 1_000_000
    """Longest body."""
    max_depth: int = 32
    """Deepest nesting of lists and objects."""
    seconds: float = 10.0
    """Longest time that a client may take to send it."""


def parse_json(body: bytes, limits: BodyLimits) -> Json | Refusal:
    """Read a JSON body as a browser would have written it.

    Refused: anything but UTF-8, NaN and infinities (spelt or overflowing), integers of more than LONGEST_INTEGER
    characters, halves of surrogate pairs, NUL characters, nesting beyond the limit.
    """
    try:
        text = body.decode("utf-8")
        value: Json = json.loads(text, parse_constant=_no_constant, parse_int=_integer, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        return Refusal(400, "too_deep" if deep else "malformed", "The body is no JSON that this server reads.")
    if _is_deeper(value, limits.max_depth):
        return Refusal(400, "too_deep", f"The body is nested more than {limits.max_depth} levels deep.")
    if "\\" in text and _has_bad_text(value):
        return Refusal(400, "malformed", "The body holds text that is no Unicode.")
    return value


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and infinities are no JSON")


def _integer(literal: str) -> int:
    if len(literal) > LONGEST_INTEGER:
        raise ValueError("integer too long")
    return int(literal)


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError("number out of range")
    return value


def _is_deeper(value: Json, depth: int) -> bool:
    level: list[Json] = [value]
    for _ in range(depth + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Json) -> list[Json]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _has_bad_text(value: Json) -> bool:
    waiting: list[Json] = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str) and (_LONE_SURROGATE.search(node) or "\0" in node):
            return True
        if isinstance(node, dict):
            waiting.extend(node)
        waiting.extend(_children(node))
    return False
