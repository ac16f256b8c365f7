"""What shape a point cloud has: a closed curve, an open curve, a surface or a blob, and where on it each point lies.

A curve is claimed where four things hold: one smooth line explains the cloud (``search``), the line does not come back
to where it was (``doubled``), its points have no unexplained hole (``steps``), and neither a Gaussian of equal
covariance nor equal clumps at Gaussian places look as much like a line when they go through the same search
(``nulls``). Ours; the docs tell what it confuses.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from explorer.config import GeometrySettings
from explorer.maths.coordinate import curve_at
from explorer.maths.curve import (
    even_knots,
    principal_curve,
    project,
    project_to_curve,
    squared_distances,
)
from explorer.maths.dimension import twonn_dimension
from explorer.maths.landmarks import Cells, even_sample, k_means
from explorer.maths.nulls import clump_null, find_clumps, gaussian_null, joint_p_value, p_value, shuffled_null
from explorer.maths.patch import bounded, flatness, strip
from explorer.maths.search import LEVELS, Search, between_clumps, evidence, search_curve
from explorer.records import Shape, ShapeKind

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
FINAL_KNOTS = 128
"""Knots of a curve while it is refined."""
MOST_HARMONICS = 24
"""Most bends of a refined curve."""
DOUBLED = 0.12
"""Largest share of points that may lie nearly as close to another part of the curve."""
NEAR = 0.38
"""Widest hole of a curve, from rim to rim, in units of the curve's width."""
APART = 0.85
"""The same where the hole is a step like the others; the neighbours of seven values on a ring with harmonics: 0.62."""
ONWARD = 0.5
"""Least cosine between the curve beside a hole and the line across it."""
LEAST_EXPLAINED = 0.6
"""A curve that explains less of the held-out points' variance is not what the cloud lies on."""
SEARCHES = 3
"""Searches, each on other halves; the best curve is kept, and the middle one's evidence is held against the nulls."""
LONE = 0.03
"""A point that is so far from its neighbours along the curve, on both sides, is alone."""
MANY = 4
"""Large steps from which on they count as the usual steps between clumps."""
FEW_CLUMPS = 12
"""Fewer separate clumps than this are no surface."""
SLACK = 1.2
"""How much better, in nats of the unexplained share, a tangled line may be than the smooth one that is claimed."""


class Candidate(NamedTuple):
    """One curve that may be claimed."""

    closed: bool
    """Whether it closes."""
    harmonics: int
    """How much it bends."""
    curve: Curve
    """Its knots."""
    explained: float
    """Share of the held-out points' variance that it explains."""


def fit_shape(
    points: Float[np.ndarray, "sample axis"],
    *,
    rng: np.random.Generator,
    settings: GeometrySettings | None = None,
    claim: float = CLAIM,
) -> Shape:
    """Say what a cloud lies on, and where on it each point is.

    Args:
        points: The cloud, in any units; at least 40 points for anything but a blob.
        rng: Thins the cloud and draws the null; the same generator state gives the same shape.
        settings: ``knots`` of the curve and ``null_draws``.
        claim: largest p at which a shape is claimed; a caller that tries several views of one cloud divides it.

    Returns:
        Kind, coordinate [sample], curve [knot, axis] in the axes of ``points``, TwoNN dimension, p-value (the larger of
        the two nulls', 1.0 for a blob) and the share of the variance that the curve explains on points held out.
    """
    settings = settings or GeometrySettings()
    frame = _Frame.of(points)
    cloud = frame.into(points)
    pool = cloud[rng.choice(len(cloud), POOL, replace=False)] if len(cloud) > POOL else cloud
    dimension = twonn_dimension(pool)
    if frame.scale <= 0 or len(np.unique(np.round(cloud, 6), axis=0)) < FEWEST:
        return _straight(points, cloud, frame, "blob", 1.0, dimension, settings)
    thinned = even_sample(pool, THINNED, rng)
    for closed in (True, False):
        found = _claim_curve(pool, thinned, closed, settings.null_draws, claim, rng)
        if found is not None:
            candidate, p = found
            return _along(points, cloud, frame, candidate, p, dimension, settings, rng)
    p = _surface_p(pool, settings.null_draws, claim, rng)
    kind: ShapeKind = "surface" if p <= claim else "blob"
    return _straight(points, cloud, frame, kind, p if kind == "surface" else 1.0, dimension, settings)


class _Frame(NamedTuple):
    """Principal axes of a cloud, scaled to unit total variance."""

    centre: Float[np.ndarray, "axis"]
    axes: Float[np.ndarray, "principal axis"]
    scale: float

    @classmethod
    def of(cls, points: Points, share: float = 0.995, most: int = 32) -> "_Frame":
        """Axes that hold ``share`` of the variance, at most ``most``."""
        centre = points.mean(0, dtype=np.float64)
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
    good = [found for search in searches if (found := _smoothest(points, clumps, search)) is not None]
    if not good:
        return None
    candidate = max(good, key=lambda found: found.explained)
    search = sorted(searches, key=evidence)[SEARCHES // 2]
    p = _curve_p(pool, points, clumps, search, draws, claim, rng)
    if not closed and p > claim and _chord_share(candidate.curve) > 0.9:
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
    unexplained = np.maximum(1.0 - search.explained, 1e-4)
    line = np.array([_is_line(points, clumps, curve, closed=search.closed) for curve in search.curves])
    if not line.any():
        return None
    level = int(np.flatnonzero(line & (np.log(unexplained / unexplained[line].min()) < 0.25))[0])
    if np.log(unexplained[level] / unexplained.min()) > SLACK or search.explained[level] < LEAST_EXPLAINED:
        return None
    return Candidate(search.closed, LEVELS[level], search.curves[level], float(search.explained[level]))


def _is_line(points: Points, clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether a curve does not double back, has no hole, and is not the middle of a band."""
    return (
        doubled(points, curve, closed=closed) <= DOUBLED
        and whole(points, clumps, curve, closed=closed)
        and not strip(points, curve, closed=closed)
    )


def doubled(points: Points, curve: Curve, *, closed: bool) -> float:
    """Share of the points that another part of the curve passes nearly as closely as the nearest part.

    A line that fills a disk comes back beside itself; one that follows a ring does not. "Nearly": the squared distance
    to the second nearest part exceeds that to the nearest by less than five times the mean squared distance.
    """
    squared = squared_distances(points, curve)
    sides = np.roll(squared, 1, axis=1), np.roll(squared, -1, axis=1)
    if not closed:
        sides[0][:, 0] = np.inf
        sides[1][:, -1] = np.inf
    valleys = np.where((squared <= sides[0]) & (squared <= sides[1]), squared, np.inf)
    lowest = np.partition(valleys, 1, axis=1)
    spread = project(points, curve, closed=closed).squared.mean()
    return float((lowest[:, 1] - lowest[:, 0] < 5 * spread).mean())


def _chord_share(curve: Curve) -> float:
    """Distance of the ends over the length."""
    length = float(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())
    return float(np.linalg.norm(curve[-1] - curve[0])) / max(length, 1e-300)


def whole(points: Points, clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether the points, or the clumps that they form, leave no hole in the curve that a curve should not have.

    A curve may have one hole if its rims are close in space, less than NEAR of the curve's width apart: a ring with a
    gap. Where many steps are holes and the steps between clumps are all alike, none of them is one.
    """
    place = _without_lone(np.sort(project(points, curve, closed=closed).coordinate), closed)
    step = _steps(place, closed)
    large = _large_steps(step)
    holes = int((large & (step > 2.2 * float(np.sort(step)[-min(6, len(step))]))).sum())
    rim = int(step.argmax())
    hole = (float(place[rim]), float(step[rim]))
    even = large.sum() >= MANY and _even_steps(clumps, curve, closed=closed)
    across = _across(curve, hole, closed=closed)
    if holes == 0 or even:
        return across < (APART if even else NEAR)
    return holes == 1 and across < NEAR and (not closed or _goes_on(curve, hole, closed=True))


def _steps(place: Float[np.ndarray, "stop"], closed: bool) -> Float[np.ndarray, "step"]:
    return np.diff(place, append=place[0] + 1.0) if closed else np.diff(place)


def _without_lone(place: Float[np.ndarray, "stop"], closed: bool) -> Float[np.ndarray, "near"]:
    """Leave out points that stand alone on the curve: they do not fill a hole."""
    step = _steps(place, closed)
    before, after = (np.roll(step, 1), step) if closed else (np.append(0.0, step), np.append(step, 0.0))
    return place[(before < LONE) | (after < LONE)]


def _across(curve: Curve, hole: tuple[float, float], *, closed: bool) -> float:
    """Distance of a hole's rims in units of the curve's width."""
    ends = _at(curve, [hole[0], hole[0] + hole[1]], closed=closed)
    width = float(np.sqrt(np.quantile(squared_distances(curve, curve), 0.9)))
    return float(np.linalg.norm(ends[1] - ends[0])) / max(width, 1e-12)


def _goes_on(curve: Curve, hole: tuple[float, float], *, closed: bool, back: float = 0.05) -> bool:
    """Whether the curve crosses the hole in the direction that it has on both sides; a closed spiral does not."""
    before, start, end, after = _at(curve, [hole[0] - back, hole[0], sum(hole), sum(hole) + back], closed=closed)
    chord = end - start
    return all(
        float(side @ chord) > ONWARD * float(np.linalg.norm(side) * np.linalg.norm(chord))
        for side in (start - before, after - end)
    )


def _at(curve: Curve, coordinate: list[float], *, closed: bool) -> Float[np.ndarray, "point axis"]:
    place = np.array(coordinate)
    return curve_at(curve, place % 1.0 if closed else np.clip(place, 0.0, 1.0), closed=closed)


def _large_steps(step: Float[np.ndarray, "step"]) -> Bool[np.ndarray, "step"]:
    """Steps that are large on the curve, and beside the eight around them."""
    window = 4
    padded = np.pad(step, window, mode="wrap")
    around = np.array([padded[at : at + 2 * window + 1].sum() for at in range(len(step))])
    local = (around - step) / (2 * window)
    found: Bool[np.ndarray, "step"] = (step > 0.03) & (step > 8 * local)
    return found


def _even_steps(clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether at least five clumps follow each other along the curve at like distances in space."""
    if clumps is None or len(clumps.centres) < 5:
        return False
    order = np.argsort(project(clumps.centres, curve, closed=closed).coordinate)
    stops = clumps.centres[np.append(order, order[0])] if closed else clumps.centres[order]
    step = np.linalg.norm(np.diff(stops, axis=0), axis=1)
    return bool(step.max() < 1.5 * np.median(step))


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
    weight = _even_weights(cloud, rng)
    curve, explained = _best_refined(cloud, weight, candidate, rng)
    drawn = frame.back(even_knots(curve, settings.knots, closed=candidate.closed))
    return Shape(
        kind="closed curve" if candidate.closed else "open curve",
        coordinate=project_to_curve(points, drawn, candidate.closed),
        curve=drawn,
        intrinsic_dim=dimension,
        p_value=p,
        variance_explained=explained,
    )


def _even_weights(cloud: Points, rng: np.random.Generator) -> Float[np.ndarray, "sample"]:
    """Points in crowded cells weigh less: as the root of the crowd; strays weigh nothing."""
    pool = cloud[rng.choice(len(cloud), 3000, replace=False)] if len(cloud) > 3000 else cloud
    centres = k_means(pool, 48, rng, rounds=3).centres
    cell = np.concatenate(
        [squared_distances(cloud[start : start + 8192], centres).argmin(1) for start in range(0, len(cloud), 8192)]
    )
    crowd = np.bincount(cell, minlength=len(centres))[cell]
    return np.where(crowd >= max(3.0, 0.002 * len(cloud)), 1.0 / np.sqrt(crowd), 0.0)


def _refine(cloud: Points, weight: Float[np.ndarray, "sample"], candidate: Candidate, finer: int = 0) -> Curve:
    """The claimed curve fitted to the whole cloud, then with ``finer`` harmonics where that is more than it has."""
    closed = candidate.closed
    start = project(cloud, candidate.curve, closed=closed).coordinate
    curve = principal_curve(
        cloud, start, candidate.harmonics, closed=closed, rounds=6, weight=weight, stiffness=1e-6, knots=FINAL_KNOTS
    )
    if finer <= candidate.harmonics:
        return curve
    start = project(cloud, curve, closed=closed).coordinate
    return principal_curve(
        cloud, start, finer, closed=closed, rounds=3, weight=weight, stiffness=1e-5, knots=FINAL_KNOTS
    )


def _best_refined(
    cloud: Points, weight: Float[np.ndarray, "sample"], candidate: Candidate, rng: np.random.Generator
) -> tuple[Curve, float]:
    """The refinement that explains held-out points best without doubling back, and what it explains of them."""
    half = rng.permutation(len(cloud)) < len(cloud) // 2
    best, explained = _refine(cloud, weight, candidate), _held_out(cloud, weight, half, candidate, 0)
    for finer in (2 * candidate.harmonics, 4 * candidate.harmonics):
        curve = _refine(cloud, weight, candidate, min(finer, MOST_HARMONICS))
        gained = _held_out(cloud, weight, half, candidate, min(finer, MOST_HARMONICS))
        if gained > explained and doubled(cloud[weight > 0], curve, closed=candidate.closed) < DOUBLED:
            best, explained = curve, gained
    return best, explained


def _held_out(
    cloud: Points,
    weight: Float[np.ndarray, "sample"],
    half: Bool[np.ndarray, "sample"],
    candidate: Candidate,
    finer: int,
) -> float:
    """Share of the variance explained by curves fitted on the other half; strays, which weigh nothing, left out."""
    shares = []
    for part in (half, ~half):
        rest = cloud[~part & (weight > 0)]
        fitted = _refine(cloud[part], weight[part], candidate, finer)
        left = project(rest, fitted, closed=candidate.closed).squared.sum()
        shares.append(1.0 - left / max(float(((rest - rest.mean(0)) ** 2).sum()), 1e-300))
    return float(np.mean(shares))


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
        intrinsic_dim=dimension,
        p_value=p,
        variance_explained=float((first**2).sum() / total) if total > 0 else 0.0,
    )
