"""Which clusters of two groupings are the same thing seen twice: how alike two are, and the best pairs of all."""

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from scipy.sparse import csr_matrix

Matrix = Float64[np.ndarray, "left right"]
Pairs = Int64[np.ndarray, "pair 2"]


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


def span_by_chance(left: int, right: int, d_model: int) -> float:
    """What ``shared_span`` is on average for two random subspaces of these dimensions."""
    return max(left, right) / d_model


def best_pairs(similarity: Matrix, at_least: float) -> Pairs:
    """Pair rows with columns, each at most once: the most alike first, until none that is left is alike enough."""
    rows, columns = np.nonzero(similarity >= at_least)
    order = np.argsort(-similarity[rows, columns], kind="stable")
    taken: tuple[set[int], set[int]] = (set(), set())
    pairs: list[tuple[int, int]] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken[0] and column not in taken[1]:
            pairs.append((row, column))
            taken[0].add(row)
            taken[1].add(column)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


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
