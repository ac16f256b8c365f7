"""A hard partition of the features: HDBSCAN on the neighbour graph.

``hierarchy`` grows the tree; here its groups are selected, by excess of mass or as leaves, and numbered.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from hdbscan._hdbscan_tree import get_clusters
from jaxtyping import Bool, Float64, Int64

from explorer.config import ClusteringSettings
from explorer.maths.clustering.condensed_tree import (
    LARGEST,
    SpanningTree,
    condense,
    excess_of_mass,
    minimum_spanning_tree,
)
from explorer.records import LEFT_OUT, NOISE, Clustering, CondensedTree, NeighbourGraph

LONE_SHARE: Final = 0.5
"""A group without a rival holds the features that join it in this nearer share of the way from its closest pair to
LARGEST. HDBSCAN alone would call it all noise."""


class _Selection(NamedTuple):
    """Groups of a condensed tree."""

    label: Int64[np.ndarray, "kept"]
    """Group from 0, or NOISE."""
    membership: Float64[np.ndarray, "kept"]
    """Membership strength in [0, 1]."""
    persistence: Float64[np.ndarray, "cluster"]
    """Relative excess of mass."""


@dataclass(frozen=True)
class ClusterTree:
    """A clustering with the tree that it was cut from."""

    clustering: Clustering
    """The selected groups."""
    tree: CondensedTree
    """The condensed tree over the features that were not left out; empty where there are fewer than two."""


def cluster_graph(
    graph: NeighbourGraph, fires: Int64[np.ndarray, "feature"], settings: ClusteringSettings, min_fires: int
) -> Clustering:
    """Cluster the features by their neighbour graph.

    Labels equal those of ``hdbscan.HDBSCAN(metric="precomputed")`` on the dense matrix of the same distances (1 -
    score; 1 where the graph names no score), ties aside, with one exception: where HDBSCAN sees a single group, it
    reports none, and here it is reported. The root that embraces everything is never selected beside others.

    Args:
        graph: best partners of every feature.
        fires: tokens on which each feature fires.
        settings: smallest cluster, core neighbour, selection.
        min_fires: features that fire less often are LEFT_OUT.

    Returns:
        Labels, membership strengths and persistences. Clusters are numbered by size, largest first, ties to the one
        with the lowest feature number.
    """
    return cluster_tree(graph, fires, settings, min_fires).clustering


def cluster_tree(
    graph: NeighbourGraph, fires: Int64[np.ndarray, "feature"], settings: ClusteringSettings, min_fires: int
) -> ClusterTree:
    """Cluster the features and keep the condensed tree; arguments are those of ``cluster_graph``."""
    included = fires >= min_fires
    kept = np.flatnonzero(included)
    if len(kept) < 2:
        return ClusterTree(_no_clusters(included), _as_record(None, kept, len(fires)))
    tree = minimum_spanning_tree(_restrict(graph, included), settings.min_samples)
    condensed = condense(tree, settings.min_cluster_size)
    selection = _select(condensed, tree, settings)
    return ClusterTree(_number(selection, included), _as_record(condensed, kept, len(fires)))


def _restrict(graph: NeighbourGraph, included: Bool[np.ndarray, "feature"]) -> NeighbourGraph:
    """Renumber the graph over the included features; the others are nobody's neighbours."""
    place = np.where(included, np.cumsum(included) - 1, -1).astype(np.int32)
    neighbour, score = graph.neighbour[included], graph.score[included]
    target = np.where(neighbour >= 0, place[neighbour], np.int32(-1))
    score = np.where(target >= 0, score, np.float32(0))
    holed = np.flatnonzero(((target[:, :-1] < 0) & (target[:, 1:] >= 0)).any(axis=1))
    order = np.argsort(target[holed] < 0, axis=1, kind="stable")
    for filled in (target, score):
        filled[holed] = np.take_along_axis(filled[holed], order, axis=1)
    return NeighbourGraph(target, score)


def _select(condensed: np.ndarray, tree: SpanningTree, settings: ClusteringSettings) -> _Selection:
    if not (condensed["child_size"] > 1).any():
        return _select_lone(condensed, tree, settings)
    return _Selection(*get_clusters(condensed, excess_of_mass(condensed), settings.selection))


def _select_lone(condensed: np.ndarray, tree: SpanningTree, settings: ClusteringSettings) -> _Selection:
    """Select the one group of a tree that never splits, if there is one."""
    n_features = len(tree.first) + 1
    label = np.full(n_features, NOISE, dtype=np.int64)
    membership = np.zeros(n_features)
    reach = 1.0 / condensed["lambda_val"]
    inside = condensed["child"][reach < reach.min() + LONE_SHARE * (LARGEST - reach.min())]
    if len(inside) < settings.min_cluster_size:
        return _Selection(label, membership, np.zeros(0))
    label[inside] = 0
    density = np.zeros(n_features)
    density[condensed["child"]] = condensed["lambda_val"]
    membership[inside] = density[inside] / density.max()
    excess = np.mean(density[inside] - 1.0 / LARGEST) / density.max()
    return _Selection(label, membership, np.array([excess]))


def _number(selection: _Selection, included: Bool[np.ndarray, "feature"]) -> Clustering:
    """Number the clusters by size, then by lowest feature, and write them over all features."""
    members = selection.label[selection.label >= 0]
    old, where, size = np.unique(members, return_index=True, return_counts=True)
    order = np.lexsort((where, -size))
    # NOISE is -1: it reads the last entry, which stays NOISE
    new = np.full(len(selection.persistence) + 1, NOISE, dtype=np.int32)
    new[old[order]] = np.arange(len(old), dtype=np.int32)
    label = np.full(len(included), LEFT_OUT, dtype=np.int32)
    label[included] = new[selection.label]
    membership = np.zeros(len(included), dtype=np.float32)
    membership[included] = np.where(selection.label >= 0, selection.membership, 0.0)
    return Clustering(label, membership, selection.persistence[old[order]].astype(np.float32))


def _no_clusters(included: Bool[np.ndarray, "feature"]) -> Clustering:
    label = np.where(included, NOISE, LEFT_OUT).astype(np.int32)
    return Clustering(label, np.zeros(len(included), dtype=np.float32), np.zeros(0, dtype=np.float32))


def _as_record(condensed: np.ndarray | None, kept: Int64[np.ndarray, "kept"], n_features: int) -> CondensedTree:
    """Write the tree with the features' own numbers; groups count from ``n_features``."""
    if condensed is None:
        nothing = np.zeros(0, dtype=np.int64)
        return CondensedTree(nothing, nothing, np.zeros(0), nothing)
    shift = n_features - len(kept)
    child = condensed["child"]
    feature = kept[np.minimum(child, len(kept) - 1)]
    return CondensedTree(
        condensed["parent"] + shift,
        np.where(child < len(kept), feature, child + shift),
        condensed["lambda_val"].copy(),
        condensed["child_size"].copy(),
    )
