"""The recovery benchmark runs every cell and reports what does not apply."""

import numpy as np
import pytest

from explorer.bench.recovery import methods as bench_methods
from explorer.bench.recovery.datasets import plan_datasets
from explorer.bench.recovery.recover import recover, report_lines, report_rows, report_values
from explorer.bench.settings import RecoverSettings, ZooSettings

TINY_ZOO = ZooSettings(n_features=128, train_samples=8000, fires=9000, steps=150, batch=256)
TINY = RecoverSettings(family=("planted", "zoo"), features=(256,), k=(4,), zoo=TINY_ZOO, seeds=2)


@pytest.mark.long
def test_every_method_runs_on_every_dataset_that_it_applies_to() -> None:
    report = recover(TINY)
    cells = {(outcome.work, outcome.method, outcome.seed) for outcome in report.outcomes}
    skipped_methods = {(skipped.work, skipped.method) for skipped in report.skipped}
    assert len(cells) == len(report.outcomes) == 2 * (2 * 7 - len(skipped_methods))
    assert skipped_methods == {("planted, 256 features", "decoder cosine + spectral")}
    _, header, rows = report_rows(report)
    assert {len(row) for row in rows} == {len(header)}
    assert len(rows) == 13
    values = report_values(report)
    assert {*values} == {"outcomes", "not_run"}
    assert report_lines(report) == ["not run: decoder cosine + spectral on planted, 256 features: there is no decoder"]


@pytest.mark.long
def test_datasets_are_determined_by_the_seed() -> None:
    one, other = (list(plan_datasets(TINY)) for _ in range(2))
    for plan, again in zip(one, other, strict=True):
        first, second, third = plan.plant(1), again.plant(1), plan.plant(2)
        assert (first.codes.features == second.codes.features).all()
        assert (first.truth == second.truth).all()
        assert not np.array_equal(first.truth, third.truth)


def test_missing_igraph_is_reported_and_the_rest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_methods, "leiden_communities", None)
    settings = RecoverSettings(family=("planted",), features=(128,), coupling_c=(0.01, 1.0))
    report = recover(settings)
    lines = [line for line in report_lines(report) if "leidenalg" in line]
    assert len(lines) == 2
    assert all("pip install" in line for line in lines)
    assert len(report.outcomes) == 5
