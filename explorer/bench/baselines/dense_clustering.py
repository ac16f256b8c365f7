"""HDBSCAN on the dense distance matrix: the baseline for ``maths.clustering.hdbscan``.

It needs several matrices of 8 bytes per pair: 16,384 features take about ten gigabytes.
"""

import numpy as np
from hdbscan import HDBSCAN
from hdbscan._hdbscan_linkage import label as single_linkage
from hdbscan._hdbscan_linkage import mst_linkage_core
from hdbscan._hdbscan_reachability import mutual_reachability
from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters
from jaxtyping import Bool, Float64, Int, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from explorer.config import ClusteringSettings
from explorer.maths.clustering.condensed_tree import MAX_DISTANCE, graph_distances
from explorer.records.clustering import NeighbourGraph


def dense_distances(
    graph: NeighbourGraph, included: Bool[np.ndarray, "feature"]
) -> Float64[np.ndarray, "included included"]:
    """Distance matrix of the included features, MAX_DISTANCE for pairs without an edge."""
    included_features = np.flatnonzero(included)
    place = np.where(included, np.cumsum(included) - 1, -1)
    near = graph_distances(graph)
    dense = np.full((len(included_features), len(included_features)), MAX_DISTANCE)
    for row, feature in enumerate(included_features):
        partner = graph.neighbour[feature]
        named = (partner >= 0) & included[partner]
        column, distance = place[partner[named]], near[feature, named]
        dense[row, column] = np.minimum(dense[row, column], distance)
        dense[column, row] = np.minimum(dense[column, row], distance)
    np.fill_diagonal(dense, 0.0)
    return dense


def dense_labels(
    dense: Float64[np.ndarray, "included included"], settings: ClusteringSettings
) -> Int[np.ndarray, "included"]:
    """Labels by the hdbscan package itself, which breaks ties arbitrarily."""
    theirs = HDBSCAN(
        metric="precomputed",
        min_cluster_size=settings.min_cluster_size,
        min_samples=settings.min_samples,
        cluster_selection_method=settings.selection,
    )
    return np.asarray(theirs.fit(dense).labels_)


def untied_labels(
    dense: Float64[np.ndarray, "included included"], settings: ClusteringSettings
) -> Int64[np.ndarray, "included"]:
    """Labels by hdbscan's own steps over the dense matrix, with ties broken as in ``condensed_tree``.

    Every pair gets a rank of its own: by mutual reachability, then by plain distance, then by feature numbers.
    Components without an edge below MAX_DISTANCE are bridged last, larger ones first. A tree that never splits yields
    no cluster, as in hdbscan.
    """
    reach = mutual_reachability(dense.copy(), settings.min_samples)
    n_features = len(reach)
    low, high = np.divmod(np.flatnonzero(np.triu(reach < MAX_DISTANCE, 1)), n_features)
    order = np.lexsort((high, low, dense[low, high], reach[low, high]))
    low, high = np.concatenate([np.stack([low, high])[:, order], _bridges(low, high, n_features)], axis=1)
    rank = np.full_like(reach, np.inf)
    rank[low, high] = rank[high, low] = np.arange(len(low))
    tree = mst_linkage_core(rank)
    tree = tree[np.argsort(tree[:, 2])]
    ends = tree[:, :2].astype(np.int64)
    tree[:, 2] = reach[ends[:, 0], ends[:, 1]]
    condensed = condense_tree(single_linkage(tree), settings.min_cluster_size)
    return np.asarray(get_clusters(condensed, compute_stability(condensed), settings.selection)[0])


def _bridges(
    low: Int64[np.ndarray, "pair"], high: Int64[np.ndarray, "pair"], n_features: int
) -> Int64[np.ndarray, "two bridge"]:
    pairs = coo_array((np.ones(len(low)), (low, high)), shape=(n_features, n_features))
    _, part = connected_components(pairs, directed=False)
    _, first, size = np.unique(part, return_index=True, return_counts=True)
    first = first[np.lexsort((first, -size))]
    return np.stack([np.repeat(first[:1], len(first) - 1), first[1:]])
