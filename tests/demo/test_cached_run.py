"""The cached run shows, without labels, what the README says that it shows."""

import pytest

from explorer.demo.concept_table import ConceptRow, concept_rows
from explorer.places import shipped_folder
from explorer.runs.check import check
from explorer.runs.run import open_run

ALMANAC = shipped_folder("cached_runs") / "almanac"


@pytest.fixture(scope="module")
def found() -> dict[str, ConceptRow]:
    return {row.concept: row for row in concept_rows(open_run(ALMANAC))}


def test_every_file_is_sound() -> None:
    assert check(ALMANAC).problems == ()


@pytest.mark.parametrize(
    ("concept", "n_values"), [("weekday", 7), ("month", 12), ("hour", 24), ("colour", 12), ("direction", 8)]
)
def test_rings_are_closed_and_in_true_order(found: dict[str, ConceptRow], concept: str, n_values: int) -> None:
    row = found[concept]
    assert (row.shape, row.n_values) == ("closed curve", n_values)
    assert row.order_correlation >= 0.95
    assert row.p_value <= 0.01


NOT_FOUND = pytest.mark.xfail(strict=True, reason="of ages 42 of 70 have a place, as numbers that temperatures use too")


@pytest.mark.parametrize(
    ("concept", "fewest"),
    [
        ("year", 60),
        pytest.param("age", 60, marks=NOT_FOUND),
        ("temperature", 30),
    ],
)
def test_numbers_lie_on_open_curves_in_true_order(found: dict[str, ConceptRow], concept: str, fewest: int) -> None:
    row = found[concept]
    assert row.shape == "open curve"
    assert row.n_values >= fewest
    assert row.order_correlation >= 0.95
