"""The named values along a manifold, from tokens alone: which, where, in what order. Ours; no label is read.

The clusters that steer a model fire just before an answer, so a position is named by the token that it stands on or by
the one that follows (``position`` decides which).
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from scipy.ndimage import gaussian_filter1d

from explorer.maths.shape.coordinate import Orientation, orient
from explorer.records import ShapeKind, Vocabulary

WORDS: dict[ShapeKind, str] = {
    "closed curve": "A closed loop",
    "open curve": "A curve with two ends",
    "surface": "A surface: its points spread out in two directions, and no single line runs through them.",
    "blob": "A cloud: its points are in no order that can be told from chance.",
}
"""What each kind of shape is, in plain words."""
FEWEST = 5
"""A value stands on at least so many sampled tokens,"""
RAREST = 0.003
"""and on this share of them,"""
BINS = 64
"""Intervals of the coordinate in which tokens are counted,"""
BLUR = 1.5
"""with a Gaussian of so many intervals around each,"""
WINDOW = 2.0 * np.sqrt(np.pi) * BLUR
"""which is as many intervals as that Gaussian averages,"""
PRIOR_SAMPLES = 4.0
"""and so many samples of the usual mix added to every interval."""
LIFT = 1.6
"""A value's share is so many times its usual one where it is largest,"""
SURE = 4.0
"""and exceeds it there by so many standard deviations of a Poisson count."""
SPREAD = 0.16
"""What exceeds the usual share lies so near to that on average; all over the curve, it would be .25 away."""
REACH = 0.15
"""A value's place is the mean of its samples so near to that, each by how much its share exceeds the usual."""

BROKEN = 1.75
"""A ring whose largest step from value to value is so many times the next largest is not closed by its values."""

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
"""What begins and ends a stretch of text that has a direction of its own."""


@dataclass(frozen=True)
class Values:
    """Values in their order along the coordinate."""

    offset: int
    """0 where they are the tokens themselves, 1 where they come next."""
    names: tuple[str, ...]
    """Token texts without surrounding blanks, each once."""
    coordinate: Float32[np.ndarray, "value"]
    """Where each lies: where its share of the tokens exceeds its usual one most."""
    index: Int32[np.ndarray, "sample"]
    """Value of each sampled token, -1 where it has none."""
    orientation: Orientation
    """Turn and flip that puts the values into their order; already applied to `coordinate`."""


def name_values(
    ids: Int32[np.ndarray, "sample"],
    offset: int,
    coordinate: Float32[np.ndarray, "sample"],
    vocabulary: Vocabulary,
    *,
    closed: bool,
) -> Values:
    """Find the values of a manifold.

    Args:
        ids: the token that names each sample, -1 where there is none.
        offset: 0 where that is the token itself, 1 where it comes next.
        coordinate: intrinsic coordinate.
        vocabulary: texts of the tokens.
        closed: whether the coordinate is cyclic.

    Returns:
        The values. On a closed curve the one with the lowest token id comes first and of its neighbours the one with
        the lower id second; an open one runs so that token ids rise. Both are conventions: nothing knows a calendar.
    """
    texts, text = _texts(ids, vocabulary)
    kept, places = _places(text, coordinate, closed)
    place = np.array(places, dtype=np.float32)
    first_id = np.array([ids[text == value].min() for value in kept])
    orientation = _orientation(place, first_id, closed)
    place = orient(place, orientation, closed=closed).astype(np.float32)
    order = np.argsort(place, kind="stable")
    rank = np.full(len(texts) + 1, -1, np.int32)
    rank[np.asarray(kept, dtype=np.int64)[order]] = np.arange(len(kept))
    names = tuple(texts[kept[position]] for position in order)
    return Values(offset, names, place[order], rank[text], orientation)


def breaks_off(values: Values) -> bool:
    """Whether values on a closed curve leave one stretch of it bare: they run along an open curve whose ends lie close.

    In the plane such ends would lie as far apart as the curve is wide. In the many directions that tell sixty values
    apart, all but neighbours are equally far from each other, and a curve is easily closed over its ends.
    """
    if len(values.coordinate) < 3:
        return False
    step = np.sort(np.diff(values.coordinate, append=values.coordinate[0] + 1.0))
    return bool(step[-1] > BROKEN * step[-2])


def _texts(ids: Int32[np.ndarray, "sample"], vocabulary: Vocabulary) -> tuple[list[str], Int64[np.ndarray, "sample"]]:
    """Distinct texts without surrounding blanks, and the text of each sample; -1 where there is no token or no text."""
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
    """Texts that are frequent enough and stand somewhere along the coordinate, and where.

    An answer that is soft over its neighbours ("around Friday") is spread wide, and may be rarer in its own place than
    beside it where the places are unevenly filled; its share of what stands there tells where it belongs.
    """
    values, counts = np.unique(text[text >= 0], return_counts=True)
    values = values[counts >= max(FEWEST, RAREST * len(text))]
    bin_of = np.clip((coordinate * BINS).astype(np.int64), 0, BINS - 1)
    every = _blurred(np.bincount(bin_of, minlength=BINS), closed)
    kept, places = [], []
    for value in values:
        mine = text == value
        own = _blurred(np.bincount(bin_of[mine], minlength=BINS), closed)
        usual = float(mine.mean())
        lift = (own + PRIOR_SAMPLES * usual) / (every + PRIOR_SAMPLES) / usual
        best = int(lift.argmax())
        surplus = WINDOW * (own[best] - usual * every[best]) / np.sqrt(WINDOW * usual * every[best] + 1.0)
        if lift[best] < LIFT or surplus < SURE or _spread(lift, best, closed) > SPREAD:
            continue
        kept.append(int(value))
        places.append(_place(coordinate[mine], lift[bin_of[mine]], (best + 0.5) / BINS, closed))
    return kept, places


def _blurred(count: Int64[np.ndarray, "interval"], closed: bool) -> Float64[np.ndarray, "interval"]:
    return np.asarray(gaussian_filter1d(count.astype(np.float64), BLUR, mode="wrap" if closed else "constant"))


def _spread(lift: Float64[np.ndarray, "interval"], best: int, closed: bool) -> float:
    """Mean distance from the best interval of all that exceeds the usual share."""
    surplus = np.maximum(lift - 1.0, 0.0)
    away = np.abs(np.arange(BINS) - best) / BINS
    away = np.minimum(away, 1.0 - away) if closed else away
    return float((surplus * away).sum() / max(float(surplus.sum()), 1e-12))


def _place(
    coordinate: Float32[np.ndarray, "own"], lift: Float64[np.ndarray, "own"], best: float, closed: bool
) -> float:
    """Mean offset from the best interval, of the samples near it, by how much the value exceeds its usual share."""
    offset = coordinate.astype(np.float64) - best
    offset = (offset + 0.5) % 1.0 - 0.5 if closed else offset
    weight = np.where(np.abs(offset) <= REACH, np.maximum(lift - 1.0, 0.0), 0.0)
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


def label_of(values: Values, common: Sequence[str]) -> str:
    """Short name of a cluster: its values, or where it has none its most common tokens."""
    names = [in_its_own_direction(name) for name in values.names or common[:3]]
    if not names:
        return "no common token"
    if not values.names:
        return ", ".join(names)
    shown = ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} … {names[-1]}"
    return f"before {shown}" if values.offset else shown


def shape_in_words(kind: ShapeKind, values: Values) -> str:
    """The shape in sentences for people who have never heard of one, with nothing in them that was not measured."""
    names = [in_its_own_direction(name) for name in values.names]
    if kind in ("surface", "blob"):
        return WORDS[kind] + (f" It is read {_where(values, len(names))}." if names else "")
    if len(names) < 2:
        return f"{WORDS[kind]} on which no single word has a place of its own."
    back = f" and back to {names[0]}" if kind == "closed curve" else ""
    return f"{WORDS[kind]} through {len(names)} values: {names[0]} to {names[-1]}{back}, read {_where(values)}."


def _where(values: Values, count: int = 0) -> str:
    """Where in a text the shape is read: at the values' own tokens, or just before them; ``count`` tells how many."""
    if not count:
        return "just before the word comes" if values.offset else "where the word stands"
    one = "its one value" if count == 1 else f"one of {count} values"
    return f"just before {one} comes" if values.offset else f"where {one} stands"


def in_its_own_direction(name: str) -> str:
    """A name as a sentence holds it: from right to left it is isolated, lest it draw its neighbours along (UAX 9)."""
    from_right = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"{FIRST_STRONG_ISOLATE}{name}{POP_ISOLATE}" if from_right else name
