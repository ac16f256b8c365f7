"""Request bodies within bounds of size, time and depth, and JSON as strict as a browser writes it."""

import asyncio
import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from explorer.http.errors import ErrorReply

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

MAX_INTEGER_LENGTH = 25
"""Characters of an integer literal, sign included: JavaScript writes integers below 1e21 in full."""
_LENGTH_DIGITS = 19
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# A lone surrogate is legal as an escape; Python decodes it and then fails to encode it as UTF-8.
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class BodyLimits:
    """Bounds of one request body."""

    max_bytes: int = 1_000_000
    max_depth: int = 32
    """Nested lists and objects."""
    seconds: float = 10.0
    """Time in which the client must have sent it."""


async def read_body(receive: Receive, headers: Headers, limits: BodyLimits) -> bytes | ErrorReply:
    """Read a whole body; a body that is announced as too long is refused unread."""
    too_large = ErrorReply(413, "too_large", f"The body must not exceed {limits.max_bytes} bytes.")
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:_LENGTH_DIGITS]) > limits.max_bytes:
        return too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > limits.max_bytes:
                    return too_large
                if message["type"] == "http.disconnect":
                    return ErrorReply(400, "malformed", "The connection closed before the body was complete.")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return ErrorReply(408, "timeout", f"The body took longer than {limits.seconds:g} s.")


class ReplayedBody:
    """An ASGI ``receive`` that yields an already read body once, then the connection's own messages."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """Return the next message."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def nesting(body: bytes) -> int:
    """Deepest nesting of brackets outside strings, without parsing."""
    depth = deepest = 0
    for byte in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def check_depth(body: bytes, limits: BodyLimits) -> ErrorReply | None:
    """Refuse a body nested deeper than the limit, before a parser recurses into it."""
    if nesting(body) <= limits.max_depth:
        return None
    return ErrorReply(400, "too_deep", f"The body is nested more than {limits.max_depth} levels deep.")


def parse_json(body: bytes, limits: BodyLimits) -> Json | ErrorReply:
    """Parse a JSON body.

    Refused: bytes that are not UTF-8, NaN and infinities (spelled or overflowing), integers longer than
    MAX_INTEGER_LENGTH, lone surrogates, NUL characters, nesting beyond the limit.
    """
    too_deep = check_depth(body, limits)
    if too_deep is not None:
        return too_deep
    try:
        text = body.decode("utf-8")
        value: Json = json.loads(text, parse_constant=_no_constant, parse_int=_integer, parse_float=_finite)
    except ValueError:
        return ErrorReply(400, "malformed", "The body is not valid JSON.")
    if "\\" in text and _has_bad_text(value):
        return ErrorReply(400, "malformed", "The body holds text that is not valid Unicode.")
    return value


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and infinities are not JSON")


def _integer(literal: str) -> int:
    if len(literal) > MAX_INTEGER_LENGTH:
        raise ValueError("integer too long")
    return int(literal)


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError("number out of range")
    return value


def _has_bad_text(value: Json) -> bool:
    pending: list[Json] = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, str) and (_LONE_SURROGATE.search(node) or "\0" in node):
            return True
        if isinstance(node, dict):
            pending.extend((*node, *node.values()))
        elif isinstance(node, list):
            pending.extend(node)
    return False
