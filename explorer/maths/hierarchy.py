"""HDBSCAN's tree, grown from a neighbour graph instead of a matrix of all distances.

The distance of two features is 1 - score, held within [SMALLEST, LARGEST]; pairs that the graph does not name are at
LARGEST. The minimum spanning tree of the mutual-reachability distances needs only the graph's own edges, and what the
graph leaves apart is bridged at LARGEST. From there on hdbscan's own functions take over (Campello, Moulavi and Sander
2013; McInnes and Healy 2017), so labels equal those of a dense matrix, ties aside.
"""

from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from hdbscan._hdbscan_linkage import label as single_linkage
from hdbscan._hdbscan_tree import condense_tree
from jaxtyping import Float64, Int64
from numba import njit

from explorer.records import NeighbourGraph

LARGEST: Final = 1.0
"""Distance of two features that show no similarity."""
SMALLEST: Final = 0.05
"""Least distance: HDBSCAN's density is 1 / distance, and without an end to it two features that always fire together
would outweigh every group and set the scale of all persistences."""


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
    order = np.lexsort((high, low, plain, reach))
    chosen, part = _kruskal(low[order], high[order], n_features)
    chosen = order[chosen]
    left, right = _bridges(part)
    return SpanningTree(
        np.concatenate([low[chosen], left]),
        np.concatenate([high[chosen], right]),
        np.concatenate([reach[chosen], np.full(len(left), LARGEST)]),
    )


def condense(tree: SpanningTree, min_cluster_size: int) -> np.ndarray:
    """Grow hdbscan's condensed tree, as a record array with parent, child, lambda_val and child_size."""
    edges = np.column_stack([tree.first, tree.second, tree.distance]).astype(np.float64)
    return np.asarray(condense_tree(single_linkage(edges), min_cluster_size))


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
            if distance[feature, place] < nearest[other, -1] and not (neighbour[other] == feature).any():
                _insert(nearest[other], distance[feature, place])


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
def _kruskal(low: np.ndarray, high: np.ndarray, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Take every edge that joins two parts, in the order given; gives the edges and each node's part."""
    part = np.arange(n_nodes)
    chosen = np.empty(max(n_nodes - 1, 0), dtype=np.int64)
    taken = 0
    for edge in range(len(low)):
        one = _find(part, low[edge])
        other = _find(part, high[edge])
        if one != other:
            part[max(one, other)] = min(one, other)
            chosen[taken] = edge
            taken += 1
    for node in range(n_nodes):
        part[node] = _find(part, node)
    return chosen[:taken], part
