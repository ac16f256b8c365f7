"""The halo benchmark measures every manifold, with consistent results."""

import pytest

from explorer.bench.recovery.halo import ManifoldResult, halo_rows, measure_halos, regime_rows, report_values
from explorer.bench.settings import HaloBenchSettings, ZooSettings

TINY_ZOO = ZooSettings(n_features=192, train_samples=15_000, fires=48_000, steps=120, batch=256)
TINY = HaloBenchSettings(k=(6,), zoo=TINY_ZOO, held_out=6000)


@pytest.fixture(scope="module")
def measured() -> tuple[ManifoldResult, ...]:
    return measure_halos(TINY)


@pytest.mark.long
def test_r2_of_core_and_halo_is_plausible(measured: tuple[ManifoldResult, ...]) -> None:
    assert len(measured) > 10
    found = [one.found for one in measured if one.found is not None]
    assert len(found) > 3
    for one in found:
        assert one.f1 > 0.5
        assert one.core_r2 <= 1.0
        assert one.grown.r2 > one.core_r2 - 0.1
        assert one.labelled_r2 > one.core_r2 - 0.1
        assert 0 <= one.grown.own <= one.grown.halo
        assert one.lifted.halo <= one.grown.halo
        assert one.numbers["varying_atoms"] <= one.core
    assert max(one.grown.r2 for one in found) > 0.5


@pytest.mark.long
def test_the_tables_count_every_manifold_once(measured: tuple[ManifoldResult, ...]) -> None:
    _, header, rows = halo_rows(measured)
    assert {len(row) for row in rows} == {len(header)}
    assert sum(int(row[2]) for row in rows) == len(measured)
    title, header, rows = regime_rows(measured)
    assert {len(row) for row in rows} == {len(header)}
    assert sum(int(row[2]) for row in rows) == sum(one.found is not None for one in measured)
    right = sum(one.found is not None and one.found.regime == one.fields.regime for one in measured)
    assert f"({right} of " in title
    assert len(report_values(measured)["manifolds"]) == len(measured)  # type: ignore[arg-type]
