"""A claimed curve fitted to the whole cloud, as much bent as held-out points support."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from explorer.maths.shape.curve import principal_curve, project, squared_distances
from explorer.maths.shape.landmarks import k_means
from explorer.maths.shape.line import DOUBLED, doubled

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

FINAL_KNOTS = 128
"""Knots of a curve while it is refined."""
MOST_HARMONICS = 24
"""Most bends of a refined curve."""


FINER = 0.5
"""A curve with more harmonics must leave less than this share of what the smoother one leaves."""


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


def even_weights(cloud: Points, rng: np.random.Generator) -> Float[np.ndarray, "sample"]:
    """Points in crowded cells weigh less: as the root of the crowd; strays weigh nothing."""
    pool = cloud[rng.choice(len(cloud), 3000, replace=False)] if len(cloud) > 3000 else cloud
    centres = k_means(pool, min(48, max(len(pool) // 8, 1)), rng, rounds=3).centres
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


def best_refined(
    cloud: Points, weight: Float[np.ndarray, "sample"], candidate: Candidate, rng: np.random.Generator
) -> Candidate:
    """The smoothest refinement that explains held-out points nearly best without doubling back.

    A few stray points draw a spur out of a finely bent curve, out to them and back, and a spur has length: coordinates
    on both sides of it are pushed apart.
    """
    half = rng.permutation(len(cloud)) < len(cloud) // 2
    best = candidate._replace(
        curve=_refine(cloud, weight, candidate), explained=_held_out(cloud, weight, half, candidate, 0)
    )
    for finer in (min(times * candidate.harmonics, MOST_HARMONICS) for times in (2, 4)):
        curve = _refine(cloud, weight, candidate, finer)
        gained = _held_out(cloud, weight, half, candidate, finer)
        if (
            1.0 - gained < FINER * (1.0 - best.explained)
            and doubled(cloud[weight > 0], curve, closed=candidate.closed) < DOUBLED
        ):
            best = Candidate(candidate.closed, finer, curve, gained)
    return best


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
