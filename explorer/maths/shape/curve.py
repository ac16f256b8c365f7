"""Curves through point clouds: spline bases, projection, principal curves and the path that steering follows.

A curve is a polyline whose knots are equally spaced in arc length; a closed curve does not repeat its first knot.
Curves are fitted by ridge regression on a Fourier basis (closed) or on a line and cosines (open) with a bending
penalty: the periodic and the natural smoothing spline in spectral form (Wahba, Spline Models for Observational Data,
1990). Principal curves alternate projection and smoothing (Hastie and Stuetzle, Principal Curves, 1989).
"""

from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32
from numba import njit
from scipy.linalg import solve_triangular

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

SEARCH_KNOTS = 64
"""Knots of a curve during the search."""

GAP_LENGTH = 0.02
"""A longer stretch of a curve without points, as a share of its length, is a gap, which is bridged by a straight
line."""
GAP_RIM_POINTS = 6
"""A bridge connects the means of this many points on either side."""
BRIDGE_POINTS_PER_GAP = 3
"""Points of a bridge per GAP_LENGTH."""
BRIDGE_WEIGHT = 0.2
"""Total weight of a bridge, relative to points of average density."""


class Projection(NamedTuple):
    """Nearest position on a curve of each point."""

    coordinate: Float[np.ndarray, "sample"]
    """Share of the curve's length, in [0, 1) if closed, in [0, 1] if open."""
    squared: Float[np.ndarray, "sample"]
    """Squared distance to the curve."""


def spline_basis(
    coordinate: Float[np.ndarray, "sample"], harmonics: int, *, closed: bool
) -> Float[np.ndarray, "sample term"]:
    """Fourier terms up to ``harmonics`` (closed), or a line and 2 harmonics - 1 half-wave cosines (open)."""
    if closed:
        angle = 2 * np.pi * np.outer(coordinate, np.arange(1, harmonics + 1))
        return np.concatenate([np.ones((len(coordinate), 1)), np.cos(angle), np.sin(angle)], axis=1)
    angle = np.pi * np.outer(coordinate, np.arange(1, 2 * harmonics))
    return np.concatenate([np.ones((len(coordinate), 1)), coordinate[:, None] - 0.5, np.cos(angle)], axis=1)


def bending_energy(harmonics: int, *, closed: bool) -> Float[np.ndarray, "term"]:
    """Integrated squared second derivative of each term of ``spline_basis``, in units of the closed curve's first
    harmonic."""
    if closed:
        return np.concatenate([[0.0], np.arange(1, harmonics + 1) ** 4.0, np.arange(1, harmonics + 1) ** 4.0])
    return np.concatenate([[0.0, 0.0], (np.arange(1, 2 * harmonics) / 2) ** 4.0])


def smoothing_spline(
    points: Points,
    coordinate: Float[np.ndarray, "sample"],
    weight: Float[np.ndarray, "sample"],
    harmonics: int,
    stiffness: float,
    *,
    closed: bool,
    knots: int,
) -> Curve:
    """Weighted smoothing spline of the points over their coordinate, resampled by arc length.

    An open curve ends where its points end, because nothing constrains it beyond them.
    """
    if not closed:
        coordinate = (coordinate - coordinate.min()) / max(float(np.ptp(coordinate)), 1e-12)
    terms = spline_basis(coordinate, harmonics, closed=closed)
    penalty = stiffness * weight.sum() * bending_energy(harmonics, closed=closed) + 1e-9 * weight.sum()
    weighted = terms * weight[:, None]
    coefficients = np.linalg.solve(weighted.T @ terms + np.diag(penalty), weighted.T @ points)
    return resample_by_arc_length(_dense_basis(harmonics, closed) @ coefficients, knots, closed=closed)


@lru_cache(maxsize=64)
def _dense_basis(harmonics: int, closed: bool) -> Float[np.ndarray, "dense term"]:
    return spline_basis(np.arange(160) / 160 if closed else np.linspace(0.0, 1.0, 161), harmonics, closed=closed)


def resample_by_arc_length(curve: Curve, knots: int, *, closed: bool) -> Curve:
    """Resample a polyline at equal steps of its arc length."""
    ring = np.concatenate([curve, curve[:1]]) if closed else curve
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    wanted = np.linspace(0.0, arc[-1], knots, endpoint=not closed)
    at = np.clip(np.searchsorted(arc, wanted, side="right") - 1, 0, len(ring) - 2)
    step = arc[at + 1] - arc[at]
    share = np.divide(wanted - arc[at], step, out=np.zeros_like(wanted), where=step > 0)[:, None]
    spaced: Curve = (1 - share) * ring[at] + share * ring[at + 1]
    return spaced


def squared_distances(points: Points, knots: Float[np.ndarray, "knot axis"]) -> Float[np.ndarray, "sample knot"]:
    """Squared Euclidean distance of every point to every knot."""
    squares = (points**2).sum(1)[:, None] - 2 * points @ knots.T + (knots**2).sum(1)[None, :]
    clipped: Float[np.ndarray, "sample knot"] = np.maximum(squares, 0.0)
    return clipped


def project(points: Points, curve: Curve, *, closed: bool) -> Projection:
    """Nearest position on a polyline: the nearest knot, then the nearer of its two segments."""
    nearest = squared_distances(points, curve).argmin(1)
    knots = len(curve)
    best = np.full(len(points), np.inf)
    coordinate = np.zeros(len(points))
    for back in (1, 0):
        start = nearest - back
        start = start % knots if closed else np.clip(start, 0, knots - 2)
        begin = curve[start]
        step = curve[(start + 1) % knots] - begin
        length = np.maximum((step**2).sum(1), 1e-300)
        share = np.clip(((points - begin) * step).sum(1) / length, 0.0, 1.0)
        squared = ((points - begin - share[:, None] * step) ** 2).sum(1)
        nearer = squared < best
        best = np.where(nearer, squared, best)
        coordinate = np.where(nearer, (start + share) / (knots if closed else knots - 1), coordinate)
    return Projection(coordinate % 1.0 if closed else coordinate, best)


def project_to_curve(points: Points, curve: Curve, closed: bool) -> Float32[np.ndarray, "sample"]:
    """Coordinate of each point on a curve with equally spaced knots, in blocks of points."""
    pieces = [
        project(points[start : start + 4096].astype(np.float64), curve.astype(np.float64), closed=closed).coordinate
        for start in range(0, len(points), 4096)
    ]
    return _below_one(np.concatenate(pieces) if pieces else np.zeros(0), closed)


def _below_one(coordinate: Float[np.ndarray, "sample"], closed: bool) -> Float32[np.ndarray, "sample"]:
    """Round to float32 without letting a closed coordinate reach 1."""
    rounded = coordinate.astype(np.float32)
    return np.where(rounded >= 1.0, np.float32(0.0), rounded) if closed else np.clip(rounded, 0.0, 1.0)


def principal_curve(
    points: Points,
    coordinate: Float[np.ndarray, "sample"],
    harmonics: int,
    *,
    closed: bool,
    rounds: int,
    weight: Float[np.ndarray, "sample"] | None = None,
    stiffness: float = 1e-7,
    knots: int = SEARCH_KNOTS,
) -> Curve:
    """Alternate smoothing and projection from an initial coordinate (Hastie and Stuetzle 1989).

    Gaps without points are bridged by straight lines: a smoothing spline would swing out there, and each iteration
    would give the swing a larger share of the coordinate, because it adds length.
    """
    weight = np.ones(len(points)) if weight is None else weight
    points, coordinate, weight = points[weight > 0], coordinate[weight > 0], weight[weight > 0]

    def fitted(at: Float[np.ndarray, "sample"]) -> Curve:
        bridged = _bridge_gaps(points, at, weight, closed=closed)
        return smoothing_spline(*bridged, harmonics, stiffness, closed=closed, knots=knots)

    curve = fitted(coordinate)
    last = np.inf
    for _ in range(rounds):
        position = project(points, curve, closed=closed)
        error = float((weight * position.squared).sum())
        if error > 0.999 * last:
            break
        last = error
        curve = fitted(position.coordinate)
    return curve


def _bridge_gaps(
    points: Points, coordinate: Float[np.ndarray, "sample"], weight: Float[np.ndarray, "sample"], *, closed: bool
) -> tuple[Points, Float[np.ndarray, "sample"], Float[np.ndarray, "sample"]]:
    """The points, and a few light ones on straight lines across the gaps between them."""
    order = np.argsort(coordinate, kind="stable")
    sorted_points, sorted_weight = points[order], weight[order]
    at = coordinate[order]
    step = np.diff(at, append=at[0] + 1.0) if closed else np.diff(at)
    parts = [(points, coordinate, weight)]
    for gap in np.flatnonzero(step > GAP_LENGTH):
        before = np.arange(gap - GAP_RIM_POINTS + 1, gap + 1)
        after = before + GAP_RIM_POINTS
        if not closed:
            before, after = before[before >= 0], after[after < len(at)]
        rim_means = [
            np.average(sorted_points[side % len(at)], axis=0, weights=sorted_weight[side % len(at)])
            for side in (before, after)
        ]
        share = np.linspace(0.0, 1.0, int(np.ceil(step[gap] / GAP_LENGTH * BRIDGE_POINTS_PER_GAP)) + 2)[1:-1]
        across = rim_means[0] + share[:, None] * (rim_means[1] - rim_means[0])
        bridge_weights = np.full(len(share), BRIDGE_WEIGHT * weight.sum() * step[gap] / len(share))
        parts.append(
            (across, (at[gap] + share * step[gap]) % 1.0 if closed else at[gap] + share * step[gap], bridge_weights)
        )
    bridged_points, bridged_at, bridged_weight = zip(*parts, strict=True)
    return np.concatenate(bridged_points), np.concatenate(bridged_at), np.concatenate(bridged_weight)


def fit_path(
    points: Float[np.ndarray, "sample axis"],
    coordinate: Float[np.ndarray, "sample"],
    *,
    closed: bool,
    knots: int = 128,
    places: int = 192,
    most_harmonics: int = 40,
    stiffness: float = 1.0,
) -> Float32[np.ndarray, "knot axis"]:
    """Smooth curve s(u) through points as a function of a given coordinate.

    Points are averaged robustly in ``places`` narrow bins; a smoothing spline runs through the means, with its
    stiffness chosen by generalised cross-validation (Craven and Wahba 1979). A bin is weighted by the square root of
    its count, so that dense stretches do not dominate.

    Args:
        points: sample positions.
        coordinate: coordinate of each sample.
        closed: whether the coordinate is cyclic.
        knots: number of knots of the curve.
        places: number of bins.
        most_harmonics: maximum number of harmonics.
        stiffness: factor on the stiffness chosen by cross-validation.

    Returns:
        [knot, axis] at coordinates k / knots (closed) or k / (knots - 1) (open); unlike a principal curve, *not*
        equally spaced in arc length.
    """
    position, mean, count = _binned_means(points.astype(np.float64), coordinate.astype(np.float64), places, closed)
    harmonics = int(np.clip(len(position) // 2 - 1, 1, most_harmonics))
    weight = np.sqrt(count)
    weight /= weight.mean()
    terms = spline_basis(position, harmonics, closed=closed)
    bends = bending_energy(harmonics, closed=closed)
    stiffness *= _generalised_cross_validation(terms, mean, weight, bends)
    coefficients = _ridge(terms, mean, weight, stiffness * bends)
    at = np.arange(knots) / knots if closed else np.linspace(0.0, 1.0, knots)
    path: Float32[np.ndarray, "knot axis"] = (spline_basis(at, harmonics, closed=closed) @ coefficients).astype(
        np.float32
    )
    return path


def _ridge(
    terms: Float[np.ndarray, "bin term"],
    values: Float[np.ndarray, "bin axis"],
    weight: Float[np.ndarray, "bin"],
    penalty: Float[np.ndarray, "term"],
) -> Float[np.ndarray, "term axis"]:
    weighted = terms * weight[:, None]
    return np.linalg.solve(weighted.T @ terms + np.diag(len(terms) * (penalty + 1e-10)), weighted.T @ values)


def _generalised_cross_validation(
    terms: Float[np.ndarray, "bin term"],
    values: Float[np.ndarray, "bin axis"],
    weight: Float[np.ndarray, "bin"],
    bends: Float[np.ndarray, "term"],
) -> float:
    """Stiffness that minimises n RSS / (n - trace)^2 over a fixed ladder.

    In a basis that diagonalises both the smoother and its penalty (Demmler and Reinsch 1975), every rung is a product,
    so the Gram matrix is factored only once, at the ladder's lowest rung.
    """
    n, root = len(terms), np.sqrt(weight)[:, None]
    inner, wanted, ladder = terms * root, values * root, np.geomspace(1e-9, 1e-2, 22)
    lowest = np.linalg.cholesky(inner.T @ inner + np.diag(n * (ladder[0] * bends + 1e-10)))
    turned = solve_triangular(lowest, np.diag(np.sqrt(n * bends)), lower=True)
    bent, axes = np.linalg.eigh(turned @ turned.T)
    smoothed = solve_triangular(lowest, inner.T, lower=True).T @ axes
    along, energy = smoothed.T @ wanted, (smoothed**2).sum(axis=0)
    best, chosen = np.inf, 1e-6
    for stiffness in ladder:
        shrinkage = 1 / (1 + (stiffness - ladder[0]) * np.maximum(bent, 0.0))
        left = ((wanted - smoothed @ (shrinkage[:, None] * along)) ** 2).sum()
        freedom = n - 1.2 * float(shrinkage @ energy)
        score = n * left / freedom**2 if freedom > 0.05 * n else np.inf
        if score < best:
            best, chosen = score, float(stiffness)
    return chosen


def _binned_means(
    points: Points, coordinate: Float[np.ndarray, "sample"], places: int, closed: bool
) -> tuple[Float[np.ndarray, "bin"], Float[np.ndarray, "bin axis"], Float[np.ndarray, "bin"]]:
    """Mean coordinate, robust mean and count of the points in each non-empty bin."""
    interval = np.minimum((coordinate * places).astype(np.int64), places - 1)
    order = np.argsort(interval, kind="stable")
    starts = np.flatnonzero(np.diff(interval[order], prepend=-1, append=places))
    found = np.zeros((len(starts) - 1, points.shape[1] + 2))
    _robust_means(np.column_stack([points, coordinate])[order], starts, found)
    position, mean, count = found[:, -2], found[:, :-2], found[:, -1]
    return (position % 1.0 if closed else position), mean, count


@njit(cache=True, nogil=True)
@no_type_check
def _robust_means(rows: np.ndarray, starts: np.ndarray, found: np.ndarray) -> None:
    """Fill the mean of each group's rows [point, axis and coordinate] and the number of points it is over.

    Points farther from the axis-wise median than three times the median distance are left out.
    """
    axes = rows.shape[1] - 1
    middle = np.empty(axes)
    for group in range(len(starts) - 1):
        own = rows[starts[group] : starts[group + 1]]
        for axis in range(axes):
            middle[axis] = np.median(own[:, axis])
        distance = np.zeros(len(own))
        for point in range(len(own)):
            for axis in range(axes):
                distance[point] += (own[point, axis] - middle[axis]) ** 2
        distance = np.sqrt(distance)
        cutoff = 3 * np.median(distance) + 1e-12
        for point in range(len(own)):
            if distance[point] <= cutoff:
                found[group, :-1] += own[point]
                found[group, -1] += 1
        found[group, :-1] /= found[group, -1]
