"""Many principal curves at once through one cloud: what ``curve`` does, batched, because a search tries dozens.

The search and its null are most of a shape's cost; one batch of small arrays costs a tenth of a loop over curves.
"""

from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from explorer.maths.shape.curve import basis, bending

Points = Float[np.ndarray, "sample axis"]
Curves = Float[np.ndarray, "curve knot axis"]

KNOTS = 64
"""Knots of a curve while it is being searched."""
DENSE = 128
"""Places at which a curve is computed before its knots are spaced evenly."""
STIFFNESS = 3e-6
"""Weight of the bending: enough to fill gaps smoothly, too little to smooth."""
SWITCHED_OFF = 1e6
"""Penalty of the terms that a curve of few harmonics may not use."""


class Projections(NamedTuple):
    """Where on each curve each point falls."""

    coordinate: Float[np.ndarray, "curve sample"]
    """Share of the curve's length."""
    squared: Float[np.ndarray, "curve sample"]
    """Squared distance to it."""


def principal_curves(
    points: Points,
    starts: Float[np.ndarray, "start sample"],
    levels: tuple[int, ...],
    *,
    closed: bool,
    rounds: int,
) -> Curves:
    """Alternate smoothing and projection from each starting coordinate, with so many harmonics as each level has
    (Hastie and Stuetzle 1989); a level's curves lie together, in the order of the starts."""
    most = max(levels)
    penalty = np.array([_penalty(own, most, closed) for own in levels for _ in starts])
    terms = basis(starts.ravel(), most, closed=closed).reshape(*starts.shape, -1)
    curves = _smooth(points, np.tile(terms, (len(levels), 1, 1)), penalty, closed)
    for _ in range(rounds):
        # The nearest knot is near enough while the curve still moves.
        terms = _knot_basis(most, closed)[_nearest_knot(points, curves)]
        curves = _smooth(points, terms, penalty, closed)
    return curves


def _nearest_knot(points: Points, curves: Curves) -> Int[np.ndarray, "curve sample"]:
    nearest = np.empty((len(curves), len(points)), dtype=np.int64)
    _find_nearest(points, np.ascontiguousarray(curves.transpose(0, 2, 1)), nearest)
    return nearest


@njit(cache=True, nogil=True)
@no_type_check
def _find_nearest(points: np.ndarray, curves: np.ndarray, nearest: np.ndarray) -> None:
    """Fill ``nearest`` [curve, sample]; ``curves`` is [curve, axis, knot], so that one step serves all knots."""
    squared = np.empty(curves.shape[2])
    for curve in range(len(curves)):
        for sample in range(len(points)):
            squared[:] = 0.0
            for axis in range(curves.shape[1]):
                place = points[sample, axis]
                for knot in range(len(squared)):
                    apart = curves[curve, axis, knot] - place
                    squared[knot] += apart * apart
            nearest[curve, sample] = squared.argmin()


def project_many(points: Points, curves: Curves, *, closed: bool) -> Projections:
    """Nearest place on each polyline: the nearest knot, then the nearer of its two segments."""
    many, knots, _ = curves.shape
    nearest = _nearest_knot(points, curves)
    row = np.arange(many)[:, None]
    best = np.full((many, len(points)), np.inf)
    coordinate = np.zeros((many, len(points)))
    for back in (1, 0):
        start = (nearest - back) % knots if closed else np.clip(nearest - back, 0, knots - 2)
        begin = curves[row, start]
        step = curves[row, (start + 1) % knots] - begin
        from_begin = points - begin
        length = np.maximum(np.einsum("cna,cna->cn", step, step), 1e-300)
        share = np.clip(np.einsum("cna,cna->cn", from_begin, step) / length, 0.0, 1.0)
        left = from_begin - share[:, :, None] * step
        squared = np.einsum("cna,cna->cn", left, left)
        nearer = squared < best
        best = np.where(nearer, squared, best)
        coordinate = np.where(nearer, (start + share) / (knots if closed else knots - 1), coordinate)
    return Projections(coordinate % 1.0 if closed else coordinate, best)


@lru_cache(maxsize=64)
def _penalty(own: int, most: int, closed: bool) -> Float[np.ndarray, "term"]:
    bends = STIFFNESS * bending(most, closed=closed) + 1e-9
    harmonic = np.arange(1, most + 1)
    off = np.tile(harmonic > own, 2) if closed else np.arange(1, 2 * most) > 2 * own - 1
    bends[-len(off) :][off] = SWITCHED_OFF
    return bends


@lru_cache(maxsize=8)
def _dense_basis(most: int, closed: bool) -> Float[np.ndarray, "dense term"]:
    return basis(np.arange(DENSE) / DENSE if closed else np.linspace(0.0, 1.0, DENSE), most, closed=closed)


@lru_cache(maxsize=8)
def _knot_basis(most: int, closed: bool) -> Float[np.ndarray, "knot term"]:
    return basis(np.arange(KNOTS) / KNOTS if closed else np.linspace(0.0, 1.0, KNOTS), most, closed=closed)


def _smooth(
    points: Points,
    terms: Float[np.ndarray, "curve sample term"],
    penalty: Float[np.ndarray, "curve term"],
    closed: bool,
) -> Curves:
    """The smoothing spline of the points over each coordinate, its knots spaced evenly."""
    turned = terms.transpose(0, 2, 1)
    gram = turned @ terms
    diagonal = np.arange(gram.shape[1])
    gram[:, diagonal, diagonal] += len(points) * penalty
    most = (gram.shape[1] - 1) // 2
    return _even_knots(_dense_basis(most, closed) @ np.linalg.solve(gram, turned @ points), closed)


def _even_knots(curves: Float[np.ndarray, "curve dense axis"], closed: bool) -> Curves:
    """Resample each polyline at equal steps of its length; one sorted search serves all, each shifted by its number."""
    ring = np.concatenate([curves, curves[:, :1]], axis=1) if closed else curves
    length = np.linalg.norm(np.diff(ring, axis=1), axis=2)
    arc = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(length, axis=1)], axis=1)
    arc /= np.maximum(arc[:, -1:], 1e-300)
    wanted = np.linspace(0.0, 1.0, KNOTS, endpoint=not closed)
    shift = 2.0 * np.arange(len(curves))[:, None]
    at = np.searchsorted((arc + shift).ravel(), (wanted + shift).ravel(), side="right").reshape(len(curves), KNOTS) - 1
    at = np.clip(at - np.arange(len(curves))[:, None] * arc.shape[1], 0, arc.shape[1] - 2)
    row = np.arange(len(curves))[:, None]
    step = arc[row, at + 1] - arc[row, at]
    share = np.divide(wanted - arc[row, at], step, out=np.zeros_like(step), where=step > 0)[:, :, None]
    return np.asarray((1 - share) * ring[row, at] + share * ring[row, at + 1])
