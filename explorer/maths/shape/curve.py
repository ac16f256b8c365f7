"""Curves through point clouds: bases, projection, principal curves and the path that steering follows.

A curve is a polyline whose knots are equally spaced in arc length; a closed one does not repeat its first knot. Between
knots and data stands a ridge regression on a Fourier basis (closed) or on a line and cosines (open), with a penalty on
bending: the periodic and the natural smoothing spline in their spectral form (Wahba, Spline models for observational
data, 1990). Principal curves alternate projection and smoothing (Hastie and Stuetzle, Principal curves, 1989).
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
"""Knots of a curve while it is being searched."""

HOLE = 0.02
"""A longer stretch of a curve without a point is a hole, which the curve crosses straight:"""
RIM = 6
"""between the means of so many points on either side,"""
PLANKS = 3
"""held by so many points for each HOLE of its length,"""
LIGHT = 0.2
"""which together weigh this share of what points of mean density would."""


class Projection(NamedTuple):
    """Where on a curve each point falls."""

    coordinate: Float[np.ndarray, "sample"]
    """Share of the curve's length, in [0, 1)  if closed, in [0, 1] if open."""
    squared: Float[np.ndarray, "sample"]
    """Squared distance to the curve."""


def basis(coordinate: Float[np.ndarray, "sample"], harmonics: int, *, closed: bool) -> Float[np.ndarray, "sample term"]:
    """Fourier terms up to ``harmonics``, or a line and twice as many half-wave cosines less one."""
    if closed:
        angle = 2 * np.pi * np.outer(coordinate, np.arange(1, harmonics + 1))
        return np.concatenate([np.ones((len(coordinate), 1)), np.cos(angle), np.sin(angle)], axis=1)
    angle = np.pi * np.outer(coordinate, np.arange(1, 2 * harmonics))
    return np.concatenate([np.ones((len(coordinate), 1)), coordinate[:, None] - 0.5, np.cos(angle)], axis=1)


def bending(harmonics: int, *, closed: bool) -> Float[np.ndarray, "term"]:
    """Squared second derivative of each term of ``basis``, in units of the closed curve's first harmonic."""
    if closed:
        return np.concatenate([[0.0], np.arange(1, harmonics + 1) ** 4.0, np.arange(1, harmonics + 1) ** 4.0])
    return np.concatenate([[0.0, 0.0], (np.arange(1, 2 * harmonics) / 2) ** 4.0])


def smooth(
    points: Points,
    coordinate: Float[np.ndarray, "sample"],
    weight: Float[np.ndarray, "sample"],
    harmonics: int,
    stiffness: float,
    *,
    closed: bool,
    knots: int,
) -> Curve:
    """The smoothing spline of the points over their coordinate, then spaced evenly in arc length.

    An open curve ends where its points end: beyond them nothing holds it.
    """
    if not closed:
        coordinate = (coordinate - coordinate.min()) / max(float(np.ptp(coordinate)), 1e-12)
    terms = basis(coordinate, harmonics, closed=closed)
    penalty = stiffness * weight.sum() * bending(harmonics, closed=closed) + 1e-9 * weight.sum()
    weighted = terms * weight[:, None]
    coefficients = np.linalg.solve(weighted.T @ terms + np.diag(penalty), weighted.T @ points)
    return even_knots(_dense_basis(harmonics, closed) @ coefficients, knots, closed=closed)


@lru_cache(maxsize=64)
def _dense_basis(harmonics: int, closed: bool) -> Float[np.ndarray, "dense term"]:
    return basis(np.arange(160) / 160 if closed else np.linspace(0.0, 1.0, 161), harmonics, closed=closed)


def even_knots(curve: Curve, knots: int, *, closed: bool) -> Curve:
    """Resample a polyline at equal steps of its length."""
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
    """Nearest place on a polyline: the nearest knot, then the nearer of its two segments."""
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
    """Coordinate of each point on a curve whose knots are equally spaced in the coordinate, in blocks of points."""
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
    """Alternate smoothing and projection from a starting coordinate (Hastie and Stuetzle 1989).

    Where no point holds it, the curve runs straight: a smoothing spline would swing out there, and each round would
    give the swing, which has length, a larger share of the coordinate.
    """
    weight = np.ones(len(points)) if weight is None else weight
    points, coordinate, weight = points[weight > 0], coordinate[weight > 0], weight[weight > 0]

    def fitted(at: Float[np.ndarray, "sample"]) -> Curve:
        held = _bridged(points, at, weight, closed=closed)
        return smooth(*held, harmonics, stiffness, closed=closed, knots=knots)

    curve = fitted(coordinate)
    last = np.inf
    for _ in range(rounds):
        place = project(points, curve, closed=closed)
        error = float((weight * place.squared).sum())
        if error > 0.999 * last:
            break
        last = error
        curve = fitted(place.coordinate)
    return curve


def _bridged(
    points: Points, coordinate: Float[np.ndarray, "sample"], weight: Float[np.ndarray, "sample"], *, closed: bool
) -> tuple[Points, Float[np.ndarray, "sample"], Float[np.ndarray, "sample"]]:
    """The points, and a few light ones on the straight lines between the rims of the holes that they leave."""
    order = np.argsort(coordinate, kind="stable")
    sorted_points, sorted_weight = points[order], weight[order]
    at = coordinate[order]
    step = np.diff(at, append=at[0] + 1.0) if closed else np.diff(at)
    parts = [(points, coordinate, weight)]
    for hole in np.flatnonzero(step > HOLE):
        before = np.arange(hole - RIM + 1, hole + 1)
        after = before + RIM
        if not closed:
            before, after = before[before >= 0], after[after < len(at)]
        rims = [
            np.average(sorted_points[side % len(at)], axis=0, weights=sorted_weight[side % len(at)])
            for side in (before, after)
        ]
        share = np.linspace(0.0, 1.0, int(np.ceil(step[hole] / HOLE * PLANKS)) + 2)[1:-1]
        across = rims[0] + share[:, None] * (rims[1] - rims[0])
        light = np.full(len(share), LIGHT * weight.sum() * step[hole] / len(share))
        parts.append(
            (across, (at[hole] + share * step[hole]) % 1.0 if closed else at[hole] + share * step[hole], light)
        )
    held_points, held_at, held_weight = zip(*parts, strict=True)
    return np.concatenate(held_points), np.concatenate(held_at), np.concatenate(held_weight)


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
    """Smooth curve s(u) through points as a function of a coordinate that is given, not searched.

    Points are gathered in ``places`` narrow intervals, each told by a mean that leaves outliers out; a smoothing spline
    runs through these, its stiffness chosen by generalised cross-validation (Craven and Wahba 1979). An interval weighs
    as the square root of its count: a rare value is still passed closely.

    Args:
        points: where the samples stand.
        coordinate: where on the curve each is.
        closed: whether the coordinate is cyclic.
        knots: how many the curve has.
        places: how many intervals.
        most_harmonics: bends that it may have.
        stiffness: multiple of the stiffness that cross-validation chooses.

    Returns:
        [knot, axis] at coordinates k / knots (closed) or k / (knots - 1) (open), unlike a principal curve *not* spaced
        evenly in its own length.
    """
    place, mean, count = _gather(points.astype(np.float64), coordinate.astype(np.float64), places, closed)
    harmonics = int(np.clip(len(place) // 2 - 1, 1, most_harmonics))
    weight = np.sqrt(count)
    weight /= weight.mean()
    terms = basis(place, harmonics, closed=closed)
    bends = bending(harmonics, closed=closed)
    stiffness *= _generalised_cross_validation(terms, mean, weight, bends)
    coefficients = _ridge(terms, mean, weight, stiffness * bends)
    at = np.arange(knots) / knots if closed else np.linspace(0.0, 1.0, knots)
    path: Float32[np.ndarray, "knot axis"] = (basis(at, harmonics, closed=closed) @ coefficients).astype(np.float32)
    return path


def _ridge(
    terms: Float[np.ndarray, "place term"],
    values: Float[np.ndarray, "place axis"],
    weight: Float[np.ndarray, "place"],
    penalty: Float[np.ndarray, "term"],
) -> Float[np.ndarray, "term axis"]:
    weighted = terms * weight[:, None]
    return np.linalg.solve(weighted.T @ terms + np.diag(len(terms) * (penalty + 1e-10)), weighted.T @ values)


def _generalised_cross_validation(
    terms: Float[np.ndarray, "place term"],
    values: Float[np.ndarray, "place axis"],
    weight: Float[np.ndarray, "place"],
    bends: Float[np.ndarray, "term"],
) -> float:
    """Stiffness with the smallest n RSS / (n - trace)^2 over a fixed ladder.

    In a basis in which the smoother and its penalty are both diagonal (Demmler and Reinsch 1975), every rung is a
    product: so the Gram matrix is factored once, at the ladder's lowest rung.
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
        kept = 1 / (1 + (stiffness - ladder[0]) * np.maximum(bent, 0.0))
        left = ((wanted - smoothed @ (kept[:, None] * along)) ** 2).sum()
        freedom = n - 1.2 * float(kept @ energy)
        score = n * left / freedom**2 if freedom > 0.05 * n else np.inf
        if score < best:
            best, chosen = score, float(stiffness)
    return chosen


def _gather(
    points: Points, coordinate: Float[np.ndarray, "sample"], places: int, closed: bool
) -> tuple[Float[np.ndarray, "place"], Float[np.ndarray, "place axis"], Float[np.ndarray, "place"]]:
    """Robust mean, mean coordinate and count of the points in each interval that holds any."""
    interval = np.minimum((coordinate * places).astype(np.int64), places - 1)
    order = np.argsort(interval, kind="stable")
    starts = np.flatnonzero(np.diff(interval[order], prepend=-1, append=places))
    found = np.zeros((len(starts) - 1, points.shape[1] + 2))
    _robust_means(np.column_stack([points, coordinate])[order], starts, found)
    place, mean, count = found[:, -2], found[:, :-2], found[:, -1]
    return (place % 1.0 if closed else place), mean, count


@njit(cache=True, nogil=True)
@no_type_check
def _robust_means(rows: np.ndarray, starts: np.ndarray, found: np.ndarray) -> None:
    """Fill the mean of each group's rows [point, axis and coordinate] and how many it is over.

    Left out are points farther from the axis-wise median than three times the median distance.
    """
    axes = rows.shape[1] - 1
    middle = np.empty(axes)
    for group in range(len(starts) - 1):
        own = rows[starts[group] : starts[group + 1]]
        for axis in range(axes):
            middle[axis] = np.median(own[:, axis])
        apart = np.zeros(len(own))
        for point in range(len(own)):
            for axis in range(axes):
                apart[point] += (own[point, axis] - middle[axis]) ** 2
        apart = np.sqrt(apart)
        far = 3 * np.median(apart) + 1e-12
        for point in range(len(own)):
            if apart[point] <= far:
                found[group, :-1] += own[point]
                found[group, -1] += 1
        found[group, :-1] /= found[group, -1]
