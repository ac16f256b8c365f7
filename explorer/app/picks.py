"""Which drawn tokens are picked, as a link writes it: numbers and stretches of numbers, "3,7-12"."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from explorer.app.selection import stretches
from explorer.errors import RequestError

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
