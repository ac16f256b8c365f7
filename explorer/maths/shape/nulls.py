"""What chance would make of a cloud: an equal Gaussian, its own axes shuffled, its clumps at Gaussian places."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from explorer.maths.shape.curve import squared_distances
from explorer.maths.shape.landmarks import Cells, k_means

Points = Float[np.ndarray, "sample axis"]
Draw = Callable[[np.random.Generator], Points]

CLUMPY = 0.72
"""Simplified silhouette above which a cloud counts as clumps; an even line, cut anywhere, has 0.61."""
CLUMP_COUNTS = (3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 30)
"""How many clumps are tried."""
ENOUGH = 39
"""Draws after which a null that is far away is not drawn from again."""
FAR = 3.0
"""How far that is, in standard deviations of the draws, beyond the largest draw."""


def gaussian_null(points: Points) -> Draw:
    """Draws as many points from the Gaussian with the cloud's mean and covariance."""
    centre = points.mean(0)
    _, scales, axes = np.linalg.svd(points - centre, full_matrices=False)
    root = (scales / np.sqrt(max(len(points) - 1, 1)))[:, None] * axes
    return lambda rng: centre + rng.standard_normal((len(points), len(root))) @ root


def shuffled_null(points: Points) -> Draw:
    """Keeps each principal axis's values and deals them out anew: what depends on nothing but itself stays.

    A box, a cross of independent contrasts or a cloud with bounded axes looks the same after it; a ring does not.
    """
    centre = points.mean(0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    placed = (points - centre) @ axes.T
    return lambda rng: centre + rng.permuted(placed, axis=0) @ axes


def clump_null(points: Points, cells: Cells) -> Draw:
    """Keeps every clump as it is and puts it at a place drawn from the Gaussian of the clumps' own places."""
    place = gaussian_null(cells.centres)
    apart = points - cells.centres[cells.cell]
    return lambda rng: place(rng)[cells.cell] + apart


def find_clumps(points: Points, rng: np.random.Generator) -> Cells | None:
    """The clumps of a cloud, or None where it has none: k-means with the best simplified silhouette over k.

    Silhouette with distances to centres (Hruschka 2004): mean of 1 - nearest / second nearest.
    """
    best, found = CLUMPY, None
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
    draw: Draw,
    statistic: Callable[[Points], float],
    *,
    draws: int,
    claim: float,
    rng: np.random.Generator,
) -> float:
    """(1 + exceedances) / (1 + draws made), with two early stops.

    Once ``claim`` is out of reach the rest cannot mend it (Besag and Clifford, Sequential Monte Carlo p-values, 1991);
    once ENOUGH draws are made and the observed value is FAR standard deviations above all that were seen, the rest
    could only make p smaller than is reported.
    """
    seen: list[float] = []
    exceed = 0
    for done in range(1, draws + 1):
        seen.append(statistic(draw(rng)))
        exceed += seen[-1] >= observed
        hopeless = (1 + exceed) / (1 + draws) > claim
        settled = (
            done >= ENOUGH
            and (1 + done) * claim >= 1
            and exceed == 0
            and observed - max(seen) > FAR * float(np.std(seen))
        )
        if hopeless or settled:
            return (1 + exceed) / (1 + done)
    return (1 + exceed) / (1 + draws)


def joint_p_value(
    observed: Float[np.ndarray, "score"],
    draw: Draw,
    statistic: Callable[[Points], Float[np.ndarray, "score"]],
    *,
    draws: int,
    rng: np.random.Generator,
) -> float:
    """p of several scores at once: each in standard deviations of all draws and the observed one, then their sum."""
    scores = np.array([observed, *(statistic(draw(rng)) for _ in range(draws))])
    total = ((scores - scores.mean(0)) / np.maximum(scores.std(0), 1e-12)).sum(1)
    return float((1 + (total[1:] >= total[0]).sum()) / (1 + draws))
