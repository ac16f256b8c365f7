"""Steering along the cached run's curves reproduces the README's table."""

import pytest

from explorer.bench.almanac import steered_clusters
from explorer.demo.concept_table import concept_rows
from explorer.demo.subject import RUNS
from explorer.places import shipped_folder
from explorer.runs.run.reader import open_run
from explorer.steering.headless.headless import steer_headless

SHIPPED = shipped_folder("cached_runs")
ALMANAC = SHIPPED / RUNS[0].folder


@pytest.mark.parametrize(
    "concept", ["weekday", *(pytest.param(name, marks=pytest.mark.long) for name in ("month", "hour"))]
)
def test_closed_curve_visits_values_between_at_a_quarter_of_the_linear_energy(concept: str) -> None:
    (row,) = [row for row in steered_clusters(open_run(ALMANAC)) if row.concept == concept]
    table = steer_headless(ALMANAC, row.cluster, arms=("manifold", "linear"))
    energy, reach = table["e_bc"], table["reach"]
    assert isinstance(energy, dict)
    assert isinstance(reach, dict)
    assert energy["manifold"]["mean"] < 0.25 * energy["linear"]["mean"]
    assert reach["manifold"]["p_target"] >= 0.9 * reach["linear"]["p_target"]
    assert reach["manifold"]["visited"] >= 0.95 > reach["linear"]["visited"]
    assert table["moves_model"] is True


@pytest.mark.slow
@pytest.mark.parametrize(("concept", "share", "visited"), [("year", 0.25, 0.9), ("age", 0.4, 0.8)])
def test_open_curve_visits_values_between_and_the_line_does_not(concept: str, share: float, visited: float) -> None:
    (row,) = [row for row in steered_clusters(open_run(ALMANAC)) if row.concept == concept]
    table = steer_headless(ALMANAC, row.cluster, arms=("manifold", "linear"), prompts_per_value=1)
    energy, reach = table["e_bc"], table["reach"]
    assert isinstance(energy, dict)
    assert isinstance(reach, dict)
    assert energy["manifold"]["mean"] < share * energy["linear"]["mean"]
    assert reach["manifold"]["p_target"] >= 0.8 * reach["linear"]["p_target"]
    assert reach["manifold"]["visited"] >= visited > 2 * reach["linear"]["visited"]


def test_second_run_is_steered_with_the_model_of_the_first() -> None:
    run = open_run(SHIPPED / RUNS[1].folder)
    ring = next(row for row in concept_rows(run, value_offset=1) if row.concept == "direction")
    result = steer_headless(run.path, ring.cluster, prompts=["The road runs"], end="south", arms=("manifold",))
    assert run.manifest.subject is not None
    assert result["fingerprint"] == run.manifest.subject.fingerprint
    fired = result["hook_fired"]
    assert isinstance(fired, dict)
    assert fired["manifold"] > 0
