"""The signed similarity against a slow reference, and on codes with planted groups."""

import math

import numpy as np
import pytest
from scipy.stats import norm, poisson

from explorer.bench.planted.codes import document_offsets, planted_cofiring
from explorer.bench.planted.tiles import TileSettings, planted_tiles
from explorer.bench.recovery.scores import Recovery, score_recovery
from explorer.config import BuildSettings, CofiringSettings
from explorer.maths.clustering.grouping import graph_of_codes
from explorer.maths.clustering.hdbscan import cluster_graph
from explorer.maths.cofiring.counts import cofiring_graph, fire_counts, firing_shard
from explorer.maths.cofiring.signed import (
    FALSE_PAIRS_PER_FEATURE,
    OUTLIER_SPREADS,
    cofires_from_npmi,
    empirical_null,
    lower_bound,
    outlier_scores,
    signed_graph,
    upper_bound,
)
from explorer.maths.cofiring.similarity import score_pairs
from explorer.records.bundle import Codes
from explorer.records.clustering import NeighbourGraph
from tests.maths.cofiring.test_expected import cut, expected_reference

SHARP = TileSettings(n_groups=6, n_tiles=6, n_tokens=40_000)
Z = 3.0


def dense(graph: NeighbourGraph) -> np.ndarray:
    """Scores [feature, feature], 0 without an edge."""
    scores = np.zeros((len(graph.neighbour), len(graph.neighbour)))
    row, place = np.nonzero(graph.neighbour >= 0)
    scores[row, graph.neighbour[row, place]] = graph.score[row, place]
    return scores


def outlier_score(c: float, e: float, low: float, high: float, z: float) -> float:
    """Score of an outlier pair, before it is compared with other pairs."""
    least = float(lower_bound(np.array(float(c)), z))
    most = float(upper_bound(np.array(float(c)), z))
    more = 1.0 - e * high / least if least > 0 else 0.0
    less = 1.0 - most / (e * low) if e * low > 0 else 0.0
    return max(more, less, 0.0)


def reference_similarity(fires: np.ndarray, doc_offsets: np.ndarray, min_count: int) -> np.ndarray:
    """The similarity [feature, feature], pair by pair."""
    n_tokens, n_features = fires.shape
    together = fires.T.astype(np.int64) @ fires.astype(np.int64)
    expected = expected_reference(fires, doc_offsets)
    count = np.diag(together)
    z = float(norm.isf(FALSE_PAIRS_PER_FEATURE / (count > 0).sum()))
    null = empirical_null(together.astype(np.uint32), expected.astype(np.float32))
    low, high = (null.centre * math.exp(sign * OUTLIER_SPREADS * null.spread) for sign in (-1, 1))
    outliers = np.array(
        [
            [outlier_score(c, e, low, high, z) if i != j else 0.0 for j, (c, e) in enumerate(zip(*row, strict=True))]
            for i, row in enumerate(zip(together, expected, strict=True))
        ]
    )
    in_triangle_reference = np.array(
        [[any(outliers[i, k] > 0 and outliers[k, j] > 0 for k in range(n_features)) for j in range(n_features)]
         for i in range(n_features)]
    )  # fmt: skip
    outliers = np.where(in_triangle_reference, outliers, 0.0) * (null.centre > 0)
    rows = outliers + np.eye(n_features)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    meets = (together >= min_count) & (lower_bound(together.astype(np.float64), z) > expected)
    c_i, c_j = np.broadcast_arrays(count[:, None], count[None, :])
    npmi = np.where(meets & ~np.eye(n_features, dtype=bool), score_pairs("npmi", together, c_i, c_j, n_tokens), 0.0)
    return np.maximum(np.sqrt(outliers * (rows @ rows.T)), npmi)


@pytest.mark.parametrize("seed", range(6))
def test_graph_equals_the_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(4), 3)
    place = rng.integers(3 if seed % 2 else 5, size=(900, 4))
    fires = (place[:, group] == np.tile(np.arange(3), 4)) & (rng.uniform(size=(900, 12)) < 0.8)
    fires[:, :2] |= rng.uniform(size=(900, 2)) < 0.2
    fires[:, 11] |= fires[:, 0] & (rng.uniform(size=900) < 0.6)
    doc_offsets = np.array([0, 300, 500, 900])
    graph = signed_graph(cut(fires, [250, 600]), doc_offsets, 12, neighbours=11)
    wanted = reference_similarity(fires, doc_offsets, 3)
    assert (wanted > 0).sum() >= 12
    np.testing.assert_allclose(dense(graph), wanted, rtol=1e-3, atol=1e-4)
    assert (np.diff(graph.score, axis=1) <= 0).all()


def test_few_neighbours_are_the_best_ones() -> None:
    found = planted_tiles(SHARP, rng=np.random.default_rng(1))
    shard, doc_offsets = firing_shard(found.codes), document_offsets(found.codes.n_tokens)
    graphs = [
        signed_graph([shard], doc_offsets, found.codes.n_features, neighbours=width, threads=threads)
        for width, threads in ((4, 1), (40, 2))
    ]
    np.testing.assert_array_equal(graphs[0].score, graphs[1].score[:, :4])
    np.testing.assert_array_equal(graphs[0].neighbour, graphs[1].neighbour[:, :4])


def recovery_score(codes: Codes, truth: np.ndarray) -> Recovery:
    """Recovery by HDBSCAN with default settings."""
    settings, shard = BuildSettings(), firing_shard(codes)
    graph = graph_of_codes([shard], document_offsets(codes.n_tokens), codes.n_features, settings.cofiring)
    fires = fire_counts(shard.indptr, shard.features, codes.n_features)
    label = cluster_graph(graph, fires, settings.clustering, settings.cofiring.min_fires).label
    return score_recovery(truth, label, fires >= settings.cofiring.min_fires)


@pytest.mark.parametrize(
    "planted", [SHARP, TileSettings(n_groups=6, n_tiles=6, n_tokens=200_000, expected=10.0, boost=float("inf"))]
)
def test_disjoint_tiles_are_found_if_their_silence_is_significant(planted: TileSettings) -> None:
    found = planted_tiles(planted, rng=np.random.default_rng(2))
    score = recovery_score(found.codes, found.label)
    assert (score.n_recovered, score.n_false) == (6, 0)
    assert score.noise_recall is not None
    assert score.noise_recall > 0.9


def test_disjoint_tiles_are_not_claimed_without_power() -> None:
    found = planted_tiles(TileSettings(n_tokens=60_000, expected=0.5), rng=np.random.default_rng(3))
    assert recovery_score(found.codes, found.label).n_clusters == 0


def test_overlapping_tiles_are_found_among_features_of_the_same_topics() -> None:
    found = planted_cofiring(1000, 25_000, rng=np.random.default_rng(4))
    score = recovery_score(found.codes, found.label)
    assert score.adjusted_rand > 0.97
    assert score.noise_recall is not None
    assert score.noise_recall > 0.97


def test_features_of_one_topic_are_not_scored() -> None:
    rng = np.random.default_rng(5)
    topic = np.repeat(rng.integers(4, size=200), 100)
    fires = rng.uniform(size=(len(topic), 40)) < np.where(topic[:, None] == np.arange(40) % 4, 0.1, 0.004)
    doc_offsets = np.arange(0, len(topic) + 1, 100)
    npmi = dense(cofiring_graph(*cut(fires, [])[0], 40))
    same = np.arange(40)[:, None] % 4 == np.arange(40) % 4
    assert (npmi[same & ~np.eye(40, dtype=bool)] > 0.1).all()
    signed = dense(signed_graph(cut(fires, []), doc_offsets, 40))
    assert (signed > 0).sum() <= 0.1 * 40


def test_silence_is_no_evidence_in_a_language_of_fixed_phrases() -> None:
    """Half of all pairs never co-fire: words of the first position in a phrase with words of the second."""
    rng = np.random.default_rng(6)
    place = np.arange(30_000) % 6
    word = rng.integers(5, size=len(place))
    fires = np.zeros((len(place), 60), dtype=bool)
    fires[np.arange(len(place)), place * 10 + 2 * word] = True
    fires[np.arange(len(place)), place * 10 + 2 * word + 1] = rng.uniform(size=len(place)) < 0.7
    doc_offsets = np.arange(0, len(place) + 1, 60)
    signed = signed_graph(cut(fires, []), doc_offsets, 60)
    npmi = cofiring_graph(*cut(fires, [])[0], 60)
    np.testing.assert_array_equal(signed.neighbour, npmi.neighbour)
    np.testing.assert_array_equal(signed.score, npmi.score)


def test_an_isolated_outlier_pair_is_not_scored() -> None:
    expected = np.full((30, 30), 40.0, dtype=np.float32)
    together = np.random.default_rng(7).poisson(40.0, (30, 30)).astype(np.uint32)
    together[0, 1] = 0
    assert not outlier_scores(together, expected, Z).nnz
    together[0, 2] = together[1, 2] = 200
    outliers = outlier_scores(together, expected, Z).toarray()
    assert set(zip(*(axis.tolist() for axis in np.nonzero(outliers)), strict=True)) == {
        (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)
    }  # fmt: skip
    np.testing.assert_array_equal(outliers, outliers.T)


def dense_outlier_scores(together: np.ndarray, expected: np.ndarray, z: float) -> np.ndarray:
    """The same with dense matrices: every pair scored, and products over all features."""
    null = empirical_null(together, expected)
    counts = together.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = 1.0 - expected * null.high / lower_bound(counts, z)
        less = 1.0 - upper_bound(counts, z) / (expected * null.low)
    outliers = np.triu(np.maximum(np.nan_to_num(more, neginf=0.0), np.nan_to_num(less, neginf=0.0)).clip(0.0), 1)
    outliers += outliers.T
    outlier_score = (outliers > 0).astype(np.float64)
    outliers *= outlier_score @ outlier_score > 0
    rows = outliers + np.eye(len(outliers))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.sqrt(outliers * (rows @ rows.T)))


@pytest.mark.parametrize("spread", [0.05, 0.6])
def test_sparse_outlier_scores_equal_dense_ones(spread: float) -> None:
    rng = np.random.default_rng(9)
    expected = rng.uniform(5.0, 400.0, (120, 120)).astype(np.float32)
    together = rng.poisson(expected * np.exp(spread * rng.standard_normal(expected.shape))).astype(np.uint32)
    together[:12, :12] *= 4
    outliers = outlier_scores(together, expected, Z)
    assert outliers.nnz > 100
    np.testing.assert_allclose(outliers.toarray(), dense_outlier_scores(together, expected, Z), rtol=1e-4, atol=1e-5)


def test_the_empirical_null_recovers_centre_and_spread() -> None:
    rng = np.random.default_rng(8)
    expected = np.full((80, 80), 200.0, dtype=np.float32)
    usual = 0.7 * np.exp(0.2 * rng.standard_normal((80, 80)))
    together = rng.poisson(expected * usual).astype(np.uint32)
    together[:16, :16] = 0
    null = empirical_null(together, expected)
    assert null.centre == pytest.approx(0.7, rel=0.05)
    assert null.spread == pytest.approx(0.2, rel=0.2)
    assert null.low < null.centre < null.high
    poor = empirical_null(together[:9, :9], expected[:9, :9])
    assert (poor.centre, poor.spread) == (1.0, 0.0)


@pytest.mark.parametrize("count", [0, 1, 3, 10, 100, 5000])
def test_bounds_have_their_nominal_coverage(count: int) -> None:
    """Probability of at least as many events under the lower bound, and of at most as many under the upper one."""
    tail = float(norm.sf(Z))
    low = float(lower_bound(np.array(float(count)), Z))
    high = float(upper_bound(np.array(float(count)), Z))
    assert poisson.sf(count - 1, low) == pytest.approx(tail, rel=0.5) if count > 3 else low <= count
    assert poisson.cdf(count, high) == pytest.approx(tail, rel=0.5)


def test_counts_are_recovered_from_npmi() -> None:
    rng = np.random.default_rng(9)
    c_i, c_j = rng.integers(50, 20_000, size=(2, 500))
    c = rng.integers(3, np.minimum(c_i, c_j))
    score = score_pairs("npmi", c, c_i, c_j, 1_000_000).astype(np.float32)
    np.testing.assert_array_equal(cofires_from_npmi(score, c_i, c_j, 1_000_000), c)


def test_other_similarities_are_selectable() -> None:
    found = planted_tiles(SHARP, rng=np.random.default_rng(1))
    shard = firing_shard(found.codes)
    wanted = cofiring_graph(*shard, found.codes.n_features, similarity="phi", min_fires=20)
    doc_offsets = document_offsets(found.codes.n_tokens)
    graph = graph_of_codes([shard], doc_offsets, found.codes.n_features, CofiringSettings(similarity="phi"))
    np.testing.assert_array_equal(graph.neighbour, wanted.neighbour)
    np.testing.assert_array_equal(graph.score, wanted.score)
