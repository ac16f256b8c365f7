"""What a text mistakes for what: which tokens are values of one thing, and in which order. Ours.

A readout says of every sample how probable each token is. Tokens that share a posterior more often than chance are
mistaken for each other, and neighbours on a manifold are so most of all. From this alone follow the populations of a
cluster (what is never mistaken for each other belongs to different things) and, inside one, the order of its values:
Isomap (Tenenbaum, de Silva and Langford 2000) over each value's most frequent confusions lays them on a line or a ring.

An order is claimed where the lag of the values along it explains their distances better than it does for values at
Gaussian places in a plane, of which an order of the same kind is sought in the same way. That null depends on nothing
but how many values there are, so that it is drawn once for each number of them, as a table of critical values is.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float64, Int64
from numba import njit
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from explorer.maths.search import explained_by_rank

MISTAKEN = 2 / 3
"""Tokens are of one population where they share a posterior so often, as a multiple of chance, on average,"""
PAIRED = 1.5
"""or where two of them that are not rare do so this often."""
RARE = 0.1
"""A token that is rarer than this share of its population's most frequent one does not shape it."""
SMALLEST = 0.1
"""A population holds at least this share of the samples."""

FEWEST_VALUES = 5
"""Fewer values are in no order that chance would not make."""
UNKNOWN = 0.03
"""A value has no place where its share of what is known is smaller than this share of the largest one's."""
STRAY = 0.5
"""Nor has one that is mistaken for its partners less than this share of how often the usual one is for its own."""
VALUES_A_PARTNER = 12
"""A value has one partner for so many values,"""
FEWEST_PARTNERS = 2
"""but at least so many."""
MOST = 0.5
"""An order holds at least this share of the population."""
IN_ORDER = 0.8
"""Share of the variance of the values' distances that their lag along an order explains, at least."""
GAP = 3
"""A ring on which the longest step from value to value is so many times the usual one is open there."""
DRAWS_A_CLAIM = 2
"""The null has so many draws as a multiple of 1 / claim."""
TRIALS = 4
"""A line and a ring, of all values and of the largest part of them."""
BLOCK = 64
"""Draws of the null that are made at a time: most orders are no claim after a few."""
NULL_STREAM = 1
"""First number of the null's seeds; the others are how many values there are, and which block it is."""


@dataclass(frozen=True)
class ValueOrder:
    """Values on a line or a ring."""

    closed: bool
    """Whether they lie on a ring."""
    values: Int64[np.ndarray, "ordered"]
    """Those that have a place, in their order, as columns of the posterior."""
    p_value: float
    """Share of the null's draws whose lag explains as much."""


def confusions(posterior: Float[np.ndarray, "sample value"]) -> Float64[np.ndarray, "value value"]:
    """How often two values share a sample's posterior, as a multiple of chance (lift)."""
    shared = posterior.T @ posterior / len(posterior)
    usual = posterior.mean(0)
    return np.asarray(shared / np.maximum(np.outer(usual, usual), 1e-300), dtype=np.float64)


def populations(
    posterior: Float[np.ndarray, "sample token_class"], prior: Float64[np.ndarray, "token_class"]
) -> list[Int64[np.ndarray, "kept"]]:
    """Tokens that are mistaken for each other, by falling share of the samples, each without its rare ones.

    Args:
        posterior: what a readout says of each sample.
        prior: share of the samples on which each token stands.

    Returns:
        Every population that holds SMALLEST of the samples and more than two tokens; may be empty, since tokens that
        are told apart surely are never mistaken for each other.
    """
    if len(prior) < FEWEST_VALUES:
        return []
    lift = confusions(posterior)
    away = 1 / (1 + (lift + lift.T) / 2)
    np.fill_diagonal(away, 0.0)
    group = fcluster(linkage(squareform(away, checks=False), "average"), 1 / (1 + MISTAKEN), "distance")
    top = np.array([prior[group == own].max() for own in group])
    common = prior >= RARE * top
    together = (group[:, None] == group) | ((lift >= PAIRED) & common[:, None] & common)
    _, population = connected_components(together)
    found = [common_ones(np.flatnonzero(population == number), prior) for number in np.unique(population)]
    large = [kept for kept in found if len(kept) > 2 and prior[kept].sum() >= SMALLEST]
    return sorted(large, key=lambda kept: -float(prior[kept].sum()))


def common_ones(
    members: Int64[np.ndarray, "member"], prior: Float64[np.ndarray, "token_class"]
) -> Int64[np.ndarray, "kept"]:
    """Those that are not rare beside the most frequent one."""
    return np.asarray(members[prior[members] >= RARE * prior[members].max()])


def value_order(posterior: Float[np.ndarray, "sample value"], *, claim: float) -> ValueOrder | None:
    """Lay the values of one population on a line or a ring by what is mistaken for what.

    Args:
        posterior: [sample, value] of the samples of which something is known; rows sum to 1.
        claim: largest p at which an order is claimed.

    Returns:
        The order, or None where chance would make it. Values that are rare among these samples, or that are mistaken
        for few of the others, have no place.
    """
    share = posterior.mean(0)
    common = np.flatnonzero(share >= UNKNOWN * share.max())
    if len(common) < FEWEST_VALUES:
        return None
    lift = confusions(posterior[:, common])
    lift = (lift + lift.T) / 2
    kept = _paired(lift)
    length = 1 / np.maximum(lift[np.ix_(kept, kept)], 1e-9)
    for part in _parts(length, share[common[kept]]):
        values = common[kept[part]]
        if len(values) < FEWEST_VALUES or share[values].sum() < MOST:
            break
        found = max(_layouts(length[np.ix_(part, part)]), key=lambda one: one.explained)
        if found.explained >= IN_ORDER:
            p = TRIALS * _p_value(found, len(values), claim / TRIALS)
            return ValueOrder(found.closed, values[found.order], p) if p <= claim else None
    return None


class _Layout(NamedTuple):
    closed: bool
    order: Int64[np.ndarray, "value"]
    explained: float


def _paired(lift: Float64[np.ndarray, "value value"]) -> Int64[np.ndarray, "paired"]:
    """Values that are mistaken for their partners nearly as often as the usual one is for its own.

    A stray token that is mistaken for all values a little would join the two ends of a line.
    """
    partners = _partners(len(lift))
    off = lift - np.diag(np.diag(lift))
    strength = np.sort(off, axis=1)[:, -partners:].mean(1)
    return np.flatnonzero(strength >= STRAY * np.median(strength))


def _parts(
    length: Float64[np.ndarray, "value value"], share: Float64[np.ndarray, "value"]
) -> list[Int64[np.ndarray, "joined"]]:
    """All values; then, where partners do not join them all, those of the part on which most samples stand."""
    _, part = connected_components(np.isfinite(_partner_graph(length)))
    every, largest = np.arange(len(length)), np.flatnonzero(part == np.bincount(part, weights=share).argmax())
    return [every] if len(largest) == len(every) else [every, largest]


def _layouts(length: Float64[np.ndarray, "value value"]) -> tuple[_Layout, _Layout]:
    """The best ring and the best line."""
    ring, around, line, along = _lay_out(length)
    return _Layout(True, ring, around), _Layout(False, line, along)


def _p_value(found: _Layout, n_values: int, claim: float) -> float:
    """Share of draws of values at Gaussian places in a plane whose order explains as much; ends once it is no claim."""
    draws = int(np.ceil(DRAWS_A_CLAIM / claim))
    exceeded = 0
    for start in range(0, draws, BLOCK):
        explained = _null(n_values, start // BLOCK)[: draws - start, 0 if found.closed else 1]
        running = exceeded + np.cumsum(explained >= found.explained)
        hopeless = np.flatnonzero((1 + running) / (1 + draws) > claim)
        if len(hopeless):
            return float((1 + running[hopeless[0]]) / (2 + start + hopeless[0]))
        exceeded = int(running[-1])
    return (1 + exceeded) / (1 + draws)


@lru_cache(maxsize=4096)
def _null(n_values: int, block: int) -> Float64[np.ndarray, "draw 2"]:
    """What the best ring and the best line explain of values at Gaussian places in a plane."""
    rng = np.random.default_rng([NULL_STREAM, n_values, block])
    explained = np.empty((BLOCK, 2))
    _explain_draws(rng.normal(size=(BLOCK, n_values, 2)), explained)
    return explained


@njit(cache=True, nogil=True)
@no_type_check
def _explain_draws(places: np.ndarray, explained: np.ndarray) -> None:
    """Fill what the best ring and the best line explain of each draw's values [draw, value, xy]."""
    length = np.empty((places.shape[1], places.shape[1]))
    for draw in range(len(places)):
        for one in range(len(length)):
            for other in range(len(length)):
                across, up = places[draw, one] - places[draw, other]
                length[one, other] = np.sqrt(across**2 + up**2)
        _, explained[draw, 0], _, explained[draw, 1] = _lay_out(length)


@njit(cache=True, nogil=True)
@no_type_check
def _lay_out(length: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, float]:
    """The order on the best ring and what it explains, and those of the best line.

    A line of many values bends until its ends nearly meet, and its first axis folds it. So a ring on which two that
    follow each other are hardly ever mistaken for each other is none, but a line from the one to the other.
    """
    way = _ways(length)
    drawn = _scaled(way)
    ring = np.argsort(np.arctan2(drawn[:, 1], drawn[:, 0]), kind="mergesort")
    line = np.argsort(drawn[:, 0], kind="mergesort")
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
def _scaled(distance: np.ndarray) -> np.ndarray:
    """The first two axes of classical scaling [value, 2]."""
    squared = distance**2
    usual = squared.sum(axis=0) / len(squared)
    inner = -0.5 * (squared - usual - usual.reshape(-1, 1) + usual.mean())
    size, axes = np.linalg.eigh(inner)
    return axes[:, :-3:-1] * np.sqrt(np.maximum(size[:-3:-1], 0.0))


@njit(cache=True, nogil=True)
@no_type_check
def _ways(length: np.ndarray) -> np.ndarray:
    """Shortest ways from partner to partner, and over the shortest bridges between what partners leave apart."""
    graph = _partner_graph(length)
    _join_nearest(length, graph)
    _shorten(graph)
    return graph


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


@njit(cache=True, nogil=True)
@no_type_check
def _shorten(way: np.ndarray) -> None:
    """Shortest ways between all values, in place (Floyd 1962)."""
    n = len(way)
    for one in range(n):
        way[one, one] = 0.0
    for middle in range(n):
        for one in range(n):
            first = way[one, middle]
            if first == np.inf:
                continue
            for other in range(n):
                way[one, other] = min(way[one, other], first + way[middle, other])
