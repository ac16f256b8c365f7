"""Matching clusters of two runs: similarities, their chance levels, and mutual nearest pairs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from scipy.sparse import csr_matrix
from scipy.special import gammaln

SimilarityMatrix = Float64[np.ndarray, "left right"]
IndexPairs = Int64[np.ndarray, "pair 2"]
Basis = Float32[np.ndarray, "_ d_model"]
"""Orthonormal rows that span a subspace."""
ALPHA = 0.05
"""Probability of exceeding the chance level: ``chance_jaccard`` in any of all pairs, ``permutation_threshold`` in
one."""


def feature_jaccard(left: csr_matrix, right: csr_matrix) -> SimilarityMatrix:
    """Jaccard similarity of every two feature sets: shared features / features of either.

    Args:
        left: 1 where a cluster has a feature [left feature].
        right: the same for the other run [right feature].
    """
    both = (left @ right.T).toarray().astype(np.float64)
    either = np.asarray(left.sum(axis=1)).reshape(-1, 1) + np.asarray(right.sum(axis=1)).reshape(1, -1) - both
    found: SimilarityMatrix = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return found


def chance_jaccard(
    left: Int64[np.ndarray, "pair"], right: Int64[np.ndarray, "pair"], n_features: int, n_pairs: int
) -> Float64[np.ndarray, "pair"]:
    """Upper limit of the Jaccard similarity of random sets of these sizes.

    The number of shared features of two random sets is hypergeometric; any of ``n_pairs`` pairs exceeds the limit with
    probability at most ``ALPHA`` (Bonferroni correction).

    Args:
        left: size of the first set of each pair.
        right: size of the second set of each pair.
        n_features: number of features to draw from.
        n_pairs: number of pairs that are compared.
    """
    at_most = int(max(left.max(initial=0), right.max(initial=0)))
    one, other, both = left[:, None], right[:, None], np.arange(at_most + 1)[None]
    log_share = (
        _log_binomial(one, both) + _log_binomial(n_features - one, other - both) - _log_binomial(n_features, other)
    )
    this_or_more = np.cumsum(np.exp(log_share)[:, ::-1], axis=1)[:, ::-1]
    shared = np.maximum((this_or_more > ALPHA / n_pairs).sum(axis=1) - 1, 0)
    found: Float64[np.ndarray, "pair"] = shared / (left + right - shared)
    return found


def _log_binomial(of: Int64[np.ndarray, "..."] | int, n: Int64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Logarithm of the binomial coefficient; -inf where it is 0."""
    found: Float64[np.ndarray, "..."] = gammaln(np.asarray(of + 1)) - gammaln(n + 1) - gammaln(of - n + 1)
    return found


def token_affinity(left: csr_matrix, right: csr_matrix) -> SimilarityMatrix:
    """Bhattacharyya coefficient (1943) of every two token distributions.

    The sum over tokens of sqrt(p q): 1 for equal distributions, 0 for disjoint ones.

    Args:
        left: counts [left token]; no row is empty.
        right: counts [right token] over the same tokens.
    """
    mine, theirs = (_roots_of_shares(counts) for counts in (left, right))
    found: SimilarityMatrix = np.minimum((mine @ theirs.T).toarray(), 1.0)
    return found


def _roots_of_shares(counts: csr_matrix) -> csr_matrix:
    scale = 1.0 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)
    roots = np.sqrt(counts.data * np.repeat(scale, np.diff(counts.indptr)))
    return csr_matrix((roots, counts.indices, counts.indptr), counts.shape)


def subspace_overlap(left: Float[np.ndarray, "axis d_model"], right: Float[np.ndarray, "other d_model"]) -> float:
    """Mean squared cosine of the principal angles of two subspaces (Björck and Golub 1973, "Numerical methods for
    computing angles between linear subspaces"): 1 if the smaller one lies in the other, 0 if they are orthogonal.

    Args:
        left: orthonormal rows.
        right: orthonormal rows.
    """
    fewest = min(len(left), len(right))
    return float(np.square(left.astype(np.float64) @ right.T).sum()) / fewest if fewest else 0.0


def subspace_overlaps(left: Sequence[Basis], right: Sequence[Basis]) -> SimilarityMatrix:
    """``subspace_overlap`` of every two subspaces."""
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


def chance_subspace_overlap(left: int, right: int, d_model: int) -> float:
    """Expected ``subspace_overlap`` of two random subspaces of these dimensions."""
    return max(left, right) / d_model


def mutual_nearest(similarity: SimilarityMatrix) -> IndexPairs:
    """Rows and columns that are each other's nearest, most similar pair first; ties go to the first index."""
    if not similarity.size:
        return np.empty((0, 2), dtype=np.int64)
    rows, columns = np.arange(len(similarity)), similarity.argmax(axis=1)
    mutual = rows[similarity.argmax(axis=0)[columns] == rows]
    pairs: IndexPairs = np.stack([mutual, columns[mutual]], axis=1).astype(np.int64)
    return pairs[np.argsort(-similarity[pairs[:, 0], pairs[:, 1]], kind="stable")]


def max_similarity_to_others(similarity: Float64[np.ndarray, "cluster cluster"]) -> Float64[np.ndarray, "cluster"]:
    """Similarity of each cluster to the most similar other cluster of the same run; 0 for a single cluster."""
    others = np.where(np.eye(len(similarity), dtype=bool), 0.0, similarity)
    found: Float64[np.ndarray, "cluster"] = others.max(axis=1, initial=0.0)
    return found


def permutation_threshold(
    tokens: SimilarityMatrix, spans: SimilarityMatrix, pairs: IndexPairs
) -> Float64[np.ndarray, "pair"]:
    """Null quantile of the similarity of a pair's best match if tokens and subspaces were unrelated.

    Each cluster keeps its tokens and gets the subspace of every other cluster of its run in turn; the best product
    exceeds the threshold in a share ``ALPHA`` of these permutations. Of the two clusters of a pair the higher threshold
    counts.

    Args:
        tokens: similarity of every two clusters by tokens.
        spans: similarity of every two clusters by subspace.
        pairs: row and column of each pair.
    """
    both = [(_permuted_best(tokens[i], spans, i), _permuted_best(tokens[:, j], spans.T, j)) for i, j in pairs.tolist()]
    found: Float64[np.ndarray, "pair"] = np.array(both, dtype=np.float64).reshape(-1, 2).max(axis=1, initial=0.0)
    return found


def _permuted_best(tokens: Float64[np.ndarray, "other"], spans: SimilarityMatrix, own: int) -> float:
    best = np.delete((spans * tokens).max(axis=1), own)
    return float(np.quantile(best, 1 - ALPHA)) if len(best) else 0.0


def representational_similarity(
    left: Float[np.ndarray, "value d_model"], right: Float[np.ndarray, "value other"]
) -> float:
    """Pearson correlation of all pairwise distances between values in two spaces (Kriegeskorte et al. 2008,
    "Representational similarity analysis"): invariant to rotations of either space.

    Returns:
        Pearson's r; NaN for fewer than four values, or if all distances in one space are equal.
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


def procrustes_rotation(
    points: Float[np.ndarray, "value xyz"], target: Float[np.ndarray, "value xyz"]
) -> Float32[np.ndarray, "xyz xyz"]:
    """The orthogonal map, reflections included, that best aligns two centred and equally scaled point sets: orthogonal
    Procrustes (Schönemann 1966).

    ``points @ rotation`` is the aligned cloud; fewer than two points give the identity.
    """
    if len(points) < 2:
        return np.eye(3, dtype=np.float32)
    mine, theirs = (part.astype(np.float64) - part.mean(axis=0) for part in (points, target))
    first, _, second = np.linalg.svd(mine.T @ theirs)
    turn: Float32[np.ndarray, "xyz xyz"] = (first @ second).astype(np.float32)
    return turn
