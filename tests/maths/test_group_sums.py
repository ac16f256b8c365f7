"""Row sums by group."""

import numpy as np
import pytest

from explorer.maths.group_sums import sums_by_group


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_bit_identical_to_a_loop(dtype: type) -> None:
    rng = np.random.default_rng(0)
    for n_rows, n_groups in ((0, 3), (1, 1), (400, 7), (30, 60)):
        rows, group = rng.normal(size=(n_rows, 5)).astype(dtype), rng.integers(-1, n_groups, n_rows)
        expected = np.zeros((n_groups, 5))
        for row, number in zip(rows, group.tolist(), strict=True):
            if number >= 0:
                expected[number] += row
        assert sums_by_group(rows, group, n_groups).tobytes() == expected.tobytes()
