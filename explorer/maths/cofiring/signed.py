"""Signed similarity: attraction and avoidance of features on one scale from 0 to 1. Ours; the build's default.

Overlapping tiles of one manifold co-fire above chance, disjoint tiles below it. Both are evidence that they belong
together.

*Attraction* is NPMI (see ``similarity``) of the pairs whose lower confidence bound on co-fires exceeds the expectation
within documents. A pair that a common topic explains has no score.

*Outliers* are found among features that fire often enough for missing co-fires to be significant. Independence is the
wrong null there: each token has a fixed number of features, and words of the same syntactic position never co-occur.
The null is therefore estimated from the pairs themselves (Efron 2004, "Large-scale simultaneous hypothesis testing: the
choice of a null hypothesis") as the centre and spread of co-fires over expected co-fires. A pair whose confidence bound
lies outside scores 1 - E/L (attraction) or 1 - U/E (avoidance). If half of the pairs never co-fire, as in a language of
fixed phrases, silence carries no evidence and there are no outliers.

An isolated outlier pair is no manifold: both features must be outliers with a common third one. The final score is the
geometric mean of the pair's score and the cosine of the two features' rows of scores, which separates groups that a
single pair joins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int32, Int64, UInt32
from scipy.sparse import csr_array
from scipy.special import ndtri

from explorer.maths.cofiring.counts import FiringShard, cofire_counts, cofiring_graph_of_shards
from explorer.maths.cofiring.expected import (
    DocumentFires,
    document_fires,
    expected_cofire_matrix,
    expected_pair_cofires,
)
from explorer.maths.cofiring.outlier_pairs import in_triangles, outlier_pairs, profile_cosine
from explorer.records.clustering import NeighbourGraph

FALSE_PAIRS_PER_FEATURE: Final = 0.1
"""Expected number of pairs per feature that are significant by chance."""
MIN_EXPECTED: Final = 10.0
"""Minimum expected co-fires of the pairs that the null is estimated from."""
MIN_NULL_PAIRS: Final = 50
"""With fewer such pairs the null is independence."""
OUTLIER_SPREADS: Final = 1.5
"""Bounds of the null, in spreads from its centre on a log scale."""
MAX_FEATURES: Final = 8192
"""Outliers are looked for among this many of the most frequent features, because their pair matrix is held in
memory."""
NORMAL_QUARTILE: Final = 0.6745
"""Upper quartile of the standard normal distribution."""


@dataclass(frozen=True)
class EmpiricalNull:
    """Distribution of co-fires over expected co-fires among the pairs that have enough of the latter."""

    centre: float
    """Median; 1 if features are independent."""
    spread: float
    """Standard deviation of the logarithm in excess of counting noise, from the narrower of the two central quarters:
    the other one may hold true pairs."""

    @property
    def low(self) -> float:
        """Ratio below which a pair avoids each other."""
        return self.centre * float(np.exp(-OUTLIER_SPREADS * self.spread))

    @property
    def high(self) -> float:
        """Ratio above which a pair attracts each other."""
        return self.centre * float(np.exp(OUTLIER_SPREADS * self.spread))


def signed_graph(
    shards: Iterable[FiringShard],
    doc_offsets: Int64[np.ndarray, "doc_plus_1"],
    n_features: int,
    *,
    neighbours: int = 64,
    min_count: int = 3,
    min_fires: int = 1,
    threads: int | None = None,
) -> NeighbourGraph:
    """Find every feature's best partners by attraction or avoidance.

    Args:
        shards: a re-iterable of shards in token order.
        doc_offsets: first token of each document; the last entry is the number of tokens.
        n_features: number of features, including those that never fire.
        neighbours: number of partners per feature.
        min_count: minimum co-fires for a pair to be scored as attraction.
        min_fires: features that fire on fewer tokens are isolated in the graph.
        threads: number of threads; None for one per core. The result does not depend on it.

    Returns:
        A graph as ``counts.cofiring_graph`` returns it.
    """
    attraction = cofiring_graph_of_shards(
        shards, n_features, neighbours=neighbours, min_count=min_count, min_fires=min_fires, threads=threads
    )
    documents = document_fires(shards, doc_offsets, n_features)
    fires = documents.counts
    included = np.flatnonzero(fires >= max(min_fires, 1))
    if len(included) < 2:
        return attraction
    z = -float(ndtri(FALSE_PAIRS_PER_FEATURE / len(included)))
    attraction = _above_document_null(attraction, documents, fires, int(doc_offsets[-1]), z)
    frequent = included[np.argsort(-fires[included], kind="stable")][:MAX_FEATURES]
    together = cofire_counts(shards, frequent, n_features, threads=threads)
    expected = expected_cofire_matrix(documents.select(frequent), threads=threads)
    return _merge(attraction, frequent, outlier_scores(together, expected, z))


def outlier_scores(
    together: UInt32[np.ndarray, "feature feature"], expected: Float32[np.ndarray, "feature feature"], z: float
) -> csr_array:
    """Score the pairs that are outliers against all others.

    Args:
        together: tokens on which both features fire; only the upper triangle is read.
        expected: co-fires expected within documents; only the upper triangle is read.
        z: standard normal quantile of the confidence bounds.

    Returns:
        [feature, feature] float32: scores in (0, 1], symmetric, empty diagonal.
    """
    null = empirical_null(together, expected)
    if null.centre == 0.0:
        return csr_array(np.zeros_like(expected))
    counts = np.arange(int(together.max(initial=0)) + 1, dtype=np.float32)
    bounds = lower_bound(counts, z), upper_bound(counts, z)
    outliers = in_triangles(outlier_pairs(together, expected, *bounds, (null.low, null.high)))
    outliers.data = np.sqrt(outliers.data * profile_cosine(outliers))
    return outliers


def empirical_null(
    together: UInt32[np.ndarray, "feature feature"], expected: Float32[np.ndarray, "feature feature"]
) -> EmpiricalNull:
    """Estimate the null from the pairs with at least MIN_EXPECTED expected co-fires; arguments as in
    ``outlier_scores``."""
    fair = np.triu(expected >= MIN_EXPECTED, 1)
    if fair.sum() < MIN_NULL_PAIRS:
        return EmpiricalNull(1.0, 0.0)
    ratio = together[fair].astype(np.float64) / expected[fair]
    low, centre, high = (float(value) for value in np.quantile(ratio, [0.25, 0.5, 0.75]))
    if centre == 0.0:
        return EmpiricalNull(0.0, 0.0)
    counting = float(np.median(1.0 / (expected[fair] * centre)))
    below = np.log(centre / low) if low > 0.0 else np.inf
    narrower = min(float(below), float(np.log(high / centre))) / NORMAL_QUARTILE
    return EmpiricalNull(centre, float(np.sqrt(max(narrower**2 - counting, 0.0))))


def lower_bound(count: Float[np.ndarray, "*pair"], z: float) -> Float[np.ndarray, "*pair"]:
    """Lower confidence bound of a Poisson mean given ``count`` events (Wilson and Hilferty 1931)."""
    m = np.maximum(count, 1.0)
    root = np.maximum(1.0 - 1.0 / (9.0 * m) - z / (3.0 * np.sqrt(m)), 0.0)
    return np.where(count > 0, m * root**3, 0.0).astype(count.dtype)


def upper_bound(count: Float[np.ndarray, "*pair"], z: float) -> Float[np.ndarray, "*pair"]:
    """Upper confidence bound of a Poisson mean given ``count`` events (Wilson and Hilferty 1931)."""
    m = count + 1.0
    return np.asarray(m * (1.0 - 1.0 / (9.0 * m) + z / (3.0 * np.sqrt(m))) ** 3).astype(count.dtype)


def _above_document_null(
    graph: NeighbourGraph, documents: DocumentFires, fires: Int64[np.ndarray, "feature"], n_tokens: int, z: float
) -> NeighbourGraph:
    """Drop the pairs that do not co-fire significantly more often than expected within documents."""
    partner = graph.neighbour
    together = cofires_from_npmi(graph.score, fires[:, None], fires[partner], n_tokens)
    significant = (partner >= 0) & (lower_bound(together, z) > expected_pair_cofires(documents, partner))
    return _pack_left(np.where(significant, partner, np.int32(-1)), np.where(significant, graph.score, np.float32(0.0)))


def cofires_from_npmi(
    score: Float32[np.ndarray, "*pair"],
    c_i: Int[np.ndarray, "*pair_i"],
    c_j: Int[np.ndarray, "*pair_j"],
    n: int,
) -> Float64[np.ndarray, "*pair"]:
    """Recover the number of co-fires of a pair from its NPMI: the formula of ``similarity`` solved for c."""
    wide = score.astype(np.float64)
    with np.errstate(divide="ignore"):
        rise = np.log(c_i * c_j.astype(np.float64)) - (1.0 - wide) * np.log(max(n, 1))
    return np.asarray(np.exp(rise / (1.0 + wide))).round()


def _merge(
    attraction: NeighbourGraph,
    frequent: Int64[np.ndarray, "selected"],
    outliers: csr_array,
) -> NeighbourGraph:
    """Union of two graphs: the larger score of each pair, then the best partners of each feature, ties to the lower
    number."""
    n_features, neighbours = attraction.neighbour.shape
    low, high = outliers.nonzero()
    row, place = np.nonzero(attraction.neighbour >= 0)
    feature = np.concatenate([row, frequent[low]])
    partner = np.concatenate([attraction.neighbour[row, place].astype(np.int64), frequent[high]])
    score = np.concatenate([attraction.score[row, place], outliers.data])
    order = np.lexsort((-score, partner, feature))
    feature, partner, score = feature[order], partner[order], score[order]
    first = _is_first(feature * n_features + partner)
    feature, partner, score = feature[first], partner[first], score[first]
    order = np.lexsort((partner, -score, feature))
    feature, partner, score = feature[order], partner[order], score[order]
    rank = np.arange(len(feature)) - np.searchsorted(feature, feature)
    best = rank < neighbours
    joined = NeighbourGraph(
        np.full((n_features, neighbours), -1, dtype=np.int32), np.zeros((n_features, neighbours), dtype=np.float32)
    )
    joined.neighbour[feature[best], rank[best]] = partner[best]
    joined.score[feature[best], rank[best]] = score[best]
    return joined


def _is_first(ascending: Int64[np.ndarray, "entry"]) -> Bool[np.ndarray, "entry"]:
    """Whether each entry differs from the previous one."""
    return np.concatenate([[True], ascending[1:] != ascending[:-1]])[: len(ascending)]


def _pack_left(
    partner: Int32[np.ndarray, "feature neighbours"], score: Float32[np.ndarray, "feature neighbours"]
) -> NeighbourGraph:
    """Move the remaining partners to the front of each row."""
    order = np.argsort(partner < 0, axis=1, kind="stable")
    return NeighbourGraph(np.take_along_axis(partner, order, axis=1), np.take_along_axis(score, order, axis=1))
