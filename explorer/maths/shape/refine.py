"""Refinement of a claimed curve on the whole cloud, with as many harmonics as held-out points support."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from explorer.maths.shape.curve import principal_curve, project, squared_distances
from explorer.maths.shape.landmarks import k_means
from explorer.maths.shape.line import MAX_DOUBLING, doubling_share

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

FINAL_KNOTS = 128
"""Knots of a curve during refinement."""
MAX_HARMONICS = 24
"""Maximum number of harmonics of a refined curve."""
MAX_RESIDUAL_RATIO = 0.5
"""A curve with more harmonics must leave less than this share of the smoother one's unexplained variance."""


class Candidate(NamedTuple):
    """A curve that may be claimed."""

    closed: bool
    harmonics: int
    curve: Curve
    explained: float
    """Share of the held-out points' variance that it explains."""


def even_weights(cloud: Points, rng: np.random.Generator) -> Float[np.ndarray, "sample"]:
    """Inverse square root of each point's cell size; outliers, in nearly empty cells, get weight 0."""
    pool = cloud[rng.choice(len(cloud), 3000, replace=False)] if len(cloud) > 3000 else cloud
    centres = k_means(pool, min(48, max(len(pool) // 8, 1)), rng, rounds=3).centres
    cell = np.concatenate(
        [squared_distances(cloud[start : start + 8192], centres).argmin(1) for start in range(0, len(cloud), 8192)]
    )
    cell_size = np.bincount(cell, minlength=len(centres))[cell]
    return np.where(cell_size >= max(3.0, 0.002 * len(cloud)), 1.0 / np.sqrt(cell_size), 0.0)


def _refine(cloud: Points, weight: Float[np.ndarray, "sample"], candidate: Candidate, finer: int = 0) -> Curve:
    """Fit the claimed curve to the whole cloud, then with ``finer`` harmonics if that is more than it has."""
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


def best_refined(
    cloud: Points, weight: Float[np.ndarray, "sample"], candidate: Candidate, rng: np.random.Generator
) -> Candidate:
    """The smoothest refinement that explains held-out points nearly best without doubling back.

    A few outliers can draw a spur out of a flexible curve, out to them and back; the spur has length, so it distorts
    the coordinates on both sides.
    """
    half = rng.permutation(len(cloud)) < len(cloud) // 2
    best = candidate._replace(
        curve=_refine(cloud, weight, candidate), explained=_held_out(cloud, weight, half, candidate, 0)
    )
    for finer in (min(times * candidate.harmonics, MAX_HARMONICS) for times in (2, 4)):
        curve = _refine(cloud, weight, candidate, finer)
        explained = _held_out(cloud, weight, half, candidate, finer)
        if (
            1.0 - explained < MAX_RESIDUAL_RATIO * (1.0 - best.explained)
            and doubling_share(cloud[weight > 0], curve, closed=candidate.closed) < MAX_DOUBLING
        ):
            best = Candidate(candidate.closed, finer, curve, explained)
    return best


def _held_out(
    cloud: Points,
    weight: Float[np.ndarray, "sample"],
    half: Bool[np.ndarray, "sample"],
    candidate: Candidate,
    finer: int,
) -> float:
    """Share of the held-out variance explained, averaged over two halves; outliers (weight 0) are left out."""
    shares = []
    for part in (half, ~half):
        rest = cloud[~part & (weight > 0)]
        fitted = _refine(cloud[part], weight[part], candidate, finer)
        left = project(rest, fitted, closed=candidate.closed).squared.sum()
        shares.append(1.0 - left / max(float(((rest - rest.mean(0)) ** 2).sum()), 1e-300))
    return float(np.mean(shares))
