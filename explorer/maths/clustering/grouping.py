"""Clustering of features from their codes: the build's pipeline, also run on resampled codes."""

from collections.abc import Iterable
from typing import TypedDict

import numpy as np
from jaxtyping import Int64

from explorer.config import ClusteringSettings, CofiringSettings
from explorer.maths.clustering.hdbscan import ClusterTree, cluster_tree
from explorer.maths.cofiring.counts import FiringShard, cofiring_graph_of_shards, fire_counts
from explorer.maths.cofiring.signed import signed_graph
from explorer.records.clustering import NeighbourGraph


class _GraphLimits(TypedDict):
    """Settings shared by all similarities."""

    neighbours: int
    min_count: int
    min_fires: int


def graph_of_codes(
    shards: Iterable[FiringShard],
    doc_offsets: Int64[np.ndarray, "doc_plus_1"],
    n_features: int,
    cofiring: CofiringSettings,
) -> NeighbourGraph:
    """Find every feature's best partners under any similarity; see ``signed_graph`` and ``cofiring_graph``.

    Args:
        shards: a re-iterable of shards in token order.
        doc_offsets: first token of each document; the last entry is the number of tokens.
        n_features: number of features, including those that never fire.
        cofiring: which pairs are scored, and how.
    """
    limits = _GraphLimits(neighbours=cofiring.neighbours, min_count=cofiring.min_count, min_fires=cofiring.min_fires)
    if cofiring.similarity == "signed":
        return signed_graph(shards, doc_offsets, n_features, **limits)
    return cofiring_graph_of_shards(shards, n_features, similarity=cofiring.similarity, **limits)


def cluster_codes(
    shards: Iterable[FiringShard],
    doc_offsets: Int64[np.ndarray, "doc_plus_1"],
    n_features: int,
    cofiring: CofiringSettings,
    clustering: ClusteringSettings,
) -> ClusterTree:
    """Cluster the features of codes as a build does.

    Args:
        shards: as in ``graph_of_codes``.
        doc_offsets: see there.
        n_features: see there.
        cofiring: see there.
        clustering: HDBSCAN's settings.
    """
    graph = graph_of_codes(shards, doc_offsets, n_features, cofiring)
    fires = sum((fire_counts(*shard, n_features) for shard in shards), np.zeros(n_features, dtype=np.int64))
    return cluster_tree(graph, fires, clustering, cofiring.min_fires)
