"""Couplings match a general solver, with positive attraction and negative exclusion."""

import numpy as np
import pytest
from scipy.optimize import minimize

from explorer.bench.baselines.ising import ising_couplings
from explorer.maths.cofiring.counts import FiringShard


def _shard(fires: np.ndarray) -> FiringShard:
    token, feature = np.nonzero(fires)
    indptr = np.searchsorted(token, np.arange(len(fires) + 1)).astype(np.int64)
    return FiringShard(indptr, feature.astype(np.uint32))


def _codes(seed: int = 0) -> np.ndarray:
    """0 and 1 attract, 2 and 3 exclude each other, 4 is independent, 5 never fires."""
    rng = np.random.default_rng(seed)
    fires = rng.uniform(size=(3000, 6)) < 0.25
    fires[:, 1] |= fires[:, 0] & (rng.uniform(size=3000) < 0.6)
    fires[:, 3] &= ~fires[:, 2] | (rng.uniform(size=3000) < 0.2)
    fires[:, 5] = False
    return fires


def _reference(fires: np.ndarray, target: int, C: float) -> np.ndarray:
    """The same regression with b = plus - minus, both non-negative, by a general solver."""
    others = np.delete(fires, target, axis=1).astype(np.float64)
    answer, n = fires[:, target].astype(np.float64), others.shape[1]

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        margin = others @ (x[:n] - x[n : 2 * n]) + x[-1]
        error = 1.0 / (1.0 + np.exp(-margin)) - answer
        slope = others.T @ error
        value = np.logaddexp(0.0, margin).sum() - answer @ margin + x[:-1].sum() / C
        return value, np.concatenate([slope + 1.0 / C, 1.0 / C - slope, [error.sum()]])

    bounds = [(0.0, None)] * (2 * n) + [(None, None)]
    found = minimize(loss, np.zeros(2 * n + 1), jac=True, bounds=bounds, options={"maxiter": 2000, "ftol": 1e-14}).x
    return np.insert(found[:n] - found[n : 2 * n], target, 0.0)


@pytest.mark.parametrize("C", [pytest.param(100.0, marks=pytest.mark.long), 0.05])
def test_couplings_equal_those_of_a_general_solver(C: float) -> None:
    fires = _codes()
    weight = np.stack([_reference(fires, target, C) if fires[:, target].any() else np.zeros(6) for target in range(6)])
    np.testing.assert_allclose(ising_couplings(_shard(fires), 6, C=C), (weight + weight.T) / 8.0, atol=0.004)


def test_attraction_is_positive_and_exclusion_negative() -> None:
    couplings = ising_couplings(_shard(_codes(1)), 6, C=1.0)
    np.testing.assert_array_equal(couplings, couplings.T)
    assert couplings[0, 1] > 0.2
    assert couplings[2, 3] < -0.2
    assert abs(couplings[0, 4]) < 0.06
    assert not couplings[5].any()


def test_couplings_do_not_depend_on_threads() -> None:
    shard = _shard(_codes(2))
    assert (ising_couplings(shard, 6, threads=1) == ising_couplings(shard, 6, threads=3)).all()
