"""Landmarks: a few points that represent a cloud evenly whatever its density, and orders through them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path

from explorer.maths.shape.curve import squared_distances

Points = Float[np.ndarray, "sample axis"]
Centres = Float[np.ndarray, "landmark axis"]


class Cells(NamedTuple):
    """A partition of a cloud into cells."""

    centres: Centres
    """Mean of each cell."""
    cell: Int[np.ndarray, "sample"]
    """Cell of each point."""


def k_means(points: Points, k: int, rng: np.random.Generator, *, rounds: int = 6) -> Cells:
    """Lloyd's algorithm from k-means++ seeds (Arthur and Vassilvitskii 2007); empty cells are dropped."""
    centres = _spread_seeds(points, k, rng)
    cell = squared_distances(points, centres).argmin(1)
    for _ in range(rounds):
        centres, cell = _means(points, cell)
        nearest = squared_distances(points, centres).argmin(1)
        if np.array_equal(nearest, cell):
            break
        cell = nearest
    return Cells(*_means(points, cell))


def _spread_seeds(points: Points, k: int, rng: np.random.Generator) -> Centres:
    chosen = [int(rng.integers(len(points)))]
    nearest = ((points - points[chosen[0]]) ** 2).sum(1)
    for draw in rng.uniform(size=min(k, len(points)) - 1):
        total = np.cumsum(nearest)
        if total[-1] <= 0:
            break
        chosen.append(min(int(np.searchsorted(total, draw * total[-1])), len(points) - 1))
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(1))
    return points[chosen]


def _means(points: Points, cell: Int[np.ndarray, "sample"]) -> tuple[Centres, Int[np.ndarray, "sample"]]:
    _, cell = np.unique(cell, return_inverse=True)
    count = np.bincount(cell)
    member = np.zeros((len(count), len(points)))
    member[cell, np.arange(len(points))] = 1.0
    return (member @ points) / count[:, None], cell


def even_sample(points: Points, size: int, rng: np.random.Generator) -> Int[np.ndarray, "chosen"]:
    """Indices of at most ``size`` points, with dense cells thinned and outliers left out.

    The probability of a point is inversely proportional to the square root of its cell's size; cells with less than 0.5
    % of the points hold outliers.
    """
    some = points[rng.choice(len(points), 400, replace=False)] if len(points) > 400 else points
    centres = k_means(some, min(40, max(len(some) // 8, 1)), rng, rounds=1).centres
    cell = np.concatenate(
        [squared_distances(points[start : start + 8192], centres).argmin(1) for start in range(0, len(points), 8192)]
    )
    cell_size = np.bincount(cell, minlength=len(centres))[cell]
    weight = np.where(cell_size >= max(3.0, 0.005 * len(points)), 1.0 / np.sqrt(cell_size), 0.0)
    n_eligible = int((weight > 0).sum())
    if n_eligible <= size:
        return np.flatnonzero(weight > 0) if n_eligible else np.arange(len(points))
    return np.sort(rng.choice(len(points), size, replace=False, p=weight / weight.sum()))


def shortest_tour(centres: Centres) -> Int[np.ndarray, "landmark"]:
    """A short closed tour: nearest-neighbour initialisation, then 2-opt and or-opt moves until none improves it."""
    length = np.sqrt(squared_distances(centres, centres))
    tour = _nearest_neighbour_tour(length)
    for _ in range(4 * len(tour)):
        tour, gained = _best_two_opt(tour, length)
        if not gained:
            tour, gained = _best_or_opt(tour, length)
            if not gained:
                break
    return tour


def _nearest_neighbour_tour(length: Float[np.ndarray, "landmark landmark"]) -> Int[np.ndarray, "landmark"]:
    free = np.ones(len(length), dtype=bool)
    tour = [0]
    free[0] = False
    while free.any():
        step = np.where(free, length[tour[-1]], np.inf)
        tour.append(int(step.argmin()))
        free[tour[-1]] = False
    return np.array(tour)


def _best_two_opt(tour: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, bool]:
    """Apply the 2-opt move (reverse a segment) that saves most."""
    after = np.roll(tour, -1)
    edge = length[tour, after]
    change = length[np.ix_(tour, tour)] + length[np.ix_(after, after)] - edge[:, None] - edge[None, :]
    change[np.tril_indices(len(tour), 1)] = 0.0
    first, second = np.unravel_index(change.argmin(), change.shape)
    if change[first, second] > -1e-9:
        return tour, False
    tour = tour.copy()
    tour[first + 1 : second + 1] = tour[first + 1 : second + 1][::-1]
    return tour, True


def _best_or_opt(tour: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, bool]:
    """Apply the or-opt move (relocate one landmark) that saves most."""
    before, after = np.roll(tour, 1), np.roll(tour, -1)
    saved = length[before, tour] + length[tour, after] - length[before, after]
    cost = length[np.ix_(tour, tour)] + length[np.ix_(tour, after)] - length[tour, after][None, :]
    gain = saved[:, None] - cost
    places = np.arange(len(tour))
    gain[places, places] = gain[places, places - 1] = -np.inf
    landmark, slot = np.unravel_index(gain.argmax(), gain.shape)
    if gain[landmark, slot] < 1e-9:
        return tour, False
    shortened = np.delete(tour, landmark)
    return np.insert(shortened, slot + 1 if slot < landmark else slot, tour[landmark]), True


def tree_coordinate(centres: Centres) -> Float[np.ndarray, "landmark"]:
    """Distance along the minimum spanning tree from one end of its longest path; it never jumps across a gap."""
    length = np.sqrt(squared_distances(centres, centres)) + 1e-12
    along = shortest_path(minimum_spanning_tree(length), directed=False)
    return np.asarray(along[int(np.unravel_index(along.argmax(), along.shape)[0])])


def spectral_coordinates(centres: Centres, count: int, *, neighbours: int = 4) -> Float[np.ndarray, "landmark vector"]:
    """First non-trivial eigenvectors of a diffusion on the landmarks, with locally tuned bandwidths.

    Self-tuning kernel exp(-d^2 / (s_i s_j)) of Zelnik-Manor and Perona (2004); the edges of a minimum spanning tree get
    a minimum weight, so that distant clumps stay connected; density is normalised out as in Coifman and Lafon (2006).
    """
    squared = squared_distances(centres, centres)
    nth = min(neighbours, len(centres) - 1)
    spacing = np.sqrt(np.partition(squared, nth, axis=1)[:, nth])
    spacing = np.maximum(spacing, 1e-12)
    affinity = np.exp(-squared / (spacing[:, None] * spacing[None, :]))
    tree = minimum_spanning_tree(np.sqrt(squared) + 1e-12).toarray() > 0
    affinity = np.where(tree | tree.T, np.maximum(affinity, 0.05), affinity)
    np.fill_diagonal(affinity, 0.0)
    cell_size = affinity.sum(1)
    affinity /= cell_size[:, None] * cell_size[None, :]
    root = np.sqrt(affinity.sum(1))
    _, vectors = np.linalg.eigh(affinity / (root[:, None] * root[None, :]))
    first: Float[np.ndarray, "landmark vector"] = vectors[:, ::-1][:, 1 : count + 1] / root[:, None]
    return first
