"""Null models of a cloud: a Gaussian of equal covariance, permuted principal axes, clumps at Gaussian positions."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from explorer.maths.shape.curve import squared_distances
from explorer.maths.shape.landmarks import Cells, k_means

Points = Float[np.ndarray, "sample axis"]
NullSampler = Callable[[np.random.Generator], Points]

MIN_SILHOUETTE = 0.72
"""Minimum simplified silhouette of a cloud that consists of clumps; a uniform line cut anywhere has 0.61."""
CLUMP_COUNTS = (3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 30)
"""Numbers of clumps that are tried."""
MIN_DRAWS_TO_SETTLE = 39
"""Minimum number of draws before a clear result ends the test early."""
SETTLED_DEVIATIONS = 3.0
"""How far the observed value must exceed the largest draw for that, in standard deviations of the draws."""


def gaussian_null(points: Points) -> NullSampler:
    """Samples as many points from the Gaussian with the cloud's mean and covariance."""
    centre = points.mean(0)
    _, scales, axes = np.linalg.svd(points - centre, full_matrices=False)
    root = (scales / np.sqrt(max(len(points) - 1, 1)))[:, None] * axes
    return lambda rng: centre + rng.standard_normal((len(points), len(root))) @ root


def shuffled_null(points: Points) -> NullSampler:
    """Permutes the values of each principal axis independently: marginals stay, dependence between axes goes.

    A box, a cross of independent contrasts or a cloud with bounded axes is invariant; a ring is not.
    """
    centre = points.mean(0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    rotated = (points - centre) @ axes.T
    return lambda rng: centre + rng.permuted(rotated, axis=0) @ axes


def clump_null(points: Points, cells: Cells) -> NullSampler:
    """Moves every clump, unchanged, to a position sampled from the Gaussian of the clump centres."""
    sample_centres = gaussian_null(cells.centres)
    offset = points - cells.centres[cells.cell]
    return lambda rng: sample_centres(rng)[cells.cell] + offset


def find_clumps(points: Points, rng: np.random.Generator) -> Cells | None:
    """The clumps of a cloud, or None if it has none: k-means with the best simplified silhouette over k.

    Simplified silhouette with distances to centres (Hruschka et al. 2004): mean of 1 - nearest / second nearest.
    """
    best, found = MIN_SILHOUETTE, None
    for count in CLUMP_COUNTS:
        if count * 6 > len(points):
            break
        cells = min((k_means(points, count, rng) for _ in range(2)), key=lambda cells: _spread(points, cells))
        nearest = np.sqrt(np.partition(squared_distances(points, cells.centres), 1, axis=1)[:, :2])
        score = float((1 - nearest[:, 0] / np.maximum(nearest[:, 1], 1e-12)).mean())
        if score > best:
            best, found = score, cells
    return found


def _spread(points: Points, cells: Cells) -> float:
    return float(((points - cells.centres[cells.cell]) ** 2).sum())


def p_value(
    observed: float,
    sampler: NullSampler,
    statistic: Callable[[Points], float],
    *,
    draws: int,
    alpha: float,
    rng: np.random.Generator,
) -> float:
    """(1 + exceedances) / (1 + draws), with two early stops.

    The test ends once ``alpha`` can no longer be reached (Besag and Clifford, Sequential Monte Carlo p-values, 1991).
    It also ends after MIN_DRAWS_TO_SETTLE draws if the observed value exceeds all of them by SETTLED_DEVIATIONS
    standard deviations: further draws could only lower p.
    """
    statistics: list[float] = []
    exceed = 0
    for done in range(1, draws + 1):
        statistics.append(statistic(sampler(rng)))
        exceed += statistics[-1] >= observed
        hopeless = (1 + exceed) / (1 + draws) > alpha
        settled = (
            done >= MIN_DRAWS_TO_SETTLE
            and (1 + done) * alpha >= 1
            and exceed == 0
            and observed - max(statistics) > SETTLED_DEVIATIONS * float(np.std(statistics))
        )
        if hopeless or settled:
            return (1 + exceed) / (1 + done)
    return (1 + exceed) / (1 + draws)


def joint_p_value(
    observed: Float[np.ndarray, "score"],
    sampler: NullSampler,
    statistic: Callable[[Points], Float[np.ndarray, "score"]],
    *,
    draws: int,
    rng: np.random.Generator,
) -> float:
    """Joint p-value of several scores: each is standardised over all draws and the observed one, then they are
    summed."""
    scores = np.array([observed, *(statistic(sampler(rng)) for _ in range(draws))])
    total = ((scores - scores.mean(0)) / np.maximum(scores.std(0), 1e-12)).sum(1)
    return float((1 + (total[1:] >= total[0]).sum()) / (1 + draws))
