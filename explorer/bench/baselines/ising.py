"""Couplings of features that account for each other: inverse Ising by pseudolikelihood.

The published way of grouping features (Bhalla, Fel et al. 2026, arXiv 2604.28119): for every feature an L1 logistic
regression of whether it fires on whether the others do, J_ij = b_ij / 4 and J <- (J + J^T) / 2. C weighs the summed
log-loss against the penalty, as in scikit-learn. One regression takes time in proportion to all fires, so this is for a
few thousand features.

Published is C = 1 / alpha = 100. Where every token has exactly k fires, as under a TopK SAE, the others say for sure
whether a feature fires (it does where k - 1 of them do), and with so weak a penalty all couplings become alike and
strongly negative; C = .01 leaves the pairs that matter.

The regressions are solved by proximal Newton steps whose quadratic models are solved by coordinate descent (Friedman,
Hastie and Tibshirani 2010; Yuan, Ho and Lin 2012), on a matrix of second derivatives that leaves out the tokens whose
answer is sure. The constant is not penalised.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from explorer.maths.cofiring.counts import FiringShard

GAIN: Final = 1e-3
"""A regression is solved where a Newton step lowers log-loss and penalty together by less than this many nats."""
NEWTON_STEPS: Final = 60
"""Most Newton steps of one regression."""
PASSES: Final = 200
"""Most passes of coordinate descent in one Newton step."""
SETTLED: Final = 1e-3
"""Coordinate descent ends where no coefficient moves by more than this."""
SURE: Final = 1e-6
"""Tokens whose log-loss curves less than this do not shape a Newton step."""
LONGEST: Final = 5.0
"""No coefficient moves by more than this in one Newton step: far out, the quadratic model is wrong."""


def ising_couplings(
    shard: FiringShard, n_features: int, *, C: float = 100.0, threads: int | None = None
) -> Float64[np.ndarray, "feature feature"]:
    """Couple every pair of features.

    Args:
        shard: which features fire on each token, at most once a token.
        n_features: number of features, whether or not they fire.
        C: weight of the summed log-loss beside the L1 norm of the coefficients.
        threads: how many threads solve; None for one a core. The result does not depend on it.

    Returns:
        J, symmetric, 0 on the diagonal and for features that never fire: above 0 where one makes the other more likely
        than the rest of the token does, below 0 where it makes it less likely.
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
    """Fill ``weight`` [feature] with the coefficients by which the other features foretell the target."""
    n_tokens, n_features = len(indptr) - 1, len(weight)
    answer = np.zeros(n_tokens)
    for token in range(n_tokens):
        for place in range(indptr[token], indptr[token + 1]):
            if features[place] == target:
                answer[token] = 1.0
    # the constant is one more coefficient, last
    now = np.zeros(n_features + 1)
    now[-1] = np.log(fires[target] / (n_tokens - fires[target]))
    margin = np.full(n_tokens, now[-1])
    loss = _loss(margin, answer)
    for _ in range(NEWTON_STEPS):
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
        if gain < GAIN:
            break
    weight[:] = now[:-1]


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _derivatives(
    target: int, indptr: np.ndarray, features: np.ndarray, margin: np.ndarray, answer: np.ndarray, n_features: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivatives of the log-loss by the coefficients and the constant."""
    slope = np.zeros(n_features + 1)
    curve = np.zeros((n_features + 1, n_features + 1))
    for token in range(len(margin)):
        likely = 1.0 / (1.0 + np.exp(-margin[token]))
        error, weight = likely - answer[token], likely * (1.0 - likely)
        slope[-1] += error
        start, stop = indptr[token], indptr[token + 1]
        for place in range(start, stop):
            slope[features[place]] += error
        if weight < SURE:
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
    """Move of each coefficient that minimises the quadratic model with its penalty, by coordinate descent."""
    n = len(now)
    move = np.zeros(n)
    gradient = slope.copy()
    for _ in range(PASSES):
        largest = 0.0
        for j in range(n - 1, -1, -1):
            if slope[j] == 0.0 and curve[j, j] == 0.0:
                continue
            steep = curve[j, j] + SURE
            limit = alpha / steep if j < n - 1 else 0.0
            before = now[j] + move[j]
            wanted = before - gradient[j] / steep
            wanted = max(wanted - limit, 0.0) if wanted > 0.0 else min(wanted + limit, 0.0)
            wanted = min(max(wanted, now[j] - LONGEST), now[j] + LONGEST)
            step = wanted - before
            if step != 0.0:
                move[j] += step
                gradient += step * curve[j]
                largest = max(largest, abs(step))
        if largest < SETTLED:
            break
    return move


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _margins(target: int, indptr: np.ndarray, features: np.ndarray, move: np.ndarray) -> np.ndarray:
    """How much each token's margin moves with the coefficients."""
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
