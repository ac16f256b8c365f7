"""Expected co-fires under a document-level null.

Over all tokens, features of one topic co-fire above chance without belonging together, and features of two topics below
it. Stratifying by document removes the topic: E = sum over documents d of f_i(d) f_j(d) / n_d, where f(d) counts fires
on the n_d tokens of d. These are the strata of Cochran (1954) and of Mantel and Haenszel (1959).
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from numba import njit
from scipy.sparse import csr_array

from explorer.maths.cofiring.counts import FiringShard, blocks, thread_count


@dataclass(frozen=True)
class DocumentFires:
    """Fires of every feature in every document, divided by the square root of the document's length.

    The expected co-fires of two features are the inner product of their columns.
    """

    by_document: csr_array
    """[document, feature] float32."""
    counts: Int64[np.ndarray, "feature"]
    """Tokens on which each feature fires."""

    def select(self, features: Int64[np.ndarray, "selected"]) -> "DocumentFires":
        """The same documents with a subset of the features, renumbered from 0."""
        return DocumentFires(csr_array(self.by_document[:, features]), self.counts[features])


def document_fires(
    shards: Iterable[FiringShard], doc_offsets: Int64[np.ndarray, "doc_plus_1"], n_features: int
) -> DocumentFires:
    """Count fires by document.

    Args:
        shards: codes in token order; a document may span several shards.
        doc_offsets: first token of each document, counted from the first token of the first shard; the last entry is
            the number of tokens.
        n_features: number of features.
    """
    shape = (len(doc_offsets) - 1, n_features)
    total = csr_array(shape, dtype=np.float32)
    start = 0
    for indptr, features in shards:
        stop = start + len(indptr) - 1
        ends = indptr[np.clip(doc_offsets, start, stop) - start] - indptr[0]
        column = features[indptr[0] : indptr[-1]].astype(np.int32)
        part = csr_array((np.ones(len(column), np.float32), column, ends), shape=shape)
        part.sum_duplicates()
        total = total + part
        start = stop
    counts = np.asarray(total.sum(axis=0, dtype=np.float64)).astype(np.int64)
    length = np.maximum(np.diff(doc_offsets), 1)
    total.data /= np.repeat(np.sqrt(length), np.diff(total.indptr)).astype(np.float32)
    return DocumentFires(csr_array(total), counts)


def expected_pair_cofires(
    fires: DocumentFires, partner: Int32[np.ndarray, "feature partners"]
) -> Float64[np.ndarray, "feature partners"]:
    """Expected co-fires of each feature with each of its partners; 0 where the partner is -1."""
    columns = fires.by_document.tocsc()
    expected = np.zeros(partner.shape)
    _fill_pairs(columns.indptr, columns.indices, columns.data, partner, np.zeros(columns.shape[0]), expected)
    return expected


def expected_cofire_matrix(
    fires: DocumentFires, *, threads: int | None = None
) -> Float32[np.ndarray, "feature feature"]:
    """Expected co-fires of all pairs of features: upper triangle and diagonal, 0 below.

    The cost is one addition per pair of features of each document.
    """
    rows = fires.by_document.sorted_indices()
    columns = rows.tocsc()
    n_features = rows.shape[1]
    expected = np.zeros((n_features, n_features), dtype=np.float32)

    def fill(part: tuple[int, int]) -> None:
        _fill_rows(*part, columns.indptr, columns.indices, columns.data, rows.indptr, rows.indices, rows.data,
                     expected)  # fmt: skip

    with ThreadPoolExecutor(thread_count(threads)) as pool:
        list(pool.map(fill, blocks(0, n_features, 64)))
    return expected


@njit(cache=True, nogil=True)
@no_type_check
def _fill_pairs(
    start: np.ndarray,
    document: np.ndarray,
    fires: np.ndarray,
    partner: np.ndarray,
    own: np.ndarray,
    expected: np.ndarray,
) -> None:
    """Fill ``expected`` [feature, partners]; ``own`` [document] is a zero-filled buffer and is left so."""
    for feature in range(len(start) - 1):
        for entry in range(start[feature], start[feature + 1]):
            own[document[entry]] = fires[entry]
        for place in range(partner.shape[1]):
            other = partner[feature, place]
            if other < 0:
                continue
            total = 0.0
            for entry in range(start[other], start[other + 1]):
                total += own[document[entry]] * fires[entry]
            expected[feature, place] = total
        for entry in range(start[feature], start[feature + 1]):
            own[document[entry]] = 0.0


@njit(cache=True, nogil=True)
@no_type_check
def _fill_rows(
    low: int,
    high: int,
    start: np.ndarray,
    document: np.ndarray,
    fires: np.ndarray,
    row_start: np.ndarray,
    feature: np.ndarray,
    row_fires: np.ndarray,
    expected: np.ndarray,
) -> None:
    """Fill the rows ``low`` to ``high`` of ``expected`` from the diagonal on. ``start``, ``document`` and ``fires`` are
    the CSC columns, ``row_start``, ``feature`` and ``row_fires`` the CSR rows with ascending features."""
    for number in range(low, high):
        for entry in range(start[number], start[number + 1]):
            own = fires[entry]
            row = document[entry]
            for place in range(row_start[row + 1] - 1, row_start[row] - 1, -1):
                if feature[place] < number:
                    break
                expected[number, feature[place]] += own * row_fires[place]
