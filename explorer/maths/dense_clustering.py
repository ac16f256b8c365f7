"""HDBSCAN on the matrix of all distances: the slow way, which ``clustering`` is held against.

It needs several matrices of 8 bytes a pair: 16,384 features take about ten gigabytes.
"""

from typing import Final

import numpy as np
from hdbscan import HDBSCAN
from hdbscan._hdbscan_linkage import label as single_linkage
from hdbscan._hdbscan_linkage import mst_linkage_core
from hdbscan._hdbscan_reachability import mutual_reachability
from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters
from jaxtyping import Bool, Float64, Int, Int64

from explorer.config import ClusteringSettings
from explorer.maths.hierarchy import LARGEST, graph_distances
from explorer.records import NeighbourGraph

UNTIE: Final = 1e-9
"""Weight of the plain distance beside the mutual reachability: tells equal ones apart and changes no other order."""
ALONE: Final = 1e-6
"""Added to the distances of features without a near one, so that they join last."""


def dense_distances(graph: NeighbourGraph, included: Bool[np.ndarray, "feature"]) -> Float64[np.ndarray, "kept kept"]:
    """Write the distances of the included features as a matrix, LARGEST where the graph names no score."""
    kept = np.flatnonzero(included)
    place = np.where(included, np.cumsum(included) - 1, -1)
    near = graph_distances(graph)
    dense = np.full((len(kept), len(kept)), LARGEST)
    for row, feature in enumerate(kept):
        partner = graph.neighbour[feature]
        named = (partner >= 0) & included[partner]
        column, distance = place[partner[named]], near[feature, named]
        dense[row, column] = np.minimum(dense[row, column], distance)
        dense[column, row] = np.minimum(dense[column, row], distance)
    np.fill_diagonal(dense, 0.0)
    return dense


def dense_labels(dense: Float64[np.ndarray, "kept kept"], settings: ClusteringSettings) -> Int[np.ndarray, "kept"]:
    """Labels by hdbscan itself, which breaks ties as it pleases."""
    theirs = HDBSCAN(
        metric="precomputed",
        min_cluster_size=settings.min_cluster_size,
        min_samples=settings.min_samples,
        cluster_selection_method=settings.selection,
    )
    return np.asarray(theirs.fit(dense).labels_)


def untied_labels(dense: Float64[np.ndarray, "kept kept"], settings: ClusteringSettings) -> Int64[np.ndarray, "kept"]:
    """Labels by hdbscan's own steps, with ties broken as ``clustering`` breaks them: by the plain distance.

    Where a tree never splits this reports nothing, as hdbscan does.
    """
    reach = mutual_reachability(dense.copy(), settings.min_samples)
    np.fill_diagonal(reach, np.inf)
    alone = reach.min(axis=0) >= LARGEST
    np.fill_diagonal(reach, 0.0)
    for row, plain in enumerate(dense):
        reach[row] += UNTIE * plain + ALONE * (alone | alone[row])
    tree = mst_linkage_core(reach)
    condensed = condense_tree(single_linkage(tree[np.argsort(tree[:, 2])]), settings.min_cluster_size)
    return np.asarray(get_clusters(condensed, compute_stability(condensed), settings.selection)[0])
