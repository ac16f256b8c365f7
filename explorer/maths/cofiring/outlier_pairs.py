"""Pairs of features that stand out from all others, held without the pairs that do not: few do, whatever their number.

Of 8,192 features 34 million pairs are looked at, and some thousands stand out. What is asked of these goes along the
rows of partners; products of whole matrices would take a hundred times as long.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt32
from numba import njit
from scipy.sparse import csr_array


def linked_pairs(
    together: UInt32[np.ndarray, "feature feature"],
    expected: Float32[np.ndarray, "feature feature"],
    lower: Float32[np.ndarray, "count"],
    upper: Float32[np.ndarray, "count"],
    ratios: tuple[float, float],
) -> csr_array:
    """Score the pairs whose confidence bounds lie beyond what is usual.

    Args:
        together: tokens on which both features fire; read above the diagonal.
        expected: what chance would give; read there too.
        lower: lower confidence bound of each count, from 0 to the largest.
        upper: upper confidence bound of each.
        ratios: co-fires over expected co-fires below which a pair avoids each other, and above which it seeks each
            other.

    Returns:
        [feature, feature] float32, symmetric: 1 - E/L where a pair meets more often, 1 - U/E where less.
    """
    low, high = np.float32(ratios[0]), np.float32(ratios[1])
    n_features = len(together)
    held = np.zeros(n_features, dtype=np.int64)
    _count_links(together, expected, lower, upper, low, high, held)
    first = np.concatenate([[0], np.cumsum(held)])
    partner, score = np.empty(first[-1], dtype=np.int32), np.empty(first[-1], dtype=np.float32)
    _write_links(together, expected, lower, upper, low, high, first, partner, score)
    above = csr_array((score, partner, first), shape=together.shape)
    links = csr_array(above + above.T)
    links.sort_indices()
    return links


def shared_only(links: csr_array) -> csr_array:
    """Keep the pairs with which a third feature is linked, each of the two."""
    kept = np.zeros(links.nnz, dtype=bool)
    _witnessed(links.indptr, links.indices, np.full(links.shape[0], -1, dtype=np.int32), kept)
    row = np.repeat(np.arange(links.shape[0]), np.diff(links.indptr))[kept]
    shared = csr_array((links.data[kept], (row, links.indices[kept])), shape=links.shape)
    shared.sort_indices()
    return shared


def alikeness(links: csr_array) -> Float32[np.ndarray, "link"]:
    """Cosine between the two features' rows of scores, each with a 1 for the feature itself, of every stored pair."""
    squared = 1.0 + np.asarray(links.multiply(links).sum(axis=1, dtype=np.float64)).ravel()
    cosine = np.zeros(links.nnz)
    _products(links.indptr, links.indices, links.data, np.zeros(links.shape[0]), cosine)
    length: Float64[np.ndarray, "feature"] = np.sqrt(squared)
    cosine /= np.repeat(length, np.diff(links.indptr)) * length[links.indices]
    return cosine.astype(np.float32)


@njit(cache=True, nogil=True)
@no_type_check
def _link(c: int, e: np.float32, lower: np.ndarray, upper: np.ndarray, low: np.float32, high: np.float32) -> np.float32:
    """Score of one pair, 0 where it does not stand out."""
    one = np.float32(1.0)
    if e * high < lower[c]:
        return one - e * high / lower[c]
    if upper[c] < e * low:
        return one - upper[c] / (e * low)
    return np.float32(0.0)


@njit(cache=True, nogil=True)
@no_type_check
def _count_links(
    together: np.ndarray,
    expected: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    low: np.float32,
    high: np.float32,
    held: np.ndarray,
) -> None:
    for one in range(len(together)):
        for other in range(one + 1, len(together)):
            held[one] += _link(together[one, other], expected[one, other], lower, upper, low, high) > 0


@njit(cache=True, nogil=True)
@no_type_check
def _write_links(
    together: np.ndarray,
    expected: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    low: np.float32,
    high: np.float32,
    first: Int64[np.ndarray, "feature_plus_1"],
    partner: Int32[np.ndarray, "link"],
    score: np.ndarray,
) -> None:
    for one in range(len(together)):
        place = first[one]
        for other in range(one + 1, len(together)):
            link = _link(together[one, other], expected[one, other], lower, upper, low, high)
            if link > 0:
                partner[place], score[place] = other, link
                place += 1


@njit(cache=True, nogil=True)
@no_type_check
def _witnessed(start: np.ndarray, partner: np.ndarray, seen: np.ndarray, kept: np.ndarray) -> None:
    """``seen`` [feature] is below 0 at first; a feature's partners are marked with its number."""
    for one in range(len(start) - 1):
        for place in range(start[one], start[one + 1]):
            seen[partner[place]] = one
        for place in range(start[one], start[one + 1]):
            other = partner[place]
            for third in range(start[other], start[other + 1]):
                if seen[partner[third]] == one:
                    kept[place] = True
                    break


@njit(cache=True, nogil=True)
@no_type_check
def _products(start: np.ndarray, partner: np.ndarray, score: np.ndarray, own: np.ndarray, product: np.ndarray) -> None:
    """Fill ``product`` [link] with the products of the two rows; ``own`` [feature] is zero before and after."""
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
