"""From codes to clusters in one go: what a build does, and what is done again on codes that are drawn anew."""

from explorer.config import ClusteringSettings, CofiringSettings
from explorer.maths.clustering import ClusterTree, cluster_tree
from explorer.maths.cofiring import FiringShard, cofiring_graph, fire_counts
from explorer.records import NeighbourGraph


def graph_of_codes(shard: FiringShard, n_features: int, cofiring: CofiringSettings) -> NeighbourGraph:
    """Find every feature's best partners; see ``cofiring_graph``.

    Args:
        shard: which features fire on each token.
        n_features: number of features, whether or not they fire.
        cofiring: which pairs are scored, and how.
    """
    return cofiring_graph(
        shard.indptr,
        shard.features,
        n_features,
        neighbours=cofiring.neighbours,
        similarity=cofiring.similarity,
        min_count=cofiring.min_count,
        min_fires=cofiring.min_fires,
    )


def cluster_codes(
    shard: FiringShard, n_features: int, cofiring: CofiringSettings, clustering: ClusteringSettings
) -> ClusterTree:
    """Cluster the features of codes as a build does.

    Args:
        shard: which features fire on each token.
        n_features: number of features, whether or not they fire.
        cofiring: as in ``graph_of_codes``.
        clustering: HDBSCAN's settings.
    """
    graph = graph_of_codes(shard, n_features, cofiring)
    return cluster_tree(graph, fire_counts(*shard, n_features), clustering, cofiring.min_fires)
