"""Perplexity and repetition on texts whose answer is known."""

import numpy as np
import pytest

from explorer.maths.steering.text_quality import perplexity, repeated_share


def test_perplexity_is_one_over_the_geometric_mean_probability() -> None:
    assert perplexity(np.log(np.full(5, 0.25))) == pytest.approx(4)
    assert perplexity(np.log(np.array([1.0, 0.25]))) == pytest.approx(2)
    assert perplexity(np.zeros(0)) is None
    assert np.isfinite(perplexity(np.full(3, -np.inf)) or 0.0)


@pytest.mark.parametrize(
    ("text", "share"),
    [([1, 2, 3, 4, 5], 0.0), ([7] * 6, 0.75), ([1, 2, 3, 1, 2, 3], 0.25), ([1, 2, 3], 0.0), ([1, 2], None)],
)
def test_a_run_that_stood_before_is_a_repetition(text: list[int], share: float | None) -> None:
    assert repeated_share(text) == share
