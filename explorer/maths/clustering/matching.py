"""Which clusters of two groupings are the same thing seen twice: how alike two are, and the best pairs of all."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from scipy.sparse import csr_matrix
from scipy.special import gammaln

Matrix = Float64[np.ndarray, "left right"]
Pairs = Int64[np.ndarray, "pair 2"]
Basis = Float32[np.ndarray, "_ d_model"]
"""A subspace of as many dimensions as it has orthonormal rows."""
CHANCE = 0.05
"""How probable more than ``features_by_chance`` may be in any of all pairs, and more than ``shuffled_best`` in one."""


def shared_features(left: csr_matrix, right: csr_matrix) -> Matrix:
    """Jaccard similarity of every two sets of features: shared features / features of either.

    Args:
        left: 1 where a cluster has a feature [left feature].
        right: the same [right feature].
    """
    both = (left @ right.T).toarray().astype(np.float64)
    either = np.asarray(left.sum(axis=1)).reshape(-1, 1) + np.asarray(right.sum(axis=1)).reshape(1, -1) - both
    found: Matrix = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return found


def features_by_chance(
    left: Int64[np.ndarray, "pair"], right: Int64[np.ndarray, "pair"], n_features: int, n_pairs: int
) -> Float64[np.ndarray, "pair"]:
    """The largest Jaccard similarity that random sets of these sizes are to be expected to have by chance.

    Shared features of two random sets are hypergeometric; more than these come up in any of ``n_pairs`` pairs with
    a probability below ``CHANCE`` (Bonferroni's correction).

    Args:
        left: how many features the one set has.
        right: how many the other one has.
        n_features: how many there are to draw from.
        n_pairs: pairs of sets that are compared.
    """
    at_most = int(max(left.max(initial=0), right.max(initial=0)))
    one, other, both = left[:, None], right[:, None], np.arange(at_most + 1)[None]
    log_share = _log_choices(one, both) + _log_choices(n_features - one, other - both) - _log_choices(n_features, other)
    this_or_more = np.cumsum(np.exp(log_share)[:, ::-1], axis=1)[:, ::-1]
    shared = np.maximum((this_or_more > CHANCE / n_pairs).sum(axis=1) - 1, 0)
    found: Float64[np.ndarray, "pair"] = shared / (left + right - shared)
    return found


def _log_choices(of: Int64[np.ndarray, "..."] | int, n: Int64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Logarithm of the number of ways to choose ``n``; -inf where there is none."""
    found: Float64[np.ndarray, "..."] = gammaln(np.asarray(of + 1)) - gammaln(n + 1) - gammaln(of - n + 1)
    return found


def shared_words(left: csr_matrix, right: csr_matrix) -> Matrix:
    """Say how alike every two distributions over words are, from 0 to 1.

    The coefficient of Bhattacharyya (1943), the sum over words of the root of both shares: 1 where both say every word
    equally often, 0 where they have no word in common.

    Args:
        left: counts [left word], of which each row has some.
        right: counts [right word] over the same words.
    """
    mine, theirs = (_roots_of_shares(counts) for counts in (left, right))
    found: Matrix = np.minimum((mine @ theirs.T).toarray(), 1.0)
    return found


def _roots_of_shares(counts: csr_matrix) -> csr_matrix:
    scale = 1.0 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)
    roots = np.sqrt(counts.data * np.repeat(scale, np.diff(counts.indptr)))
    return csr_matrix((roots, counts.indices, counts.indptr), counts.shape)


def shared_span(left: Float[np.ndarray, "axis d_model"], right: Float[np.ndarray, "other d_model"]) -> float:
    """How far the smaller of two subspaces lies in the other, from 0 to 1: the mean squared cosine of their principal
    angles (Björck and Golub 1973, "Numerical methods for computing angles between linear subspaces").

    Args:
        left: orthonormal rows.
        right: orthonormal rows.
    """
    fewest = min(len(left), len(right))
    return float(np.square(left.astype(np.float64) @ right.T).sum()) / fewest if fewest else 0.0


def shared_spans(left: Sequence[Basis], right: Sequence[Basis]) -> Matrix:
    """``shared_span`` of every two subspaces."""
    found = np.zeros((len(left), len(right)))
    if not right:
        return found
    sizes = np.array([len(basis) for basis in right])
    ends = np.cumsum(sizes)
    stacked = np.concatenate(right)
    for row, basis in enumerate(left):
        axes = np.concatenate([[0.0], np.cumsum(np.square(basis @ stacked.T).sum(axis=0, dtype=np.float64))])
        fewest = np.minimum(len(basis), sizes)
        found[row] = (axes[ends] - axes[ends - sizes]) / np.maximum(fewest, 1)
    return found


def span_by_chance(left: int, right: int, d_model: int) -> float:
    """What ``shared_span`` is on average for two random subspaces of these dimensions."""
    return max(left, right) / d_model


def mutual_best(similarity: Matrix) -> Pairs:
    """Rows and columns that are each other's most alike, the most alike pair first; of equals the first one counts."""
    if not similarity.size:
        return np.empty((0, 2), dtype=np.int64)
    rows, columns = np.arange(len(similarity)), similarity.argmax(axis=1)
    mutual = rows[similarity.argmax(axis=0)[columns] == rows]
    pairs: Pairs = np.stack([mutual, columns[mutual]], axis=1).astype(np.int64)
    return pairs[np.argsort(-similarity[pairs[:, 0], pairs[:, 1]], kind="stable")]


def nearest_other(similarity: Float64[np.ndarray, "cluster cluster"]) -> Float64[np.ndarray, "cluster"]:
    """How alike each cluster and the one most like it are, of one grouping; 0 for a cluster that is alone."""
    others = np.where(np.eye(len(similarity), dtype=bool), 0.0, similarity)
    found: Float64[np.ndarray, "cluster"] = others.max(axis=1, initial=0.0)
    return found


def shuffled_best(words: Matrix, spans: Matrix, pairs: Pairs) -> Float64[np.ndarray, "pair"]:
    """The similarity that the best match of a pair's cluster has, were words and subspaces unrelated.

    Each cluster keeps its words and gets the subspace of every other cluster of its run in turn; its best product then
    exceeds this one in ``CHANCE`` of them. Of both clusters of a pair the higher one.

    Args:
        words: how alike every two are in their words.
        spans: how alike every two are in their subspaces.
        pairs: the pairs that are asked about.
    """
    both = [(_shuffled(words[i], spans, i), _shuffled(words[:, j], spans.T, j)) for i, j in pairs.tolist()]
    found: Float64[np.ndarray, "pair"] = np.array(both, dtype=np.float64).reshape(-1, 2).max(axis=1, initial=0.0)
    return found


def _shuffled(words: Float64[np.ndarray, "other"], spans: Matrix, own: int) -> float:
    best = np.delete((spans * words).max(axis=1), own)
    return float(np.quantile(best, 1 - CHANCE)) if len(best) else 0.0


def distances_agree(left: Float[np.ndarray, "value d_model"], right: Float[np.ndarray, "value other"]) -> float:
    """Correlation of all distances between values in one space with those in another (Kriegeskorte et al. 2008,
    "Representational similarity analysis"): whether the values lie to each other in the same way, whatever the axes.

    Returns:
        Pearson's r; NaN for fewer than four values, or where all distances of one are equal.
    """
    if len(left) < 4:
        return float("nan")
    one, other = (_distances(points) for points in (left, right))
    scale = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean() / scale) if scale > 0 else float("nan")


def _distances(points: Float[np.ndarray, "value d"]) -> Float64[np.ndarray, "pair"]:
    rows, columns = np.triu_indices(len(points), 1)
    found: Float64[np.ndarray, "pair"] = np.linalg.norm(points[rows].astype(np.float64) - points[columns], axis=1)
    return found


def turned_onto(
    points: Float[np.ndarray, "value xyz"], target: Float[np.ndarray, "value xyz"]
) -> Float32[np.ndarray, "xyz xyz"]:
    """The turn, mirroring allowed, that lays points best onto others: orthogonal Procrustes (Schönemann 1966), both
    centred and at equal size. ``points @ turn`` is the turned cloud; fewer than two points give no turn."""
    if len(points) < 2:
        return np.eye(3, dtype=np.float32)
    mine, theirs = (part.astype(np.float64) - part.mean(axis=0) for part in (points, target))
    first, _, second = np.linalg.svd(mine.T @ theirs)
    turn: Float32[np.ndarray, "xyz xyz"] = (first @ second).astype(np.float32)
    return turn
