"""Multinomial regression recovers planted log-odds, and the prior where there is nothing to learn."""

import numpy as np
import pytest

from explorer.maths.position.multinomial import fit_multinomial, log_softmax


def test_planted_log_odds_are_recovered() -> None:
    rng = np.random.default_rng(0)
    weights, points = rng.normal(size=(4, 5)), rng.normal(size=(20_000, 4))
    posterior = np.exp(log_softmax(points @ weights))
    label = (posterior.cumsum(1) > rng.random((len(points), 1))).argmax(1)
    fitted = np.exp(fit_multinomial(points, label, 5, 1e-5).log_posterior(points))
    assert np.abs(fitted - posterior).mean() < 0.01


def test_the_fit_maximises_the_penalised_likelihood() -> None:
    rng = np.random.default_rng(1)
    points, label, ridge = rng.normal(size=(300, 3)) * 5 + 2, rng.integers(0, 4, 300), 0.01
    found = fit_multinomial(points, label, 4, ridge)

    def objective(weights: np.ndarray, bias: np.ndarray) -> float:
        log_likelihood = log_softmax((points - found.centre) / found.scale @ weights + bias)
        return float(log_likelihood[np.arange(300), label].mean() - 0.5 * ridge * (weights**2).sum())

    best = objective(found.weights, found.bias)
    for _ in range(50):
        step = rng.normal(size=found.weights.shape) * 0.05
        assert objective(found.weights + step, found.bias) < best


def test_a_class_without_samples_stays_unlikely() -> None:
    rng = np.random.default_rng(2)
    readout = fit_multinomial(rng.normal(size=(100, 2)), rng.integers(0, 2, 100), 3, 0.01)
    assert np.exp(readout.log_posterior(np.zeros((1, 2))))[0, 2] < 0.05


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_fit_is_invariant_to_scale(scale: float) -> None:
    rng = np.random.default_rng(3)
    points, label = rng.normal(size=(500, 3)), rng.integers(0, 3, 500)
    one, other = (fit_multinomial(points * by, label, 3, 0.01).log_posterior(points * by) for by in (1.0, scale))
    np.testing.assert_allclose(one, other, atol=1e-4)
