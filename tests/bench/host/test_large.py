"""The large-model benchmark runs on a small model of the same architecture."""

import pytest
import torch

from explorer.bench.host import large as bench
from explorer.bench.host.large import LargeSettings, measure_large, report_lines, report_table, report_values

SMALL = LargeSettings(rounds=3, tokens=3, waypoints=4, prompt=6, device="cpu", width=64, layers=2, vocabulary=64)


@pytest.mark.long
def test_workloads_are_timed_and_rows_are_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def ratio(steered: object, plain: object, rounds: int, device: torch.device) -> tuple[float, float, float]:
        assert rounds == 3
        assert device.type == "cpu"
        steered()  # type: ignore[operator]
        plain()  # type: ignore[operator]
        calls.append(1)
        return (1.5, 1.0, 2.0) if len(calls) < 8 else (2.5, 2.0, 3.0)

    monkeypatch.setattr(bench, "ratio_of", ratio)
    found = measure_large(SMALL)
    assert [one.wanted for one in found.comparisons] == [1.6, 1.05, 0.75, 3.0]
    assert found.rows == 8, "2, 4 and 8 rows took at most twice as long, 16 did not"
    assert found.dtype == "bfloat16"
    assert 50_000 < found.parameters < 500_000
    _, header, rows = report_table(found)
    assert {len(row) for row in rows} == {len(header)}
    assert report_lines(found) == ["8 rows have their first token in at most twice the time of one."]
    assert report_values(found)["rows"] == 8  # type: ignore[index,call-overload]


def test_default_model_has_about_a_billion_weights() -> None:
    with torch.device("meta"):
        model = bench._model(LargeSettings(device="meta"), torch.device("meta"))
    assert 1.0e9 < sum(parameter.numel() for parameter in model.parameters()) < 2.0e9
