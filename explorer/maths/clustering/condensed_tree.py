"""HDBSCAN's tree, grown from a neighbour graph instead of a matrix of all distances.

The distance of two features is 1 - score, held within [SMALLEST, LARGEST]; pairs that the graph does not name are at
LARGEST. The minimum spanning tree of the mutual-reachability distances needs only the graph's own edges, and what the
graph leaves apart is bridged at LARGEST. Merges are numbered and condensed as hdbscan does it, row by row, and
hdbscan selects (Campello, Moulavi and Sander 2013; McInnes and Healy 2017), so labels equal those of a dense matrix,
ties aside.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit

from explorer.records import NeighbourGraph

LARGEST: Final = 1.0
"""Distance of two features that show no similarity."""
SMALLEST: Final = 0.05
"""Least distance: HDBSCAN's density is 1 / distance, and without an end to it two features that always fire together
would outweigh every group and set the scale of all persistences."""
BATCHES: Final = (1, 3, 9, 27)
"""Edges for each feature up to which edges are sorted and joined before longer ones are looked at."""
CONDENSED: Final = np.dtype([("parent", np.intp), ("child", np.intp), ("lambda_val", float), ("child_size", np.intp)])
"""A row of the condensed tree: a feature or a group (numbered from the number of features on) parts from a group."""


@dataclass(frozen=True)
class SpanningTree:
    """Edges of a minimum spanning tree, shortest first."""

    first: Int64[np.ndarray, "edge"]
    """One end."""
    second: Int64[np.ndarray, "edge"]
    """The other end."""
    distance: Float64[np.ndarray, "edge"]
    """Mutual-reachability distance, ascending."""


def graph_distances(graph: NeighbourGraph) -> Float64[np.ndarray, "feature neighbours"]:
    """Distance of each feature to its neighbours: 1 - score within [SMALLEST, LARGEST], LARGEST where there is none."""
    score = np.where(graph.neighbour >= 0, graph.score, 0.0).astype(np.float64)
    return np.clip(LARGEST - score, SMALLEST, LARGEST)


def core_distances(
    graph: NeighbourGraph, distance: Float64[np.ndarray, "feature neighbours"], min_samples: int
) -> Float64[np.ndarray, "feature"]:
    """Distance of each feature to its ``min_samples``-th neighbour, LARGEST where it has fewer.

    A pair counts for both features, whichever of them names the other.
    """
    nearest = np.full((len(distance), min_samples), LARGEST)
    _nearest_distances(graph.neighbour, distance, nearest)
    return nearest[:, -1].copy()


def minimum_spanning_tree(graph: NeighbourGraph, min_samples: int) -> SpanningTree:
    """Span the graph by its shortest mutual-reachability distances (Campello et al. 2013, definition 4).

    Equal distances are taken in the order of the plain distances and only then of the feature numbers, so that the
    numbering decides as little as possible. Parts that no edge shorter than LARGEST joins are bridged at LARGEST,
    the larger parts first: a lone feature never becomes part of a group by way of a bridge.

    Args:
        graph: best partners of every feature.
        min_samples: the neighbour whose distance is a feature's core distance.

    Returns:
        A tree over all features.
    """
    n_features, width = graph.neighbour.shape
    distance = graph_distances(graph)
    core = core_distances(graph, distance, min_samples)
    first = np.repeat(np.arange(n_features, dtype=np.int64), width)
    second = graph.neighbour.ravel().astype(np.int64)
    plain = distance.ravel()
    reach = np.maximum(np.maximum(plain, core[first]), core[second])
    kept = (second >= 0) & (reach < LARGEST)
    first, second, plain, reach = first[kept], second[kept], plain[kept], reach[kept]
    low, high = np.minimum(first, second), np.maximum(first, second)
    part = np.arange(n_features)
    chosen = np.concatenate([_join(part, edges, low, high, plain, reach) for edges in _batches(reach, n_features)])
    left, right = _bridges(_roots(part))
    return SpanningTree(
        np.concatenate([low[chosen], left]),
        np.concatenate([high[chosen], right]),
        np.concatenate([reach[chosen], np.full(len(left), LARGEST)]),
    )


def _batches(reach: Float64[np.ndarray, "edge"], n_features: int) -> Iterator[Int64[np.ndarray, "some"]]:
    """Edges in batches, shorter ones first; equal ones are in the same batch."""
    below = -np.inf
    for share in BATCHES:
        last = min(share * n_features, len(reach)) - 1
        limit = np.partition(reach, last)[last] if last >= 0 else below
        yield np.flatnonzero((reach > below) & (reach <= limit))
        below = limit
    yield np.flatnonzero(reach > below)


def _join(
    part: Int64[np.ndarray, "feature"],
    edges: Int64[np.ndarray, "some"],
    low: Int64[np.ndarray, "edge"],
    high: Int64[np.ndarray, "edge"],
    plain: Float64[np.ndarray, "edge"],
    reach: Float64[np.ndarray, "edge"],
) -> Int64[np.ndarray, "chosen"]:
    """Take the edges that join two parts, shortest first; ``part`` is changed."""
    # most edges lie inside a part that shorter ones have joined; sorting these as well would take most of the time
    edges = edges[_apart(part, low[edges], high[edges])]
    order = edges[np.lexsort((high[edges], low[edges], plain[edges], reach[edges]))]
    return np.asarray(order[_kruskal(part, low[order], high[order])])


def condense(tree: SpanningTree, min_cluster_size: int) -> np.ndarray:
    """Grow hdbscan's condensed tree, as its ``condense_tree`` does: a record array with parent, child, lambda_val and
    child_size. A group goes on under its number for as long as what parts from it is smaller than a cluster."""
    most = 2 * (len(tree.first) + 1)
    rows = np.empty((most, 3), dtype=np.int64), np.empty(most)
    count = _condense(_single_linkage(tree.first, tree.second, tree.distance), min_cluster_size, *rows)
    condensed = np.empty(count, dtype=CONDENSED)
    condensed["parent"], condensed["child"], condensed["child_size"] = rows[0][:count].T
    condensed["lambda_val"] = rows[1][:count]
    return condensed


def excess_of_mass(condensed: np.ndarray) -> dict[int, float]:
    """Each group's stability, what is in it between its birth and its end (Campello et al. 2013), as hdbscan's
    ``compute_stability`` has it to the bit; that one sorts the records first, which is most of what selection costs."""
    parent, child, density = condensed["parent"], condensed["child"], condensed["lambda_val"]
    root = int(parent.min())
    born = np.zeros(max(int(child.max()), int(parent.max())) + 1)
    born[child] = density
    born[root] = 0.0
    excess = np.bincount(parent - root, (density - born[parent]) * condensed["child_size"])
    return dict(enumerate(excess.tolist(), root))


def _bridges(part: Int64[np.ndarray, "feature"]) -> tuple[Int64[np.ndarray, "bridge"], Int64[np.ndarray, "bridge"]]:
    """Join every part to the largest one, larger parts first, ties to the part with the lower feature."""
    root, member, size = np.unique(part, return_index=True, return_counts=True)
    order = np.lexsort((member, -size))
    ends = member[order].astype(np.int64)
    return np.repeat(ends[:1], len(root) - 1), ends[1:]


@njit(cache=True, nogil=True)
@no_type_check
def _nearest_distances(neighbour: np.ndarray, distance: np.ndarray, nearest: np.ndarray) -> None:
    """Fill ``nearest`` [feature, min_samples] with each feature's smallest distances, ascending."""
    for feature in range(len(neighbour)):
        for place in range(neighbour.shape[1]):
            other = neighbour[feature, place]
            if other < 0:
                continue
            _insert(nearest[feature], distance[feature, place])
            if distance[feature, place] < nearest[other, -1] and not _names(neighbour[other], feature):
                _insert(nearest[other], distance[feature, place])


@njit(cache=True, nogil=True)
@no_type_check
def _names(partners: np.ndarray, feature: int) -> bool:
    """Whether a feature is among the partners."""
    found = False
    for place in range(len(partners)):
        found |= partners[place] == feature
    return found


@njit(cache=True, nogil=True)
@no_type_check
def _insert(ascending: np.ndarray, value: float) -> None:
    """Put a value into a sorted row, the largest falls out."""
    place = len(ascending) - 1
    if value >= ascending[place]:
        return
    while place > 0 and ascending[place - 1] > value:
        ascending[place] = ascending[place - 1]
        place -= 1
    ascending[place] = value


@njit(cache=True, nogil=True)
@no_type_check
def _find(part: np.ndarray, node: int) -> int:
    while part[node] != node:
        part[node] = part[part[node]]
        node = part[node]
    return node


@njit(cache=True, nogil=True)
@no_type_check
def _apart(part: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether each edge's ends are in different parts."""
    found = np.empty(len(low), dtype=np.bool_)
    for edge in range(len(low)):
        found[edge] = _find(part, low[edge]) != _find(part, high[edge])
    return found


@njit(cache=True, nogil=True)
@no_type_check
def _kruskal(part: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether each edge, in the order given, joins two parts; they are one from then on."""
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
    """The lowest node of each node's part."""
    roots = np.empty(len(part), dtype=np.int64)
    for node in range(len(part)):
        roots[node] = _find(part, node)
    return roots


@njit(cache=True, nogil=True)
@no_type_check
def _single_linkage(first: np.ndarray, second: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Each edge of a sorted tree as a merge [edge, 4], as hdbscan lays it out: two groups, distance, size."""
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
def _condense(merges: np.ndarray, smallest: int, rows: np.ndarray, density: np.ndarray) -> int:
    """Fill ``rows`` (parent, child, size) and ``density`` from the root down, level by level; returns how many."""
    n_points = len(merges) + 1
    name = np.empty(2 * n_points - 1, dtype=np.int64)
    waiting = np.empty(n_points, dtype=np.int64)
    fallen = np.empty(2 * smallest, dtype=np.int64)
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
        splits = min(sizes) >= smallest
        for part, size in zip(parts, sizes):  # noqa: B905 - numba knows no strict
            if size < smallest:
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
