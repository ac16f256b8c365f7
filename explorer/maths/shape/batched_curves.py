"""Batched principal curves: what ``curve`` does for one curve, for the dozens that a search tries at once.

The search and its nulls dominate the cost of a shape; a batch of small arrays takes a tenth of the time of a loop.
"""

from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from explorer.maths.shape.curve import bending_energy, spline_basis

Points = Float[np.ndarray, "sample axis"]
Curves = Float[np.ndarray, "curve knot axis"]

KNOTS = 64
"""Knots of a curve during the search."""
DENSE = 128
"""Points at which a curve is evaluated before it is resampled by arc length."""
STIFFNESS = 3e-6
"""Weight of the bending penalty: enough to fill gaps smoothly, too little to smooth."""
EXCLUDED_PENALTY = 1e6
"""Penalty of the terms beyond a curve's own number of harmonics."""


class Projections(NamedTuple):
    """Nearest position on each curve of each point."""

    coordinate: Float[np.ndarray, "curve sample"]
    """Share of the curve's length."""
    squared: Float[np.ndarray, "curve sample"]
    """Squared distance to the curve."""


def principal_curves(
    points: Points,
    starts: Float[np.ndarray, "start sample"],
    levels: tuple[int, ...],
    *,
    closed: bool,
    rounds: int,
) -> Curves:
    """Alternate smoothing and projection from each initial coordinate, for each number of harmonics in ``levels``
    (Hastie and Stuetzle 1989).

    Returns:
        Level by level, the curves of all starts in order.
    """
    max_harmonics = max(levels)
    penalty = np.array([_penalty(harmonics, max_harmonics, closed) for harmonics in levels for _ in starts])
    terms = spline_basis(starts.ravel(), max_harmonics, closed=closed).reshape(*starts.shape, -1)
    curves = _smooth(points, np.tile(terms, (len(levels), 1, 1)), penalty, closed)
    for _ in range(rounds):
        # the nearest knot is accurate enough while the curve still moves
        terms = _knot_basis(max_harmonics, closed)[_nearest_knot(points, curves)]
        curves = _smooth(points, terms, penalty, closed)
    return curves


def _nearest_knot(points: Points, curves: Curves) -> Int[np.ndarray, "curve sample"]:
    nearest = np.empty((len(curves), len(points)), dtype=np.int64)
    _find_nearest(points, np.ascontiguousarray(curves.transpose(0, 2, 1)), nearest)
    return nearest


@njit(cache=True, nogil=True)
@no_type_check
def _find_nearest(points: np.ndarray, curves: np.ndarray, nearest: np.ndarray) -> None:
    """Fill ``nearest`` [curve, sample]; ``curves`` is [curve, axis, knot], so that the innermost loop runs over all
    knots."""
    squared = np.empty(curves.shape[2])
    for curve in range(len(curves)):
        for sample in range(len(points)):
            squared[:] = 0.0
            for axis in range(curves.shape[1]):
                place = points[sample, axis]
                for knot in range(len(squared)):
                    offset = curves[curve, axis, knot] - place
                    squared[knot] += offset * offset
            nearest[curve, sample] = squared.argmin()


def project_batch(points: Points, curves: Curves, *, closed: bool) -> Projections:
    """Nearest position on each polyline: the nearest knot, then the nearer of its two segments."""
    n_curves, knots, _ = curves.shape
    nearest = _nearest_knot(points, curves)
    row = np.arange(n_curves)[:, None]
    best = np.full((n_curves, len(points)), np.inf)
    coordinate = np.zeros((n_curves, len(points)))
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
def _penalty(harmonics: int, max_harmonics: int, closed: bool) -> Float[np.ndarray, "term"]:
    bends = STIFFNESS * bending_energy(max_harmonics, closed=closed) + 1e-9
    harmonic = np.arange(1, max_harmonics + 1)
    off = np.tile(harmonic > harmonics, 2) if closed else np.arange(1, 2 * max_harmonics) > 2 * harmonics - 1
    bends[-len(off) :][off] = EXCLUDED_PENALTY
    return bends


@lru_cache(maxsize=8)
def _dense_basis(max_harmonics: int, closed: bool) -> Float[np.ndarray, "dense term"]:
    return spline_basis(
        np.arange(DENSE) / DENSE if closed else np.linspace(0.0, 1.0, DENSE), max_harmonics, closed=closed
    )


@lru_cache(maxsize=8)
def _knot_basis(max_harmonics: int, closed: bool) -> Float[np.ndarray, "knot term"]:
    return spline_basis(
        np.arange(KNOTS) / KNOTS if closed else np.linspace(0.0, 1.0, KNOTS), max_harmonics, closed=closed
    )


def _smooth(
    points: Points,
    terms: Float[np.ndarray, "curve sample term"],
    penalty: Float[np.ndarray, "curve term"],
    closed: bool,
) -> Curves:
    """Smoothing spline of the points over each coordinate, resampled by arc length."""
    turned = terms.transpose(0, 2, 1)
    gram = turned @ terms
    diagonal = np.arange(gram.shape[1])
    gram[:, diagonal, diagonal] += len(points) * penalty
    max_harmonics = (gram.shape[1] - 1) // 2
    return _even_knots(_dense_basis(max_harmonics, closed) @ np.linalg.solve(gram, turned @ points), closed)


def _even_knots(curves: Float[np.ndarray, "curve dense axis"], closed: bool) -> Curves:
    """Resample each polyline at equal steps of its arc length; a single sorted search serves all curves, each offset by
    its index."""
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
