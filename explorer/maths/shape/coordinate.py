"""Intrinsic coordinates: rank agreement, circular means, rotation and reflection.

A closed coordinate is measured in turns, in [0, 1); an open one in shares of the arc length, in [0, 1].
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Coordinate = Float[np.ndarray, "sample"]


class Orientation(NamedTuple):
    """Rotation and reflection that put a coordinate into a canonical order."""

    shift: float
    """Subtracted before the reflection, in turns; 0 on open curves."""
    flip: bool
    """Whether the direction is reversed."""


def ranks(values: Float[np.ndarray, "sample"]) -> Float[np.ndarray, "sample"]:
    """Ranks from 1; ties share their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    found: Float[np.ndarray, "sample"] = (np.cumsum(count) - (count - 1) / 2)[place]
    return found


def circular_rank_correlation(first: Float[np.ndarray, "sample"], second: Float[np.ndarray, "sample"]) -> float:
    """Agreement of two circular orders, in [0, 1], invariant to rotation and reflection.

    Both are turned into ranks and the ranks into angles; the result is the mean resultant length of their difference,
    or of their sum for the opposite direction: the circular rank association of Fisher and Lee (1982) without its sign.
    """
    n = len(first)
    if n < 2:
        return 1.0
    one, other = (2 * np.pi * ranks(values) / n for values in (first, second))
    return float(max(abs(np.exp(1j * (one - other)).mean()), abs(np.exp(1j * (one + other)).mean())))


def linear_rank_correlation(first: Float[np.ndarray, "sample"], second: Float[np.ndarray, "sample"]) -> float:
    """Absolute value of Spearman's rank correlation, invariant to reflection."""
    if len(first) < 2:
        return 1.0
    one, other = (ranks(values) - (len(values) + 1) / 2 for values in (first, second))
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return abs(float((one * other).sum())) / scale if scale > 0 else 0.0


def circular_mean(turns: Float[np.ndarray, "sample"]) -> float:
    """Circular mean of positions in turns, in [0, 1)."""
    return float(np.angle(np.exp(2j * np.pi * np.asarray(turns, dtype=np.float64)).mean()) / (2 * np.pi) % 1.0)


def wrap_turns(difference: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Wrap differences to [-0.5, 0.5): the shorter way around."""
    wrapped: Float[np.ndarray, "*any"] = (difference + 0.5) % 1.0 - 0.5
    return wrapped


def coordinate_distance(
    first: Float[np.ndarray, "*any"], second: Float[np.ndarray, "*any"], *, closed: bool
) -> np.ndarray:
    """Distance of two coordinates along the curve."""
    difference = np.asarray(first) - np.asarray(second)
    return np.asarray(np.abs(wrap_turns(difference) if closed else difference))


def orient(coordinate: Coordinate, orientation: Orientation, *, closed: bool) -> Float[np.ndarray, "sample"]:
    """Apply an orientation; a closed coordinate stays in [0, 1), an open one in [0, 1]."""
    values = np.asarray(coordinate, dtype=np.float64)
    if not closed:
        return 1.0 - values if orientation.flip else values
    turned = (values - orientation.shift) * (-1.0 if orientation.flip else 1.0)
    wrapped = turned % 1.0
    return np.where(wrapped >= 1.0, 0.0, wrapped)  # a tiny negative number wraps to exactly 1.0


def best_orientation(
    coordinate: Float[np.ndarray, "sample"], target: Float[np.ndarray, "sample"], *, closed: bool
) -> Orientation:
    """The orientation that maps a coordinate closest to another; ``orient`` applies it."""
    if not closed:
        one, other = (ranks(values) - (len(values) + 1) / 2 for values in (coordinate, target))
        return Orientation(0.0, bool((one * other).sum() < 0))
    difference = np.exp(2j * np.pi * np.stack([coordinate - target, coordinate + target])).mean(axis=1)
    flip = bool(abs(difference[1]) > abs(difference[0]))
    return Orientation(float(np.angle(difference[int(flip)]) / (2 * np.pi) % 1.0), flip)


def unorient(oriented: Coordinate, orientation: Orientation, *, closed: bool) -> Float[np.ndarray, "sample"]:
    """Inverse of ``orient``."""
    if not closed:
        return orient(oriented, orientation, closed=False)
    found: Float[np.ndarray, "sample"] = (oriented * (-1.0 if orientation.flip else 1.0) + orientation.shift) % 1.0
    return found


def curve_at(
    curve: Float[np.ndarray, "knot axis"], coordinate: Float[np.ndarray, "point"], *, closed: bool
) -> Float[np.ndarray, "point axis"]:
    """Points of a curve at given coordinates, by linear interpolation between its knots."""
    knots = len(curve)
    place = np.asarray(coordinate, dtype=np.float64) * knots if closed else np.asarray(coordinate) * (knots - 1)
    below: Int[np.ndarray, "point"] = np.floor(place).astype(np.int64)
    below = below % knots if closed else np.clip(below, 0, knots - 2)
    share = (place - np.floor(place) if closed else place - below)[:, None]
    found: Float[np.ndarray, "point axis"] = (1 - share) * curve[below] + share * curve[(below + 1) % knots]
    return found
