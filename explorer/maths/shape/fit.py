"""Shape of a point cloud (closed curve, open curve, surface or blob) and the intrinsic coordinate of each point.

A curve is claimed if three conditions hold: one smooth line explains the cloud (``search``); it is a line rather than a
tangle or a band (``line``, ``surface``); and the same search finds less of a line in a Gaussian of equal covariance, in
the cloud with its principal axes permuted, and in its clumps moved to Gaussian positions (``nulls``). Ours;
docs/geometry.md lists the known failures.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from explorer.config import GeometrySettings
from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.curve import fit_path, project_to_curve, resample_by_arc_length
from explorer.maths.shape.dimension import twonn_dimension
from explorer.maths.shape.landmarks import Cells, even_sample
from explorer.maths.shape.line import is_line, straightness
from explorer.maths.shape.nulls import clump_null, find_clumps, gaussian_null, joint_p_value, p_value, shuffled_null
from explorer.maths.shape.refine import Candidate, best_refined, even_weights
from explorer.maths.shape.search import LEVELS, SLACK, CurveSearch, clump_scores, evidence, search_curve, unexplained
from explorer.maths.shape.surface import boundedness, flatness
from explorer.records.cluster import CURVES, Shape, ShapeKind

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

ALPHA = 0.05
"""Significance level of a shape, under every null."""
MIN_POINTS = 40
"""Clouds with fewer distinct points are blobs."""
MAX_POOL = 1200
"""Maximum number of points that are analysed, and that each null draw has, before thinning."""
SEARCH_POINTS = 440
"""Number of evenly spread points that a curve is searched in."""
MIN_EXPLAINED = 0.6
"""Minimum share of the held-out variance that a claimed curve explains."""
N_SEARCHES = 3
"""Number of searches, each on different halves; the one with the most evidence gives the curve, the median one is
tested against the nulls."""
MIN_SURFACE_CLUMPS = 12
"""Fewer separate clumps are not a surface."""


def fit_shape(
    points: Float[np.ndarray, "sample axis"],
    *,
    rng: np.random.Generator,
    settings: GeometrySettings | None = None,
    alpha: float = ALPHA,
    curves: Sequence[ShapeKind] = CURVES,
) -> Shape:
    """Classify a cloud and locate each point on its shape.

    Args:
        points: the cloud, in any units; at least 40 distinct points for anything but a blob.
        rng: thins the cloud and draws the nulls; the same generator state gives the same shape.
        settings: ``knots`` of the curve and ``null_draws``.
        alpha: significance level of a shape; callers that try several views of one cloud divide it.
        curves: kinds of curve that may be claimed, in order of preference.

    Returns:
        Kind, coordinate [sample], curve [knot, axis] in the axes of ``points``, TwoNN dimension, p-value (the largest
        over the nulls, 1.0 for a blob) and the share of the held-out variance that the curve explains.
    """
    settings = settings or GeometrySettings()
    frame = _PrincipalFrame.of(points)
    cloud = frame.into(points)
    pool = cloud[rng.choice(len(cloud), MAX_POOL, replace=False)] if len(cloud) > MAX_POOL else cloud
    dimension = twonn_dimension(pool)
    if frame.scale <= 0 or len(np.unique(np.round(cloud, 6), axis=0)) < MIN_POINTS:
        return _without_curve(points, cloud, frame, "blob", 1.0, dimension, settings)
    if 1 / (1 + settings.null_draws) > alpha:
        # even a null without exceedances could not reach this level
        return _without_curve(points, cloud, frame, "blob", 1.0, dimension, settings)
    thinned = even_sample(pool, SEARCH_POINTS, rng)
    for kind in curves:
        found = _test_curve(pool, thinned, kind == "closed curve", settings.null_draws, alpha, rng)
        if found is not None:
            candidate, p = found
            return _with_curve(points, cloud, frame, candidate, p, dimension, settings, rng)
    p = _surface_p(pool, settings.null_draws, alpha, rng)
    flat = p <= alpha
    return _without_curve(points, cloud, frame, "surface" if flat else "blob", p if flat else 1.0, dimension, settings)


def shape_along(
    points: Float[np.ndarray, "sample axis"],
    coordinate: Float[np.ndarray, "sample"],
    *,
    closed: bool,
    harmonics: int,
    p_value: float,
    rng: np.random.Generator,
    settings: GeometrySettings | None = None,
) -> Shape | None:
    """The curve through a cloud whose order is known, or None if no curve in that order explains it.

    Args:
        points: the cloud.
        coordinate: position of each point in the order: turns in [0, 1), or shares of the line in [0, 1].
        closed: whether the order is cyclic.
        harmonics: maximum harmonics of the curve, half the number of ordered values: more would be undetermined between
            values (Nyquist) and loop there.
        p_value: of the order; becomes the shape's.
        rng: splits the cloud into halves.
        settings: ``knots`` of the curve.

    Returns:
        As ``fit_shape``, but with the given coordinate, in which the knots are equally spaced.
    """
    settings = settings or GeometrySettings()
    frame = _PrincipalFrame.of(points)
    cloud = frame.into(points)
    if frame.scale <= 0 or len(points) < MIN_POINTS:
        return None
    half = rng.permutation(len(cloud)) < len(cloud) // 2
    explained = float(np.mean([_held_out_r2(cloud, coordinate, part, closed, harmonics) for part in (half, ~half)]))
    if explained < MIN_EXPLAINED:
        return None
    pool = cloud[rng.choice(len(cloud), MAX_POOL, replace=False)] if len(cloud) > MAX_POOL else cloud
    return Shape(
        kind="closed curve" if closed else "open curve",
        coordinate=coordinate.astype(np.float32) % np.float32(1.0) if closed else coordinate.astype(np.float32),
        curve=frame.back(fit_path(cloud, coordinate, closed=closed, knots=settings.knots, most_harmonics=harmonics)),
        harmonics=harmonics,
        intrinsic_dim=twonn_dimension(pool),
        p_value=p_value,
        variance_explained=explained,
    )


def _held_out_r2(
    cloud: Points,
    coordinate: Float[np.ndarray, "sample"],
    part: Bool[np.ndarray, "sample"],
    closed: bool,
    harmonics: int,
) -> float:
    """Share of the other part's variance explained by a path through this part, each point compared at its own
    coordinate."""
    path = fit_path(cloud[part], coordinate[part], closed=closed, most_harmonics=harmonics)
    rest = cloud[~part]
    left = ((rest - curve_at(path, coordinate[~part], closed=closed)) ** 2).sum()
    return 1.0 - float(left) / max(float(((rest - rest.mean(0)) ** 2).sum()), 1e-300)


class _PrincipalFrame(NamedTuple):
    """Principal axes of a cloud, scaled to unit total variance."""

    centre: Float[np.ndarray, "axis"]
    axes: Float[np.ndarray, "principal axis"]
    scale: float

    @classmethod
    def of(cls, points: Points, share: float = 0.995, most: int = 32) -> "_PrincipalFrame":
        """The axes that hold ``share`` of the variance, at most ``most``."""
        centre = points.mean(0, dtype=np.float64) if len(points) else np.zeros(points.shape[1])
        centred = points.astype(np.float64) - centre
        variances, vectors = np.linalg.eigh(centred.T @ centred / max(len(points), 1))
        variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
        total = float(variances.sum())
        n_axes = min(most, int(np.searchsorted(np.cumsum(variances), share * total)) + 1, len(variances))
        signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(variances))])
        return cls(centre, (vectors * signs).T[:n_axes], float(np.sqrt(total)))

    def into(self, points: Points) -> Float[np.ndarray, "sample principal"]:
        placed: Points = (points.astype(np.float64) - self.centre) @ self.axes.T / max(self.scale, 1e-300)
        return placed

    def back(self, curve: Float[np.ndarray, "knot principal"]) -> Float32[np.ndarray, "knot axis"]:
        drawn: Float32[np.ndarray, "knot axis"] = (self.centre + self.scale * curve @ self.axes).astype(np.float32)
        return drawn


def _test_curve(
    pool: Points, thinned: Int[np.ndarray, "chosen"], closed: bool, draws: int, alpha: float, rng: np.random.Generator
) -> tuple[Candidate, float] | None:
    """The curve that the cloud supports and its p-value, or None."""
    points = pool[thinned]
    searches = [search_curve(points, rng, closed=closed) for _ in range(N_SEARCHES)]
    clumps = find_clumps(points, rng)
    best_first = sorted(searches, key=evidence, reverse=True)
    good = (found for search in best_first if (found := _smoothest(points, clumps, search)) is not None)
    candidate = next(good, None)
    if candidate is None:
        return None
    search = sorted(searches, key=evidence)[N_SEARCHES // 2]
    p = _curve_p(pool, points, clumps, search, draws, alpha, rng)
    if not closed and p > alpha and straightness(candidate.curve) > 0.9:
        p = 2 * p_value(boundedness(pool), gaussian_null(pool), boundedness, draws=draws, alpha=alpha / 2, rng=rng)
    return (candidate, p) if p <= alpha else None


def _curve_p(
    pool: Points,
    points: Points,
    clumps: Cells | None,
    search: CurveSearch,
    draws: int,
    alpha: float,
    rng: np.random.Generator,
) -> float:
    """Largest of the p-values under the Gaussian, permuted axes and, for clumps, clumps at Gaussian positions."""
    closed = search.closed

    def statistic(cloud: Points) -> float:
        return evidence(search_curve(cloud[even_sample(cloud, SEARCH_POINTS, rng)], rng, closed=closed))

    worst = 0.0
    for null in (gaussian_null(pool), shuffled_null(pool)):
        worst = max(worst, p_value(evidence(search), null, statistic, draws=draws, alpha=alpha, rng=rng))
        if worst > alpha:
            return worst
    if clumps is None:
        return worst

    def scores(cloud: Points, found: CurveSearch) -> Float[np.ndarray, "score"]:
        centres = np.array([cloud[clumps.cell == cell].mean(0) for cell in range(len(clumps.centres))])
        return np.append(clump_scores(cloud, Cells(centres, clumps.cell), found), evidence(found))

    joint = joint_p_value(
        scores(points, search),
        clump_null(points, clumps),
        lambda cloud: scores(cloud, search_curve(cloud, rng, closed=closed)),
        draws=draws,
        rng=rng,
    )
    return max(worst, joint)


def _smoothest(points: Points, clumps: Cells | None, search: CurveSearch) -> Candidate | None:
    """The smoothest line that explains nearly as much as any, or None if none explains enough."""
    left = unexplained(search)
    line = np.array([is_line(points, clumps, curve, closed=search.closed) for curve in search.curves])
    if not line.any():
        return None
    level = int(np.flatnonzero(line & (np.log(left / left[line].min()) < 0.25))[0])
    if np.log(left[level] / left.min()) > SLACK or search.explained[level] < MIN_EXPLAINED:
        return None
    return Candidate(search.closed, LEVELS[level], search.curves[level], float(search.explained[level]))


def _surface_p(pool: Points, draws: int, alpha: float, rng: np.random.Generator) -> float:
    """p-value of a surface: locally flat in two directions, and flatter or more sharply bounded than a Gaussian.

    A few separate clumps are no surface, however flat the space they lie in.
    """
    observed = flatness(pool, rng)
    if observed < 0.88:
        return 1.0
    clumps = find_clumps(pool[even_sample(pool, SEARCH_POINTS, rng)], rng)
    if clumps is not None and len(clumps.centres) < MIN_SURFACE_CLUMPS:
        return 1.0
    half = alpha / 2
    edge = p_value(boundedness(pool), gaussian_null(pool), boundedness, draws=draws, alpha=half, rng=rng)
    if edge <= half:
        return 2 * edge
    null = gaussian_null(pool)
    flat = p_value(observed, null, lambda cloud: flatness(cloud, rng), draws=draws, alpha=half, rng=rng)
    return min(1.0, 2 * flat)


def _with_curve(
    points: Points,
    cloud: Points,
    frame: _PrincipalFrame,
    candidate: Candidate,
    p: float,
    dimension: float,
    settings: GeometrySettings,
    rng: np.random.Generator,
) -> Shape:
    """Refine the curve on the whole cloud and measure it on halves."""
    weight = even_weights(cloud, rng)
    refined = best_refined(cloud, weight, candidate, rng)
    drawn = frame.back(resample_by_arc_length(refined.curve, settings.knots, closed=candidate.closed))
    return Shape(
        kind="closed curve" if candidate.closed else "open curve",
        coordinate=project_to_curve(points, drawn, candidate.closed),
        curve=drawn,
        harmonics=refined.harmonics,
        intrinsic_dim=dimension,
        p_value=p,
        variance_explained=refined.explained,
    )


def _without_curve(
    points: Points,
    cloud: Points,
    frame: _PrincipalFrame,
    kind: ShapeKind,
    p: float,
    dimension: float,
    settings: GeometrySettings,
) -> Shape:
    """Shape of a surface or a blob, with the first principal axis as its curve."""
    first = cloud[:, 0] if cloud.size else np.zeros(len(points))
    low, high = (float(first.min()), float(first.max())) if len(first) else (0.0, 0.0)
    line = np.zeros((settings.knots, len(frame.axes)))
    line[:, 0] = np.linspace(low, high, settings.knots)
    coordinate = (first - low) / max(high - low, 1e-300)
    total = float((cloud**2).sum())
    return Shape(
        kind=kind,
        coordinate=np.clip(coordinate, 0.0, 1.0).astype(np.float32),
        curve=frame.back(line),
        harmonics=1,
        intrinsic_dim=dimension,
        p_value=p,
        variance_explained=float((first**2).sum() / total) if total > 0 else 0.0,
    )
