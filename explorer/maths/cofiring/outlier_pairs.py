"""Pairs of features whose co-firing is an outlier against all other pairs, stored sparsely.

Of the 34 million pairs of 8,192 features a few thousand are outliers. Everything that is computed about these runs
along the rows of partners; products of dense matrices would take a hundred times as long.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt32
from numba import njit
from scipy.sparse import csr_array


def outlier_pairs(
    together: UInt32[np.ndarray, "feature feature"],
    expected: Float32[np.ndarray, "feature feature"],
    lower: Float32[np.ndarray, "count"],
    upper: Float32[np.ndarray, "count"],
    ratios: tuple[float, float],
) -> csr_array:
    """Score the pairs whose confidence bounds lie outside the range of the null.

    Args:
        together: tokens on which both features fire; only the upper triangle is read.
        expected: co-fires expected by chance; only the upper triangle is read.
        lower: lower confidence bound of each count, from 0 to the largest.
        upper: upper confidence bound of each count.
        ratios: bounds of the null on co-fires over expected co-fires: below the first a pair avoids, above the second
            it attracts each other.

    Returns:
        [feature, feature] float32, symmetric: 1 - E/L for attraction, 1 - U/E for avoidance, where E is scaled by the
        bound of the null.
    """
    low, high = np.float32(ratios[0]), np.float32(ratios[1])
    n_features = len(together)
    per_row = np.zeros(n_features, dtype=np.int64)
    _count_outliers(together, expected, lower, upper, low, high, per_row)
    first = np.concatenate([[0], np.cumsum(per_row)])
    partner, score = np.empty(first[-1], dtype=np.int32), np.empty(first[-1], dtype=np.float32)
    _write_outliers(together, expected, lower, upper, low, high, first, partner, score)
    above = csr_array((score, partner, first), shape=together.shape)
    outliers = csr_array(above + above.T)
    outliers.sort_indices()
    return outliers


def in_triangles(outliers: csr_array) -> csr_array:
    """Keep the pairs of which both features form an outlier pair with a common third feature."""
    in_triangle = np.zeros(outliers.nnz, dtype=bool)
    _mark_triangles(outliers.indptr, outliers.indices, np.full(outliers.shape[0], -1, dtype=np.int32), in_triangle)
    row = np.repeat(np.arange(outliers.shape[0]), np.diff(outliers.indptr))[in_triangle]
    shared = csr_array((outliers.data[in_triangle], (row, outliers.indices[in_triangle])), shape=outliers.shape)
    shared.sort_indices()
    return shared


def profile_cosine(outliers: csr_array) -> Float32[np.ndarray, "pair"]:
    """Cosine between the two features' rows of scores, with 1 on the diagonal, for every stored pair."""
    squared = 1.0 + np.asarray(outliers.multiply(outliers).sum(axis=1, dtype=np.float64)).ravel()
    cosine = np.zeros(outliers.nnz)
    _profile_products(outliers.indptr, outliers.indices, outliers.data, np.zeros(outliers.shape[0]), cosine)
    length: Float64[np.ndarray, "feature"] = np.sqrt(squared)
    cosine /= np.repeat(length, np.diff(outliers.indptr)) * length[outliers.indices]
    return cosine.astype(np.float32)


@njit(cache=True, nogil=True)
@no_type_check
def _outlier_score(
    c: int, e: np.float32, lower: np.ndarray, upper: np.ndarray, low: np.float32, high: np.float32
) -> np.float32:
    """Score of one pair, 0 if it is no outlier."""
    one = np.float32(1.0)
    if e * high < lower[c]:
        return one - e * high / lower[c]
    if upper[c] < e * low:
        return one - upper[c] / (e * low)
    return np.float32(0.0)


@njit(cache=True, nogil=True)
@no_type_check
def _count_outliers(
    together: np.ndarray,
    expected: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    low: np.float32,
    high: np.float32,
    per_row: np.ndarray,
) -> None:
    for one in range(len(together)):
        for other in range(one + 1, len(together)):
            per_row[one] += _outlier_score(together[one, other], expected[one, other], lower, upper, low, high) > 0


@njit(cache=True, nogil=True)
@no_type_check
def _write_outliers(
    together: np.ndarray,
    expected: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    low: np.float32,
    high: np.float32,
    first: Int64[np.ndarray, "feature_plus_1"],
    partner: Int32[np.ndarray, "pair"],
    score: np.ndarray,
) -> None:
    for one in range(len(together)):
        place = first[one]
        for other in range(one + 1, len(together)):
            score_of_pair = _outlier_score(together[one, other], expected[one, other], lower, upper, low, high)
            if score_of_pair > 0:
                partner[place], score[place] = other, score_of_pair
                place += 1


@njit(cache=True, nogil=True)
@no_type_check
def _mark_triangles(start: np.ndarray, partner: np.ndarray, seen: np.ndarray, in_triangle: np.ndarray) -> None:
    """Set ``in_triangle`` of every pair with a common neighbour; ``seen`` [feature] starts below 0 and marks the
    current row's partners."""
    for one in range(len(start) - 1):
        for place in range(start[one], start[one + 1]):
            seen[partner[place]] = one
        for place in range(start[one], start[one + 1]):
            other = partner[place]
            for third in range(start[other], start[other + 1]):
                if seen[partner[third]] == one:
                    in_triangle[place] = True
                    break


@njit(cache=True, nogil=True)
@no_type_check
def _profile_products(
    start: np.ndarray, partner: np.ndarray, score: np.ndarray, own: np.ndarray, product: np.ndarray
) -> None:
    """Fill ``product`` [pair] with inner products of two rows; ``own`` [feature] is a zero-filled buffer and is left
    so."""
    for one in range(len(start) - 1):
        for place in range(start[one], start[one + 1]):
            own[partner[place]] = score[place]
        own[one] = 1.0
        for place in range(start[one], start[one + 1]):
            other = partner[place]
            total = own[other]
            for third in range(start[other], start[other + 1]):
                total += own[partner[third]] * score[third]
            product[place] = total
        for place in range(start[one], start[one + 1]):
            own[partner[place]] = 0.0
        own[one] = 0.0
