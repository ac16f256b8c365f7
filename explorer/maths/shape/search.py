"""The search for a curve: several first guesses, several degrees of bending, judged on points that were held out."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from explorer.maths.shape.curve import project, squared_distances
from explorer.maths.shape.landmarks import Cells, k_means, shortest_tour, spectral_coordinates, tree_coordinate
from explorer.maths.shape.many_curves import principal_curves, project_many

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

LEVELS = (1, 2, 4, 8)
"""Harmonics that a curve may use, from an ellipse or a bow to many bends."""
ROUNDS = 3
"""Projections and refits of each curve."""
AGAIN = [1, 3]
"""Levels whose best curve is a start for all in the second round."""
SLACK = 1.2
"""How much better, in nats of the unexplained share, a tangled line may be than the smooth one that is claimed."""
SMALL = 1 / 3
"""A clump of less than this share of the mean size is a stray, and does not break the even steps of the others."""
LANDMARKS = 40
"""Cells that the first guesses order."""


class Search(NamedTuple):
    """The best curve of each level."""

    closed: bool
    """Whether the curves close."""
    curves: tuple[Curve, ...]
    """One a level."""
    explained: Float[np.ndarray, "level"]
    """Share of the held-out points' variance that each explains."""


def evidence(search: Search) -> float:
    """How much a cloud looks like one curve: mean over the levels of -log of the unexplained share.

    A smooth curve explains most with few bends, a tangle of points only with many; the mean sees both. In nats.
    """
    return float(-np.log(unexplained(search)).mean())


def unexplained(search: Search) -> Float[np.ndarray, "level"]:
    """Share of the held-out points' variance that the curve of each level leaves, and never quite nothing."""
    return np.maximum(1.0 - search.explained, 1e-4)


def between_clumps(points: Points, cells: Cells, search: Search) -> Float[np.ndarray, "score"]:
    """What the least bent good curve says of clumps beyond passing through them: two shares in [0, 1].

    How much of the variance within the clumps the curve explains, high where soft mixtures of neighbours lie between
    neighbours; and how much of the distances of all but stray clumps their lag along the curve explains, high where
    all neighbours are equally far, and all next ones.
    """
    curve = search.curves[int(np.flatnonzero(unexplained(search) < np.exp(SLACK) * unexplained(search).min())[0])]
    within = ((points - cells.centres[cells.cell]) ** 2).sum()
    bridged = 1.0 - project(points, curve, closed=search.closed).squared.sum() / max(float(within), 1e-300)
    count = np.bincount(cells.cell, minlength=len(cells.centres))
    centres = cells.centres[count >= SMALL * count.mean()]
    return np.array([bridged, explained_by_lag(centres, curve, closed=search.closed)])


def explained_by_lag(centres: Float[np.ndarray, "landmark axis"], curve: Curve, *, closed: bool) -> float:
    """Share of the variance of the centres' distances that their lag along a curve explains, at most 1.

    Near 1 where all neighbours are equally far, and all next ones; about a quarter where the curve was led through
    centres at random places.
    """
    rank = np.argsort(np.argsort(project(centres, curve, closed=closed).coordinate))
    apart = np.sqrt(squared_distances(centres, centres)).astype(np.float64)
    return float(explained_by_rank(rank, apart, closed))


@njit(cache=True, nogil=True)
@no_type_check
def explained_by_rank(rank: np.ndarray, apart: np.ndarray, closed: bool) -> float:
    """Share of the variance of the off-diagonal distances that lies between the lags of an order, at most 1.

    Args:
        rank: [landmark], each a number of its own from 0 on.
        apart: [landmark, landmark] distances.
        closed: whether the order is a ring.
    """
    n = len(rank)
    total, count = np.zeros(n), np.zeros(n)
    for one in range(n):
        for other in range(n):
            lag = abs(rank[one] - rank[other])
            lag = min(lag, n - lag) if closed else lag
            total[lag] += apart[one, other]
            count[lag] += 1
    total[0] = 0.0
    usual, mean = total.sum() / max(n * (n - 1), 1), total / np.maximum(count, 1)
    spread, left = 0.0, 0.0
    for one in range(n):
        for other in range(n):
            if one != other:
                lag = abs(rank[one] - rank[other])
                lag = min(lag, n - lag) if closed else lag
                spread += (apart[one, other] - usual) ** 2
                left += (apart[one, other] - mean[lag]) ** 2
    return 1.0 - left / spread if spread > 0 else 0.0


def search_curve(points: Points, rng: np.random.Generator, *, closed: bool) -> Search:
    """Fit curves of every level on one half of the points and judge them on the other.

    Every first guess is tried at every level; then the best curves of two levels are starts for all, and the
    better is kept.
    """
    order = rng.permutation(len(points))
    train, test = points[order[: len(order) // 2]], points[order[len(order) // 2 :]]
    cells = k_means(train, min(LANDMARKS, len(train) // 3), rng, rounds=2)
    starts = np.array([guess[cells.cell] for guess in first_guesses(cells.centres, closed=closed)])
    first = _best_of_levels(train, test, starts, closed)
    again = _best_of_levels(train, test, project_many(train, first.stack[AGAIN], closed=closed).coordinate, closed)
    better = again.explained > first.explained
    curves = np.where(better[:, None, None], again.stack, first.stack)
    return Search(closed, tuple(curves), np.where(better, again.explained, first.explained))


class _Levels(NamedTuple):
    stack: Float[np.ndarray, "level knot axis"]
    explained: Float[np.ndarray, "level"]


def _best_of_levels(train: Points, test: Points, starts: Float[np.ndarray, "start sample"], closed: bool) -> _Levels:
    """For each level, the curve from that start which explains the held-out points best."""
    n_starts = len(starts)
    curves = principal_curves(train, starts, LEVELS, closed=closed, rounds=ROUNDS)
    spread = max(float(((test - test.mean(0)) ** 2).sum()), 1e-300)
    scores = 1.0 - project_many(test, curves, closed=closed).squared.sum(1).reshape(len(LEVELS), n_starts) / spread
    best = scores.argmax(1)
    levels = np.arange(len(LEVELS))
    return _Levels(curves.reshape(len(LEVELS), n_starts, *curves.shape[1:])[levels, best], scores[levels, best])


def first_guesses(centres: Float[np.ndarray, "landmark axis"], *, closed: bool) -> list[Float[np.ndarray, "landmark"]]:
    """Coordinates of the landmarks: along the shortest tour, by diffusion, around the middle of their principal plane
    if closed, along the spanning tree if open."""
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
    """Share of the tour's length at each landmark; an open one is cut at its longest step."""
    step = np.linalg.norm(centres[np.roll(tour, -1)] - centres[tour], axis=1)
    if not closed:
        longest = int(step.argmax()) + 1
        tour, step = np.roll(tour, -longest), np.roll(step, -longest)
    arc = np.concatenate([[0.0], np.cumsum(step)])
    place = np.empty(len(tour))
    place[tour] = arc[:-1] / (arc[-1] if closed else max(arc[-2], 1e-300))
    return place
