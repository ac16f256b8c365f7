"""HDBSCAN's condensed tree, grown from a neighbour graph instead of a dense distance matrix.

The distance of two features is 1 - score, clipped to [MIN_DISTANCE, MAX_DISTANCE]; pairs without an edge are at
MAX_DISTANCE. The minimum spanning tree of the mutual-reachability distances needs only the graph's edges; its connected
components are bridged at MAX_DISTANCE. Merges are numbered and condensed row by row as in the hdbscan package, which
also selects the clusters (Campello, Moulavi and Sander 2013; McInnes and Healy 2017), so labels equal those of a dense
matrix, ties aside.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit

from explorer.records.clustering import NeighbourGraph

MAX_DISTANCE: Final = 1.0
"""Distance of two features without similarity."""
MIN_DISTANCE: Final = 0.05
"""Minimum distance: HDBSCAN's density is 1 / distance, and without a floor two features that always fire together would
outweigh every cluster and set the scale of all persistences."""
BATCH_EDGES_PER_FEATURE: Final = (1, 3, 9, 27)
"""Cumulative batch sizes, in edges per feature: each batch is sorted and joined before longer edges are read."""
CONDENSED_DTYPE: Final = np.dtype(
    [("parent", np.intp), ("child", np.intp), ("lambda_val", float), ("child_size", np.intp)]
)
"""A row of the condensed tree: a feature or a cluster (numbered from the number of features on) leaves its parent
cluster."""


@dataclass(frozen=True)
class SpanningTree:
    """Edges of a minimum spanning tree, shortest first."""

    first: Int64[np.ndarray, "edge"]
    second: Int64[np.ndarray, "edge"]
    distance: Float64[np.ndarray, "edge"]
    """Mutual-reachability distance, ascending."""


def graph_distances(graph: NeighbourGraph) -> Float64[np.ndarray, "feature neighbours"]:
    """Distance of each feature to its neighbours: 1 - score, clipped to [MIN_DISTANCE, MAX_DISTANCE]; MAX_DISTANCE
    where there is none."""
    score = np.where(graph.neighbour >= 0, graph.score, 0.0).astype(np.float64)
    return np.clip(MAX_DISTANCE - score, MIN_DISTANCE, MAX_DISTANCE)


def core_distances(
    graph: NeighbourGraph, distance: Float64[np.ndarray, "feature neighbours"], min_samples: int
) -> Float64[np.ndarray, "feature"]:
    """Distance of each feature to its ``min_samples``-th neighbour, MAX_DISTANCE if it has fewer.

    An edge counts for both features, whichever of them lists the other.
    """
    nearest = np.full((len(distance), min_samples), MAX_DISTANCE)
    _nearest_distances(graph.neighbour, distance, nearest)
    return nearest[:, -1].copy()


def minimum_spanning_tree(graph: NeighbourGraph, min_samples: int) -> SpanningTree:
    """Minimum spanning tree of the mutual-reachability distances (Campello et al. 2013, definition 4).

    Ties are broken by the plain distance and only then by feature number, so the result depends on the numbering as
    little as possible. Components that no edge shorter than MAX_DISTANCE connects are bridged at MAX_DISTANCE, larger
    ones first, so an isolated feature never joins a cluster through a bridge.

    Args:
        graph: best partners of every feature.
        min_samples: rank of the neighbour whose distance is the core distance.

    Returns:
        A tree over all features.
    """
    n_features, width = graph.neighbour.shape
    distance = graph_distances(graph)
    core = core_distances(graph, distance, min_samples)
    first = np.repeat(np.arange(n_features, dtype=np.int64), width)
    second = graph.neighbour.ravel().astype(np.int64)
    plain = distance.ravel()
    reachability = np.maximum(np.maximum(plain, core[first]), core[second])
    joining = (second >= 0) & (reachability < MAX_DISTANCE)
    first, second, plain, reachability = first[joining], second[joining], plain[joining], reachability[joining]
    low, high = np.minimum(first, second), np.maximum(first, second)
    part = np.arange(n_features)
    chosen = np.concatenate(
        [_join(part, edges, low, high, plain, reachability) for edges in _batches(reachability, n_features)]
    )
    left, right = _bridges(_roots(part))
    return SpanningTree(
        np.concatenate([low[chosen], left]),
        np.concatenate([high[chosen], right]),
        np.concatenate([reachability[chosen], np.full(len(left), MAX_DISTANCE)]),
    )


def _batches(reachability: Float64[np.ndarray, "edge"], n_features: int) -> Iterator[Int64[np.ndarray, "batch"]]:
    """Edges in batches, shorter ones first; equal edges are in the same batch."""
    below = -np.inf
    for share in BATCH_EDGES_PER_FEATURE:
        last = min(share * n_features, len(reachability)) - 1
        limit = np.partition(reachability, last)[last] if last >= 0 else below
        yield np.flatnonzero((reachability > below) & (reachability <= limit))
        below = limit
    yield np.flatnonzero(reachability > below)


def _join(
    part: Int64[np.ndarray, "feature"],
    edges: Int64[np.ndarray, "batch"],
    low: Int64[np.ndarray, "edge"],
    high: Int64[np.ndarray, "edge"],
    plain: Float64[np.ndarray, "edge"],
    reachability: Float64[np.ndarray, "edge"],
) -> Int64[np.ndarray, "chosen"]:
    """Take the edges that connect two components, shortest first; updates ``part``."""
    # most edges lie inside a component that shorter ones have joined; sorting them as well would dominate the cost
    edges = edges[_joins_parts(part, low[edges], high[edges])]
    order = edges[np.lexsort((high[edges], low[edges], plain[edges], reachability[edges]))]
    return np.asarray(order[_kruskal(part, low[order], high[order])])


def condense(tree: SpanningTree, min_cluster_size: int) -> np.ndarray:
    """Condense the tree as hdbscan's ``condense_tree`` does.

    A cluster keeps its number as long as what leaves it is smaller than ``min_cluster_size``.

    Returns:
        A record array with parent, child, lambda_val and child_size.
    """
    most = 2 * (len(tree.first) + 1)
    rows = np.empty((most, 3), dtype=np.int64), np.empty(most)
    count = _fill_condensed(_single_linkage(tree.first, tree.second, tree.distance), min_cluster_size, *rows)
    condensed = np.empty(count, dtype=CONDENSED_DTYPE)
    condensed["parent"], condensed["child"], condensed["child_size"] = rows[0][:count].T
    condensed["lambda_val"] = rows[1][:count]
    return condensed


def excess_of_mass(condensed: np.ndarray) -> dict[int, float]:
    """Stability of each cluster (Campello et al. 2013), bit-identical to hdbscan's ``compute_stability``, which spends
    most of the selection's time on sorting the records first."""
    parent, child, density = condensed["parent"], condensed["child"], condensed["lambda_val"]
    root = int(parent.min())
    born = np.zeros(max(int(child.max()), int(parent.max())) + 1)
    born[child] = density
    born[root] = 0.0
    excess = np.bincount(parent - root, (density - born[parent]) * condensed["child_size"])
    return dict(enumerate(excess.tolist(), root))


def _bridges(part: Int64[np.ndarray, "feature"]) -> tuple[Int64[np.ndarray, "bridge"], Int64[np.ndarray, "bridge"]]:
    """Connect every component to the largest one, larger ones first, ties to the component with the lower feature."""
    root, member, size = np.unique(part, return_index=True, return_counts=True)
    order = np.lexsort((member, -size))
    ends = member[order].astype(np.int64)
    return np.repeat(ends[:1], len(root) - 1), ends[1:]


@njit(cache=True, nogil=True)
@no_type_check
def _nearest_distances(neighbour: np.ndarray, distance: np.ndarray, nearest: np.ndarray) -> None:
    """Fill ``nearest`` [feature, min_samples] with each feature's smallest distances, ascending."""
    for feature in range(len(neighbour)):
        for slot in range(neighbour.shape[1]):
            other = neighbour[feature, slot]
            if other < 0:
                continue
            _insert_sorted(nearest[feature], distance[feature, slot])
            if distance[feature, slot] < nearest[other, -1] and not _contains(neighbour[other], feature):
                _insert_sorted(nearest[other], distance[feature, slot])


@njit(cache=True, nogil=True)
@no_type_check
def _contains(partners: np.ndarray, feature: int) -> bool:
    """Whether a feature is among the partners."""
    found = False
    for slot in range(len(partners)):
        found |= partners[slot] == feature
    return found


@njit(cache=True, nogil=True)
@no_type_check
def _insert_sorted(ascending: np.ndarray, value: float) -> None:
    """Insert a value into a sorted row and drop the largest."""
    slot = len(ascending) - 1
    if value >= ascending[slot]:
        return
    while slot > 0 and ascending[slot - 1] > value:
        ascending[slot] = ascending[slot - 1]
        slot -= 1
    ascending[slot] = value


@njit(cache=True, nogil=True)
@no_type_check
def _find(part: np.ndarray, node: int) -> int:
    while part[node] != node:
        part[node] = part[part[node]]
        node = part[node]
    return node


@njit(cache=True, nogil=True)
@no_type_check
def _joins_parts(part: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether each edge connects two components."""
    found = np.empty(len(low), dtype=np.bool_)
    for edge in range(len(low)):
        found[edge] = _find(part, low[edge]) != _find(part, high[edge])
    return found


@njit(cache=True, nogil=True)
@no_type_check
def _kruskal(part: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether each edge, in the given order, connects two components; updates ``part``."""
    taken = np.empty(len(low), dtype=np.bool_)
    for edge in range(len(low)):
        one = _find(part, low[edge])
        other = _find(part, high[edge])
        taken[edge] = one != other
        part[max(one, other)] = min(one, other)
    return taken


@njit(cache=True, nogil=True)
@no_type_check
def _roots(part: np.ndarray) -> np.ndarray:
    """The lowest node of each node's component."""
    roots = np.empty(len(part), dtype=np.int64)
    for node in range(len(part)):
        roots[node] = _find(part, node)
    return roots


@njit(cache=True, nogil=True)
@no_type_check
def _single_linkage(first: np.ndarray, second: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Each edge of a sorted tree as a merge [edge, 4] in hdbscan's layout: two clusters, distance, size."""
    n_nodes = len(first) + 1
    part = np.arange(2 * n_nodes - 1)
    size = np.ones(2 * n_nodes - 1)
    merges = np.empty((n_nodes - 1, 4))
    for edge in range(n_nodes - 1):
        one = _find(part, first[edge])
        other = _find(part, second[edge])
        group = n_nodes + edge
        part[one] = part[other] = group
        size[group] = size[one] + size[other]
        merges[edge, 0] = one
        merges[edge, 1] = other
        merges[edge, 2] = distance[edge]
        merges[edge, 3] = size[group]
    return merges


@njit(cache=True, nogil=True)
@no_type_check
def _fill_condensed(merges: np.ndarray, min_cluster_size: int, rows: np.ndarray, density: np.ndarray) -> int:
    """Fill ``rows`` (parent, child, size) and ``density`` breadth-first from the root; returns the number of rows."""
    n_points = len(merges) + 1
    name = np.empty(2 * n_points - 1, dtype=np.int64)
    waiting = np.empty(n_points, dtype=np.int64)
    fallen = np.empty(2 * min_cluster_size, dtype=np.int64)
    name[2 * n_points - 2] = n_points
    waiting[0] = 2 * n_points - 2
    n_groups, n_waiting, at, count = 1, 1, 0, 0
    while at < n_waiting:
        node = waiting[at]
        at += 1
        merge = merges[node - n_points]
        here = 1.0 / merge[2] if merge[2] > 0 else np.inf
        parts = [int(merge[0]), int(merge[1])]
        sizes = [int(merges[part - n_points, 3]) if part >= n_points else 1 for part in parts]
        splits = min(sizes) >= min_cluster_size
        for part, size in zip(parts, sizes):  # noqa: B905 - numba does not support strict
            if size < min_cluster_size:
                fallen[0] = part
                first, last = 0, 1
                while first < last:
                    one = fallen[first]
                    first += 1
                    if one < n_points:
                        rows[count, 0], rows[count, 1], rows[count, 2] = name[node], one, 1
                        density[count] = here
                        count += 1
                    else:
                        fallen[last], fallen[last + 1] = int(merges[one - n_points, 0]), int(merges[one - n_points, 1])
                        last += 2
                continue
            name[part] = name[node]
            if splits:
                name[part] = n_points + n_groups
                n_groups += 1
                rows[count, 0], rows[count, 1], rows[count, 2] = name[node], name[part], size
                density[count] = here
                count += 1
            if part >= n_points:
                waiting[n_waiting] = part
                n_waiting += 1
    return count
