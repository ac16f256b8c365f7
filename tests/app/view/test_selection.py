"""Sets of clusters in a link: ranges, bit sets, and invalid text."""

import pytest

from explorer.app.view.selection import read_selection
from explorer.errors import RequestError


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("", set()),
        ("0", {0}),
        ("3-7,12", {3, 4, 5, 6, 7, 12}),
        ("7,7-8", {7, 8}),
        ("~AQ", {0}),
        ("~gQ", {0, 7}),
        ("~AAE", {8}),
        ("~_w", set(range(8))),
    ],
)
def test_ranges_and_bits(text: str, clusters: set[int]) -> None:
    assert read_selection(text) == clusters


@pytest.mark.parametrize("text", ["x", "1,,2", "-3", "5-4", "1.5", "~", "~ A", "~A", "1" * 6, "~" + "A" * 4000])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="link sel"):
        read_selection(text)
