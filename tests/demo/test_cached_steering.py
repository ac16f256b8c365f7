"""Steering along the cached run's rings does what the README's table says."""

import pytest

from explorer.demo.bench import steered_clusters
from explorer.places import shipped_folder
from explorer.runs.run import open_run
from explorer.steering.headless import steer_headless

ALMANAC = shipped_folder("cached_runs") / "almanac"


@pytest.mark.parametrize("concept", ["weekday", "month", "hour"])
def test_the_curve_arrives_by_the_values_between_at_a_quarter_of_the_lines_energy(concept: str) -> None:
    (row,) = [row for row in steered_clusters(open_run(ALMANAC)) if row.concept == concept]
    table = steer_headless(ALMANAC, row.cluster, arms=("manifold", "linear"))
    energy, reach = table["e_bc"], table["reach"]
    assert isinstance(energy, dict)
    assert isinstance(reach, dict)
    assert energy["manifold"]["mean"] < 0.25 * energy["linear"]["mean"]
    assert reach["manifold"]["p_target"] >= 0.9 * reach["linear"]["p_target"]
    assert reach["manifold"]["visited"] >= 0.95 > reach["linear"]["visited"]
    assert table["moves_model"] is True
