"""Pair scores: the compiled formulas against the array ones, and both against known values."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from explorer.maths.cofiring.similarity import (
    KIND,
    SIMILARITIES,
    is_scorable,
    pair_score,
    poisson_upper_bound,
    scorable_pairs,
    score_pairs,
)
from explorer.records.clustering import PairScore

Counts = tuple[int, int, int, int]


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    """Possible counts c, c_i, c_j, n of two features."""
    n = draw(st.integers(1, 5_000_000))
    c_i = draw(st.integers(1, n))
    c_j = draw(st.integers(1, n))
    c = draw(st.integers(max(0, c_i + c_j - n), min(c_i, c_j)))
    return c, c_i, c_j, n


def one(similarity: PairScore, c: int, c_i: int, c_j: int, n: int) -> float:
    return float(score_pairs(similarity, np.array([c]), np.array([c_i]), np.array([c_j]), n)[0])


@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(max_examples=200, deadline=None)
@given(pair=counts(), min_count=st.integers(1, 10))
def test_compiled_scores_equal_array_scores(similarity: PairScore, pair: Counts, min_count: int) -> None:
    c, c_i, c_j, n = pair
    assert pair_score(KIND[similarity], c, c_i, c_j, n) == pytest.approx(one(similarity, *pair), rel=1e-9, abs=1e-9)
    scored = scorable_pairs(similarity, np.array([c]), np.array([c_i]), np.array([c_j]), n, min_count)
    assert is_scorable(KIND[similarity], c, c_i, c_j, n, min_count) == bool(scored[0])


@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(max_examples=100, deadline=None)
@example(pair=(0, 249_190, 310_802, 1_810_888))
@given(pair=counts())
def test_scores_are_symmetric_and_at_most_one(similarity: PairScore, pair: Counts) -> None:
    c, c_i, c_j, n = pair
    score = one(similarity, c, c_i, c_j, n)
    assert score == one(similarity, c, c_j, c_i, n)
    assert score <= 1.0 + 1e-9


@pytest.mark.parametrize("similarity", ["npmi", "jaccard", "phi", "abs_phi", "cosine"])
def test_features_that_always_fire_together_score_one(similarity: PairScore) -> None:
    assert one(similarity, 40, 40, 40, 1000) == pytest.approx(1.0)


@pytest.mark.parametrize("similarity", ["npmi", "phi", "abs_phi"])
def test_independent_features_score_zero(similarity: PairScore) -> None:
    assert one(similarity, 20, 100, 200, 1000) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_constant_features_score_zero(similarity: PairScore) -> None:
    if similarity in ("npmi", "phi", "abs_phi"):
        assert one(similarity, 1000, 1000, 1000, 1000) == 0.0
    assert one(similarity, 0, 0, 10, 1000) == 0.0
    assert pair_score(KIND[similarity], 0, 0, 10, 1000) == 0.0


def test_npmi_matches_a_value_computed_by_hand() -> None:
    # p_ij = 1/8, p_i = p_j = 1/4: log2((1/8) / (1/16)) = 1 bit of at most 3
    assert one("npmi", 8, 16, 16, 64) == pytest.approx(1 / 3)


def test_avoidance_is_negative_in_phi_and_positive_in_abs_phi() -> None:
    # four disjoint quarters: the correlation of any two is -1/3
    assert one("phi", 0, 25, 25, 100) == pytest.approx(-1 / 3)
    assert one("abs_phi", 0, 25, 25, 100) == pytest.approx(1 / 3)


def test_exclusion_needs_seven_expected_cofires_and_grows_with_evidence() -> None:
    assert poisson_upper_bound(0) == pytest.approx(7.07, abs=0.01)
    scores = [one("exclusion", 0, 1000, 1000, 1_000_000 // expected) for expected in (1, 7, 8, 100, 1000)]
    assert scores[1] < 0.0 < scores[2] < scores[3] < scores[4] < 1.0
    assert one("exclusion", 90, 1000, 1000, 10_000) < 0.0


@pytest.mark.parametrize("expected", [8.0, 30.0, 300.0])
def test_exclusion_has_its_nominal_false_positive_rate(expected: float) -> None:
    """One in a thousand independent pairs may score above 0 by chance; their number is Poisson distributed."""
    draws = 100_000
    rng = np.random.default_rng(7)
    c = rng.poisson(expected, draws)
    rate = np.full(draws, round(np.sqrt(expected * 1e6)))
    positive = int((score_pairs("exclusion", c, rate, rate, 1_000_000) > 0).sum())
    assert positive < draws * 0.001 + 4 * np.sqrt(draws * 0.001)
