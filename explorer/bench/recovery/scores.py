"""How much of a planted truth a clustering recovers.

Scores over the planted groups alone stay near 1 for wrong clusterings, so they are taken over *all* features: a feature
of no group (a negative number) is a cluster of its own, in the truth and in what was found.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

SMALLEST_GROUP: Final = 3
"""Groups of fewer features are not asked for."""
RECOVERED_F1: Final = 0.5
"""A group is recovered where the F1 of its best cluster is above this."""


@dataclass(frozen=True)
class Recovery:
    """What a clustering recovers of a truth."""

    adjusted_rand: float
    """Adjusted Rand index over all features, those of no group as clusters of their own; 1 is perfect, 0 is chance."""
    noise_recall: float | None
    """Share of the scored features of no group that are in no cluster; None where there is no such feature."""
    largest: int
    """Features of the largest cluster, 0 where there is none."""
    n_clusters: int
    """Clusters of at least two features."""
    n_false: int
    """Clusters of which no group holds more than half."""
    n_recovered: int
    """Groups of at least SMALLEST_GROUP features that some cluster matches with F1 above RECOVERED_F1."""
    n_groups: int
    """Groups of at least SMALLEST_GROUP features."""


def score_recovery(
    truth: Int[np.ndarray, "feature"], found: Int[np.ndarray, "feature"], scored: Bool[np.ndarray, "feature"]
) -> Recovery:
    """Hold a clustering against the truth.

    Args:
        truth: planted group of each feature, negative for those of none.
        found: cluster of each feature, negative for those of none; clusters of one feature count as none.
        scored: features that fire often enough to be clustered; noise recall asks for these alone.
    """
    truth, found = _without_singles(truth), _without_singles(found)
    noise = scored & (truth < 0)
    groups = np.bincount(truth[truth >= 0])
    asked = groups >= SMALLEST_GROUP
    clusters = np.bincount(found[found >= 0])
    shared = shared_counts(truth, found)
    return Recovery(
        adjusted_rand=adjusted_rand(truth, found),
        noise_recall=float((found[noise] < 0).mean()) if noise.any() else None,
        largest=int(clusters.max(initial=0)),
        n_clusters=int((clusters > 0).sum()),
        n_false=int(((clusters > 0) & (2 * shared.max(axis=0, initial=0) <= clusters)).sum()),
        n_recovered=int((best_f1(truth, found)[asked] > RECOVERED_F1).sum()),
        n_groups=int(asked.sum()),
    )


def adjusted_rand(truth: Int[np.ndarray, "feature"], found: Int[np.ndarray, "feature"]) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985, eq. 5); negative numbers are clusters of their own.

    Returns:
        1 where both say the same, 0 in the mean where they have nothing to do with each other; 1 where both leave all
        features alone.
    """
    pairs = _pairs(shared_counts(truth, found))
    pairs_truth, pairs_found = (_pairs(np.bincount(label[label >= 0])) for label in (truth, found))
    chance = pairs_truth * pairs_found / max(_pairs(np.array([len(truth)])), 1.0)
    most = (pairs_truth + pairs_found) / 2.0
    return 1.0 if most == chance else (pairs - chance) / (most - chance)


def best_f1(
    truth: Int[np.ndarray, "feature"], found: Int[np.ndarray, "feature"]
) -> Float64[np.ndarray, "group"]:  # fmt: skip
    """F1 of each planted group's best cluster, 0 where no cluster shares a feature with it."""
    shared = shared_counts(truth, found)
    size = np.bincount(truth[truth >= 0])[:, None] + np.bincount(found[found >= 0])
    return np.asarray((2.0 * shared / np.maximum(size, 1)).max(axis=1, initial=0.0))


def shared_counts(
    truth: Int[np.ndarray, "feature"], found: Int[np.ndarray, "feature"]
) -> Int64[np.ndarray, "group cluster"]:
    """Features that each group and each cluster have in common."""
    n_groups, n_clusters = (int(label.max(initial=-1)) + 1 for label in (truth, found))
    both = (truth >= 0) & (found >= 0)
    pair = truth[both].astype(np.int64) * n_clusters + found[both]
    return np.bincount(pair, minlength=n_groups * n_clusters).reshape(n_groups, n_clusters)


def _pairs(count: Int64[np.ndarray, "*cluster"]) -> float:
    """Pairs of features within clusters of these sizes."""
    return float((count.astype(np.float64) * (count - 1.0) / 2.0).sum())


def _without_singles(label: Int[np.ndarray, "feature"]) -> Int64[np.ndarray, "feature"]:
    """Number the clusters of at least two features from 0; all other features get -1."""
    values, place, count = np.unique(label, return_inverse=True, return_counts=True)
    real = (values >= 0) & (count > 1)
    return np.where(real, np.cumsum(real) - 1, -1).astype(np.int64)[place]
