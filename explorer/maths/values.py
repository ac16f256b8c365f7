"""The named values along a manifold, from tokens alone: which, where, in what order. Ours; no label is read.

The clusters that steer a model fire just before an answer, so a position is named by the token that it stands on or by
the one that follows (``position`` decides which).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from explorer.maths.coordinate import Orientation, circular_mean, distance, orient
from explorer.records import ShapeKind, Vocabulary

FEWEST = 5
"""A value stands on at least so many sampled tokens,"""
RAREST = 0.003
"""and on this share of them,"""
SPREAD = 0.8
"""and its mean distance from its own middle is at most this share of the whole cloud's: an answer that is soft over its
neighbours, like "around Tuesday", has .6 on a ring of seven."""


@dataclass(frozen=True)
class Values:
    """Values in their order along the coordinate."""

    offset: int
    """0 where they are the tokens themselves, 1 where they come next."""
    names: tuple[str, ...]
    """Token texts without surrounding blanks, each once."""
    coordinate: Float32[np.ndarray, "value"]
    """Where each lies: the circular mean on a closed curve, else the median."""
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
    kept = _concentrated(text, coordinate, closed)
    place = np.array([_middle(coordinate[text == value], closed) for value in kept], dtype=np.float32)
    first_id = np.array([ids[text == value].min() for value in kept])
    orientation = _orientation(place, first_id, closed)
    place = orient(place, orientation, closed=closed).astype(np.float32)
    order = np.argsort(place, kind="stable")
    rank = np.full(len(texts) + 1, -1, np.int32)
    rank[np.asarray(kept, dtype=np.int64)[order]] = np.arange(len(kept))
    names = tuple(texts[kept[position]] for position in order)
    return Values(offset, names, place[order], rank[text], orientation)


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


def _concentrated(
    text: Int64[np.ndarray, "sample"], coordinate: Float32[np.ndarray, "sample"], closed: bool
) -> list[int]:
    """Texts that are frequent enough and lie in one place along the coordinate."""
    values, counts = np.unique(text[text >= 0], return_counts=True)
    whole = _mean_distance(coordinate, closed)
    frequent = values[counts >= max(FEWEST, RAREST * len(text))]
    return [int(value) for value in frequent if _mean_distance(coordinate[text == value], closed) <= SPREAD * whole]


def _mean_distance(coordinate: Float32[np.ndarray, "sample"], closed: bool) -> float:
    return float(distance(coordinate, np.asarray(_middle(coordinate, closed)), closed=closed).mean())


def _middle(coordinate: Float32[np.ndarray, "sample"], closed: bool) -> float:
    return circular_mean(coordinate) if closed else float(np.median(coordinate))


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
    names = values.names
    if not names:
        return ", ".join(common[:3]) or "no common token"
    shown = ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} … {names[-1]}"
    return f"before {shown}" if values.offset else shown


def shape_in_words(kind: ShapeKind, values: Values) -> str:
    """The shape in a sentence for people, with nothing in it that was not measured."""
    noun = {"closed curve": "A closed curve", "open curve": "An open curve", "surface": "A surface", "blob": "A cloud"}
    names = values.names
    where = "just before" if values.offset else "at"
    if kind in ("surface", "blob"):
        without = " without a curve that chance would not draw" if kind == "blob" else " that no single curve follows"
        return f"{noun[kind]}{without}" + (f", {where} {len(names)} values." if names else ".")
    if len(names) < 2:
        return f"{noun[kind]} along which no token has a place of its own."
    return f"{noun[kind]} through {len(names)} values, {names[0]} to {names[-1]}, {where} the word."
