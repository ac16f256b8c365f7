"""Which features belong together, whether they meet or avoid each other: the similarity that a build uses. Ours.

Tiles of one manifold may overlap and meet more often than chance; they may be disjoint and meet less often. Both are
evidence, on one scale from 0 to 1:

*Meeting* is NPMI (see ``similarity``), where the lower confidence bound of the co-fires lies above what chance gives
within documents. A pair that a common topic explains has no score.

*Standing out* needs features that fire often enough to be missed when they do not. Independence is no fair null for
them: a fixed number of features shares each token, and words of one place in a sentence never meet. So the null is read
off the pairs themselves (Efron 2004, "Large-scale simultaneous hypothesis testing: the choice of a null hypothesis"):
the middle of their co-fires over expected co-fires, and its spread. A pair whose confidence bound lies beyond stands
out, by 1 - E/L where it meets more often and 1 - U/E where less. Where half of the pairs never meet, as in a
language of fixed phrases, silence tells nothing and no pair stands out.

A pair that stands out alone is nobody's manifold, so that a third feature must stand out with both; and its score is
the geometric mean with how alike the two features' rows of scores are (cosine), which parts groups that one pair joins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int32, Int64, UInt32
from scipy.sparse import csr_array
from scipy.special import ndtri

from explorer.maths.cofiring.counts import FiringShard, cofire_counts, cofiring_graph_of_shards
from explorer.maths.cofiring.expected import DocumentFires, document_fires, expected_matrix, expected_of_pairs
from explorer.maths.cofiring.outlier_pairs import alikeness, linked_pairs, shared_only
from explorer.records import NeighbourGraph

FALSE_LINKS: Final = 0.1
"""Pairs that chance may make significant, for each feature."""
EXPECTED: Final = 10.0
"""Expected co-fires from which a pair shapes the null."""
FEWEST_PAIRS: Final = 50
"""Fewer such pairs shape none: independence is taken."""
BEYOND: Final = 1.5
"""Spreads of the null between its middle and where a pair stands out."""
MOST_OFTEN: Final = 8192
"""So many features at most, the most frequent ones, are looked at for pairs that stand out: their matrix is held."""
QUARTILE: Final = 0.6745
"""Upper quartile of a standard normal variable."""


@dataclass(frozen=True)
class Background:
    """What is usual among pairs that chance would let meet: the empirical null."""

    centre: float
    """Median of co-fires over expected co-fires; 1 where features are independent."""
    spread: float
    """Standard deviation of its logarithm beyond what counting explains, from the narrower of its two middle quarters:
    the other one may hold the true links."""

    @property
    def low(self) -> float:
        """Ratio below which a pair avoids each other."""
        return self.centre * float(np.exp(-BEYOND * self.spread))

    @property
    def high(self) -> float:
        """Ratio above which a pair seeks each other."""
        return self.centre * float(np.exp(BEYOND * self.spread))


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
    """Find every feature's best partners, those it meets and those it avoids.

    Args:
        shards: an iterable that can be gone through many times, giving the codes in the order of the tokens.
        doc_offsets: where each document begins, and the number of tokens.
        n_features: number of features, whether or not they fire.
        neighbours: partners kept for each feature.
        min_count: pairs that fire together less often are not scored as meeting.
        min_fires: features that fire on fewer tokens have no partners and are nobody's partner.
        threads: how many threads count; None for one a core. The result does not depend on it.

    Returns:
        As ``cofiring.cofiring_graph`` does.
    """
    meeting = cofiring_graph_of_shards(
        shards, n_features, neighbours=neighbours, min_count=min_count, min_fires=min_fires, threads=threads
    )
    documents = document_fires(shards, doc_offsets, n_features)
    fires = documents.counts
    included = np.flatnonzero(fires >= max(min_fires, 1))
    if len(included) < 2:
        return meeting
    z = -float(ndtri(FALSE_LINKS / len(included)))
    meeting = _beyond_topic(meeting, documents, fires, int(doc_offsets[-1]), z)
    often = included[np.argsort(-fires[included], kind="stable")][:MOST_OFTEN]
    together = cofire_counts(shards, often, n_features, threads=threads)
    expected = expected_matrix(documents.of_features(often), threads=threads)
    return _merge(meeting, often, standing_out(together, expected, z))


def standing_out(
    together: UInt32[np.ndarray, "feature feature"], expected: Float32[np.ndarray, "feature feature"], z: float
) -> csr_array:
    """Score the pairs that stand out from all others.

    Args:
        together: tokens on which both features fire; read above the diagonal.
        expected: what chance within documents would give; read there too.
        z: standard normal quantile of the confidence bounds.

    Returns:
        [feature, feature] float32: scores in (0, 1], symmetric, and nothing on the diagonal.
    """
    null = background(together, expected)
    if null.centre == 0.0:
        return csr_array(np.zeros_like(expected))
    counts = np.arange(int(together.max(initial=0)) + 1, dtype=np.float32)
    bounds = lower_bound(counts, z), upper_bound(counts, z)
    links = shared_only(linked_pairs(together, expected, *bounds, (null.low, null.high)))
    links.data = np.sqrt(links.data * alikeness(links))
    return links


def background(
    together: UInt32[np.ndarray, "feature feature"], expected: Float32[np.ndarray, "feature feature"]
) -> Background:
    """Read the empirical null off the pairs with at least EXPECTED expected co-fires; arguments as in standing_out."""
    fair = np.triu(expected >= EXPECTED, 1)
    if fair.sum() < FEWEST_PAIRS:
        return Background(1.0, 0.0)
    ratio = together[fair].astype(np.float64) / expected[fair]
    low, centre, high = (float(value) for value in np.quantile(ratio, [0.25, 0.5, 0.75]))
    if centre == 0.0:
        return Background(0.0, 0.0)
    counting = float(np.median(1.0 / (expected[fair] * centre)))
    below = np.log(centre / low) if low > 0.0 else np.inf
    narrower = min(float(below), float(np.log(high / centre))) / QUARTILE
    return Background(centre, float(np.sqrt(max(narrower**2 - counting, 0.0))))


def lower_bound(count: Float[np.ndarray, "*pair"], z: float) -> Float[np.ndarray, "*pair"]:
    """Lower confidence bound of a Poisson mean of which ``count`` events were seen (Wilson and Hilferty 1931)."""
    m = np.maximum(count, 1.0)
    root = np.maximum(1.0 - 1.0 / (9.0 * m) - z / (3.0 * np.sqrt(m)), 0.0)
    return np.where(count > 0, m * root**3, 0.0).astype(count.dtype)


def upper_bound(count: Float[np.ndarray, "*pair"], z: float) -> Float[np.ndarray, "*pair"]:
    """Upper confidence bound of the same."""
    m = count + 1.0
    return np.asarray(m * (1.0 - 1.0 / (9.0 * m) + z / (3.0 * np.sqrt(m))) ** 3).astype(count.dtype)


def _beyond_topic(
    graph: NeighbourGraph, documents: DocumentFires, fires: Int64[np.ndarray, "feature"], n_tokens: int, z: float
) -> NeighbourGraph:
    """Strike the pairs that do not meet more often than chance within documents makes them."""
    partner = graph.neighbour
    together = npmi_count(graph.score, fires[:, None], fires[partner], n_tokens)
    kept = (partner >= 0) & (lower_bound(together, z) > expected_of_pairs(documents, partner))
    return _closed_up(np.where(kept, partner, np.int32(-1)), np.where(kept, graph.score, np.float32(0.0)))


def npmi_count(
    score: Float32[np.ndarray, "*pair"],
    c_i: Int[np.ndarray, "*pair_i"],
    c_j: Int[np.ndarray, "*pair_j"],
    n: int,
) -> Float64[np.ndarray, "*pair"]:
    """Tokens on which a pair fires together, from its NPMI: the formula of ``similarity`` solved for c."""
    wide = score.astype(np.float64)
    with np.errstate(divide="ignore"):
        rise = np.log(c_i * c_j.astype(np.float64)) - (1.0 - wide) * np.log(max(n, 1))
    return np.asarray(np.exp(rise / (1.0 + wide))).round()


def _merge(
    meeting: NeighbourGraph,
    often: Int64[np.ndarray, "kept"],
    links: csr_array,
) -> NeighbourGraph:
    """Join two graphs: the larger score of each pair, the best partners of each feature, ties to the lower number."""
    n_features, neighbours = meeting.neighbour.shape
    low, high = links.nonzero()
    row, place = np.nonzero(meeting.neighbour >= 0)
    feature = np.concatenate([row, often[low]])
    partner = np.concatenate([meeting.neighbour[row, place].astype(np.int64), often[high]])
    score = np.concatenate([meeting.score[row, place], links.data])
    order = np.lexsort((-score, partner, feature))
    feature, partner, score = feature[order], partner[order], score[order]
    first = _firsts(feature * n_features + partner)
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


def _firsts(ascending: Int64[np.ndarray, "entry"]) -> Bool[np.ndarray, "entry"]:
    """Which entries differ from the one before."""
    return np.concatenate([[True], ascending[1:] != ascending[:-1]])[: len(ascending)]


def _closed_up(
    partner: Int32[np.ndarray, "feature neighbours"], score: Float32[np.ndarray, "feature neighbours"]
) -> NeighbourGraph:
    """Move the partners that are left to the front of each row."""
    order = np.argsort(partner < 0, axis=1, kind="stable")
    return NeighbourGraph(np.take_along_axis(partner, order, axis=1), np.take_along_axis(score, order, axis=1))
