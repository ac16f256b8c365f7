"""Which features fire together: exact counts, scored, reduced to each feature's best partners.

The work is one increment per ordered pair of features on a token; see ``cofiring_kernels`` for the layout that keeps
the increments inside a core's cache. Codes may come in shards that are read again and again, so that they never have
to stand in memory at once; and shards may count for themselves, as those of ``cofiring_torch`` do on a GPU.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int32, Int64, Integer, UInt, UInt32

from explorer.maths.cofiring import kernels
from explorer.maths.cofiring.similarity import KIND
from explorer.records import Codes, NeighbourGraph, PairScore

CACHE_BYTES: Final = 1 << 19
"""Counters of one thread when codes stand in memory: half of a common core's second-level cache."""
BLOCK_BYTES: Final = 1 << 30
"""Counters of all threads together when codes are streamed: more means fewer readings of the shards."""
SHORT_COUNT: Final = 1 << 16
"""Counts below this fit in 16 bits."""


class FiringShard(NamedTuple):
    """Which features fire on each token of a shard: CSR without values."""

    indptr: Int64[np.ndarray, "token_plus_1"]
    """Where each token's entries begin."""
    features: Integer[np.ndarray, "nnz"]
    """Feature of each entry, at most once a token."""


@runtime_checkable
class CofireCounter(Protocol):
    """Shards that count for themselves, such as on a GPU (``cofiring_torch``)."""

    def cofires(
        self, rank: Int32[np.ndarray, "feature"], n_ranks: int, low: int, high: int
    ) -> UInt32[np.ndarray, "row rank"]:
        """Count the tokens of all shards on which each of the ranks ``low`` to ``high`` fires with each rank.

        Args:
            rank: rank of each feature, -1 for features without one.
            n_ranks: how many ranks there are.
            low: first rank that is counted.
            high: the one after the last.

        Returns:
            The counts; those of a rank with itself mean nothing.
        """


def firing_shard(codes: Codes) -> FiringShard:
    """Leave the entries whose value is above 0: a stored zero is no firing.

    Args:
        codes: CSR [token, feature] with values.

    Returns:
        The same tokens, without the entries that do not fire; the arrays are those of ``codes`` where all fire.
    """
    fires = codes.values > 0
    if fires.all():
        return FiringShard(codes.indptr, codes.features)
    kept = np.concatenate([[0], np.cumsum(fires, dtype=np.int64)])
    return FiringShard(kept[codes.indptr], codes.features[fires])


def fire_counts(
    indptr: Int64[np.ndarray, "token_plus_1"], features: Integer[np.ndarray, "nnz"], n_features: int
) -> Int64[np.ndarray, "feature"]:
    """Count the tokens on which each feature fires.

    Args:
        indptr: where each token's entries begin.
        features: feature of each entry, at most once a token.
        n_features: number of features, whether or not they fire.

    Returns:
        Tokens a feature.
    """
    counts = np.zeros(n_features, dtype=np.int64)
    kernels.count_entries(features[indptr[0] : indptr[-1]], counts)
    return counts


def cofiring_graph(
    indptr: Int64[np.ndarray, "token_plus_1"],
    features: Integer[np.ndarray, "nnz"],
    n_features: int,
    *,
    neighbours: int = 64,
    similarity: PairScore = "npmi",
    min_count: int = 3,
    min_fires: int = 1,
    threads: int | None = None,
) -> NeighbourGraph:
    """Find every feature's best partners, exactly.

    Args:
        indptr: where each token's entries begin.
        features: feature of each entry, at most once a token; entries whose value is not above 0 do not fire and must
            be left out before (see ``firing_shard``).
        n_features: number of features, whether or not they fire.
        neighbours: partners kept for each feature.
        similarity: score of a pair; formulas and sources stand in ``similarity``.
        min_count: evidence below which a pair is not scored: tokens on which both fire, or, where features avoid each
            other (abs_phi, exclusion), tokens on which both should have fired by chance.
        min_fires: features that fire on fewer tokens have no partners and are nobody's partner.
        threads: how many threads count; None for one a core. The result does not depend on it.

    Returns:
        ``neighbour`` [feature, neighbours], best first, ties to the lower feature number, -1 where there are no more
        scored pairs; ``score`` [feature, neighbours], 0 there.
    """
    return cofiring_graph_of_shards(
        [FiringShard(indptr, features)],
        n_features,
        neighbours=neighbours,
        similarity=similarity,
        min_count=min_count,
        min_fires=min_fires,
        threads=threads,
    )


def cofiring_graph_of_shards(
    shards: Iterable[FiringShard],
    n_features: int,
    *,
    neighbours: int = 64,
    similarity: PairScore = "npmi",
    min_count: int = 3,
    min_fires: int = 1,
    threads: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> NeighbourGraph:
    """Find every feature's best partners over codes that come in shards.

    Args:
        shards: an iterable that can be gone through many times, giving the shards in any order; several shards are
            read once to count fires and once per block of features whose counters fit in ``block_bytes``. Shards that
            are a ``CofireCounter`` are asked for the counters instead.
        n_features: as in ``cofiring_graph``, like all further arguments.
        neighbours: see there.
        similarity: see there.
        min_count: see there.
        min_fires: see there.
        threads: see there.
        block_bytes: memory for counters when there are several shards.

    Returns:
        The graph of all shards together, the same bytes as if they were one.
    """
    plan = _plan(shards, n_features, min_fires)
    graph = NeighbourGraph(
        np.full((n_features, neighbours), -1, dtype=np.int32), np.zeros((n_features, neighbours), dtype=np.float32)
    )
    scoring = _Scoring(KIND[similarity], min_count, graph)
    with ThreadPoolExecutor(threads_of(threads)) as pool:
        if plan.n_shards == 1 and not isinstance(shards, CofireCounter):
            _rank_in_memory(_invert(next(iter(shards)), plan.rank, len(plan.feature)), plan, scoring, pool)
        else:
            _rank_streamed(shards, plan, scoring, pool, block_bytes)
    return graph


def cofire_counts(
    shards: Iterable[FiringShard],
    kept: Int64[np.ndarray, "kept"],
    n_features: int,
    *,
    threads: int | None = None,
) -> UInt32[np.ndarray, "kept kept"]:
    """Count the tokens on which each pair of a few features fires; the diagonal means nothing.

    Args:
        shards: codes, in any order; as in ``cofiring_graph_of_shards``.
        kept: the features; more than some thousand take much memory.
        n_features: number of features of the codes.
        threads: how many threads count; None for one a core.
    """
    rank = np.full(n_features, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept), dtype=np.int32)
    with ThreadPoolExecutor(threads_of(threads)) as pool:
        return _cofires(shards, rank, len(kept), 0, len(kept), pool)


@dataclass(frozen=True)
class _Plan:
    """What one reading of all shards settles."""

    rank: Int32[np.ndarray, "feature"]
    """Place of each feature by how often it fires, most often first; -1 for features that fire too rarely."""
    feature: Int32[np.ndarray, "rank"]
    """Feature of each rank."""
    fires: Int64[np.ndarray, "rank"]
    """Tokens on which each rank fires."""
    n_tokens: int
    """Tokens of all shards."""
    n_shards: int
    """How many shards there are."""


@dataclass(frozen=True)
class _Inverted:
    """A shard by rank: for each rank its tokens, for each token its ranks."""

    first: Int64[np.ndarray, "rank_plus_1"]
    """Where each rank's tokens begin in `rows`."""
    rows: UInt32[np.ndarray, "kept"]
    """Tokens of each rank, ascending."""
    row_start: Int64[np.ndarray, "row_plus_1"]
    """Where each token's ranks begin in `ranks`."""
    ranks: UInt[np.ndarray, "kept"]
    """Ranks of each token, in 16 bits where they fit."""


@dataclass(frozen=True)
class _Scoring:
    """How counters become partners, and where these go."""

    kind: int
    """A value of similarity.KIND."""
    min_count: int
    """As in cofiring_graph."""
    graph: NeighbourGraph
    """Filled row by row."""


def threads_of(threads: int | None) -> int:
    """How many threads to count with: as many as asked for, or one for each core that this process may use."""
    if threads is not None:
        return threads
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _plan(shards: Iterable[FiringShard], n_features: int, min_fires: int) -> _Plan:
    fires = np.zeros(n_features, dtype=np.int64)
    n_tokens = n_shards = 0
    for indptr, features in shards:
        fires += fire_counts(indptr, features, n_features)
        n_tokens += len(indptr) - 1
        n_shards += 1
    order = np.argsort(-fires, kind="stable")
    feature = order[fires[order] >= max(min_fires, 1)].astype(np.int32)
    rank = np.full(n_features, -1, dtype=np.int32)
    rank[feature] = np.arange(len(feature), dtype=np.int32)
    return _Plan(rank, feature, fires[feature], n_tokens, n_shards)


def _invert(shard: FiringShard, rank: Int32[np.ndarray, "feature"], n_ranks: int) -> _Inverted:
    start, stop = int(shard.indptr[0]), int(shard.indptr[-1])
    row_start = np.empty(len(shard.indptr), dtype=np.int64)
    ranks = np.empty(stop - start, dtype=np.uint16 if n_ranks <= SHORT_COUNT else np.uint32)
    n_rows = kernels.to_ranks(shard.indptr, shard.features, rank, row_start, ranks)
    row_start = row_start[: n_rows + 1]
    ranks = ranks[: row_start[-1]]
    held = np.zeros(n_ranks, dtype=np.int64)
    kernels.count_entries(ranks, held)
    first = np.concatenate([[0], np.cumsum(held)]).astype(np.int64)
    rows = np.empty(len(ranks), dtype=np.uint32)
    kernels.invert(row_start, ranks, first, rows)
    return _Inverted(first, rows, row_start, ranks)


def _count(low: int, high: int, shard: _Inverted, counters: np.ndarray) -> None:
    kernels.count_rows(low, high, shard.first, shard.rows, shard.row_start, shard.ranks, counters)


def _cofires(
    shards: Iterable[FiringShard],
    rank: Int32[np.ndarray, "feature"],
    n_ranks: int,
    low: int,
    high: int,
    pool: ThreadPoolExecutor,
) -> UInt32[np.ndarray, "row rank"]:
    """As ``CofireCounter.cofires`` gives them, by whoever counts."""
    if isinstance(shards, CofireCounter):
        return shards.cofires(rank, n_ranks, low, high)
    counters = np.zeros((high - low, n_ranks), dtype=np.uint32)
    for shard in shards:
        _count_all(_invert(shard, rank, n_ranks), counters, low, pool)
    return counters


def _count_all(shard: _Inverted, counters: np.ndarray, low: int, pool: ThreadPoolExecutor) -> None:
    """Add a shard to the counters of the ranks from ``low`` on."""
    parts = parts_of(low, low + len(counters), 64)
    list(pool.map(lambda part: _count(part[0], part[1], shard, counters[part[0] - low : part[1] - low]), parts))


def _score(low: int, high: int, counters: np.ndarray, plan: _Plan, scoring: _Scoring) -> None:
    kernels.best_partners_of_rows(
        scoring.kind,
        low,
        high,
        counters,
        plan.fires,
        plan.feature,
        plan.n_tokens,
        scoring.min_count,
        scoring.graph.score,
        scoring.graph.neighbour,
    )


def parts_of(low: int, high: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut the ranks ``low`` to ``high`` into parts of ``size``."""
    return ((start, min(start + size, high)) for start in range(low, high, size))


def _rank_in_memory(shard: _Inverted, plan: _Plan, scoring: _Scoring, pool: ThreadPoolExecutor) -> None:
    """Count and score a few ranks at a time: their counters never leave the cache."""
    n_ranks = len(plan.feature)

    def finish(part: tuple[int, int]) -> None:
        low, high = part
        short = plan.fires[low] < SHORT_COUNT
        counters = np.zeros((high - low, n_ranks), dtype=np.uint16 if short else np.uint32)
        _count(low, high, shard, counters)
        _score(low, high, counters, plan, scoring)

    size = max(1, CACHE_BYTES // (2 * max(n_ranks, 1)))
    list(pool.map(finish, parts_of(0, n_ranks, size)))


def _rank_streamed(
    shards: Iterable[FiringShard], plan: _Plan, scoring: _Scoring, pool: ThreadPoolExecutor, block_bytes: int
) -> None:
    """Count as many ranks as the counters' memory allows in one reading of the shards, then score them."""
    n_ranks = len(plan.feature)
    size = max(1, block_bytes // (4 * max(n_ranks, 1)))
    for low, high in parts_of(0, n_ranks, size):
        counters = _cofires(shards, plan.rank, n_ranks, low, high, pool)
        parts = [(start, stop, counters[start - low : stop - low]) for start, stop in parts_of(low, high, 64)]
        list(pool.map(lambda part: _score(part[0], part[1], part[2], plan, scoring), parts))
