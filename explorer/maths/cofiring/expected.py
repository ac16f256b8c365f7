"""How often features would meet by chance within the documents that they stand in.

Over all tokens, features of one topic meet more often than chance without belonging together, and features of two
topics less often. Expected co-fires taken document by document, E = sum over documents d of f_i(d) f_j(d) / n_d with
f(d) fires on the n_d tokens of d, take the topic out: the strata of Cochran, Mantel and Haenszel (1959).
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from numba import njit
from scipy.sparse import csr_array

from explorer.maths.cofiring.counts import FiringShard, parts_of, threads_of


@dataclass(frozen=True)
class DocumentFires:
    """Fires of every feature in every document, divided by the root of the document's length.

    Expected co-fires of two features are the product of their columns.
    """

    by_document: csr_array
    """[document, feature] float32."""
    counts: Int64[np.ndarray, "feature"]
    """Tokens on which each feature fires."""

    def of_features(self, features: Int64[np.ndarray, "kept"]) -> "DocumentFires":
        """The same documents with these features only, renumbered from 0."""
        return DocumentFires(csr_array(self.by_document[:, features]), self.counts[features])


def document_fires(
    shards: Iterable[FiringShard], doc_offsets: Int64[np.ndarray, "doc_plus_1"], n_features: int
) -> DocumentFires:
    """Count fires by document.

    Args:
        shards: codes in the order of the tokens; a document may lie in several shards.
        doc_offsets: where each document begins, counted in tokens from the first shard's first one.
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


def expected_of_pairs(
    fires: DocumentFires, partner: Int32[np.ndarray, "feature partners"]
) -> Float64[np.ndarray, "feature partners"]:
    """Expected co-fires of each feature with each of its partners; 0 where the partner is -1."""
    columns = fires.by_document.tocsc()
    expected = np.zeros(partner.shape)
    _expect_pairs(columns.indptr, columns.indices, columns.data, partner, np.zeros(columns.shape[0]), expected)
    return expected


def expected_matrix(fires: DocumentFires, *, threads: int | None = None) -> Float32[np.ndarray, "feature feature"]:
    """Expected co-fires of all pairs of features, each told once, above the diagonal; below it stands 0.

    The cost is one addition for every pair of features of every document.
    """
    rows = fires.by_document.sorted_indices()
    columns = rows.tocsc()
    n_features = rows.shape[1]
    expected = np.zeros((n_features, n_features), dtype=np.float32)

    def fill(part: tuple[int, int]) -> None:
        _expect_rows(*part, columns.indptr, columns.indices, columns.data, rows.indptr, rows.indices, rows.data,
                     expected)  # fmt: skip

    with ThreadPoolExecutor(threads_of(threads)) as pool:
        list(pool.map(fill, parts_of(0, n_features, 64)))
    return expected


@njit(cache=True, nogil=True)
@no_type_check
def _expect_pairs(
    start: np.ndarray,
    document: np.ndarray,
    fires: np.ndarray,
    partner: np.ndarray,
    own: np.ndarray,
    expected: np.ndarray,
) -> None:
    """Fill ``expected`` [feature, partners]; ``own`` [document] is zero before and after."""
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
def _expect_rows(
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
    """Fill the rows ``low`` to ``high`` of ``expected`` from the diagonal on: documents by feature, then features by
    document, which ascend."""
    for number in range(low, high):
        for entry in range(start[number], start[number + 1]):
            own = fires[entry]
            row = document[entry]
            for place in range(row_start[row + 1] - 1, row_start[row] - 1, -1):
                if feature[place] < number:
                    break
                expected[number, feature[place]] += own * row_fires[place]
