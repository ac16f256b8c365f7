"""Similarity of two features, from how often they fire together.

Every score is a function of four counts: ``c`` tokens on which both features fire, ``c_i`` and ``c_j`` tokens on which
each fires, ``n`` tokens in total. E = c_i c_j / n is the value of ``c`` expected under independence.

============  ======================================================================  ==========================
npmi          log(c / E) / -log(c / n)                                                Bouma 2009, eq. 7
jaccard       c / (c_i + c_j - c)                                                     Jaccard 1901
phi           (n c - c_i c_j) / sqrt(c_i c_j (n - c_i) (n - c_j))                     Pearson's r of two 0/1 variables
abs_phi       |phi|: avoidance counts as much as attraction                           as above
cosine        c / sqrt(c_i c_j)                                                       Ochiai 1957
exclusion     1 - U(c) / E                                                            ours, below
============  ======================================================================  ==========================

*Exclusion* is the share of the expected co-fires that is missing with confidence. U(c) is the upper 99.9 % confidence
bound of a Poisson mean given ``c`` events, by the cube-root formula of Wilson and Hilferty (1931): U(c) = m (1 - 1/(9
m) + z / (3 sqrt(m)))^3 with m = c + 1 and z = 3.0902. U(0) is 7.07 (the exact bound is 6.91): disjoint tiles need about
seven expected co-fires before their silence is significant. Exclusion is at most 0 if fewer co-fires than expected are
not significant, and approaches 1 as the evidence grows, so it shares npmi's scale.

Undefined scores (a feature that never fires, or fires on every token) are 0. Products are taken pair by pair, so a
score is bit-identical whichever feature comes first.

The formulas are implemented twice on purpose: compiled, one pair at a time, for the graph, and over arrays for
everything else. The tests compare the two.
"""

import math
from typing import Final, get_args, no_type_check

import numpy as np
from jaxtyping import Float64, Int
from numba import njit

from explorer.records.clustering import PairScore

SIMILARITIES: Final[tuple[PairScore, ...]] = get_args(PairScore)
"""Names of all scores."""
KIND: Final[dict[PairScore, int]] = {name: number for number, name in enumerate(SIMILARITIES)}
"""Number that identifies each score in compiled code."""
NPMI: Final = KIND["npmi"]
JACCARD: Final = KIND["jaccard"]
PHI: Final = KIND["phi"]
ABS_PHI: Final = KIND["abs_phi"]
COSINE: Final = KIND["cosine"]
EXCLUSION: Final = KIND["exclusion"]

EXCLUSION_Z: Final = 3.0902323061678132
"""Standard normal quantile of 99.9 %, the confidence level of exclusion."""


@njit(cache=True, nogil=True)
@no_type_check
def phi_of_pair(c: int, c_i: int, c_j: int, n: int) -> float:
    """Pearson correlation of two features' firing."""
    spread = (float(c_i) * float(c_j)) * (float(n - c_i) * float(n - c_j))
    return (float(n) * float(c) - float(c_i) * float(c_j)) / math.sqrt(spread) if spread > 0.0 else 0.0


@njit(cache=True, nogil=True)
@no_type_check
def poisson_upper_bound(c: int) -> float:
    """Upper 99.9 % confidence bound of a Poisson mean given ``c`` events (Wilson and Hilferty 1931)."""
    m = c + 1.0
    return m * (1.0 - 1.0 / (9.0 * m) + EXCLUSION_Z / (3.0 * math.sqrt(m))) ** 3


@njit(cache=True, nogil=True)
@no_type_check
def pair_score(kind: int, c: int, c_i: int, c_j: int, n: int) -> float:
    """Score of one pair; ``kind`` is a value of KIND. The module docstring lists the formulas."""
    if kind == NPMI:
        if c <= 0 or c >= n:
            return 0.0
        return (math.log(c) + math.log(n) - math.log(c_i) - math.log(c_j)) / (math.log(n) - math.log(c))
    if kind == JACCARD:
        return c / (c_i + c_j - c) if c_i + c_j > 0 else 0.0
    if kind == PHI:
        return phi_of_pair(c, c_i, c_j, n)
    if kind == ABS_PHI:
        return abs(phi_of_pair(c, c_i, c_j, n))
    if kind == COSINE:
        return c / math.sqrt(float(c_i) * float(c_j)) if c_i > 0 and c_j > 0 else 0.0
    expected = float(c_i) * float(c_j) / n
    return 1.0 - poisson_upper_bound(c) / expected if expected > 0.0 else 0.0


@njit(cache=True, nogil=True)
@no_type_check
def is_scorable(kind: int, c: int, c_i: int, c_j: int, n: int, min_count: int) -> bool:
    """Whether a pair has enough evidence to be scored.

    Attraction shows in co-fires, so c must reach ``min_count``. Avoidance shows in missing co-fires, so E must reach
    it, and for *exclusion* the silence must be significant as well.
    """
    expected = float(c_i) * float(c_j) / n
    if kind == EXCLUSION:
        return expected >= min_count and poisson_upper_bound(c) < expected
    return c >= min_count or (kind == ABS_PHI and expected >= min_count and c < expected)


def score_pairs(
    similarity: PairScore,
    c: Int[np.ndarray, "*pair"],
    c_i: Int[np.ndarray, "*pair"],
    c_j: Int[np.ndarray, "*pair"],
    n: int,
) -> Float64[np.ndarray, "*pair"]:
    """Scores of many pairs at once.

    Args:
        similarity: which score; the module docstring lists the formulas and their sources.
        c: tokens on which both features of a pair fire.
        c_i: tokens on which the first feature fires.
        c_j: tokens on which the second feature fires.
        n: number of tokens.

    Returns:
        One score per pair; 0 where it is undefined.
    """
    together, first, second = (np.asarray(count, dtype=np.float64) for count in (c, c_i, c_j))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = _formula(similarity, together, first, second, float(n))
    return np.where(np.isfinite(score), score, 0.0)


def _formula(
    similarity: PairScore,
    c: Float64[np.ndarray, "*pair"],
    c_i: Float64[np.ndarray, "*pair"],
    c_j: Float64[np.ndarray, "*pair"],
    n: float,
) -> Float64[np.ndarray, "*pair"]:
    if similarity == "npmi":
        return np.where(c < n, np.log(c * n / (c_i * c_j)) / -np.log(c / n), 0.0)
    if similarity == "jaccard":
        return np.asarray(c / (c_i + c_j - c))
    if similarity == "cosine":
        return np.asarray(c / np.sqrt(c_i * c_j))
    if similarity == "exclusion":
        m = c + 1.0
        bound = m * (1.0 - 1.0 / (9.0 * m) + EXCLUSION_Z / (3.0 * np.sqrt(m))) ** 3
        return np.asarray(1.0 - bound / (c_i * c_j / n))
    phi = (n * c - c_i * c_j) / np.sqrt((c_i * c_j) * ((n - c_i) * (n - c_j)))
    return np.asarray(np.abs(phi) if similarity == "abs_phi" else phi)


def scorable_pairs(
    similarity: PairScore,
    c: Int[np.ndarray, "*pair"],
    c_i: Int[np.ndarray, "*pair"],
    c_j: Int[np.ndarray, "*pair"],
    n: int,
    min_count: int,
) -> np.ndarray:
    """Which pairs have enough evidence to be scored, by the rule of ``is_scorable``."""
    expected = np.asarray(c_i, dtype=np.float64) * np.asarray(c_j, dtype=np.float64) / max(n, 1)
    if similarity == "exclusion":
        return (expected >= min_count) & (score_pairs(similarity, c, c_i, c_j, n) > 0.0)
    enough = np.asarray(c) >= min_count
    return enough | ((expected >= min_count) & (c < expected)) if similarity == "abs_phi" else enough
