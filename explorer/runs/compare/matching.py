"""Matches the clusters of two runs: mutual nearest neighbours whose similarity exceeds their background."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.errors import RunError
from explorer.maths.clustering.matching import (
    mutual_nearest,
)
from explorer.runs.compare.similarity import ClusterSimilarity, MatchingInput, SimilarityMatrices


@dataclass(frozen=True)
class Match:
    """A cluster of one run and its counterpart in the other."""

    left: int
    """Cluster number."""
    right: int
    """Cluster number."""
    similarity: ClusterSimilarity


@dataclass(frozen=True)
class RunMatch(Match):
    """Two clusters whose similarity exceeds their background."""

    background: float
    """Threshold that the similarity exceeds, described by `RunComparison.beyond`."""


@dataclass(frozen=True)
class RunComparison:
    """The matches of two runs."""

    by: str
    """Description of the similarity."""
    beyond: str
    """Description of the background."""
    matches: tuple[RunMatch, ...]
    """IndexPairs, most similar first; each cluster is in at most one."""
    only_left: tuple[int, ...]
    """Clusters of the left run without a match."""
    only_right: tuple[int, ...]
    """Clusters of the right run without a match."""


def compare_runs(left: MatchingInput, right: MatchingInput) -> RunComparison:
    """Match the clusters of two runs that are mutually most similar, beyond their background."""
    matrices = SimilarityMatrices(left, right)
    similarity = matrices.similarity()
    pairs = mutual_nearest(similarity)
    background = matrices.background(pairs)
    matches = tuple(
        RunMatch(mine, theirs, matrices.of(mine, theirs), beyond)
        for (mine, theirs), beyond in zip(pairs.tolist(), background.tolist(), strict=True)
        if similarity[mine, theirs] > beyond
    )
    return RunComparison(
        matrices.by,
        matrices.beyond,
        matches,
        _unmatched(len(left.bases), [match.left for match in matches]),
        _unmatched(len(right.bases), [match.right for match in matches]),
    )


def most_alike(left: MatchingInput, cluster: int, right: MatchingInput, n: int) -> tuple[Match, ...]:
    """The clusters of the right run that are most similar to one cluster of the left run, best first.

    Within one run, the cluster itself is excluded.

    Args:
        left: the cluster's run.
        cluster: cluster number.
        right: the run to search.
        n: maximum number of matches.
    """
    matrices = SimilarityMatrices(left, right)
    order = np.argsort(-matrices.similarity_to(cluster), kind="stable").tolist()
    if left.run.path == right.run.path:
        order.remove(cluster)
    return tuple(Match(cluster, other, matrices.of(cluster, other)) for other in order[:n])


def counterpart(left: MatchingInput, cluster: int, right: MatchingInput) -> int:
    """The cluster of the right run that is most similar to one of the left run, other than itself.

    Raises:
        RunError: there is no such cluster, or none to compare it with.
    """
    left.run.summary(cluster)
    found = most_alike(left, cluster, right, 1)
    if not found:
        raise RunError(right.run.path, "no other cluster", "one to compare with")
    return found[0].right


def _unmatched(n: int, taken: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(set(range(n)) - set(taken)))
