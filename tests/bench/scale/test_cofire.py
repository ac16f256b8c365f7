"""Co-firing benchmark: both methods give the same graph, ratios are within a round, large sizes are streamed."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from explorer.bench.baselines.plain_cofiring import plain_cofiring
from explorer.bench.cost import Arrays, Cost
from explorer.bench.planted.stream import draw_codes, plant_dictionary
from explorer.bench.scale import cofire as bench
from explorer.bench.scale.cofire import PLAIN, measure_cofiring, report_lines, report_rows, report_values
from explorer.bench.scale.same_graph import match_graphs
from explorer.bench.settings import CofireSettings
from explorer.errors import RequestError, SubjectError
from explorer.maths.cofiring.counts import cofiring_graph, firing_shard
from explorer.records.clustering import NeighbourGraph

TINY = CofireSettings(features=(200,), tokens=(2000,), threads=(1,), rounds=1)


def here(prepare: Callable[..., Callable[[], Arrays]], *inputs: object) -> tuple[Cost, Arrays]:
    """Run a workload in this process, with a placeholder cost."""
    return Cost(1.0, 1.0, 1, 1), prepare(*inputs)()


def test_both_methods_are_measured_and_give_the_same_graph() -> None:
    plain, ours = measure_cofiring(TINY)
    assert (plain.way, ours.way) == (PLAIN, "ours, 1 thread")
    assert plain.cpu_ratio == ()
    for ratios in (ours.cpu_ratio, ours.wall_ratio, ours.memory_ratio):
        assert len(ratios) == 1
        assert math.isfinite(ratios[0])
        assert ratios[0] > 0
    assert ours.match is not None
    assert ours.match.same
    _, header, rows = report_rows((plain, ours))
    assert {len(row) for row in rows} == {len(header)}
    assert [value["same_graph"] for value in report_values((plain, ours))] == [None, True]
    assert any("scores differ" in line for line in report_lines((plain, ours)))


def test_ratios_are_taken_within_a_round_and_the_order_alternates(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    slow = itertools.cycle([1.0] * 3 + [10.0] * 3)

    def noted(prepare: Callable[..., Callable[[], Arrays]], *inputs: object) -> tuple[Cost, Arrays]:
        order.append(prepare.__name__)
        spent = next(slow) * (8.0 if prepare.__name__ == "_prepare_plain" else 2.0)
        return Cost(spent, spent, 100, 100), here(prepare, *inputs)[1]

    monkeypatch.setattr(bench, "measure", noted)
    found = measure_cofiring(TINY.model_copy(update={"rounds": 2, "threads": (1, 2)}))
    assert order == ["_prepare_plain", *["_prepare_ours"] * 4, "_prepare_plain"]
    assert [one.cpu_ratio for one in found] == [(), (4.0, 4.0), (4.0, 4.0)]


def test_sizes_too_large_for_scipy_are_streamed_to_the_same_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[Arrays] = []

    def recorded(prepare: Callable[..., Callable[[], Arrays]], *inputs: object) -> tuple[Cost, Arrays]:
        graphs.append(here(prepare, *inputs)[1])
        return Cost(1.0, 1.0, 1, 1), graphs[-1]

    monkeypatch.setattr(bench, "measure", recorded)
    monkeypatch.setattr("explorer.bench.scale.code_files.PART_TOKENS", 800)
    measure_cofiring(TINY)
    monkeypatch.setattr(bench, "MOST_COMPARED", 100)
    (ours,) = measure_cofiring(TINY)
    assert (ours.way, ours.cpu_ratio, ours.match) == ("ours, 1 thread, streamed", (), None)
    whole, streamed = graphs[1], graphs[2]
    assert all((whole[name] == streamed[name]).all() for name in whole)
    assert any(line.startswith("scipy is not run on 200 features") for line in report_lines((ours,)))


def test_torch_device_is_measured_too_and_gives_the_same_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "measure", here)
    found = measure_cofiring(TINY.model_copy(update={"device": "cpu"}))
    assert [one.way for one in found] == [PLAIN, "ours, 1 thread", "ours, torch on cpu"]
    assert found[-1].match is not None
    assert found[-1].match.same


def test_unavailable_device_is_reported_before_anything_is_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "write_codes", pytest.fail)
    with pytest.raises(SubjectError, match="device: found 'nowhere'"):
        measure_cofiring(TINY.model_copy(update={"device": "nowhere"}))


def test_each_size_needs_features_and_tokens() -> None:
    with pytest.raises(RequestError, match="--tokens: found 2 numbers, wanted 1"):
        measure_cofiring(CofireSettings(features=(200,)))


def test_pair_firing_on_every_token_scores_zero_with_both_methods() -> None:
    codes = draw_codes(plant_dictionary(100, rng=np.random.default_rng(0)), 600, rng=np.random.default_rng(1))
    shard = firing_shard(codes)
    dense = np.zeros((600, 102), dtype=bool)
    dense[np.repeat(np.arange(600), np.diff(shard.indptr)), shard.features] = True
    dense[:, 100:] = True
    token, feature = np.nonzero(dense)
    shard = shard._replace(indptr=np.searchsorted(token, np.arange(601)), features=feature.astype(np.uint32))
    plain = plain_cofiring(shard, 102, neighbours=8, min_count=3)
    ours = cofiring_graph(*shard, 102, neighbours=8, min_count=3, similarity="npmi", threads=1)
    assert match_graphs(plain, ours).same


def graph_of(neighbour: list[list[int]], score: list[list[float]]) -> NeighbourGraph:
    return NeighbourGraph(np.array(neighbour, np.int32), np.array(score, np.float32))


def test_only_ties_at_the_end_of_a_row_are_ignored() -> None:
    one = graph_of([[1, 2, 3], [0, -1, -1]], [[0.9, 0.5, 0.5], [0.9, 0.0, 0.0]])
    tied = graph_of([[1, 4, 2], [0, -1, -1]], [[0.9, 0.5, 0.5], [0.9, 0.0, 0.0]])
    assert match_graphs(one, one).same
    assert match_graphs(one, tied).same
    assert not match_graphs(one, graph_of([[4, 2, 3], [0, -1, -1]], one.score.tolist())).same
    assert not match_graphs(one, graph_of([[1, 2, 3], [5, -1, -1]], one.score.tolist())).same
    assert not match_graphs(one, graph_of(one.neighbour.tolist(), [[0.9, 0.5, 0.4], [0.9, 0.0, 0.0]])).same
