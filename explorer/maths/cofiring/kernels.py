"""Compiled inner loops of the co-firing graph.

Features are renumbered by how often they fire, most often first (the *rank*), and only features that may be scored keep
a rank. One row of counters is small enough for a core's cache, and ranks put the counters that are hit most side by
side. Rows are counted one after another, then reduced to their best partners at once, so no feature-by-feature matrix
ever stands in memory.
"""

import math
from typing import Final, no_type_check

import numpy as np
from numba import njit

from explorer.maths.cofiring.prefetch import prefetch
from explorer.maths.cofiring.similarity import ABS_PHI, COSINE, EXCLUSION, JACCARD, NPMI, PHI, is_scored, pair_score

CHUNK: Final = 64
"""Partners that one bound is taken over; a power of two, so that it fills vector registers."""
AHEAD: Final = 16
"""Tokens whose memory is asked for before they are counted; they lie anywhere, and waiting for them is slow."""
LINE: Final = 31
"""Entries from a token's first one to another of its cache lines."""
SLACK: Final = 1e-5
"""Relative room that a bound leaves for scores being kept in single precision."""


@njit(cache=True, nogil=True)
@no_type_check
def count_entries(features: np.ndarray, counts: np.ndarray) -> None:
    """Add to ``counts`` [feature] how often each feature stands in ``features`` [nnz]."""
    for position in range(len(features)):
        counts[features[position]] += 1


@njit(cache=True, nogil=True)
@no_type_check
def to_ranks(
    indptr: np.ndarray, features: np.ndarray, rank: np.ndarray, row_start: np.ndarray, ranks: np.ndarray
) -> int:
    """Renumber the entries of every token, leaving out features without a rank and tokens without a pair.

    Args:
        indptr: [token + 1] into ``features``.
        features: [nnz] feature numbers.
        rank: [feature] rank or -1.
        row_start: [token + 1], filled for the tokens that stay.
        ranks: [nnz], filled.

    Returns:
        The number of tokens that stay.
    """
    row = 0
    end = 0
    row_start[0] = 0
    for token in range(len(indptr) - 1):
        start = end
        for position in range(indptr[token], indptr[token + 1]):
            number = rank[features[position]]
            if number >= 0:
                ranks[end] = number
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
    """List, for every rank, the tokens that hold it: a counting sort.

    Args:
        row_start: [row + 1] into ``ranks``.
        ranks: [kept entries].
        first: [rank + 1] where each rank's list begins in ``rows``.
        rows: [kept entries], filled with token rows, ascending within a rank.
    """
    cursor = first[:-1].copy()
    for row in range(len(row_start) - 1):
        for position in range(row_start[row], row_start[row + 1]):
            number = ranks[position]
            rows[cursor[number]] = row
            cursor[number] += 1


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
    """Add to ``counters`` [high - low, rank] how often the ranks ``low`` to ``high`` fire together with every rank."""
    last = len(rows) - 1
    for number in range(low, high):
        counter = counters[number - low]
        for entry in range(first[number], first[number + 1]):
            prefetch(row_start, np.intp(rows[min(entry + 2 * AHEAD, last)]))
            soon = row_start[rows[min(entry + AHEAD, last)]]
            prefetch(ranks, soon)
            prefetch(ranks, soon + LINE)
            row = rows[entry]
            # a slice counts from 0, which spares a test for negative numbers at every step
            together = ranks[row_start[row] : row_start[row + 1]]
            for position in range(len(together)):
                counter[together[position]] += 1


@njit(cache=True, nogil=True)
@no_type_check
def sift_down(score: np.ndarray, partner: np.ndarray, size: int) -> None:
    """Restore a heap whose root was replaced; the root is the worst: lowest score, then highest feature number."""
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
def offer(score: np.ndarray, partner: np.ndarray, size: int, new_score: float, new_partner: int) -> int:
    """Keep a pair if it is among the best; gives the heap's new size."""
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
        sift_down(score, partner, size)
    return size


@njit(cache=True, nogil=True)
@no_type_check
def sort_heap(score: np.ndarray, partner: np.ndarray, size: int) -> None:
    """Turn a heap into a list, best first."""
    for end in range(size - 1, 0, -1):
        score[0], score[end] = score[end], score[0]
        partner[0], partner[end] = partner[end], partner[0]
        sift_down(score, partner, end)


@njit(cache=True, nogil=True)
@no_type_check
def needed_count(kind: int, worst: float, c_i: int, c_j: int, n: int) -> float:
    """A count below which a pair cannot score ``worst``; never above the true limit.

    Each formula of ``similarity`` is solved for ``c``. The limit rises with ``c_j`` for a score that is not negative,
    so the limit of a chunk's rarest partner holds for the chunk.
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
def chunk_limit(kind: int, worst: float, c_i: int, rarest: int, most: int, n: int, min_count: int) -> int:
    """Smallest count that is worth a look in a chunk of partners that fire ``rarest`` to ``most`` times."""
    if kind in (ABS_PHI, EXCLUSION):
        return 0
    need = needed_count(kind, worst, c_i, rarest, n)
    if kind == PHI:
        # c_j (n - c_j) falls once a feature fires on more than half of the tokens.
        need = min(need, needed_count(kind, worst, c_i, most, n))
    return max(min_count, math.ceil(need * (1.0 - SLACK)))


@njit(cache=True, nogil=True)
@no_type_check
def highest(chunk: np.ndarray) -> int:
    """Largest count of a chunk; simple enough to be compiled to vector instructions."""
    most = chunk[0]
    for place in range(len(chunk)):
        most = max(most, chunk[place])
    return most


@njit(cache=True, nogil=True)
@no_type_check
def best_partners(
    kind: int,
    number: int,
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
        number: rank of the row.
        counter: [rank] tokens on which the row's feature and each rank fire together.
        fires: [rank] tokens on which each rank fires, descending.
        feature: [rank] feature numbers.
        n_tokens: tokens in all.
        min_count: as in similarity.is_scored.
        score: [neighbours], filled, best first.
        partner: [neighbours] feature numbers, filled; beyond the last partner it is left as it was.
    """
    size = 0
    c_i = fires[number]
    least = 0 if kind in (ABS_PHI, EXCLUSION) else min_count
    counter[number] = 0
    for stop in range(len(counter), 0, -CHUNK):
        start = max(stop - CHUNK, 0)
        chunk = counter[start:stop]
        most = highest(chunk)
        if most < least:
            continue
        worst = float(score[0]) if size == len(score) else -1.0
        limit = chunk_limit(kind, worst, c_i, fires[stop - 1], fires[start], n_tokens, min_count)
        if most < limit:
            continue
        for place in range(len(chunk)):
            c = chunk[place]
            other = start + place
            if c < limit or other == number or not is_scored(kind, c, c_i, fires[other], n_tokens, min_count):
                continue
            value = np.float32(pair_score(kind, c, c_i, fires[other], n_tokens))
            size = offer(score, partner, size, value, feature[other])
    sort_heap(score, partner, size)


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
    for number in range(low, high):
        row = feature[number]
        best_partners(
            kind, number, counters[number - low], fires, feature, n_tokens, min_count, score[row], partner[row]
        )
