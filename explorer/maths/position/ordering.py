"""The order of values whose distances are given: the best line and the best ring, and what chance would make of either.

Values that lie on a line stand as far apart as there are values between them, if the way counts and not the straight
line. The way is measured by effective resistance (Klein and Randić 1993): each value is joined to its nearest ones by
conductors, the longer the step the worse. Along a line resistances add up; a false link between two values that are far
apart is one weak wire beside many, where the shortest way would take it; and in a plane they hardly grow with the way,
so that what is spread over a surface does not pass for a line. The leading axes of these distances are those of the
graph's Laplacian (Fiedler 1973): a line is ordered by the first, a ring by the angle in the first two.

Two nulls tell whether values are in order, and how much they are, both of values at Gaussian places and both drawn from
generators of their own, as a table of critical values is: they depend on how many values there are, and in how many
dimensions.
"""

from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit
from scipy.sparse.csgraph import connected_components

from explorer.maths.shape.search import explained_by_rank

VALUES_A_PARTNER = 12
"""A value has one partner for so many values,"""
FEWEST_PARTNERS = 2
"""but at least so many."""
GAP = 3
"""A ring on which the longest step from value to value is so many times the usual one is open there."""
DRAWS_A_CLAIM = 2
"""The null of an order has so many draws as a multiple of LAYOUTS / claim."""
BLOCK = 64
"""Draws of a null that are made at a time: most orders are no claim after a few."""
LAG_BLOCKS, MEAN_BLOCKS = 16, 4
"""Blocks of the null of a lag that is beyond chance, and of those that its mean is taken over."""
ORDER_STREAM, LAG_STREAM = 1, 2
"""First numbers of the nulls' seeds; the others are how many values there are, in how many dimensions, which block."""
LAYOUTS = 2
"""A line and a ring: each has half of the chance to be claimed by mistake."""


class Layout(NamedTuple):
    """Values on a line or a ring."""

    closed: bool
    """Whether it is a ring."""
    order: Int64[np.ndarray, "value"]
    """The values, in their order."""
    explained: float
    """Share of the variance of their distances along the way that their lag explains."""


def best_layout(length: Float64[np.ndarray, "value value"]) -> Layout:
    """The line or the ring along which values lie in order.

    Args:
        length: of the step between two values, symmetric and above 0; the diagonal is not read.
    """
    ring, around, line, along = _lay_out(length)
    return Layout(True, ring, around) if around >= along else Layout(False, line, along)


def parts(
    length: Float64[np.ndarray, "value value"], share: Float64[np.ndarray, "value"]
) -> list[Int64[np.ndarray, "joined"]]:
    """All values; then, where partners do not join them all, those of the part that has the largest share."""
    _, part = connected_components(np.isfinite(_partner_graph(length)))
    every, largest = np.arange(len(length)), np.flatnonzero(part == np.bincount(part, weights=share).argmax())
    return [every] if len(largest) == len(every) else [every, largest]


def partners_of(n_values: int) -> int:
    """To how many of its nearest ones each value is joined."""
    return int(_partners(n_values))


def order_p_value(found: Layout, claim: float) -> float:
    """Share of draws of values at Gaussian places in a plane that lie as much in order; ends once it is no claim.

    A line and a ring were tried, so that the share counts twice.
    """
    n_values, column = len(found.order), 0 if found.closed else 1
    draws = int(np.ceil(DRAWS_A_CLAIM * LAYOUTS / claim))
    exceeded = 0
    for start in range(0, draws, BLOCK):
        explained = _order_null(n_values, start // BLOCK)[: draws - start, column]
        running = exceeded + np.cumsum(explained >= found.explained)
        hopeless = np.flatnonzero(LAYOUTS * (1 + running) / (1 + draws) > claim)
        if len(hopeless):
            return float(min(LAYOUTS * (1 + running[hopeless[0]]) / (2 + start + hopeless[0]), 1.0))
        exceeded = int(running[-1])
    return min(LAYOUTS * (1 + exceeded) / (1 + draws), 1.0)


class Lag(NamedTuple):
    """How far the lag along a curve explains the straight distances of the values on it, beside values at Gaussian
    places, each draw on its best line or ring."""

    explained: float
    """Share of the variance of their distances that it explains."""
    n_values: int
    """How many values."""
    dimensions: int
    """In how many directions they lie."""

    @property
    def above_chance(self) -> float:
        """What it explains beyond the mean draw, as a share of what that leaves: corrected for chance as the adjusted
        Rand index is."""
        usual = float(np.mean([self._null(block).mean() for block in range(MEAN_BLOCKS)]))
        return (self.explained - usual) / (1.0 - usual)

    @property
    def beyond_chance(self) -> bool:
        """Whether it explains more than in any of LAG_BLOCKS blocks of draws."""
        return all(self.explained > self._null(block).max() for block in range(LAG_BLOCKS))

    def _null(self, block: int) -> Float64[np.ndarray, "draw"]:
        return _lag_null(self.n_values, self.dimensions, block)


@lru_cache(maxsize=4096)
def _order_null(n_values: int, block: int) -> Float64[np.ndarray, "draw 2"]:
    """What the best ring and the best line explain of the ways between values at Gaussian places in a plane."""
    rng = np.random.default_rng([ORDER_STREAM, n_values, block])
    explained = np.empty((BLOCK, 2))
    _explain_ways(rng.normal(size=(BLOCK, n_values, 2)), explained)
    return explained


@lru_cache(maxsize=4096)
def _lag_null(n_values: int, dimensions: int, block: int) -> Float64[np.ndarray, "draw"]:
    """What the better of ring and line explains of the straight distances of values at Gaussian places."""
    rng = np.random.default_rng([LAG_STREAM, n_values, dimensions, block])
    explained = np.empty(BLOCK)
    _explain_distances(rng.normal(size=(BLOCK, n_values, dimensions)), explained)
    return explained


@njit(cache=True, nogil=True)
@no_type_check
def _explain_ways(places: np.ndarray, explained: np.ndarray) -> None:
    """Fill what the best ring and the best line explain of each draw's values [draw, value, axis]."""
    for draw in range(len(places)):
        _, explained[draw, 0], _, explained[draw, 1] = _lay_out(_distances(places[draw]))


@njit(cache=True, nogil=True)
@no_type_check
def _explain_distances(places: np.ndarray, explained: np.ndarray) -> None:
    """Fill what the lag on the better of ring and line explains of each draw's straight distances."""
    for draw in range(len(places)):
        apart = _distances(places[draw])
        ring, _, line, _ = _lay_out(apart)
        explained[draw] = max(_explained(apart, ring, True), _explained(apart, line, False))


@njit(cache=True, nogil=True)
@no_type_check
def _distances(places: np.ndarray) -> np.ndarray:
    """Straight distances [value, value] of places [value, axis]."""
    apart = np.empty((len(places), len(places)))
    for one in range(len(places)):
        for other in range(len(places)):
            squared = 0.0
            for axis in range(places.shape[1]):
                squared += (places[one, axis] - places[other, axis]) ** 2
            apart[one, other] = np.sqrt(squared)
    return apart


@njit(cache=True, nogil=True)
@no_type_check
def _lay_out(length: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, float]:
    """The order on the best ring and what it explains, and those of the best line.

    A line of many values bends until its ends nearly meet, and its first axis folds it. So a ring on which two that
    follow each other are hardly ever mistaken for each other is none, but a line from the one to the other.
    """
    axes, way = _resistances(length)
    ring = np.argsort(np.arctan2(axes[:, 1], axes[:, 0]), kind="mergesort")
    line = np.argsort(axes[:, 0], kind="mergesort")
    along = _explained(way, line, False)
    step = np.array([length[ring[place], ring[(place + 1) % len(ring)]] for place in range(len(ring))])
    if step.max() <= GAP * np.median(step):
        return ring, _explained(way, ring, True), line, along
    cut = np.roll(ring, -1 - step.argmax())
    cut_along = _explained(way, cut, False)
    if cut_along > along:
        line, along = cut, cut_along
    return ring, -np.inf, line, along


@njit(cache=True, nogil=True)
@no_type_check
def _explained(way: np.ndarray, order: np.ndarray, closed: bool) -> float:
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return explained_by_rank(rank, way, closed)


@njit(cache=True, nogil=True)
@no_type_check
def _resistances(length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two axes of the effective resistances between values [value, 2], and these [value, value].

    Conductors lead from partner to partner, and over the shortest bridges between what partners leave apart.
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
    way = np.empty((n, n))
    for one in range(n):
        for other in range(n):
            way[one, other] = max(inner[one, one] + inner[other, other] - 2 * inner[one, other], 0.0)
    return axes[:, :2], way


@njit(cache=True, nogil=True)
@no_type_check
def _partner_graph(length: np.ndarray) -> np.ndarray:
    """Lengths between values of which one is the other's partner, infinite elsewhere."""
    graph = np.full_like(length, np.inf)
    _join_partners(length, _partners(len(length)), graph)
    return graph


@njit(cache=True, nogil=True)
@no_type_check
def _partners(n_values: int) -> int:
    return min(max(FEWEST_PARTNERS, -(-n_values // VALUES_A_PARTNER)), n_values - 1)


@njit(cache=True, nogil=True)
@no_type_check
def _join_partners(length: np.ndarray, partners: int, graph: np.ndarray) -> None:
    """Write the lengths to each value's nearest ones, ties to the lower number, both ways."""
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
    """Write the lengths of the minimum spanning tree (Prim 1957)."""
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
