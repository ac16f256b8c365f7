"""Constraints of the format on the numbers in a file, beyond types and shapes."""

from collections.abc import Callable

import numpy as np

from explorer.errors import InputError
from explorer.records.bundle import Codes, Vocabulary
from explorer.runs.io.files import quoted

Fail = Callable[[str, str], InputError]
"""Builds the error for a file from what was found and what was wanted."""
_STEP = 1 << 20


def check_range(fail: Fail, name: str, array: np.ndarray, low: int | float, end: int | float) -> None:
    """Raise unless low <= array < end for all elements."""
    if array.size == 0:
        return
    least, most = array.min(), array.max()
    if not (least >= low and most < end):
        raise fail(f"{quoted(name)} from {least} to {most}", f"values from {low} to below {end}")


def check_at_least(fail: Fail, name: str, array: np.ndarray, low: int | float) -> None:
    """Raise unless array >= low for all elements."""
    if array.size and not array.min() >= low:
        raise fail(f"{quoted(name)} of {array.min()}", f"values of at least {low}")


def check_offsets(fail: Fail, name: str, offsets: np.ndarray, end: int) -> None:
    """Raise unless offsets start at 0, end at `end` and never decrease."""
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != end:
        found = f"{quoted(name)} from {offsets[0]} to {offsets[-1]}" if len(offsets) else f"{quoted(name)} of length 0"
        raise fail(found, f"0 to {end}")
    if bool((offsets[1:] < offsets[:-1]).any()):
        raise fail(f"decreasing {quoted(name)}", "offsets that never decrease")


def check_vocabulary(fail: Fail, vocabulary: Vocabulary, most: int) -> None:
    """Raise unless the texts are packed without gaps, and there are at most `most`."""
    check_offsets(fail, "text_offsets", vocabulary.text_offsets, len(vocabulary.text_bytes))
    if len(vocabulary) > most:
        raise fail(f"{len(vocabulary)} token texts", f"at most {most}")


def check_ascending(fail: Fail, name: str, array: np.ndarray) -> None:
    """Raise unless the numbers are strictly ascending."""
    if bool((array[1:] <= array[:-1]).any()):
        raise fail(f"{quoted(name)} that is not ascending", "strictly ascending numbers")


def check_finite(fail: Fail, name: str, array: np.ndarray) -> None:
    """Raise if the array holds NaN or infinity."""
    if not all_finite(array):
        raise fail(f"NaN or infinity in {quoted(name)}", "finite numbers")


def all_finite(array: np.ndarray) -> bool:
    """Whether all values are finite; checked in chunks, without a mask as large as the array."""
    flat = array.reshape(-1)
    return all(bool(np.isfinite(flat[i : i + _STEP]).all()) for i in range(0, flat.size, _STEP))


def check_codes(fail: Fail, codes: Codes) -> None:
    """Raise unless feature numbers are valid and ascend within each token, and values are finite and >= 0."""
    check_range(fail, "features", codes.features, 0, codes.n_features)
    check_finite(fail, "values", codes.values)
    check_at_least(fail, "values", codes.values, 0)
    ascends = codes.features[1:] > codes.features[:-1]
    starts = codes.indptr[1:-1]
    ascends[starts[(starts > 0) & (starts < len(codes.features))] - 1] = True
    if not bool(ascends.all()):
        raise fail("'features' not ascending within a token", "strictly ascending features within each token")
