"""Firing matrices, and the tokens of a cluster."""

from itertools import pairwise

import numpy as np

from explorer.pipeline.build.firing import (
    FiringMatrix,
    core_cofires,
    core_tokens,
    fires_on,
    firing_matrix,
    halo_candidates,
)
from explorer.records.bundle import Codes


def firing_of(fires: np.ndarray) -> FiringMatrix:
    """A firing matrix from a mask [token, feature]."""
    token, feature = np.nonzero(fires)
    indptr = np.concatenate([[0], np.cumsum(fires.sum(axis=1))])
    codes = Codes(indptr, feature.astype(np.uint32), np.ones(len(token), np.float32), fires.shape[1])
    return firing_matrix([codes], codes.n_features)


def test_shards_give_the_same_matrix_as_the_whole() -> None:
    rng = np.random.default_rng(0)
    values = np.maximum(rng.standard_normal((60, 9)), 0).astype(np.float16)
    values[:, 4] = 0
    stored = (values > 0) | (rng.uniform(size=values.shape) < 0.1)
    stored[20:23] = False
    values[20:23] = 0

    def codes(first: int, last: int) -> Codes:
        token, feature = np.nonzero(stored[first:last])
        indptr = np.concatenate([[0], np.cumsum(stored[first:last].sum(axis=1))])
        return Codes(indptr, feature.astype(np.uint32), values[first:last][token, feature], 9)

    for edges in ((0, 60), (0, 1, 21, 22, 60)):
        firing = firing_matrix([codes(*part) for part in pairwise(edges)], 9)
        assert firing.n_tokens == 60
        for feature in range(9):
            tokens, activation = firing.of(feature)
            assert tokens.tolist() == np.flatnonzero(values[:, feature]).tolist()
            assert activation.tolist() == values[tokens, feature].tolist()


def random_fires(counts: list[int], n_features: int) -> np.ndarray:
    """A mask [token, feature] with a given number of random features firing on each token."""
    rng = np.random.default_rng(0)
    return np.array([rng.permutation(n_features) < count for count in counts])


def core_of(size: int) -> np.ndarray:
    return np.arange(size, dtype=np.int32)


def test_half_of_the_core_must_fire() -> None:
    fires = random_fires([4] * 40 + [3] * 30 + [2] * 20 + [1] * 10, 6)
    assert core_tokens(firing_of(fires), core_of(6), 0.5).usual.tolist() == list(range(70))


def test_without_a_valley_the_wider_set_requires_half_as_many() -> None:
    fires = random_fires([4] * 40 + [3] * 30 + [2] * 20 + [1] * 10, 6)
    assert core_tokens(firing_of(fires), core_of(6), 0.5).wider.tolist() == list(range(90))


def test_tiles_that_hardly_overlap_may_fire_alone() -> None:
    fires = np.zeros((40, 4), dtype=bool)
    fires[np.arange(40), np.arange(40) % 4] = True
    fires[0] = [True, True, False, False]
    choices = core_tokens(firing_of(fires), core_of(4), 0.5)
    assert choices.usual.tolist() == choices.wider.tolist() == list(range(40))


def test_the_wider_set_of_a_large_core_is_beyond_the_valley() -> None:
    fires = random_fires([6] * 30 + [3] * 40 + [2] * 2 + [1] * 25, 10)
    choices = core_tokens(firing_of(fires), core_of(10), 0.5)
    assert choices.usual.tolist() == list(range(30))
    assert choices.wider.tolist() == list(range(70))


def test_the_feature_that_cofires_with_every_variant_is_central() -> None:
    fires = np.zeros((90, 5), dtype=bool)
    for variant in range(3):
        fires[20 * variant : 20 * variant + 20, variant] = True
    fires[:60, 3] = True
    fires[:, 4] = True
    fires = np.concatenate([fires, np.zeros((400, 5), dtype=bool)])
    fires[90:, 4] = True
    assert core_tokens(firing_of(fires), core_of(5), 0.5).central.tolist() == list(range(60))


def test_near_duplicate_sets_are_dropped() -> None:
    fires = np.ones((40, 4), dtype=bool)
    fires[0, :3] = False
    assert list(core_tokens(firing_of(fires), core_of(4), 0.5).distinct) == ["central"]


def test_other_features_do_not_count() -> None:
    fires = random_fires([3] * 20 + [0] * 20, 6)
    with_others = np.concatenate([fires, np.ones((40, 5), dtype=bool)], axis=1)
    alone, beside = (core_tokens(firing_of(given), core_of(6), 0.5) for given in (fires, with_others))
    assert [tokens.tolist() for tokens in alone] == [tokens.tolist() for tokens in beside]


def test_halo_candidates_are_the_core_and_features_frequent_on_its_tokens() -> None:
    fires = np.zeros((1000, 5), dtype=bool)
    fires[:100, 0] = True
    fires[:50, 1] = True
    fires[:4, 2] = True
    fires[::2, 3] = True
    fires[100:, 4] = True
    firing, tokens = firing_of(fires), np.arange(100)
    assert fires_on(firing, tokens).tolist() == [100, 50, 4, 50, 0]
    assert halo_candidates(firing, core_of(1), tokens, 0.0).tolist() == [0, 1, 3]
    assert halo_candidates(firing, core_of(1), tokens, 1.0).tolist() == [0, 1, 3]
    assert halo_candidates(firing, core_of(1), tokens, 2.0).tolist() == [0, 1]
    assert halo_candidates(firing, np.array([0, 4], np.int32), tokens, 2.0).tolist() == [0, 1, 4]


def test_cofires_of_a_core_are_counted_over_all_tokens() -> None:
    fires = np.zeros((1000, 2), dtype=bool)
    fires[:100, 0] = True
    fires[80:180, 1] = True
    cofires = core_cofires(firing_of(fires), core_of(2))
    assert (cofires.expected, cofires.positive) == (10.0, 1.0)
