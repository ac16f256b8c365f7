"""Costs exclude loading, and each is measured in a new process."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from explorer.bench import cost as bench_cost
from explorer.bench.cost import measure
from explorer.errors import ExplorerError

MIB = 1 << 20


def holding(loaded: int, worked: int) -> Callable[[], dict[str, np.ndarray]]:
    """A workload that allocates on top of its loaded input, after a much larger transient allocation while loading."""
    np.ones(4 * loaded * MIB, np.uint8)
    resident = np.ones(loaded * MIB, np.uint8)
    return lambda: {"sum": resident[:1] + np.ones(worked * MIB, np.uint8)[:1]}


def killed() -> Callable[[], dict[str, np.ndarray]]:
    raise MemoryError


def test_memory_excludes_loading() -> None:
    cost, arrays = measure(holding, 40, 64)
    assert arrays["sum"].tolist() == [2]
    assert 60 * MIB < cost.memory < 90 * MIB
    assert cost.peak > cost.memory + 40 * MIB
    assert cost.cpu > 0
    assert cost.wall > 0


def test_out_of_memory_is_reported_in_one_line() -> None:
    with pytest.raises(ExplorerError, match=r"killed was killed.*out of memory"):
        measure(killed)


def test_system_without_memory_status_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_cost, "STATUS", Path("/proc/self/nothing"))
    with pytest.raises(ExplorerError, match="on Linux only"):
        measure(holding, 1, 1)
