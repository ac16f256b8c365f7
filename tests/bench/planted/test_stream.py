"""Streamed planted codes: target density, determinism, recoverable groups."""

import numpy as np
from sklearn.metrics import adjusted_rand_score

from explorer.bench.planted.stream import FIRES, draw_codes, plant_dictionary
from explorer.config import BuildSettings
from explorer.maths.clustering.hdbscan import cluster_graph
from explorer.maths.cofiring.counts import cofiring_graph, fire_counts
from explorer.records.clustering import NOISE


def test_tokens_have_about_the_target_number_of_fires() -> None:
    dictionary = plant_dictionary(4096, rng=np.random.default_rng(0))
    fires = np.diff(draw_codes(dictionary, 4000, rng=np.random.default_rng(1)).indptr)
    assert FIRES[0] <= fires.mean() <= FIRES[1]
    assert abs(fires.mean() - sum(FIRES) / 2) < 4
    few = np.diff(draw_codes(dictionary, 4000, rng=np.random.default_rng(1), fires=(8, 8)).indptr)
    assert abs(few.mean() - 8) < 2


def test_codes_are_determined_by_the_generator_and_well_formed() -> None:
    dictionary = plant_dictionary(500, rng=np.random.default_rng(0))
    one, same, other = (draw_codes(dictionary, 450, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one.features == same.features).all()
    assert not np.array_equal(one.features, other.features)
    assert one.n_tokens == 450
    assert one.features.max() < one.n_features == 500
    rises = np.diff(one.features.astype(np.int64)) > 0
    begins = np.isin(np.arange(1, len(one.features)), one.indptr)
    assert (rises | begins).all(), "features ascend within a token"


def test_each_feature_occurs_once_and_a_third_are_noise() -> None:
    dictionary = plant_dictionary(1000, rng=np.random.default_rng(3))
    assert sorted(dictionary.feature_of_slot) == list(range(1000))
    assert dictionary.size.sum() == 1000
    assert 0.3 < (dictionary.label == NOISE).mean() < 0.45


def test_groups_are_found() -> None:
    settings, n_features = BuildSettings(), 1000
    dictionary = plant_dictionary(n_features, rng=np.random.default_rng(0))
    codes = draw_codes(dictionary, 20_000, rng=np.random.default_rng(1))
    graph = cofiring_graph(codes.indptr, codes.features, n_features, similarity="npmi", threads=1)
    fires = fire_counts(codes.indptr, codes.features, n_features)
    label = cluster_graph(graph, fires, settings.clustering, settings.cofiring.min_fires).label
    singleton = n_features + np.arange(n_features)
    truth, found = (np.where(one >= 0, one, singleton) for one in (dictionary.label, label))
    assert adjusted_rand_score(truth, found) > 0.9
