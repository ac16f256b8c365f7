"""Selected samples in a link: compact, reversible, strict."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.app.view.selection import read_picks, write_picks
from explorer.errors import RequestError


@given(st.sets(st.integers(0, 300)))
def test_picks_round_trip(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    assert read_picks(write_picks(ordered), 301).tolist() == ordered


def test_consecutive_numbers_are_one_range() -> None:
    assert write_picks([3, 7, 8, 9, 11]) == "3,7-9,11"


def test_numbers_beyond_the_cluster_are_dropped() -> None:
    np.testing.assert_array_equal(read_picks("1,998-999999999", 1000), [1, 998, 999])


def test_a_descending_range_is_empty() -> None:
    assert len(read_picks("9-3", 20)) == 0


@pytest.mark.parametrize("text", ["a", "3-", "-3", "3,", "3,,4", "٣", "1e3", "3 4", "1" * 10, "1-2-3"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="pick"):
        read_picks(text, 10)
