"""Recovery scores: invariants, and hand-computed cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from explorer.bench.recovery.scores import adjusted_rand, score_recovery
from explorer.records.clustering import LEFT_OUT, NOISE

LABELS = st.lists(st.tuples(st.integers(-2, 4), st.integers(-2, 4)), min_size=2, max_size=40)


def _singletons(label: np.ndarray) -> np.ndarray:
    return np.where(label < 0, 100 + np.arange(len(label)), label)


@given(LABELS)
def test_adjusted_rand_equals_scikit_learn_with_noise_as_singletons(pairs: list[tuple[int, int]]) -> None:
    truth, found = np.array(pairs).T
    wanted = adjusted_rand_score(_singletons(truth), _singletons(found))
    assert adjusted_rand(truth, found) == pytest.approx(wanted, abs=1e-12)
    assert adjusted_rand(found, truth) == pytest.approx(wanted, abs=1e-12)


@given(LABELS, st.randoms(use_true_random=False))
def test_scores_are_invariant_to_labels_and_order(pairs: list[tuple[int, int]], random: np.random.Generator) -> None:
    truth, found = np.array(pairs).T
    scored = np.arange(len(truth)) % 3 > 0
    order = np.array(random.sample(range(len(truth)), len(truth)))
    renamed = np.where(found >= 0, 7 - found, found)
    assert score_recovery(truth, found, scored) == score_recovery(truth[order], renamed[order], scored[order])


@given(LABELS)
def test_scores_stay_within_bounds(pairs: list[tuple[int, int]]) -> None:
    truth, found = np.array(pairs).T
    score = score_recovery(truth, found, np.ones(len(truth), dtype=bool))
    assert -1.0 <= score.adjusted_rand <= 1.0
    assert 0 <= score.n_recovered <= score.n_groups
    assert 0 <= score.n_false <= score.n_clusters
    assert score.noise_recall is None or 0.0 <= score.noise_recall <= 1.0


@given(st.lists(st.integers(-1, 4), min_size=2, max_size=40))
def test_the_truth_scores_perfectly(label: list[int]) -> None:
    truth = np.array(label)
    score = score_recovery(truth, truth, np.ones(len(truth), dtype=bool))
    assert score.adjusted_rand == pytest.approx(1.0)
    assert score.noise_recall in (1.0, None)
    assert (score.n_recovered, score.n_false) == (score.n_groups, 0)


def test_hand_computed_case() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, NOISE, NOISE, NOISE])
    found = np.array([5, 5, 5, NOISE, 9, 9, 9, NOISE, NOISE, 9, 9, LEFT_OUT])
    score = score_recovery(truth, found, np.arange(12) < 11)
    assert (score.n_groups, score.n_recovered) == (2, 2)
    assert (score.n_clusters, score.n_false, score.largest) == (2, 0, 5)
    assert score.noise_recall == 0.0


def test_one_cluster_of_everything_scores_zero() -> None:
    truth = np.repeat([0, 1, 2, NOISE], 10)
    score = score_recovery(truth, np.zeros(40, dtype=int), np.ones(40, dtype=bool))
    assert score.adjusted_rand == pytest.approx(0.0, abs=1e-12)
    assert (score.noise_recall, score.n_recovered, score.n_false) == (0.0, 0, 1)
