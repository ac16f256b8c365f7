"""Scores of a clustering against planted groups.

Scores over the planted groups alone stay near 1 for wrong clusterings, so they are computed over *all* features: a
feature without a group (a negative number) is a cluster of its own, in the truth and in the clustering.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

MIN_GROUP_SIZE: Final = 3
"""Groups with fewer features are not scored."""
RECOVERED_F1: Final = 0.5
"""A group is recovered if the F1 of its best cluster is above this."""


@dataclass(frozen=True)
class Recovery:
    """Agreement of a clustering with the truth."""

    adjusted_rand: float
    """Adjusted Rand index over all features, with noise features as singletons; 1 is perfect, 0 is chance."""
    noise_recall: float | None
    """Share of the scored noise features that are in no cluster; None if there are none."""
    largest: int
    """Features of the largest cluster, 0 without clusters."""
    n_clusters: int
    """Clusters of at least two features."""
    n_false: int
    """Clusters of which no group holds more than half."""
    n_recovered: int
    """Groups of at least MIN_GROUP_SIZE features whose best cluster has F1 above RECOVERED_F1."""
    n_groups: int
    """Groups of at least MIN_GROUP_SIZE features."""


def score_recovery(
    truth: Int[np.ndarray, "feature"], found: Int[np.ndarray, "feature"], scored: Bool[np.ndarray, "feature"]
) -> Recovery:
    """Score a clustering against the truth.

    Args:
        truth: planted group of each feature, negative for none.
        found: cluster of each feature, negative for none; singletons count as none.
        scored: features that fire often enough to be clustered; noise recall counts only these.
    """
    truth, found = _without_singletons(truth), _without_singletons(found)
    noise = scored & (truth < 0)
    groups = np.bincount(truth[truth >= 0])
    large_enough = groups >= MIN_GROUP_SIZE
    clusters = np.bincount(found[found >= 0])
    shared = shared_counts(truth, found)
    return Recovery(
        adjusted_rand=adjusted_rand(truth, found),
        noise_recall=float((found[noise] < 0).mean()) if noise.any() else None,
        largest=int(clusters.max(initial=0)),
        n_clusters=int((clusters > 0).sum()),
        n_false=int(((clusters > 0) & (2 * shared.max(axis=0, initial=0) <= clusters)).sum()),
        n_recovered=int((best_f1(truth, found)[large_enough] > RECOVERED_F1).sum()),
        n_groups=int(large_enough.sum()),
    )


def adjusted_rand(truth: Int[np.ndarray, "feature"], found: Int[np.ndarray, "feature"]) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985, eq. 5); features with negative labels are singletons.

    Returns:
        1 for equal partitions, 0 on average for independent ones; 1 if both consist of singletons only.
    """
    pairs = _pair_count(shared_counts(truth, found))
    pairs_truth, pairs_found = (_pair_count(np.bincount(label[label >= 0])) for label in (truth, found))
    chance = pairs_truth * pairs_found / max(_pair_count(np.array([len(truth)])), 1.0)
    most = (pairs_truth + pairs_found) / 2.0
    return 1.0 if most == chance else (pairs - chance) / (most - chance)


def best_f1(
    truth: Int[np.ndarray, "feature"], found: Int[np.ndarray, "feature"]
) -> Float64[np.ndarray, "group"]:  # fmt: skip
    """F1 of each planted group's best cluster, 0 if no cluster shares a feature with it."""
    shared = shared_counts(truth, found)
    size = np.bincount(truth[truth >= 0])[:, None] + np.bincount(found[found >= 0])
    return np.asarray((2.0 * shared / np.maximum(size, 1)).max(axis=1, initial=0.0))


def shared_counts(
    truth: Int[np.ndarray, "feature"], found: Int[np.ndarray, "feature"]
) -> Int64[np.ndarray, "group cluster"]:
    """Number of features shared by each group and each cluster."""
    n_groups, n_clusters = (int(label.max(initial=-1)) + 1 for label in (truth, found))
    both = (truth >= 0) & (found >= 0)
    pair = truth[both].astype(np.int64) * n_clusters + found[both]
    return np.bincount(pair, minlength=n_groups * n_clusters).reshape(n_groups, n_clusters)


def _pair_count(count: Int64[np.ndarray, "*cluster"]) -> float:
    """Pairs of features within clusters of these sizes."""
    return float((count.astype(np.float64) * (count - 1.0) / 2.0).sum())


def _without_singletons(label: Int[np.ndarray, "feature"]) -> Int64[np.ndarray, "feature"]:
    """Number the clusters of at least two features from 0; all other features get -1."""
    values, place, count = np.unique(label, return_inverse=True, return_counts=True)
    real = (values >= 0) & (count > 1)
    return np.where(real, np.cumsum(real) - 1, -1).astype(np.int64)[place]
