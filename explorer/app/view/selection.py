"""A set of clusters in a link: numbers and ranges, "3-7,12", or bits where there are too many of these to be read."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64

from explorer.errors import RequestError

LONGEST = 4_000
"""Characters of a selection: bits of 24,000 clusters."""
_RANGES = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*", re.ASCII)
_BITS = re.compile(r"~[A-Za-z0-9_-]+", re.ASCII)


def read_selection(text: str) -> frozenset[int]:
    """Read a set of cluster numbers; assets/js/view/selection.js writes it. "" is the empty one.

    Args:
        text: "3-7,12"; or "~" and, base64url without padding, one bit a cluster, the first in the lowest bit of the
            first byte.

    Raises:
        RequestError: text of neither form, or a range that runs backwards.
    """
    wanted = 'clusters such as "3-7,12", or "~" and their bits in base64url'
    if not text:
        return frozenset()
    if len(text) > LONGEST:
        raise RequestError("link sel", f"{len(text)} characters", f"at most {LONGEST}")
    if _BITS.fullmatch(text):
        return frozenset(_set_bits(text[1:], wanted))
    if not _RANGES.fullmatch(text):
        raise RequestError("link sel", repr(text[:40]), wanted)
    found: set[int] = set()
    for first, last in stretches(text):
        if last < first:
            raise RequestError("link sel", repr(f"{first}-{last}"), "a range that rises")
        found.update(range(first, last + 1))
    return frozenset(found)


def stretches(text: str) -> Iterator[tuple[int, int]]:
    """First and last number of each part of a list such as "3-7,12"."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield int(first), int(last or first)


def _set_bits(text: str, wanted: str) -> list[int]:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise RequestError("link sel", repr(text[:40]), wanted) from error
    return [8 * at + bit for at, byte in enumerate(data) for bit in range(8) if byte >> bit & 1]


_PICKS = re.compile(r"(\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*)?", re.ASCII)


def check_picks(text: str) -> str:
    """The text as it is.

    Raises:
        RequestError: it is no list of numbers and stretches.
    """
    if not _PICKS.fullmatch(text):
        raise RequestError("link pick", repr(text[:40]), "numbers and stretches of numbers, such as 3,7-12")
    return text


def read_picks(text: str, count: int) -> Int64[np.ndarray, "picked"]:
    """Numbers below ``count`` that a text names, ascending, each once; a link from another run may name more.

    Raises:
        RequestError: the text is no list of numbers and stretches.
    """
    chosen = np.zeros(count, dtype=bool)
    for first, last in stretches(check_picks(text)) if text else ():
        chosen[first : last + 1] = True
    return np.flatnonzero(chosen)


def write_picks(numbers: Sequence[int]) -> str:
    """Write ascending numbers; neighbours become one stretch."""
    stretches: list[list[int]] = []
    for number in numbers:
        if stretches and number == stretches[-1][-1] + 1:
            stretches[-1][1:] = [number]
        else:
            stretches.append([number])
    return ",".join("-".join(map(str, stretch)) for stretch in stretches)
