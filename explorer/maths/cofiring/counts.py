"""Exact co-firing counts, scored and reduced to a nearest-neighbour graph of the features.

The work is one increment per ordered pair of features on a token; ``kernels`` describes the layout that keeps these
increments in a core's cache. Codes may be streamed in shards that are read repeatedly, so they never have to fit in
memory at once. Shards may also bring their own counter, as those of ``torch`` do on a GPU.
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
from explorer.records.bundle import Codes
from explorer.records.clustering import NeighbourGraph, PairScore

CACHE_BYTES: Final = 1 << 19
"""Size of one thread's counters when the codes are in memory: half of a typical second-level cache."""
BLOCK_BYTES: Final = 1 << 30
"""Size of all threads' counters together when the codes are streamed; larger blocks read the shards fewer times."""
UINT16_COUNTS: Final = 1 << 16
"""Counts below this fit in 16 bits."""


class FiringShard(NamedTuple):
    """The features that fire on each token of a shard: CSR without values."""

    indptr: Int64[np.ndarray, "token_plus_1"]
    """Start of each token's entries in ``features``."""
    features: Integer[np.ndarray, "nnz"]
    """Feature of each entry, at most once per token."""


@runtime_checkable
class CofireCounter(Protocol):
    """Shards that count co-fires themselves, for example on a GPU (``cofiring.torch``)."""

    def cofires(
        self, rank: Int32[np.ndarray, "feature"], n_ranks: int, low: int, high: int
    ) -> UInt32[np.ndarray, "row rank"]:
        """Count the tokens of all shards on which each of the ranks ``low`` to ``high`` fires together with each rank.

        Args:
            rank: rank of each feature, -1 for features without one.
            n_ranks: number of ranks.
            low: first rank to count.
            high: end of the ranks to count, exclusive.

        Returns:
            The counts; the entries of a rank with itself are undefined.
        """


def firing_shard(codes: Codes) -> FiringShard:
    """Drop the entries whose value is not above 0: a stored zero does not count as firing.

    Args:
        codes: CSR [token, feature] with values.

    Returns:
        The firing entries of the same tokens; the arrays are those of ``codes`` if every entry fires.
    """
    fires = codes.values > 0
    if fires.all():
        return FiringShard(codes.indptr, codes.features)
    running = np.concatenate([[0], np.cumsum(fires, dtype=np.int64)])
    return FiringShard(running[codes.indptr], codes.features[fires])


def fire_counts(
    indptr: Int64[np.ndarray, "token_plus_1"], features: Integer[np.ndarray, "nnz"], n_features: int
) -> Int64[np.ndarray, "feature"]:
    """Count the tokens on which each feature fires.

    Args:
        indptr: start of each token's entries.
        features: feature of each entry, at most once per token.
        n_features: number of features, including those that never fire.
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
    """Find every feature's highest-scoring partners, exactly.

    Args:
        indptr: start of each token's entries.
        features: feature of each entry, at most once per token; entries whose value is not above 0 must have been
            dropped (see ``firing_shard``).
        n_features: number of features, including those that never fire.
        neighbours: number of partners per feature.
        similarity: score of a pair; ``similarity`` lists the formulas and their sources.
        min_count: minimum evidence for a pair to be scored: tokens on which both fire or, for features that avoid each
            other (abs_phi, exclusion), co-fires expected by chance.
        min_fires: features that fire on fewer tokens are isolated in the graph.
        threads: number of threads; None for one per core. The result does not depend on it.

    Returns:
        ``neighbour`` [feature, neighbours], best first, ties broken by the lower feature number, padded with -1;
        ``score`` [feature, neighbours], padded with 0.
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
    """Find every feature's highest-scoring partners over codes that come in shards.

    Args:
        shards: a re-iterable of shards in any order. Several shards are read once to count fires and once per block of
            features whose counters fit in ``block_bytes``. A ``CofireCounter`` counts for itself.
        n_features: as in ``cofiring_graph``, like all further arguments.
        neighbours: see there.
        similarity: see there.
        min_count: see there.
        min_fires: see there.
        threads: see there.
        block_bytes: memory for counters when there are several shards.

    Returns:
        The graph of all shards together, byte for byte the same as for a single shard.
    """
    plan = _rank_features(shards, n_features, min_fires)
    graph = NeighbourGraph(
        np.full((n_features, neighbours), -1, dtype=np.int32), np.zeros((n_features, neighbours), dtype=np.float32)
    )
    scoring = _Scoring(KIND[similarity], min_count, graph)
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        if plan.n_shards == 1 and not isinstance(shards, CofireCounter):
            _rank_in_memory(_invert(next(iter(shards)), plan.rank, len(plan.feature)), plan, scoring, pool)
        else:
            _rank_streamed(shards, plan, scoring, pool, block_bytes)
    return graph


def cofire_counts(
    shards: Iterable[FiringShard],
    subset: Int64[np.ndarray, "selected"],
    n_features: int,
    *,
    threads: int | None = None,
) -> UInt32[np.ndarray, "selected selected"]:
    """Count the tokens on which each pair of a subset of the features fires; the diagonal is undefined.

    Args:
        shards: codes, in any order; as in ``cofiring_graph_of_shards``.
        features_subset: the features; memory grows with the square of their number.
        n_features: number of features of the codes.
        threads: number of threads; None for one per core.
    """
    rank = np.full(n_features, -1, dtype=np.int32)
    rank[subset] = np.arange(len(subset), dtype=np.int32)
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        return _cofires(shards, rank, len(subset), 0, len(subset), pool)


@dataclass(frozen=True)
class _FireRanks:
    """Features ranked by how often they fire, from one pass over the shards."""

    rank: Int32[np.ndarray, "feature"]
    """Rank of each feature, most frequent first; -1 for features that fire too rarely."""
    feature: Int32[np.ndarray, "rank"]
    fires: Int64[np.ndarray, "rank"]
    """Tokens on which each rank fires."""
    n_tokens: int
    n_shards: int


@dataclass(frozen=True)
class _InvertedShard:
    """A shard by rank: the tokens of each rank and the ranks of each token."""

    first: Int64[np.ndarray, "rank_plus_1"]
    """Start of each rank's tokens in ``rows``."""
    rows: UInt32[np.ndarray, "selected"]
    """Tokens of each rank, ascending."""
    row_start: Int64[np.ndarray, "row_plus_1"]
    """Start of each token's ranks in ``ranks``."""
    ranks: UInt[np.ndarray, "selected"]
    """Ranks of each token, in 16 bits where they fit."""


@dataclass(frozen=True)
class _Scoring:
    """How counters become partners, and the graph they are written to."""

    kind: int
    """A value of ``similarity.KIND``."""
    min_count: int
    graph: NeighbourGraph
    """Filled row by row."""


def thread_count(threads: int | None) -> int:
    """Resolve the number of threads: as given, or one per core that this process may use."""
    if threads is not None:
        return threads
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _rank_features(shards: Iterable[FiringShard], n_features: int, min_fires: int) -> _FireRanks:
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
    return _FireRanks(rank, feature, fires[feature], n_tokens, n_shards)


def _invert(shard: FiringShard, rank: Int32[np.ndarray, "feature"], n_ranks: int) -> _InvertedShard:
    start, stop = int(shard.indptr[0]), int(shard.indptr[-1])
    row_start = np.empty(len(shard.indptr), dtype=np.int64)
    ranks = np.empty(stop - start, dtype=np.uint16 if n_ranks <= UINT16_COUNTS else np.uint32)
    n_rows = kernels.to_ranks(shard.indptr, shard.features, rank, row_start, ranks)
    row_start = row_start[: n_rows + 1]
    ranks = ranks[: row_start[-1]]
    n_fires = np.zeros(n_ranks, dtype=np.int64)
    kernels.count_entries(ranks, n_fires)
    first = np.concatenate([[0], np.cumsum(n_fires)]).astype(np.int64)
    rows = np.empty(len(ranks), dtype=np.uint32)
    kernels.invert(row_start, ranks, first, rows)
    return _InvertedShard(first, rows, row_start, ranks)


def _count_ranks(low: int, high: int, shard: _InvertedShard, counters: np.ndarray) -> None:
    kernels.count_rows(low, high, shard.first, shard.rows, shard.row_start, shard.ranks, counters)


def _cofires(
    shards: Iterable[FiringShard],
    rank: Int32[np.ndarray, "feature"],
    n_ranks: int,
    low: int,
    high: int,
    pool: ThreadPoolExecutor,
) -> UInt32[np.ndarray, "row rank"]:
    """Count as ``CofireCounter.cofires`` does, with the shards' own counter if they have one."""
    if isinstance(shards, CofireCounter):
        return shards.cofires(rank, n_ranks, low, high)
    counters = np.zeros((high - low, n_ranks), dtype=np.uint32)
    for shard in shards:
        _count_shard(_invert(shard, rank, n_ranks), counters, low, pool)
    return counters


def _count_shard(shard: _InvertedShard, counters: np.ndarray, low: int, pool: ThreadPoolExecutor) -> None:
    """Add a shard to the counters of the ranks from ``low`` on."""
    parts = blocks(low, low + len(counters), 64)
    list(pool.map(lambda part: _count_ranks(part[0], part[1], shard, counters[part[0] - low : part[1] - low]), parts))


def _score(low: int, high: int, counters: np.ndarray, plan: _FireRanks, scoring: _Scoring) -> None:
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


def blocks(low: int, high: int, size: int) -> Iterator[tuple[int, int]]:
    """Split the range ``low`` to ``high`` into blocks of ``size``."""
    return ((start, min(start + size, high)) for start in range(low, high, size))


def _rank_in_memory(shard: _InvertedShard, plan: _FireRanks, scoring: _Scoring, pool: ThreadPoolExecutor) -> None:
    """Count and score a few ranks at a time, so that their counters stay in the cache."""
    n_ranks = len(plan.feature)

    def finish(part: tuple[int, int]) -> None:
        low, high = part
        short = plan.fires[low] < UINT16_COUNTS
        counters = np.zeros((high - low, n_ranks), dtype=np.uint16 if short else np.uint32)
        _count_ranks(low, high, shard, counters)
        _score(low, high, counters, plan, scoring)

    size = max(1, CACHE_BYTES // (2 * max(n_ranks, 1)))
    list(pool.map(finish, blocks(0, n_ranks, size)))


def _rank_streamed(
    shards: Iterable[FiringShard], plan: _FireRanks, scoring: _Scoring, pool: ThreadPoolExecutor, block_bytes: int
) -> None:
    """Per pass over the shards, count as many ranks as the counters' memory allows, then score them."""
    n_ranks = len(plan.feature)
    size = max(1, block_bytes // (4 * max(n_ranks, 1)))
    for low, high in blocks(0, n_ranks, size):
        counters = _cofires(shards, plan.rank, n_ranks, low, high, pool)
        parts = [(start, stop, counters[start - low : stop - low]) for start, stop in blocks(low, high, 64)]
        list(pool.map(lambda part: _score(part[0], part[1], part[2], plan, scoring), parts))
