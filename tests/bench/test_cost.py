"""Costs are those of the work alone, each in a process of its own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from explorer.bench import cost as bench_cost
from explorer.bench.cost import measure
from explorer.errors import ExplorerError

MIB = 1 << 20


def holding(loaded: int, worked: int) -> Callable[[], dict[str, np.ndarray]]:
    """A work that holds some memory beside what was loaded for it, after loading took far more for a moment."""
    np.ones(4 * loaded * MIB, np.uint8)
    kept = np.ones(loaded * MIB, np.uint8)
    return lambda: {"sum": kept[:1] + np.ones(worked * MIB, np.uint8)[:1]}


def killed() -> Callable[[], dict[str, np.ndarray]]:
    raise MemoryError


def test_memory_is_that_of_the_work_and_not_of_its_loading() -> None:
    cost, found = measure(holding, 40, 64)
    assert found["sum"].tolist() == [2]
    assert 60 * MIB < cost.memory < 90 * MIB
    assert cost.peak > cost.memory + 40 * MIB
    assert cost.cpu > 0
    assert cost.wall > 0


def test_a_work_without_memory_ends_in_one_line() -> None:
    with pytest.raises(ExplorerError, match=r"killed was ended.*too little memory"):
        measure(killed)


def test_a_system_that_tells_no_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_cost, "STATUS", Path("/proc/self/nothing"))
    with pytest.raises(ExplorerError, match="on Linux alone"):
        measure(holding, 1, 1)
