"""The steering benchmark times real workloads alternately and reports ratios only."""

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from explorer.bench.host import steer as bench
from explorer.bench.host.steer import ARMS, SteerBenchSettings, report_rows, report_values, time_steering
from explorer.errors import RequestError
from explorer.lm.generation.batched_generation import BatchedGenerator, StepResult, step_all
from explorer.places import shipped_folder
from explorer.steering.engine import generation as generation_module
from explorer.steering.engine.generation import RowDecoder

ALMANAC = shipped_folder("cached_runs") / "almanac"
SHORT = SteerBenchSettings(rounds=3, tokens=3, waypoints=4)


def test_steered_workloads_are_timed_against_plain_ones() -> None:
    found = time_steering(ALMANAC, SHORT)
    assert [one.wanted for one in found] == [1.6, 1.05, 0.75, 3.0, 3.0]
    assert all(0 < one.low <= one.ratio <= one.high for one in found)
    _, header, rows = report_rows(found)
    assert {len(row) for row in rows} == {len(header)}
    assert [value["ratio"] for value in report_values(found)] == [one.ratio for one in found]


def test_every_row_generates_every_token_and_every_token_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    fired: list[int] = []
    texts: list[int] = []
    feed = RowDecoder.feed

    def counted(self: RowDecoder, token_ids: np.ndarray) -> None:
        rows.append(len(token_ids))
        fired.append(int(self.fired.max()))
        feed(self, token_ids)

    def noted(decoders: Sequence[BatchedGenerator]) -> list[StepResult]:
        texts.append(len(decoders))
        return step_all(decoders)

    monkeypatch.setattr(RowDecoder, "feed", counted)
    monkeypatch.setattr(generation_module, "step_all", noted)
    time_steering(ALMANAC, SHORT)
    written = (SHORT.rounds + 1) * SHORT.tokens
    assert set(rows) == {len(ARMS), len(ARMS) + 1}
    assert rows.count(len(ARMS)) == 2 * written
    assert rows.count(len(ARMS) + 1) == (SHORT.rounds + 1) * (SHORT.tokens - 1) + 2 * 4 * written
    assert Counter(texts) == {1: written + 2 * written + 4 * written, 4: written}
    assert max(fired) == SHORT.tokens


def test_the_ratio_is_taken_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds that are ten times slower leave the ratio unchanged; the order alternates."""
    order: list[str] = []
    slow = itertools.cycle([1.0, 1.0, 10.0, 10.0])

    def seconds(job: bench.Job, _: torch.device) -> float:
        job()
        return next(slow) * (3.0 if order[-1] == "steered" else 2.0)

    monkeypatch.setattr(bench, "_seconds", seconds)
    device = torch.device("cpu")
    found = bench.ratio_of(lambda: order.append("steered"), lambda: order.append("plain"), 4, device)
    assert found == (1.5, 1.5, 1.5)
    assert order[2:] == ["steered", "plain", "plain", "steered"] * 2


def test_run_without_a_curve_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CURVES", ())
    with pytest.raises(RequestError, match="one with a curve"):
        time_steering(ALMANAC, SHORT)
