"""HDBSCAN on the neighbour graph: a hard partition of the features.

``condensed_tree`` grows the tree; here clusters are selected from it, by excess of mass or as leaves, and numbered.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from hdbscan._hdbscan_tree import get_clusters
from jaxtyping import Bool, Float64, Int64

from explorer.config import ClusteringSettings
from explorer.maths.clustering.condensed_tree import (
    MAX_DISTANCE,
    SpanningTree,
    condense,
    excess_of_mass,
    minimum_spanning_tree,
)
from explorer.records.clustering import LEFT_OUT, NOISE, Clustering, CondensedTree, NeighbourGraph

LONE_CLUSTER_SHARE: Final = 0.5
"""If a tree never splits, its single cluster holds the features that join within this share of the way from the closest
pair to MAX_DISTANCE. HDBSCAN alone would label everything noise."""


class _Selection(NamedTuple):
    """Clusters selected from a condensed tree."""

    label: Int64[np.ndarray, "included"]
    """Cluster from 0, or NOISE."""
    membership: Float64[np.ndarray, "included"]
    """Membership strength in [0, 1]."""
    persistence: Float64[np.ndarray, "cluster"]
    """Relative excess of mass."""


@dataclass(frozen=True)
class ClusterTree:
    """A clustering and the tree it was cut from."""

    clustering: Clustering
    tree: CondensedTree
    """The condensed tree over the features that were not left out; empty if there are fewer than two."""


def cluster_graph(
    graph: NeighbourGraph, fires: Int64[np.ndarray, "feature"], settings: ClusteringSettings, min_fires: int
) -> Clustering:
    """Cluster the features of a neighbour graph.

    Labels equal those of ``hdbscan.HDBSCAN(metric="precomputed")`` on the dense matrix of the same distances (1 -
    score; 1 without an edge), ties aside, with one exception: a tree that never splits yields its single cluster
    instead of none. The root is never selected next to other clusters.

    Args:
        graph: best partners of every feature.
        fires: tokens on which each feature fires.
        settings: minimum cluster size, core neighbour, selection method.
        min_fires: features that fire less often are LEFT_OUT.

    Returns:
        Labels, membership strengths and persistences. Clusters are numbered by size, largest first, ties to the one
        with the lowest feature number.
    """
    return cluster_tree(graph, fires, settings, min_fires).clustering


def cluster_tree(
    graph: NeighbourGraph, fires: Int64[np.ndarray, "feature"], settings: ClusteringSettings, min_fires: int
) -> ClusterTree:
    """Cluster the features and return the condensed tree as well; arguments as in ``cluster_graph``."""
    included = fires >= min_fires
    included_features = np.flatnonzero(included)
    if len(included_features) < 2:
        return ClusterTree(_all_noise(included), _to_record(None, included_features, len(fires)))
    tree = minimum_spanning_tree(_restrict(graph, included), settings.min_samples)
    condensed = condense(tree, settings.min_cluster_size)
    selection = _select(condensed, tree, settings)
    return ClusterTree(_renumber(selection, included), _to_record(condensed, included_features, len(fires)))


def _restrict(graph: NeighbourGraph, included: Bool[np.ndarray, "feature"]) -> NeighbourGraph:
    """Renumber the graph over the included features and drop the others."""
    place = np.where(included, np.cumsum(included) - 1, -1).astype(np.int32)
    neighbour, score = graph.neighbour[included], graph.score[included]
    target = np.where(neighbour >= 0, place[neighbour], np.int32(-1))
    score = np.where(target >= 0, score, np.float32(0))
    with_gaps = np.flatnonzero(((target[:, :-1] < 0) & (target[:, 1:] >= 0)).any(axis=1))
    order = np.argsort(target[with_gaps] < 0, axis=1, kind="stable")
    for filled in (target, score):
        filled[with_gaps] = np.take_along_axis(filled[with_gaps], order, axis=1)
    return NeighbourGraph(target, score)


def _select(condensed: np.ndarray, tree: SpanningTree, settings: ClusteringSettings) -> _Selection:
    if not (condensed["child_size"] > 1).any():
        return _select_single_cluster(condensed, tree, settings)
    return _Selection(*get_clusters(condensed, excess_of_mass(condensed), settings.selection))


def _select_single_cluster(condensed: np.ndarray, tree: SpanningTree, settings: ClusteringSettings) -> _Selection:
    """Select the one cluster of a tree that never splits, if it is large enough."""
    n_features = len(tree.first) + 1
    label = np.full(n_features, NOISE, dtype=np.int64)
    membership = np.zeros(n_features)
    reach = 1.0 / condensed["lambda_val"]
    inside = condensed["child"][reach < reach.min() + LONE_CLUSTER_SHARE * (MAX_DISTANCE - reach.min())]
    if len(inside) < settings.min_cluster_size:
        return _Selection(label, membership, np.zeros(0))
    label[inside] = 0
    density = np.zeros(n_features)
    density[condensed["child"]] = condensed["lambda_val"]
    membership[inside] = density[inside] / density.max()
    excess = np.mean(density[inside] - 1.0 / MAX_DISTANCE) / density.max()
    return _Selection(label, membership, np.array([excess]))


def _renumber(selection: _Selection, included: Bool[np.ndarray, "feature"]) -> Clustering:
    """Number the clusters by size, then by lowest feature, and expand them to all features."""
    members = selection.label[selection.label >= 0]
    old, where, size = np.unique(members, return_index=True, return_counts=True)
    order = np.lexsort((where, -size))
    # NOISE is -1 and indexes the last entry, which stays NOISE
    new = np.full(len(selection.persistence) + 1, NOISE, dtype=np.int32)
    new[old[order]] = np.arange(len(old), dtype=np.int32)
    label = np.full(len(included), LEFT_OUT, dtype=np.int32)
    label[included] = new[selection.label]
    membership = np.zeros(len(included), dtype=np.float32)
    membership[included] = np.where(selection.label >= 0, selection.membership, 0.0)
    return Clustering(label, membership, selection.persistence[old[order]].astype(np.float32))


def _all_noise(included: Bool[np.ndarray, "feature"]) -> Clustering:
    label = np.where(included, NOISE, LEFT_OUT).astype(np.int32)
    return Clustering(label, np.zeros(len(included), dtype=np.float32), np.zeros(0, dtype=np.float32))


def _to_record(
    condensed: np.ndarray | None, included_features: Int64[np.ndarray, "included"], n_features: int
) -> CondensedTree:
    """The tree with original feature numbers; clusters count from ``n_features``."""
    if condensed is None:
        nothing = np.zeros(0, dtype=np.int64)
        return CondensedTree(nothing, nothing, np.zeros(0), nothing)
    shift = n_features - len(included_features)
    child = condensed["child"]
    feature = included_features[np.minimum(child, len(included_features) - 1)]
    return CondensedTree(
        condensed["parent"] + shift,
        np.where(child < len(included_features), feature, child + shift),
        condensed["lambda_val"].copy(),
        condensed["child_size"].copy(),
    )
