"""Planted clusters are stable under resampling and significant; chance clusters are neither."""

import numpy as np
import pytest

from explorer.bench.planted.codes import PlantedCodes, document_offsets, planted_cofiring
from explorer.bench.planted.tiles import TileSettings, planted_tiles
from explorer.config import ClusteringSettings, CofiringSettings
from explorer.maths.clustering.grouping import cluster_codes, graph_of_codes
from explorer.maths.clustering.hdbscan import ClusterTree, cluster_graph
from explorer.maths.clustering.resample import ResampledCodes, resampled_documents, shuffled_within_documents
from explorer.maths.clustering.stability import (
    ClusterStatistics,
    best_match_jaccard,
    cluster_statistics,
    null_p_values,
    summarise_stability,
)
from explorer.maths.cofiring.counts import fire_counts, firing_shard

COFIRING, CLUSTERING = CofiringSettings(), ClusteringSettings()
DRAWS = 5


class Case:
    """Planted codes, their clusters, and clusters of resampled codes."""

    def __init__(self, planted: PlantedCodes, cofiring: CofiringSettings = COFIRING) -> None:
        self.cofiring = cofiring
        self.shard, self.n_features = firing_shard(planted.codes), planted.codes.n_features
        n_tokens = planted.codes.n_tokens
        self.offsets = document_offsets(n_tokens)
        self.found = self.cluster(ResampledCodes(iter([self.shard]), self.offsets))
        self.truth = best_match_jaccard(self.found.clustering.label, planted.label)
        rng = np.random.default_rng(3)
        resampled = [self.cluster(resampled_documents([self.shard], self.offsets, rng)) for _ in range(DRAWS)]
        label = self.found.clustering.label
        self.stability = summarise_stability(
            np.array([best_match_jaccard(label, one.clustering.label) for one in resampled]).reshape(DRAWS, -1)
        )
        shuffled = [self.cluster(shuffled_within_documents([self.shard], self.offsets, rng)) for _ in range(DRAWS)]
        self.chance = [cluster_statistics(one) for one in shuffled]
        self.p_values = null_p_values(cluster_statistics(self.found), self.chance)

    def cluster(self, codes: ResampledCodes) -> ClusterTree:
        return cluster_codes(list(codes.shards), codes.doc_offsets, self.n_features, self.cofiring, CLUSTERING)


@pytest.fixture(scope="module")
def planted() -> Case:
    return Case(planted_cofiring(700, 14_000, rng=np.random.default_rng(0)))


def test_the_repeated_clustering_equals_the_builds(planted: Case) -> None:
    graph = graph_of_codes([planted.shard], planted.offsets, planted.n_features, COFIRING)
    fires = fire_counts(*planted.shard, planted.n_features)
    built = cluster_graph(graph, fires, CLUSTERING, COFIRING.min_fires)
    np.testing.assert_array_equal(planted.found.clustering.label, built.label)


def test_planted_clusters_are_stable_and_significant(planted: Case) -> None:
    true = planted.truth > 0.5
    assert true.sum() > 10
    assert planted.stability.jaccard[true].min() > 0.75
    assert planted.stability.dissolved[true].max() == 0
    assert (planted.p_values[true] == 1 / (1 + DRAWS)).mean() > 0.9
    assert np.median([len(draw.size) for draw in planted.chance]) < 0.4 * len(planted.truth)


def test_chance_clusters_are_not_stable() -> None:
    """Tiles whose silence is not significant: NPMI clusters random co-fires."""
    tiles = planted_tiles(TileSettings(n_tokens=60_000, expected=0.5), rng=np.random.default_rng(1))
    case = Case(tiles, CofiringSettings(similarity="npmi"))
    assert len(case.truth) > 0
    assert case.truth.max() < 0.5
    assert case.stability.jaccard.max() < 0.5
    assert case.stability.dissolved.min() > 0.5
    assert case.p_values.mean() > 0.4


def test_clusters_of_shuffled_codes_are_rarely_significant(planted: Case) -> None:
    significant = 0
    for draw in planted.chance:
        others = [other for other in planted.chance if other is not draw]
        significant += int((null_p_values(draw, others) == 1 / DRAWS).sum())
    assert significant / DRAWS < 1, "clusters a draw, each at a p of .2"
    assert (planted.p_values == 1 / (1 + DRAWS)).sum() > 10


def test_persistence_is_compared_in_units_of_density(planted: Case) -> None:
    densest = planted.found.tree.density.max()
    real = cluster_statistics(planted.found)
    np.testing.assert_allclose(real.excess, planted.found.clustering.persistence * densest)
    assert real.excess.max() > 3 * max(draw.excess.max(initial=0) for draw in planted.chance)


def test_best_match_jaccard() -> None:
    label = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, -1, -2], dtype=np.int32)
    other = np.array([5, 5, 5, 1, 1, 1, 1, -1, -2, -1, 5, 0], dtype=np.int32)
    np.testing.assert_allclose(best_match_jaccard(label, other), [3 / 5, 3 / 4, 0])
    np.testing.assert_allclose(best_match_jaccard(label, label), 1)
    nothing = np.full(12, -1, dtype=np.int32)
    assert best_match_jaccard(nothing, label).shape == (0,)
    assert best_match_jaccard(label, nothing).tolist() == [0, 0, 0]


def test_a_jaccard_of_one_half_counts_as_dissolved() -> None:
    found = summarise_stability(np.array([[1.0, 0.5], [0.8, 0.51]]))
    np.testing.assert_allclose(found.jaccard, [0.9, 0.505])
    assert found.dissolved.tolist() == [0.0, 0.5]


def test_a_rival_must_be_both_as_large_and_as_persistent() -> None:
    real = ClusterStatistics(np.array([5, 5, 5]), np.array([1.0, 1.0, 9.0]))
    small, loose = ClusterStatistics(np.array([4]), np.array([8.0])), ClusterStatistics(np.array([50]), np.array([0.5]))
    both = ClusterStatistics(np.array([5, 3]), np.array([1.0, 2.0]))
    nothing = ClusterStatistics(np.zeros(0, np.int64), np.zeros(0))
    np.testing.assert_allclose(null_p_values(real, [small, loose, nothing]), 1 / 4)
    np.testing.assert_allclose(null_p_values(real, [small, both, nothing]), [2 / 4, 2 / 4, 1 / 4])
