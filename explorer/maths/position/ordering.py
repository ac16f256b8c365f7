"""Order of values from their distances: the best line, the best ring, and null distributions of both.

On a line, distances measured along it grow with the number of values in between. This distance is the effective
resistance (Klein and Randić 1993) of a graph that connects each value to its nearest ones, with conductances inverse to
the step length. Along a line resistances add up; a false edge between distant values is one weak wire in parallel with
many, where a shortest path would take it; and in a plane resistances hardly grow, so a surface does not pass for a
line. The leading axes of these distances are those of the graph's Laplacian (Fiedler 1973): the first one orders a
line, the angle in the first two orders a ring.

Two nulls test whether values are ordered and how well, both for values at Gaussian positions. They depend only on the
number of values and dimensions and are drawn from generators of their own, like a table of critical values.
"""

from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit
from scipy.sparse.csgraph import connected_components

from explorer.maths.shape.search import explained_by_rank

VALUES_PER_PARTNER = 12
"""Each value is connected to one partner per this many values,"""
MIN_PARTNERS = 2
"""but to at least this many."""
MAX_RING_STEP_RATIO = 3
"""A ring whose longest step exceeds the median step by this factor is open there."""
DRAWS_FACTOR = 2
"""Draws of the order null, as a multiple of N_LAYOUTS / alpha."""
NULL_BLOCK = 64
"""Null draws per block: most orders are rejected after a few."""
LAG_NULL_BLOCKS, LAG_MEAN_BLOCKS = 16, 4
"""Number of blocks of the lag null for its maximum and for its mean."""
ORDER_STREAM, LAG_STREAM = 1, 2
"""First entry of the nulls' seeds; the others are the number of values, the dimensions (lag only) and the block."""
N_LAYOUTS = 2
"""A line and a ring are tried; each gets half of the significance level."""


class Layout(NamedTuple):
    """Values on a line or a ring."""

    closed: bool
    """Whether it is a ring."""
    order: Int64[np.ndarray, "value"]
    """The values in order."""
    explained: float
    """Share of the variance of their effective resistances that the lag explains."""


def best_layout(length: Float64[np.ndarray, "value value"]) -> Layout:
    """The line or ring that orders the values best.

    Args:
        length: step between two values, symmetric and above 0; the diagonal is not read.
    """
    ring, around, line, along = _lay_out(length)
    return Layout(True, ring, around) if around >= along else Layout(False, line, along)


def connected_subsets(
    length: Float64[np.ndarray, "value value"], share: Float64[np.ndarray, "value"]
) -> list[Int64[np.ndarray, "joined"]]:
    """All values; and, if the partner graph is disconnected, those of the component with the largest share."""
    _, part = connected_components(np.isfinite(_partner_graph(length)))
    every, largest = np.arange(len(length)), np.flatnonzero(part == np.bincount(part, weights=share).argmax())
    return [every] if len(largest) == len(every) else [every, largest]


def partner_count(n_values: int) -> int:
    """Number of nearest values that each value is connected to."""
    return int(_partner_count(n_values))


def order_p_value(found: Layout, alpha: float) -> float:
    """Monte Carlo p-value of an order against values at Gaussian positions in a plane; stops early once ``alpha`` is
    out of reach.

    The exceedances count twice, because a line and a ring were tried.
    """
    n_values, column = len(found.order), 0 if found.closed else 1
    draws = int(np.ceil(DRAWS_FACTOR * N_LAYOUTS / alpha))
    exceeded = 0
    for start in range(0, draws, NULL_BLOCK):
        explained = _order_null(n_values, start // NULL_BLOCK)[: draws - start, column]
        running = exceeded + np.cumsum(explained >= found.explained)
        hopeless = np.flatnonzero(N_LAYOUTS * (1 + running) / (1 + draws) > alpha)
        if len(hopeless):
            return float(min(N_LAYOUTS * (1 + running[hopeless[0]]) / (2 + start + hopeless[0]), 1.0))
        exceeded = int(running[-1])
    return min(N_LAYOUTS * (1 + exceeded) / (1 + draws), 1.0)


class LagFit(NamedTuple):
    """How well the lag along a curve explains the distances of the values on it, against values at Gaussian positions,
    each draw on its own best line or ring."""

    explained: float
    """Share of the variance of their distances that the lag explains."""
    n_values: int
    dimensions: int
    """Dimension of the space the values lie in."""

    @property
    def above_chance(self) -> float:
        """Chance-corrected R2: the excess over the mean of the null as a share of the maximum excess, as in the
        adjusted Rand index."""
        expected = float(np.mean([self._null(block).mean() for block in range(LAG_MEAN_BLOCKS)]))
        return (self.explained - expected) / (1.0 - expected)

    @property
    def beyond_chance(self) -> bool:
        """Whether it exceeds every draw of LAG_NULL_BLOCKS blocks."""
        return all(self.explained > self._null(block).max() for block in range(LAG_NULL_BLOCKS))

    def _null(self, block: int) -> Float64[np.ndarray, "draw"]:
        return _lag_null(self.n_values, self.dimensions, block)


@lru_cache(maxsize=4096)
def _order_null(n_values: int, block: int) -> Float64[np.ndarray, "draw 2"]:
    """R2 of the best ring and the best line on effective resistances, for values at Gaussian positions in a plane."""
    rng = np.random.default_rng([ORDER_STREAM, n_values, block])
    explained = np.empty((NULL_BLOCK, 2))
    _fill_order_null(rng.normal(size=(NULL_BLOCK, n_values, 2)), explained)
    return explained


@lru_cache(maxsize=4096)
def _lag_null(n_values: int, dimensions: int, block: int) -> Float64[np.ndarray, "draw"]:
    """R2 of the better of ring and line on distances, for values at Gaussian positions."""
    rng = np.random.default_rng([LAG_STREAM, n_values, dimensions, block])
    explained = np.empty(NULL_BLOCK)
    _fill_lag_null(rng.normal(size=(NULL_BLOCK, n_values, dimensions)), explained)
    return explained


@njit(cache=True, nogil=True)
@no_type_check
def _fill_order_null(places: np.ndarray, explained: np.ndarray) -> None:
    """Fill the R2 of the best ring and the best line for each draw's values [draw, value, axis]."""
    for draw in range(len(places)):
        _, explained[draw, 0], _, explained[draw, 1] = _lay_out(_distances(places[draw]))


@njit(cache=True, nogil=True)
@no_type_check
def _fill_lag_null(places: np.ndarray, explained: np.ndarray) -> None:
    """Fill the R2 of the lag on the better of ring and line for each draw's distances."""
    for draw in range(len(places)):
        distances = _distances(places[draw])
        ring, _, line, _ = _lay_out(distances)
        explained[draw] = max(_explained(distances, ring, True), _explained(distances, line, False))


@njit(cache=True, nogil=True)
@no_type_check
def _distances(places: np.ndarray) -> np.ndarray:
    """Euclidean distances [value, value] of positions [value, axis]."""
    distances = np.empty((len(places), len(places)))
    for one in range(len(places)):
        for other in range(len(places)):
            squared = 0.0
            for axis in range(places.shape[1]):
                squared += (places[one, axis] - places[other, axis]) ** 2
            distances[one, other] = np.sqrt(squared)
    return distances


@njit(cache=True, nogil=True)
@no_type_check
def _lay_out(length: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, float]:
    """The order on the best ring and its R2, and those of the best line.

    A long line bends until its ends nearly meet, and its first axis then folds it. A ring with one step much longer
    than the others is therefore rejected, and the line from one end of that step to the other is tried.
    """
    axes, resistance = _resistances(length)
    ring = np.argsort(np.arctan2(axes[:, 1], axes[:, 0]), kind="mergesort")
    line = np.argsort(axes[:, 0], kind="mergesort")
    along = _explained(resistance, line, False)
    step = np.array([length[ring[place], ring[(place + 1) % len(ring)]] for place in range(len(ring))])
    if step.max() <= MAX_RING_STEP_RATIO * np.median(step):
        return ring, _explained(resistance, ring, True), line, along
    cut = np.roll(ring, -1 - step.argmax())
    cut_along = _explained(resistance, cut, False)
    if cut_along > along:
        line, along = cut, cut_along
    return ring, -np.inf, line, along


@njit(cache=True, nogil=True)
@no_type_check
def _explained(resistance: np.ndarray, order: np.ndarray, closed: bool) -> float:
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return explained_by_rank(rank, resistance, closed)


@njit(cache=True, nogil=True)
@no_type_check
def _resistances(length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two axes of the effective resistances between values [value, 2], and the resistances [value, value].

    Edges connect partners, and the shortest bridges between their components.
    """
    graph = _partner_graph(length)
    _join_nearest(length, graph)
    n = len(length)
    laplacian = np.zeros((n, n))
    for one in range(n):
        for other in range(one):
            if graph[one, other] < np.inf:
                conductance = 1.0 / max(graph[one, other], 1e-12)
                laplacian[one, other] = laplacian[other, one] = -conductance
                laplacian[one, one] += conductance
                laplacian[other, other] += conductance
    size, vectors = np.linalg.eigh(laplacian)
    axes = vectors[:, 1:] / np.sqrt(np.maximum(size[1:], 1e-12 * size[-1]))
    inner = axes @ axes.T
    resistance = np.empty((n, n))
    for one in range(n):
        for other in range(n):
            resistance[one, other] = max(inner[one, one] + inner[other, other] - 2 * inner[one, other], 0.0)
    return axes[:, :2], resistance


@njit(cache=True, nogil=True)
@no_type_check
def _partner_graph(length: np.ndarray) -> np.ndarray:
    """Lengths between values of which one is the other's partner, infinite elsewhere."""
    graph = np.full_like(length, np.inf)
    _join_partners(length, _partner_count(len(length)), graph)
    return graph


@njit(cache=True, nogil=True)
@no_type_check
def _partner_count(n_values: int) -> int:
    return min(max(MIN_PARTNERS, -(-n_values // VALUES_PER_PARTNER)), n_values - 1)


@njit(cache=True, nogil=True)
@no_type_check
def _join_partners(length: np.ndarray, partners: int, graph: np.ndarray) -> None:
    """Add the edges to each value's nearest ones, ties to the lower number, in both directions."""
    for one in range(len(length)):
        near = np.full(partners, -1, dtype=np.int64)
        for place in range(partners):
            for other in range(len(length)):
                taken = other == one
                for earlier in range(place):
                    taken |= near[earlier] == other
                if not taken and (near[place] < 0 or length[one, other] < length[one, near[place]]):
                    near[place] = other
            graph[one, near[place]] = graph[near[place], one] = length[one, near[place]]


@njit(cache=True, nogil=True)
@no_type_check
def _join_nearest(length: np.ndarray, graph: np.ndarray) -> None:
    """Add the edges of the minimum spanning tree (Prim 1957)."""
    n = len(length)
    away, via = np.full(n, np.inf), np.zeros(n, dtype=np.int64)
    inside = np.zeros(n, dtype=np.bool_)
    latest = 0
    for _ in range(n - 1):
        inside[latest] = True
        nearest = -1
        for other in range(n):
            if inside[other]:
                continue
            if length[latest, other] < away[other]:
                away[other], via[other] = length[latest, other], latest
            if nearest < 0 or away[other] < away[nearest]:
                nearest = other
        graph[nearest, via[nearest]] = graph[via[nearest], nearest] = away[nearest]
        latest = nearest
