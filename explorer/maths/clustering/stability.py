"""How far to believe a cluster: whether it comes back on other text, and whether chance makes its like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int32, Int64

from explorer.maths.clustering.hdbscan import ClusterTree

DISSOLVED: Final = 0.5
"""A cluster whose best match is no more like it than this has dissolved (Hennig 2008, "Dissolution point and isolation
robustness"): above it no two clusters can claim the same match."""


@dataclass(frozen=True)
class Stability:
    """What becomes of each cluster on codes that are drawn anew."""

    jaccard: Float64[np.ndarray, "cluster"]
    """Mean Jaccard similarity to its best match."""
    dissolved: Float64[np.ndarray, "cluster"]
    """Share of the draws in which that similarity is at most DISSOLVED."""


@dataclass(frozen=True)
class Groups:
    """The clusters of one grouping by what chance is compared on."""

    size: Int64[np.ndarray, "cluster"]
    """Features."""
    excess: Float64[np.ndarray, "cluster"]
    """Excess of mass per feature: how much further than its cluster's beginning a feature stays in it, in density."""


def jaccard_of_best_match(
    label: Int32[np.ndarray, "feature"], other: Int32[np.ndarray, "feature"]
) -> Float64[np.ndarray, "cluster"]:
    """Say how much of each cluster another grouping of the same features holds together.

    Args:
        label: cluster of each feature from 0, negative for none.
        other: the same in the other grouping. A feature that has no cluster there counts as lost, also where it fires
            too rarely to have one.

    Returns:
        For each cluster of ``label`` the largest Jaccard similarity, shared features / features of either, that a
        cluster of ``other`` has to it; 0 where none shares a feature.
    """
    n_clusters, n_others = int(label.max(initial=-1)) + 1, int(other.max(initial=-1)) + 1
    best = np.zeros(n_clusters)
    both = (label >= 0) & (other >= 0)
    pair, shared = np.unique(label[both].astype(np.int64) * n_others + other[both], return_counts=True)
    mine, theirs = np.divmod(pair, max(n_others, 1))
    either = _sizes(label)[mine] + _sizes(other)[theirs] - shared
    np.maximum.at(best, mine, shared / either)
    return best


def stability_of(jaccard: Float64[np.ndarray, "draw cluster"]) -> Stability:
    """Sum up how alike each cluster's best match was in each draw (Hennig 2007, "Cluster-wise assessment of cluster
    stability", Computational Statistics & Data Analysis 52).

    Args:
        jaccard: one row for each draw, as ``jaccard_of_best_match`` gives it; at least one.
    """
    return Stability(jaccard.mean(axis=0), (jaccard <= DISSOLVED).mean(axis=0))


def groups_of(found: ClusterTree) -> Groups:
    """Sizes and persistences of a grouping that can be held against those of another.

    HDBSCAN's persistence is relative to the densest point of its tree. Codes without co-firing have a shallow tree, in
    which a trifle is a large share; excess of mass per feature, in density itself, is the same in both.
    """
    clustering = found.clustering
    densest = float(found.tree.density.max(initial=0.0))
    return Groups(_sizes(clustering.label), clustering.persistence.astype(np.float64) * densest)


def chance_p_values(real: Groups, draws: Sequence[Groups]) -> Float64[np.ndarray, "cluster"]:
    """Say how often chance makes a cluster that is at least as large and at least as persistent.

    Every draw is searched whole for a rival, so that looking at many clusters is mostly allowed for; not wholly, since
    one draw may hold both the largest cluster and the most persistent one.

    Args:
        real: the clusters in question.
        draws: what the same build makes of codes without co-firing.

    Returns:
        (1 + draws with such a cluster) / (1 + draws) for each cluster; never below 1 / (1 + draws).
    """
    exceed = np.zeros(len(real.size))
    for draw in draws:
        larger = draw.size[None, :] >= real.size[:, None]
        exceed += (larger & (draw.excess[None, :] >= real.excess[:, None])).any(axis=1)
    return (1 + exceed) / (1 + len(draws))


def _sizes(label: Int32[np.ndarray, "feature"]) -> Int64[np.ndarray, "cluster"]:
    return np.bincount(label[label >= 0], minlength=int(label.max(initial=-1)) + 1).astype(np.int64)
