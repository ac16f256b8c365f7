"""Sets of numbers in a link: ranges such as "3-7,12", or a bit set where ranges would be longer."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64

from explorer.errors import RequestError

LONGEST = 4_000
"""Characters: enough bits for 24,000 clusters."""
_RANGES = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*", re.ASCII)
_BITS = re.compile(r"~[A-Za-z0-9_-]+", re.ASCII)
_PICKS = re.compile(r"(\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*)?", re.ASCII)


def read_selection(text: str) -> frozenset[int]:
    """Parse a set of cluster numbers, as `assets/js/view/selection.js` writes it.

    Args:
        text: "" for the empty set; ranges such as "3-7,12"; or "~" and a bit set in base64url without padding, one bit
            a cluster, lowest bit of the first byte first.

    Raises:
        RequestError: the text has neither form, or a range descends.
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
    for first, last in ranges(text):
        if last < first:
            raise RequestError("link sel", repr(f"{first}-{last}"), "an ascending range")
        found.update(range(first, last + 1))
    return frozenset(found)


def ranges(text: str) -> Iterator[tuple[int, int]]:
    """First and last number of each range in a list such as "3-7,12"."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield int(first), int(last or first)


def _set_bits(text: str, wanted: str) -> list[int]:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise RequestError("link sel", repr(text[:40]), wanted) from error
    return [8 * at + bit for at, byte in enumerate(data) for bit in range(8) if byte >> bit & 1]


def check_picks(text: str) -> str:
    """Return the text if it is a list of numbers and ranges.

    Raises:
        RequestError: it is not.
    """
    if not _PICKS.fullmatch(text):
        raise RequestError("link pick", repr(text[:40]), "numbers and ranges, such as 3,7-12")
    return text


def read_picks(text: str, count: int) -> Int64[np.ndarray, "picked"]:
    """Parse sample numbers, ascending and unique.

    Numbers from ``count`` on are dropped: the link may come from another run.

    Raises:
        RequestError: the text is not a list of numbers and ranges.
    """
    chosen = np.zeros(count, dtype=bool)
    for first, last in ranges(check_picks(text)) if text else ():
        chosen[first : last + 1] = True
    return np.flatnonzero(chosen)


def write_picks(numbers: Sequence[int]) -> str:
    """Format ascending numbers; consecutive ones become a range."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ",".join("-".join(map(str, span)) for span in spans)
