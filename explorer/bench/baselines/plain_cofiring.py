"""Straightforward co-firing graph: scipy's sparse product, NPMI, the best partners of each row.

Written carefully to be a fair baseline: 32-bit counts and indices, counts below the minimum dropped before scoring, one
row scored at a time.
"""

import numpy as np
from jaxtyping import Float64, Int32
from scipy.sparse import csr_array

from explorer.maths.cofiring.counts import FiringShard
from explorer.records.clustering import NeighbourGraph


def plain_cofiring(shard: FiringShard, n_features: int, *, neighbours: int, min_count: int) -> NeighbourGraph:
    """Find every feature's best partners by NPMI (Bouma 2009) from the sparse matrix of all counts.

    Args:
        shard: features that fire on each token.
        n_features: number of features, including those that never fire.
        neighbours: number of partners per feature.
        min_count: minimum co-fires for a pair to be scored.

    Returns:
        The graph of ``cofiring_graph``, ties aside.
    """
    n_tokens = len(shard.indptr) - 1
    ones = np.ones(len(shard.features), dtype=np.int32)
    indices = (ones, shard.features.astype(np.int32), shard.indptr.astype(np.int32))
    fires_on = csr_array(indices, shape=(n_tokens, n_features))
    together = csr_array(fires_on.T @ fires_on)
    fires = together.diagonal().astype(np.float64)
    together.data[together.data < min_count] = 0
    together.setdiag(0)
    together.eliminate_zeros()
    graph = NeighbourGraph(
        np.full((n_features, neighbours), -1, dtype=np.int32), np.zeros((n_features, neighbours), dtype=np.float32)
    )
    for feature in range(n_features):
        row = slice(together.indptr[feature], together.indptr[feature + 1])
        partner, count = together.indices[row], together.data[row].astype(np.float64)
        score = _npmi(count, fires[feature], fires[partner], n_tokens).astype(np.float32)
        best = _best(score, partner, neighbours)
        graph.neighbour[feature, : len(best)] = partner[best]
        graph.score[feature, : len(best)] = score[best]
    return graph


def _npmi(
    count: Float64[np.ndarray, "partner"], fires: float, others: Float64[np.ndarray, "partner"], n_tokens: int
) -> Float64[np.ndarray, "partner"]:
    certain = count >= n_tokens
    share = np.where(certain, 0.5, count / n_tokens)
    score = np.log(count * n_tokens / (fires * others)) / -np.log(share)
    return np.where(certain, 0.0, score)


def _best(score: np.ndarray, partner: Int32[np.ndarray, "partner"], most: int) -> np.ndarray:
    """The best partners, best first, ties to the lower feature number among those that argpartition selects."""
    chosen = np.argpartition(-score, most - 1)[:most] if len(score) > most else np.arange(len(score))
    return chosen[np.lexsort((partner[chosen], -score[chosen]))]
