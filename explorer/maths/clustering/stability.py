"""Robustness of clusters: recovery on resampled documents, and p-values against codes without co-firing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int32, Int64

from explorer.maths.clustering.hdbscan import ClusterTree

DISSOLVED: Final = 0.5
"""A cluster is dissolved if the Jaccard similarity of its best match is at most this (Hennig 2008, "Dissolution point
and isolation robustness"); above it, no two clusters share a best match."""


@dataclass(frozen=True)
class Stability:
    """Recovery of each cluster on resampled codes."""

    jaccard: Float64[np.ndarray, "cluster"]
    """Mean Jaccard similarity to the best match."""
    dissolved: Float64[np.ndarray, "cluster"]
    """Share of the draws in which that similarity is at most DISSOLVED."""


@dataclass(frozen=True)
class ClusterStatistics:
    """The statistics on which clusters are compared with those of the null."""

    size: Int64[np.ndarray, "cluster"]
    """Number of features."""
    excess: Float64[np.ndarray, "cluster"]
    """Excess of mass per feature: density beyond the cluster's birth for which a feature stays in it."""


def best_match_jaccard(
    label: Int32[np.ndarray, "feature"], other: Int32[np.ndarray, "feature"]
) -> Float64[np.ndarray, "cluster"]:
    """Jaccard similarity of each cluster to its best match in another clustering of the same features.

    Args:
        label: cluster of each feature from 0, negative for none.
        other: the same in the other clustering. A feature without a cluster there counts as lost, even if it fires too
            rarely to have one.

    Returns:
        For each cluster of ``label`` the largest ratio of shared features to features of either; 0 if none are shared.
    """
    n_clusters, n_others = int(label.max(initial=-1)) + 1, int(other.max(initial=-1)) + 1
    best = np.zeros(n_clusters)
    both = (label >= 0) & (other >= 0)
    pair, shared = np.unique(label[both].astype(np.int64) * n_others + other[both], return_counts=True)
    mine, theirs = np.divmod(pair, max(n_others, 1))
    either = _sizes(label)[mine] + _sizes(other)[theirs] - shared
    np.maximum.at(best, mine, shared / either)
    return best


def summarise_stability(jaccard: Float64[np.ndarray, "draw cluster"]) -> Stability:
    """Summarise the best-match similarities over draws (Hennig 2007, "Cluster-wise assessment of cluster stability",
    Computational Statistics & Data Analysis 52).

    Args:
        jaccard: one row per draw, as ``best_match_jaccard`` returns it; at least one.
    """
    return Stability(jaccard.mean(axis=0), (jaccard <= DISSOLVED).mean(axis=0))


def cluster_statistics(found: ClusterTree) -> ClusterStatistics:
    """Sizes and persistences of a clustering, comparable across clusterings.

    HDBSCAN's persistence is relative to the densest point of its tree. Codes without co-firing have a shallow tree, in
    which small differences are a large share; excess of mass per feature in units of density is comparable.
    """
    clustering = found.clustering
    densest = float(found.tree.density.max(initial=0.0))
    return ClusterStatistics(_sizes(clustering.label), clustering.persistence.astype(np.float64) * densest)


def null_p_values(real: ClusterStatistics, draws: Sequence[ClusterStatistics]) -> Float64[np.ndarray, "cluster"]:
    """p-value of each cluster: how often the null yields a cluster at least as large and at least as persistent.

    Every draw is searched in full for a rival, which corrects for most of the multiplicity over clusters; not for all,
    because one draw may hold both the largest and the most persistent cluster.

    Args:
        real: the clusters to test.
        draws: clusters of the same build on codes without co-firing, one entry per draw.

    Returns:
        (1 + draws with such a cluster) / (1 + draws) per cluster; at least 1 / (1 + draws).
    """
    exceed = np.zeros(len(real.size))
    for draw in draws:
        larger = draw.size[None, :] >= real.size[:, None]
        exceed += (larger & (draw.excess[None, :] >= real.excess[:, None])).any(axis=1)
    return (1 + exceed) / (1 + len(draws))


def _sizes(label: Int32[np.ndarray, "feature"]) -> Int64[np.ndarray, "cluster"]:
    return np.bincount(label[label >= 0], minlength=int(label.max(initial=-1)) + 1).astype(np.int64)
