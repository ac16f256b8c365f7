"""Scaling benchmark: every stage is measured at every size, and clustering is compared with dense HDBSCAN."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from explorer.bench.cost import Arrays, Cost, Work
from explorer.bench.scale import scale as bench
from explorer.bench.scale.growth import exponent
from explorer.bench.scale.scale import STAGES, exponents, measure_scale, report_lines, report_tables, report_values
from explorer.bench.scale.whole_run import run_rows
from explorer.bench.settings import ScaleSettings

TINY = ScaleSettings(features=(128, 256), tokens=(1500, 3000), points=(200, 400), shapes=2, dense=256)


def in_this_process(prepare: Callable[..., Work], *inputs: object) -> tuple[Cost, Arrays]:
    """Run without new processes, which tests/bench/test_cost.py covers."""
    return Cost(2.0, 2.0, 2, 2), prepare(*inputs)()


@pytest.fixture(scope="module")
def report() -> bench.ScaleReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "WARM_UP", (128, 500))
        patch.setattr("explorer.bench.scale.whole_run.WARM_UP", (256, 3000))
        patch.setattr("explorer.bench.scale.dense.measure", in_this_process)
        patch.setattr(bench, "fit_shape", lambda cloud, rng: np.linalg.svd(cloud + rng.standard_normal()))
        return measure_scale(TINY)


def test_every_stage_is_measured_at_every_size(report: bench.ScaleReport) -> None:
    assert [(size.features, size.tokens) for size in report.by_features] == [(128, 3000), (256, 3000)]
    assert [(size.features, size.tokens) for size in report.by_tokens] == [(256, 1500), (256, 3000)]
    assert list(report.by_points) == [200, 400]
    for sizes, along in ((report.by_features, "features"), (report.by_tokens, "tokens")):
        fitted = exponents(sizes, "features" if along == "features" else "tokens")
        assert all(size.cpu[stage] > 0 for size in sizes for stage in STAGES)
        assert all(value is not None and math.isfinite(value) for value in fitted.values())


def test_clusters_match_those_of_the_dense_matrix(report: bench.ScaleReport) -> None:
    assert report.dense is not None
    assert report.dense.equal_untied
    assert report.dense.agreement > 0.9
    assert report.dense.ratio == 1.0
    assert "equal once ties are broken alike" in report_lines(report)[0]


def test_tables_and_values_agree(report: bench.ScaleReport) -> None:
    by_features, by_tokens, by_points, whole = report_tables(report)
    for _, header, rows in (by_features, by_tokens, by_points, whole):
        assert {len(row) for row in rows} == {len(header)}
    for _, _, rows in (by_features, by_tokens, by_points):
        assert rows[-1][0] == "exponent"
    values = report_values(report)
    assert len(by_features[2]) == len(report.by_features) + 1
    assert json.loads(json.dumps(values)) is not None
    assert {*values} >= {"by_features", "by_tokens", "by_points", "dense", "exponents_in_features"}


def test_skipped_dense_comparison_is_noted() -> None:
    report = bench.ScaleReport((), (), {}, None, None)
    assert report_lines(report)[0].startswith("not run: HDBSCAN on the whole matrix")


def test_exponent_is_that_of_the_power_law() -> None:
    sizes = np.array([100.0, 200.0, 800.0])
    assert exponent(sizes, 3.0 * sizes**1.5) == pytest.approx(1.5)
    assert exponent([100.0], [1.0]) is None
    assert exponent([100.0, 100.0], [1.0, 2.0]) is None


def test_whole_run_is_the_sum_of_its_stages(report: bench.ScaleReport) -> None:
    whole = report.whole
    assert whole is not None
    assert (whole.features, whole.tokens, len(whole.shapes)) == (256, 3000, 2)
    assert whole.clusters > 2
    total = whole.counting + whole.beyond
    rows = run_rows(whole)
    assert sum(float(row[3]) for row in rows[:-2]) == pytest.approx(total, rel=0.02, abs=0.5)
    assert [float(row[3]) for row in rows[-2:]] == pytest.approx([whole.counting, whole.beyond], abs=0.5)
    assert json.loads(json.dumps(report_values(report)))["whole_run"]["beyond_counting"] == whole.beyond
