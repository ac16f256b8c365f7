"""Named values along a manifold, from the tokens alone. Ours; no label is read.

The clusters that steer a model fire just before an answer, so a position is named by the token at the position or by
the one that follows it, whichever ``readout`` selected.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from scipy.ndimage import gaussian_filter1d

from explorer.maths.shape.coordinate import Orientation, orient
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import ShapeKind

SHAPE_DESCRIPTIONS: dict[ShapeKind, str] = {
    "closed curve": "A closed loop",
    "open curve": "A curve with two ends",
    "surface": "A surface: its points spread out in two directions, and no single line runs through them.",
    "blob": "A cloud: its points are in no order that can be told from chance.",
}
"""Plain-language description of each kind of shape."""
MIN_COUNT = 5
"""Minimum number of sampled tokens per value,"""
MIN_SHARE = 0.003
"""and minimum share of them."""
BINS = 64
"""Bins of the coordinate in which tokens are counted."""
KERNEL_WIDTH = 1.5
"""Standard deviation of the Gaussian smoothing kernel, in bins."""
KERNEL_BINS = 2.0 * np.sqrt(np.pi) * KERNEL_WIDTH
"""Equivalent number of bins that the kernel averages."""
PRIOR_SAMPLES = 4.0
"""Pseudo-samples at the base rate added to every bin."""
MIN_LIFT = 1.6
"""Minimum of a value's peak share relative to its base rate."""
MIN_Z = 4.0
"""Minimum excess at the peak, in standard deviations of a Poisson count."""
MAX_LIFT_SPREAD = 0.16
"""Maximum mean distance of the excess from the peak; it is .25 for an excess that is uniform over the curve."""
PLACE_WINDOW = 0.15
"""A value's coordinate is the mean of its samples within this distance of the peak, weighted by excess share."""

MIN_GAP_RATIO = 1.75
"""A ring whose largest step between values is this many times the second largest is not closed."""

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
"""Delimiters of text with a direction of its own."""


@dataclass(frozen=True)
class NamedValues:
    """Values in order along the coordinate."""

    offset: int
    """0 if the values are the tokens themselves, 1 if they are the next tokens."""
    names: tuple[str, ...]
    """Distinct token texts without surrounding whitespace."""
    coordinate: Float32[np.ndarray, "value"]
    """Coordinate of each value: where its share of the tokens most exceeds its base rate."""
    index: Int32[np.ndarray, "sample"]
    """Value of each sampled token, -1 for none."""
    orientation: Orientation
    """Orientation that puts the values in order; already applied to `coordinate`."""


def name_values(
    ids: Int32[np.ndarray, "sample"],
    offset: int,
    coordinate: Float32[np.ndarray, "sample"],
    vocabulary: Vocabulary,
    *,
    closed: bool,
) -> NamedValues:
    """Find the named values of a manifold.

    Args:
        ids: the token that names each sample, -1 if there is none.
        offset: 0 if that is the token itself, 1 if it is the next one.
        coordinate: intrinsic coordinate.
        vocabulary: texts of the tokens.
        closed: whether the coordinate is cyclic.

    Returns:
        The values. On a closed curve the one with the lowest token id comes first, followed by the neighbour with the
        lower id; on an open curve token ids ascend. Both are conventions that use no knowledge of the values.
    """
    texts, text = _distinct_texts(ids, vocabulary)
    selected, places = _places(text, coordinate, closed)
    place = np.array(places, dtype=np.float32)
    first_id = np.array([ids[text == value].min() for value in selected])
    orientation = _orientation(place, first_id, closed)
    place = orient(place, orientation, closed=closed).astype(np.float32)
    order = np.argsort(place, kind="stable")
    rank = np.full(len(texts) + 1, -1, np.int32)
    rank[np.asarray(selected, dtype=np.int64)[order]] = np.arange(len(selected))
    names = tuple(texts[selected[position]] for position in order)
    return NamedValues(offset, names, place[order], rank[text], orientation)


def has_gap(values: NamedValues) -> bool:
    """Whether values on a closed curve leave a gap: they lie on an open curve whose ends are close to each other.

    In a plane such ends would be as far apart as the curve is wide. In the many directions that discriminate sixty
    values all but neighbours are equally far apart, so a closed curve easily joins the ends.
    """
    if len(values.coordinate) < 3:
        return False
    step = np.sort(np.diff(values.coordinate, append=values.coordinate[0] + 1.0))
    return bool(step[-1] > MIN_GAP_RATIO * step[-2])


def _distinct_texts(
    ids: Int32[np.ndarray, "sample"], vocabulary: Vocabulary
) -> tuple[list[str], Int64[np.ndarray, "sample"]]:
    """Distinct texts without surrounding whitespace, and the text of each sample; -1 if it has no token or no text."""
    numbers, inverse = np.unique(ids, return_inverse=True)
    found: dict[str, int] = {}
    text_of = [-1] * len(numbers)
    for position, number in enumerate(numbers):
        text = vocabulary.text(int(number)).strip() if number >= 0 else ""
        if text:
            text_of[position] = found.setdefault(text, len(found))
    return list(found), np.array(text_of, dtype=np.int64)[inverse]


def _places(
    text: Int64[np.ndarray, "sample"], coordinate: Float32[np.ndarray, "sample"], closed: bool
) -> tuple[list[int], list[float]]:
    """Texts that are frequent enough and localised along the coordinate, with their coordinates.

    An answer that is uncertain among neighbours ("around Friday") is spread widely, and may be rarer at its own
    position than next to it if samples are unevenly distributed; its share of the local samples locates it.
    """
    values, counts = np.unique(text[text >= 0], return_counts=True)
    values = values[counts >= max(MIN_COUNT, MIN_SHARE * len(text))]
    bin_of = np.clip((coordinate * BINS).astype(np.int64), 0, BINS - 1)
    total = _blurred(np.bincount(bin_of, minlength=BINS), closed)
    selected, places = [], []
    for value in values:
        is_value = text == value
        own = _blurred(np.bincount(bin_of[is_value], minlength=BINS), closed)
        base_rate = float(is_value.mean())
        lift = (own + PRIOR_SAMPLES * base_rate) / (total + PRIOR_SAMPLES) / base_rate
        best = int(lift.argmax())
        surplus = (
            KERNEL_BINS * (own[best] - base_rate * total[best]) / np.sqrt(KERNEL_BINS * base_rate * total[best] + 1.0)
        )
        if lift[best] < MIN_LIFT or surplus < MIN_Z or _spread(lift, best, closed) > MAX_LIFT_SPREAD:
            continue
        selected.append(int(value))
        places.append(_place(coordinate[is_value], lift[bin_of[is_value]], (best + 0.5) / BINS, closed))
    return selected, places


def _blurred(count: Int64[np.ndarray, "bin"], closed: bool) -> Float64[np.ndarray, "bin"]:
    return np.asarray(gaussian_filter1d(count.astype(np.float64), KERNEL_WIDTH, mode="wrap" if closed else "constant"))


def _spread(lift: Float64[np.ndarray, "bin"], best: int, closed: bool) -> float:
    """Mean distance of the excess over the base rate from the peak bin."""
    surplus = np.maximum(lift - 1.0, 0.0)
    distance = np.abs(np.arange(BINS) - best) / BINS
    distance = np.minimum(distance, 1.0 - distance) if closed else distance
    return float((surplus * distance).sum() / max(float(surplus.sum()), 1e-12))


def _place(
    coordinate: Float32[np.ndarray, "own"], lift: Float64[np.ndarray, "own"], best: float, closed: bool
) -> float:
    """Mean offset from the peak bin of the nearby samples, weighted by the excess share."""
    offset = coordinate.astype(np.float64) - best
    offset = (offset + 0.5) % 1.0 - 0.5 if closed else offset
    weight = np.where(np.abs(offset) <= PLACE_WINDOW, np.maximum(lift - 1.0, 0.0), 0.0)
    place = best + float((weight * offset).sum() / max(float(weight.sum()), 1e-12))
    return place % 1.0 if closed else min(max(place, 0.0), 1.0)


def _orientation(place: Float32[np.ndarray, "value"], ids: Int64[np.ndarray, "value"], closed: bool) -> Orientation:
    if len(place) < 2:
        return Orientation(0.0, False)
    if not closed:
        rising = np.corrcoef(np.argsort(np.argsort(place)), np.argsort(np.argsort(ids)))[0, 1]
        return Orientation(0.0, bool(rising < 0))
    order = np.argsort(place, kind="stable")
    first = int(np.argmin(ids[order]))
    before, after = ids[order[first - 1]], ids[order[(first + 1) % len(order)]]
    return Orientation(float(place[order[first]]), bool(before < after))


def cluster_label(values: NamedValues, common: Sequence[str]) -> str:
    """Short name of a cluster: its values, or its most common tokens if it has none."""
    names = [isolate_bidi(name) for name in values.names or common[:3]]
    if not names:
        return "no common token"
    if not values.names:
        return ", ".join(names)
    shown = ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} … {names[-1]}"
    return f"before {shown}" if values.offset else shown


def describe_shape(kind: ShapeKind, values: NamedValues) -> str:
    """The shape in sentences for readers without background; states only what was measured."""
    names = [isolate_bidi(name) for name in values.names]
    if kind in ("surface", "blob"):
        return SHAPE_DESCRIPTIONS[kind] + (f" It is read {_where(values, len(names))}." if names else "")
    if len(names) < 2:
        return f"{SHAPE_DESCRIPTIONS[kind]} on which no single word has a place of its own."
    back = f" and back to {names[0]}" if kind == "closed curve" else ""
    through = f"through {len(names)} values: {names[0]} to {names[-1]}{back}"
    return f"{SHAPE_DESCRIPTIONS[kind]} {through}, read {_where(values)}."


def _where(values: NamedValues, count: int = 0) -> str:
    """Where in a text the shape is read: at the values' own tokens, or just before them; ``count`` is their number."""
    if not count:
        return "just before the word comes" if values.offset else "where the word stands"
    one = "its one value" if count == 1 else f"one of {count} values"
    return f"just before {one} comes" if values.offset else f"where {one} stands"


def isolate_bidi(name: str) -> str:
    """Isolate a right-to-left name so that it does not reorder its neighbours (UAX 9)."""
    from_right = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"{FIRST_STRONG_ISOLATE}{name}{POP_ISOLATE}" if from_right else name
