"""Compiled inner loops of the co-firing graph.

Features are renumbered by how often they fire, most frequent first (their *rank*); only features that may be scored
have one. A row of counters then fits in a core's cache, and the counters that are hit most lie next to each other. Rows
are counted one after another and reduced to their best partners at once, so the feature-by-feature matrix is never
stored.
"""

import math
from typing import Any, Final, no_type_check

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from explorer.maths.cofiring.similarity import ABS_PHI, COSINE, EXCLUSION, JACCARD, NPMI, PHI, is_scorable, pair_score

CHUNK: Final = 64
"""Partners that share one bound; a power of two, so that it fills vector registers."""
PREFETCH_TOKENS: Final = 16
"""How many tokens ahead of the count memory is prefetched: tokens are visited in random order, and misses are slow."""
CACHE_LINE_ENTRIES: Final = 31
"""Offset from a token's first entry to its next cache line."""
BOUND_SLACK: Final = 1e-5
"""Relative slack of a bound, because scores are stored in single precision."""

_READ, _HIGH_LOCALITY, _DATA = 0, 3, 1
"""Arguments of LLVM's prefetch: for reading, into all cache levels, data rather than instructions."""


@intrinsic
@no_type_check
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """``prefetch(array, index)`` in compiled code: prefetch the cache line of ``array[index]`` of a flat array.

    It affects speed only; an index beyond the array is harmless.
    """
    return types.void(array, types.intp), _emit_prefetch


@no_type_check
def _emit_prefetch(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    address = builder.gep(array.data, [arguments[1]])
    address = builder.bitcast(address, ir.IntType(8).as_pointer())
    int32 = ir.IntType(32)
    of_type = ir.FunctionType(ir.VoidType(), [address.type, int32, int32, int32])
    function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], of_type)
    builder.call(function, [address, int32(_READ), int32(_HIGH_LOCALITY), int32(_DATA)])
    return context.get_dummy_value()


@njit(cache=True, nogil=True)
@no_type_check
def count_entries(features: np.ndarray, counts: np.ndarray) -> None:
    """Add the occurrences of each feature in ``features`` [nnz] to ``counts`` [feature]."""
    for position in range(len(features)):
        counts[features[position]] += 1


@njit(cache=True, nogil=True)
@no_type_check
def to_ranks(
    indptr: np.ndarray, features: np.ndarray, rank: np.ndarray, row_start: np.ndarray, ranks: np.ndarray
) -> int:
    """Renumber the entries of every token, dropping features without a rank and tokens without a pair.

    Args:
        indptr: [token + 1] into ``features``.
        features: [nnz] feature numbers.
        rank: [feature] rank or -1.
        row_start: [token + 1], filled for the remaining tokens.
        ranks: [nnz], filled.

    Returns:
        The number of remaining tokens.
    """
    row = 0
    end = 0
    row_start[0] = 0
    for token in range(len(indptr) - 1):
        start = end
        for position in range(indptr[token], indptr[token + 1]):
            own_rank = rank[features[position]]
            if own_rank >= 0:
                ranks[end] = own_rank
                end += 1
        if end - start >= 2:
            row += 1
            row_start[row] = end
        else:
            end = start
    return row


@njit(cache=True, nogil=True)
@no_type_check
def invert(row_start: np.ndarray, ranks: np.ndarray, first: np.ndarray, rows: np.ndarray) -> None:
    """List the tokens of every rank: a counting sort.

    Args:
        row_start: [row + 1] into ``ranks``.
        ranks: [selected entries].
        first: [rank + 1] start of each rank's list in ``rows``.
        rows: [selected entries], filled with token rows, ascending within a rank.
    """
    cursor = first[:-1].copy()
    for row in range(len(row_start) - 1):
        for position in range(row_start[row], row_start[row + 1]):
            own_rank = ranks[position]
            rows[cursor[own_rank]] = row
            cursor[own_rank] += 1


@njit(cache=True, nogil=True)
@no_type_check
def count_rows(
    low: int,
    high: int,
    first: np.ndarray,
    rows: np.ndarray,
    row_start: np.ndarray,
    ranks: np.ndarray,
    counters: np.ndarray,
) -> None:
    """Add the co-fires of the ranks ``low`` to ``high`` with every rank to ``counters`` [high - low, rank]."""
    last = len(rows) - 1
    for own_rank in range(low, high):
        counter = counters[own_rank - low]
        for entry in range(first[own_rank], first[own_rank + 1]):
            prefetch(row_start, np.intp(rows[min(entry + 2 * PREFETCH_TOKENS, last)]))
            soon = row_start[rows[min(entry + PREFETCH_TOKENS, last)]]
            prefetch(ranks, soon)
            prefetch(ranks, soon + CACHE_LINE_ENTRIES)
            row = rows[entry]
            # a slice indexes from 0, which spares the wrap-around test for negative indices in the inner loop
            together = ranks[row_start[row] : row_start[row + 1]]
            for position in range(len(together)):
                counter[together[position]] += 1


@njit(cache=True, nogil=True)
@no_type_check
def heap_sift_down(score: np.ndarray, partner: np.ndarray, size: int) -> None:
    """Restore a heap after its root was replaced; the root is the worst partner: lowest score, then highest number."""
    node = 0
    while True:
        child = 2 * node + 1
        if child >= size:
            return
        if child + 1 < size and is_worse(score[child + 1], partner[child + 1], score[child], partner[child]):
            child += 1
        if not is_worse(score[child], partner[child], score[node], partner[node]):
            return
        score[child], score[node] = score[node], score[child]
        partner[child], partner[node] = partner[node], partner[child]
        node = child


@njit(cache=True, nogil=True)
@no_type_check
def is_worse(score: float, partner: int, other_score: float, other_partner: int) -> bool:
    """Order of partners: by score, ties to the lower feature number."""
    return score < other_score or (score == other_score and partner > other_partner)


@njit(cache=True, nogil=True)
@no_type_check
def heap_offer(score: np.ndarray, partner: np.ndarray, size: int, new_score: float, new_partner: int) -> int:
    """Insert a pair if it is among the best; returns the heap's new size."""
    if size < len(score):
        node = size
        while node > 0:
            parent = (node - 1) // 2
            if not is_worse(new_score, new_partner, score[parent], partner[parent]):
                break
            score[node] = score[parent]
            partner[node] = partner[parent]
            node = parent
        score[node] = new_score
        partner[node] = new_partner
        return size + 1
    if is_worse(score[0], partner[0], new_score, new_partner):
        score[0] = new_score
        partner[0] = new_partner
        heap_sift_down(score, partner, size)
    return size


@njit(cache=True, nogil=True)
@no_type_check
def heap_sort(score: np.ndarray, partner: np.ndarray, size: int) -> None:
    """Turn a heap into a list, best first."""
    for end in range(size - 1, 0, -1):
        score[0], score[end] = score[end], score[0]
        partner[0], partner[end] = partner[end], partner[0]
        heap_sift_down(score, partner, end)


@njit(cache=True, nogil=True)
@no_type_check
def count_for_score(kind: int, worst: float, c_i: int, c_j: int, n: int) -> float:
    """A lower bound on the count that scores ``worst``.

    Each formula of ``similarity`` is solved for ``c``. For non-negative scores the count rises with ``c_j``, so the
    bound for a chunk's rarest partner holds for the whole chunk.
    """
    if worst < 0.0:
        return 0.0
    if kind == NPMI:
        rise = (math.log(c_i) + math.log(c_j) - (1.0 - worst) * math.log(n)) / (1.0 + worst)
        return math.exp(rise)
    if kind == JACCARD:
        return worst * (float(c_i) + float(c_j)) / (1.0 + worst)
    if kind == COSINE:
        return worst * math.sqrt(float(c_i) * float(c_j))
    if kind == PHI:
        spread = float(c_i) * float(n - c_i) * float(c_j) * float(n - c_j)
        return (float(c_i) * float(c_j) + worst * math.sqrt(spread)) / n
    return 0.0


@njit(cache=True, nogil=True)
@no_type_check
def chunk_min_count(kind: int, worst: float, c_i: int, rarest: int, most: int, n: int, min_count: int) -> int:
    """Smallest count that can enter the best partners, in a chunk of partners that fire ``rarest`` to ``most``
    times."""
    if kind in (ABS_PHI, EXCLUSION):
        return 0
    need = count_for_score(kind, worst, c_i, rarest, n)
    if kind == PHI:
        # c_j (n - c_j) falls once a feature fires on more than half of the tokens
        need = min(need, count_for_score(kind, worst, c_i, most, n))
    return max(min_count, math.ceil(need * (1.0 - BOUND_SLACK)))


@njit(cache=True, nogil=True)
@no_type_check
def largest_count(chunk: np.ndarray) -> int:
    """Largest count of a chunk; simple enough for the compiler to vectorise."""
    most = chunk[0]
    for place in range(len(chunk)):
        most = max(most, chunk[place])
    return most


@njit(cache=True, nogil=True)
@no_type_check
def best_partners(
    kind: int,
    own_rank: int,
    counter: np.ndarray,
    fires: np.ndarray,
    feature: np.ndarray,
    n_tokens: int,
    min_count: int,
    score: np.ndarray,
    partner: np.ndarray,
) -> None:
    """Reduce one row of counters to its best partners.

    Args:
        kind: a value of similarity.KIND.
        own_rank: rank of the row.
        counter: [rank] tokens on which the row's feature and each rank fire together.
        fires: [rank] tokens on which each rank fires, descending.
        feature: [rank] feature numbers.
        n_tokens: number of tokens.
        min_count: as in similarity.is_scorable.
        score: [neighbours], filled, best first.
        partner: [neighbours] feature numbers, filled; entries beyond the last partner are left unchanged.
    """
    size = 0
    c_i = fires[own_rank]
    least = 0 if kind in (ABS_PHI, EXCLUSION) else min_count
    counter[own_rank] = 0
    for stop in range(len(counter), 0, -CHUNK):
        start = max(stop - CHUNK, 0)
        chunk = counter[start:stop]
        most = largest_count(chunk)
        if most < least:
            continue
        worst = float(score[0]) if size == len(score) else -1.0
        limit = chunk_min_count(kind, worst, c_i, fires[stop - 1], fires[start], n_tokens, min_count)
        if most < limit:
            continue
        for place in range(len(chunk)):
            c = chunk[place]
            other = start + place
            if c < limit or other == own_rank or not is_scorable(kind, c, c_i, fires[other], n_tokens, min_count):
                continue
            value = np.float32(pair_score(kind, c, c_i, fires[other], n_tokens))
            size = heap_offer(score, partner, size, value, feature[other])
    heap_sort(score, partner, size)


@njit(cache=True, nogil=True)
@no_type_check
def best_partners_of_rows(
    kind: int,
    low: int,
    high: int,
    counters: np.ndarray,
    fires: np.ndarray,
    feature: np.ndarray,
    n_tokens: int,
    min_count: int,
    score: np.ndarray,
    partner: np.ndarray,
) -> None:
    """Reduce the counters of the ranks ``low`` to ``high`` into their features' rows of ``score`` and ``partner``."""
    for own_rank in range(low, high):
        row = feature[own_rank]
        best_partners(
            kind, own_rank, counters[own_rank - low], fires, feature, n_tokens, min_count, score[row], partner[row]
        )
