"""Couplings between features by inverse Ising pseudolikelihood.

The published grouping (Bhalla, Fel et al. 2026, arXiv 2604.28119): for every feature an L1 logistic regression of its
firing on the firing of all others, J_ij = b_ij / 4 and J <- (J + J^T) / 2. C weighs the summed log-loss against the
penalty, as in scikit-learn. One regression takes time proportional to all fires, so this scales to a few thousand
features.

The published value is C = 1 / alpha = 100. If every token has exactly k fires, as under a TopK SAE, the other features
determine whether a feature fires (it does if k - 1 of them do), and with such a weak penalty all couplings become alike
and strongly negative; C = .01 retains the relevant pairs.

The regressions are solved by proximal Newton steps whose quadratic models are minimised by coordinate descent
(Friedman, Hastie and Tibshirani 2010; Yuan, Ho and Lin 2012). The Hessian leaves out tokens predicted with certainty.
The intercept is not penalised.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from explorer.maths.cofiring.counts import FiringShard

MIN_GAIN: Final = 1e-3
"""A regression has converged if a Newton step lowers log-loss plus penalty by less than this, in nats."""
MAX_NEWTON_STEPS: Final = 60
"""Maximum number of Newton steps of one regression."""
MAX_PASSES: Final = 200
"""Maximum passes of coordinate descent per Newton step."""
COEFFICIENT_TOLERANCE: Final = 1e-3
"""Coordinate descent ends if no coefficient changes by more than this."""
MIN_CURVATURE: Final = 1e-6
"""Tokens whose log-loss curvature is below this do not enter the Hessian."""
MAX_STEP: Final = 5.0
"""Maximum change of a coefficient in one Newton step: the quadratic model is wrong far away."""


def ising_couplings(
    shard: FiringShard, n_features: int, *, C: float = 100.0, threads: int | None = None
) -> Float64[np.ndarray, "feature feature"]:
    """Couple every pair of features.

    Args:
        shard: features that fire on each token, at most once per token.
        n_features: number of features, including those that never fire.
        C: weight of the summed log-loss relative to the L1 norm of the coefficients.
        threads: number of threads; None for one per core. The result does not depend on it.

    Returns:
        J, symmetric, 0 on the diagonal and for features that never fire: positive if one feature makes the other more
        likely given the rest of the token, negative if it makes it less likely.
    """
    indptr, features = shard.indptr.astype(np.int64), shard.features.astype(np.int64)
    weight = np.zeros((n_features, n_features))
    fires = np.bincount(features, minlength=n_features)

    def solve(feature: int) -> None:
        _regress(feature, indptr, features, fires, 1.0 / C, weight[feature])

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        list(pool.map(solve, np.flatnonzero((fires > 0) & (fires < len(indptr) - 1))))
    return np.asarray((weight + weight.T) / 8.0)


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _regress(
    target: int, indptr: np.ndarray, features: np.ndarray, fires: np.ndarray, alpha: float, weight: np.ndarray
) -> None:
    """Fill ``weight`` [feature] with the coefficients of the other features for predicting the target."""
    n_tokens, n_features = len(indptr) - 1, len(weight)
    answer = np.zeros(n_tokens)
    for token in range(n_tokens):
        for place in range(indptr[token], indptr[token + 1]):
            if features[place] == target:
                answer[token] = 1.0
    # the intercept is the last coefficient
    now = np.zeros(n_features + 1)
    now[-1] = np.log(fires[target] / (n_tokens - fires[target]))
    margin = np.full(n_tokens, now[-1])
    loss = _loss(margin, answer)
    for _ in range(MAX_NEWTON_STEPS):
        slope, curve = _derivatives(target, indptr, features, margin, answer, n_features)
        move = _minimise(now, slope, curve, alpha)
        moved = _margins(target, indptr, features, move)
        penalty = np.abs(now[:-1]).sum()
        size = 1.0
        while True:
            new_loss = _loss(margin + size * moved, answer)
            gain = loss - new_loss + alpha * (penalty - np.abs((now + size * move)[:-1]).sum())
            if gain >= 0.0 or size < 1e-4:
                break
            size /= 2.0
        if gain > 0.0:
            now += size * move
            margin += size * moved
            loss = new_loss
        if gain < MIN_GAIN:
            break
    weight[:] = now[:-1]


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _derivatives(
    target: int, indptr: np.ndarray, features: np.ndarray, margin: np.ndarray, answer: np.ndarray, n_features: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian of the log-loss with respect to the coefficients and the intercept."""
    slope = np.zeros(n_features + 1)
    curve = np.zeros((n_features + 1, n_features + 1))
    for token in range(len(margin)):
        likely = 1.0 / (1.0 + np.exp(-margin[token]))
        error, weight = likely - answer[token], likely * (1.0 - likely)
        slope[-1] += error
        start, stop = indptr[token], indptr[token + 1]
        for place in range(start, stop):
            slope[features[place]] += error
        if weight < MIN_CURVATURE:
            continue
        curve[-1, -1] += weight
        for place in range(start, stop):
            row = curve[features[place]]
            row[-1] += weight
            for other in range(start, stop):
                row[features[other]] += weight
    curve[-1, :-1] = curve[:-1, -1]
    slope[target] = 0.0
    curve[target, :] = 0.0
    curve[:, target] = 0.0
    return slope, curve


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _minimise(now: np.ndarray, slope: np.ndarray, curve: np.ndarray, alpha: float) -> np.ndarray:
    """Step that minimises the penalised quadratic model, by coordinate descent."""
    n = len(now)
    move = np.zeros(n)
    gradient = slope.copy()
    for _ in range(MAX_PASSES):
        largest = 0.0
        for j in range(n - 1, -1, -1):
            if slope[j] == 0.0 and curve[j, j] == 0.0:
                continue
            steep = curve[j, j] + MIN_CURVATURE
            limit = alpha / steep if j < n - 1 else 0.0
            before = now[j] + move[j]
            wanted = before - gradient[j] / steep
            wanted = max(wanted - limit, 0.0) if wanted > 0.0 else min(wanted + limit, 0.0)
            wanted = min(max(wanted, now[j] - MAX_STEP), now[j] + MAX_STEP)
            step = wanted - before
            if step != 0.0:
                move[j] += step
                gradient += step * curve[j]
                largest = max(largest, abs(step))
        if largest < COEFFICIENT_TOLERANCE:
            break
    return move


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _margins(target: int, indptr: np.ndarray, features: np.ndarray, move: np.ndarray) -> np.ndarray:
    """Change of each token's margin with the coefficients."""
    moved = np.full(len(indptr) - 1, move[-1])
    for token in range(len(moved)):
        for place in range(indptr[token], indptr[token + 1]):
            if features[place] != target:
                moved[token] += move[features[place]]
    return moved


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _loss(margin: np.ndarray, answer: np.ndarray) -> float:
    """Summed log-loss."""
    total = 0.0
    for token in range(len(margin)):
        total += max(margin[token], 0.0) - answer[token] * margin[token] + np.log1p(np.exp(-abs(margin[token])))
    return total
