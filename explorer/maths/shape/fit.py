"""What shape a point cloud has: a closed curve, an open curve, a surface or a blob, and where on it each point lies.

A curve is claimed where three things hold: one smooth line explains the cloud (``search``), it is a line and not a
tangle or a band (``line``, ``patch``), and neither a Gaussian of equal covariance, nor the cloud's own axes shuffled,
nor its clumps at Gaussian places look as much like a line in the same search (``nulls``). Ours; docs/geometry.md tells
what it confuses.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from explorer.config import GeometrySettings
from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.curve import even_knots, fit_path, project_to_curve
from explorer.maths.shape.dimension import twonn_dimension
from explorer.maths.shape.landmarks import Cells, even_sample
from explorer.maths.shape.line import chord_share, is_line
from explorer.maths.shape.nulls import clump_null, find_clumps, gaussian_null, joint_p_value, p_value, shuffled_null
from explorer.maths.shape.refine import Candidate, best_refined, even_weights
from explorer.maths.shape.search import LEVELS, SLACK, Search, between_clumps, evidence, search_curve, unexplained
from explorer.maths.shape.surface import bounded, flatness
from explorer.records import CURVES, Shape, ShapeKind

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

CLAIM = 0.05
"""Largest p at which a shape is claimed, under every null."""
FEWEST = 40
"""Clouds of fewer different points are blobs: nothing can be told."""
POOL = 1200
"""Points that are looked at, and that each null draw has, before they are thinned."""
THINNED = 440
"""Points, evenly spread, that a curve is searched in."""
LEAST_EXPLAINED = 0.6
"""A curve that explains less of the held-out points' variance is not what the cloud lies on."""
SEARCHES = 3
"""Searches, each on other halves; that with most evidence gives the curve, the middle one is held against the nulls."""
FEW_CLUMPS = 12
"""Fewer separate clumps than this are no surface."""


def fit_shape(
    points: Float[np.ndarray, "sample axis"],
    *,
    rng: np.random.Generator,
    settings: GeometrySettings | None = None,
    claim: float = CLAIM,
    curves: Sequence[ShapeKind] = CURVES,
) -> Shape:
    """Say what a cloud lies on, and where on it each point is.

    Args:
        points: The cloud, in any units; at least 40 points for anything but a blob.
        rng: Thins the cloud and draws the null; the same generator state gives the same shape.
        settings: ``knots`` of the curve and ``null_draws``.
        claim: largest p at which a shape is claimed; a caller that tries several views of one cloud divides it.
        curves: those that may be claimed, the first one first.

    Returns:
        Kind, coordinate [sample], curve [knot, axis] in the axes of ``points``, TwoNN dimension, p-value (the largest
        of the nulls, 1.0 for a blob) and the share of the variance that the curve explains on points held out.
    """
    settings = settings or GeometrySettings()
    frame = _Frame.of(points)
    cloud = frame.into(points)
    pool = cloud[rng.choice(len(cloud), POOL, replace=False)] if len(cloud) > POOL else cloud
    dimension = twonn_dimension(pool)
    if frame.scale <= 0 or len(np.unique(np.round(cloud, 6), axis=0)) < FEWEST:
        return _straight(points, cloud, frame, "blob", 1.0, dimension, settings)
    if 1 / (1 + settings.null_draws) > claim:
        # not even a null without any exceedance could support a claim
        return _straight(points, cloud, frame, "blob", 1.0, dimension, settings)
    thinned = even_sample(pool, THINNED, rng)
    for kind in curves:
        found = _claim_curve(pool, thinned, kind == "closed curve", settings.null_draws, claim, rng)
        if found is not None:
            candidate, p = found
            return _along(points, cloud, frame, candidate, p, dimension, settings, rng)
    p = _surface_p(pool, settings.null_draws, claim, rng)
    flat = p <= claim
    return _straight(points, cloud, frame, "surface" if flat else "blob", p if flat else 1.0, dimension, settings)


def shape_along(
    points: Float[np.ndarray, "sample axis"],
    place: Float[np.ndarray, "sample"],
    *,
    closed: bool,
    harmonics: int,
    p_value: float,
    rng: np.random.Generator,
    settings: GeometrySettings | None = None,
) -> Shape | None:
    """The curve of a cloud whose order is known already, or None where no curve in that order explains it.

    Args:
        points: The cloud.
        place: where its order puts each point: turns in [0, 1), or a share of the line in [0, 1].
        closed: whether the order is a ring.
        harmonics: bends that the curve may have. Half as many as the order has values: more would be read off nothing
            (Nyquist), and loop between them.
        p_value: that of the order; it becomes the shape's.
        rng: halves the cloud.
        settings: ``knots`` of the curve.

    Returns:
        As ``fit_shape`` does, but that the coordinate is the place that was given, and the curve's knots are equally
        spaced in it.
    """
    settings = settings or GeometrySettings()
    frame = _Frame.of(points)
    cloud = frame.into(points)
    if frame.scale <= 0 or len(points) < FEWEST:
        return None
    half = rng.permutation(len(cloud)) < len(cloud) // 2
    explained = float(np.mean([_explained_at(cloud, place, part, closed, harmonics) for part in (half, ~half)]))
    if explained < LEAST_EXPLAINED:
        return None
    pool = cloud[rng.choice(len(cloud), POOL, replace=False)] if len(cloud) > POOL else cloud
    return Shape(
        kind="closed curve" if closed else "open curve",
        coordinate=place.astype(np.float32) % np.float32(1.0) if closed else place.astype(np.float32),
        curve=frame.back(fit_path(cloud, place, closed=closed, knots=settings.knots, most_harmonics=harmonics)),
        harmonics=harmonics,
        intrinsic_dim=twonn_dimension(pool),
        p_value=p_value,
        variance_explained=explained,
    )


def _explained_at(
    cloud: Points, place: Float[np.ndarray, "sample"], part: Bool[np.ndarray, "sample"], closed: bool, harmonics: int
) -> float:
    """Share of the other part's variance that a path through this part explains, each point at its own place."""
    path = fit_path(cloud[part], place[part], closed=closed, most_harmonics=harmonics)
    rest = cloud[~part]
    left = ((rest - curve_at(path, place[~part], closed=closed)) ** 2).sum()
    return 1.0 - float(left) / max(float(((rest - rest.mean(0)) ** 2).sum()), 1e-300)


class _Frame(NamedTuple):
    """Principal axes of a cloud, scaled to unit total variance."""

    centre: Float[np.ndarray, "axis"]
    axes: Float[np.ndarray, "principal axis"]
    scale: float

    @classmethod
    def of(cls, points: Points, share: float = 0.995, most: int = 32) -> "_Frame":
        """Axes that hold ``share`` of the variance, at most ``most``."""
        centre = points.mean(0, dtype=np.float64) if len(points) else np.zeros(points.shape[1])
        centred = points.astype(np.float64) - centre
        variances, vectors = np.linalg.eigh(centred.T @ centred / max(len(points), 1))
        variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
        total = float(variances.sum())
        kept = min(most, int(np.searchsorted(np.cumsum(variances), share * total)) + 1, len(variances))
        signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(variances))])
        return cls(centre, (vectors * signs).T[:kept], float(np.sqrt(total)))

    def into(self, points: Points) -> Float[np.ndarray, "sample principal"]:
        placed: Points = (points.astype(np.float64) - self.centre) @ self.axes.T / max(self.scale, 1e-300)
        return placed

    def back(self, curve: Float[np.ndarray, "knot principal"]) -> Float32[np.ndarray, "knot axis"]:
        drawn: Float32[np.ndarray, "knot axis"] = (self.centre + self.scale * curve @ self.axes).astype(np.float32)
        return drawn


def _claim_curve(
    pool: Points, thinned: Int[np.ndarray, "chosen"], closed: bool, draws: int, claim: float, rng: np.random.Generator
) -> tuple[Candidate, float] | None:
    """The curve that the cloud supports and its p-value, or None."""
    points = pool[thinned]
    searches = [search_curve(points, rng, closed=closed) for _ in range(SEARCHES)]
    clumps = find_clumps(points, rng)
    best_first = sorted(searches, key=evidence, reverse=True)
    good = (found for search in best_first if (found := _smoothest(points, clumps, search)) is not None)
    candidate = next(good, None)
    if candidate is None:
        return None
    search = sorted(searches, key=evidence)[SEARCHES // 2]
    p = _curve_p(pool, points, clumps, search, draws, claim, rng)
    if not closed and p > claim and chord_share(candidate.curve) > 0.9:
        p = 2 * p_value(bounded(pool), gaussian_null(pool), bounded, draws=draws, claim=claim / 2, rng=rng)
    return (candidate, p) if p <= claim else None


def _curve_p(
    pool: Points,
    points: Points,
    clumps: Cells | None,
    search: Search,
    draws: int,
    claim: float,
    rng: np.random.Generator,
) -> float:
    """Largest of the p-values under the Gaussian, shuffled axes and, for clumps, clumps at Gaussian places."""
    closed = search.closed

    def statistic(cloud: Points) -> float:
        return evidence(search_curve(cloud[even_sample(cloud, THINNED, rng)], rng, closed=closed))

    worst = 0.0
    for null in (gaussian_null(pool), shuffled_null(pool)):
        worst = max(worst, p_value(evidence(search), null, statistic, draws=draws, claim=claim, rng=rng))
        if worst > claim:
            return worst
    if clumps is None:
        return worst

    def scores(cloud: Points, found: Search) -> Float[np.ndarray, "score"]:
        centres = np.array([cloud[clumps.cell == cell].mean(0) for cell in range(len(clumps.centres))])
        return np.append(between_clumps(cloud, Cells(centres, clumps.cell), found), evidence(found))

    again = joint_p_value(
        scores(points, search),
        clump_null(points, clumps),
        lambda cloud: scores(cloud, search_curve(cloud, rng, closed=closed)),
        draws=draws,
        rng=rng,
    )
    return max(worst, again)


def _smoothest(points: Points, clumps: Cells | None, search: Search) -> Candidate | None:
    """The least bent line that explains nearly as much as any; None where there is none that explains enough."""
    left = unexplained(search)
    line = np.array([is_line(points, clumps, curve, closed=search.closed) for curve in search.curves])
    if not line.any():
        return None
    level = int(np.flatnonzero(line & (np.log(left / left[line].min()) < 0.25))[0])
    if np.log(left[level] / left.min()) > SLACK or search.explained[level] < LEAST_EXPLAINED:
        return None
    return Candidate(search.closed, LEVELS[level], search.curves[level], float(search.explained[level]))


def _surface_p(pool: Points, draws: int, claim: float, rng: np.random.Generator) -> float:
    """p of being a surface: locally flat in two directions, and flatter or more sharply bounded than a Gaussian.

    A few separate clumps are no surface, however flat the space that they stand in.
    """
    observed = flatness(pool, rng)
    if observed < 0.88:
        return 1.0
    clumps = find_clumps(pool[even_sample(pool, THINNED, rng)], rng)
    if clumps is not None and len(clumps.centres) < FEW_CLUMPS:
        return 1.0
    half = claim / 2
    edge = p_value(bounded(pool), gaussian_null(pool), bounded, draws=draws, claim=half, rng=rng)
    if edge <= half:
        return 2 * edge
    null = gaussian_null(pool)
    flat = p_value(observed, null, lambda cloud: flatness(cloud, rng), draws=draws, claim=half, rng=rng)
    return min(1.0, 2 * flat)


def _along(
    points: Points,
    cloud: Points,
    frame: _Frame,
    candidate: Candidate,
    p: float,
    dimension: float,
    settings: GeometrySettings,
    rng: np.random.Generator,
) -> Shape:
    """Refine the curve on the whole cloud and measure it on halves."""
    weight = even_weights(cloud, rng)
    refined = best_refined(cloud, weight, candidate, rng)
    drawn = frame.back(even_knots(refined.curve, settings.knots, closed=candidate.closed))
    return Shape(
        kind="closed curve" if candidate.closed else "open curve",
        coordinate=project_to_curve(points, drawn, candidate.closed),
        curve=drawn,
        harmonics=refined.harmonics,
        intrinsic_dim=dimension,
        p_value=p,
        variance_explained=refined.explained,
    )


def _straight(
    points: Points,
    cloud: Points,
    frame: _Frame,
    kind: ShapeKind,
    p: float,
    dimension: float,
    settings: GeometrySettings,
) -> Shape:
    """A surface or a blob has no curve of its own: the first principal axis stands in."""
    first = cloud[:, 0] if cloud.size else np.zeros(len(points))
    low, high = (float(first.min()), float(first.max())) if len(first) else (0.0, 0.0)
    line = np.zeros((settings.knots, len(frame.axes)))
    line[:, 0] = np.linspace(low, high, settings.knots)
    place = (first - low) / max(high - low, 1e-300)
    total = float((cloud**2).sum())
    return Shape(
        kind=kind,
        coordinate=np.clip(place, 0.0, 1.0).astype(np.float32),
        curve=frame.back(line),
        harmonics=1,
        intrinsic_dim=dimension,
        p_value=p,
        variance_explained=float((first**2).sum() / total) if total > 0 else 0.0,
    )
