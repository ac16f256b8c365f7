"""Search for a curve: several initial coordinates and several numbers of harmonics, judged on held-out points."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from explorer.maths.shape.batched_curves import principal_curves, project_batch
from explorer.maths.shape.curve import project, squared_distances
from explorer.maths.shape.landmarks import Cells, k_means, shortest_tour, spectral_coordinates, tree_coordinate

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

LEVELS = (1, 2, 4, 8)
"""Numbers of harmonics of a curve, from an ellipse or an arc to many bends."""
ROUNDS = 3
"""Rounds of projection and refitting of each curve."""
RESTART_LEVELS = [1, 3]
"""Indices of the levels whose best curve initialises all levels in a second round."""
SLACK = 1.2
"""How much more a tangled line may explain than the smooth one that is claimed, in nats of the unexplained share."""
MIN_CLUMP_SHARE = 1 / 3
"""Clumps below this share of the mean size are outliers, which do not count in the spacing of the others."""
LANDMARKS = 40
"""Number of landmarks that the initial coordinates order."""


class CurveSearch(NamedTuple):
    """The best curve of each level."""

    closed: bool
    curves: tuple[Curve, ...]
    """One per level."""
    explained: Float[np.ndarray, "level"]
    """Share of the held-out points' variance that each explains."""


def evidence(search: CurveSearch) -> float:
    """Evidence for one curve, in nats: mean over the levels of -log of the unexplained share.

    A smooth curve explains most of its variance with few harmonics, a tangle only with many; the mean is sensitive to
    both.
    """
    return float(-np.log(unexplained(search)).mean())


def unexplained(search: CurveSearch) -> Float[np.ndarray, "level"]:
    """Unexplained share of the held-out variance of each level, at least 1e-4."""
    return np.maximum(1.0 - search.explained, 1e-4)


def clump_scores(points: Points, cells: Cells, search: CurveSearch) -> Float[np.ndarray, "score"]:
    """Two scores in [0, 1] of how well the smoothest good curve accounts for clumps beyond passing through them.

    The share of the within-clump variance that the curve explains, high if mixtures of neighbours lie between
    neighbours; and the share of the variance of distances between clumps, outliers excluded, that their lag along the
    curve explains, high if the spacing is regular.
    """
    curve = search.curves[int(np.flatnonzero(unexplained(search) < np.exp(SLACK) * unexplained(search).min())[0])]
    within = ((points - cells.centres[cells.cell]) ** 2).sum()
    bridged = 1.0 - project(points, curve, closed=search.closed).squared.sum() / max(float(within), 1e-300)
    count = np.bincount(cells.cell, minlength=len(cells.centres))
    centres = cells.centres[count >= MIN_CLUMP_SHARE * count.mean()]
    return np.array([bridged, explained_by_lag(centres, curve, closed=search.closed)])


def explained_by_lag(centres: Float[np.ndarray, "landmark axis"], curve: Curve, *, closed: bool) -> float:
    """Share of the variance of the centres' pairwise distances that their lag along a curve explains, at most 1.

    Near 1 if all neighbours are equally far apart, and all second neighbours; about a quarter for a curve fitted
    through centres at random positions.
    """
    rank = np.argsort(np.argsort(project(centres, curve, closed=closed).coordinate))
    distances = np.sqrt(squared_distances(centres, centres)).astype(np.float64)
    return float(explained_by_rank(rank, distances, closed))


@njit(cache=True, nogil=True)
@no_type_check
def explained_by_rank(rank: np.ndarray, distances: np.ndarray, closed: bool) -> float:
    """Share of the variance of the off-diagonal distances that lies between the lags of an order, at most 1.

    Args:
        rank: [landmark] position of each in the order, from 0.
        distances: [landmark, landmark].
        closed: whether the order is cyclic.
    """
    n = len(rank)
    total, count = np.zeros(n), np.zeros(n)
    for one in range(n):
        for other in range(n):
            lag = abs(rank[one] - rank[other])
            lag = min(lag, n - lag) if closed else lag
            total[lag] += distances[one, other]
            count[lag] += 1
    total[0] = 0.0
    usual, mean = total.sum() / max(n * (n - 1), 1), total / np.maximum(count, 1)
    spread, left = 0.0, 0.0
    for one in range(n):
        for other in range(n):
            if one != other:
                lag = abs(rank[one] - rank[other])
                lag = min(lag, n - lag) if closed else lag
                spread += (distances[one, other] - usual) ** 2
                left += (distances[one, other] - mean[lag]) ** 2
    return 1.0 - left / spread if spread > 0 else 0.0


def search_curve(points: Points, rng: np.random.Generator, *, closed: bool) -> CurveSearch:
    """Best closed or open curve of each level.

    Args:
        points: the cloud, thinned.
        rng: splits the cloud into halves and seeds the landmarks.
        closed: whether the curves close.
    """
    order = rng.permutation(len(points))
    train, test = points[order[: len(order) // 2]], points[order[len(order) // 2 :]]
    cells = k_means(train, min(LANDMARKS, len(train) // 3), rng, rounds=2)
    starts = np.array([guess[cells.cell] for guess in initial_coordinates(cells.centres, closed=closed)])
    first = _best_of_levels(train, test, starts, closed)
    restarted = _best_of_levels(
        train, test, project_batch(train, first.stack[RESTART_LEVELS], closed=closed).coordinate, closed
    )
    better = restarted.explained > first.explained
    curves = np.where(better[:, None, None], restarted.stack, first.stack)
    return CurveSearch(closed, tuple(curves), np.where(better, restarted.explained, first.explained))


class _BestOfLevels(NamedTuple):
    stack: Float[np.ndarray, "level knot axis"]
    explained: Float[np.ndarray, "level"]


def _best_of_levels(
    train: Points, test: Points, starts: Float[np.ndarray, "start sample"], closed: bool
) -> _BestOfLevels:
    """For each level, the curve over all starts that explains the held-out points best."""
    n_starts = len(starts)
    curves = principal_curves(train, starts, LEVELS, closed=closed, rounds=ROUNDS)
    spread = max(float(((test - test.mean(0)) ** 2).sum()), 1e-300)
    scores = 1.0 - project_batch(test, curves, closed=closed).squared.sum(1).reshape(len(LEVELS), n_starts) / spread
    best = scores.argmax(1)
    levels = np.arange(len(LEVELS))
    return _BestOfLevels(curves.reshape(len(LEVELS), n_starts, *curves.shape[1:])[levels, best], scores[levels, best])


def initial_coordinates(
    centres: Float[np.ndarray, "landmark axis"], *, closed: bool
) -> list[Float[np.ndarray, "landmark"]]:
    """Initial coordinates of the landmarks.

    Along the shortest tour; by diffusion; and by the angle in the principal plane (closed) or along the spanning tree
    (open).
    """
    along = _along_tour(centres, shortest_tour(centres), closed=closed)
    if closed:
        diffused = [_turns(spectral_coordinates(centres, 2, neighbours=near)) for near in (2, 4)]
        return [along, *diffused, _turns(_principal_plane(centres))]
    tree = tree_coordinate(centres)
    return [along, _ranks(spectral_coordinates(centres, 1)[:, 0]), tree / max(float(tree.max()), 1e-300)]


def _principal_plane(centres: Float[np.ndarray, "landmark axis"]) -> Float[np.ndarray, "landmark 2"]:
    centred = centres - centres.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def _turns(plane: Float[np.ndarray, "landmark 2"]) -> Float[np.ndarray, "landmark"]:
    centred = plane - plane.mean(0)
    angle = np.arctan2(centred[:, 1], centred[:, 0]) / (2 * np.pi) % 1.0
    turns: Float[np.ndarray, "landmark"] = (_ranks(angle) * (len(angle) - 1) / len(angle) + angle) / 2
    return turns


def _ranks(values: Float[np.ndarray, "landmark"]) -> Float[np.ndarray, "landmark"]:
    return np.argsort(np.argsort(values)) / max(len(values) - 1, 1)


def _along_tour(
    centres: Float[np.ndarray, "landmark axis"], tour: Int[np.ndarray, "landmark"], *, closed: bool
) -> Float[np.ndarray, "landmark"]:
    """Share of the tour's length at each landmark; an open tour is cut at its longest step."""
    step = np.linalg.norm(centres[np.roll(tour, -1)] - centres[tour], axis=1)
    if not closed:
        longest = int(step.argmax()) + 1
        tour, step = np.roll(tour, -longest), np.roll(step, -longest)
    arc = np.concatenate([[0.0], np.cumsum(step)])
    place = np.empty(len(tour))
    place[tour] = arc[:-1] / (arc[-1] if closed else max(arc[-2], 1e-300))
    return place
