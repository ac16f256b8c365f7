"""CPU time and memory of a workload, each measured in a new process.

A process that has run other work retains freed memory, and a later workload reuses it without raising the peak. Each
measurement therefore starts a new process, which imports, loads and warms up before the measurement begins.
"""

import gc
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from explorer.errors import ExplorerError

Arrays = Mapping[str, np.ndarray]
"""Arrays returned by a workload."""
Work = Callable[[], Arrays]
"""A prepared workload."""

Result = TypeVar("Result")

STATUS: Final = Path("/proc/self/status")
"""Memory use of the current process (Linux, proc(5))."""
FORGET_PEAK: Final = ("/proc/self/clear_refs", "5")
"""File and value that reset the peak memory to the current memory (Linux, proc(5))."""


@dataclass(frozen=True)
class Cost:
    """Cost of one workload."""

    cpu: float
    """CPU seconds of all threads, user and system."""
    wall: float
    """Wall-clock seconds."""
    memory: int
    """Peak bytes above what the process held before the workload (imports and loaded codes)."""
    peak: int
    """Peak bytes of the whole process."""


def measure(prepare: Callable[..., Work], *inputs: object) -> tuple[Cost, Arrays]:
    """Prepare a workload in a new process, run it there once, and return its cost and its arrays.

    Args:
        prepare: module-level function that loads the inputs and warms up compiled code; not measured.
        inputs: arguments of ``prepare``.

    Raises:
        ExplorerError: the process was killed, usually because memory ran out, or the system does not report the
            memory of a process (not Linux).
    """
    if not STATUS.is_file():
        raise ExplorerError(f"{STATUS} does not exist: memory is measured on Linux only")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_measured, prepare, *inputs).result()
        except (BrokenProcessPool, MemoryError) as fault:
            raise ExplorerError(f"{prepare.__name__} was killed during the measurement: out of memory?") from fault


def _measured(prepare: Callable[..., Work], *inputs: object) -> tuple[Cost, Arrays]:
    work = prepare(*inputs)
    gc.collect()
    place, order = FORGET_PEAK
    with suppress(OSError):  # without permission, the peak includes the loading
        Path(place).write_text(order)
    before, start, cpu = status_bytes("VmRSS"), time.perf_counter(), time.process_time()
    arrays = work()
    cpu, wall, peak = time.process_time() - cpu, time.perf_counter() - start, status_bytes("VmHWM")
    return Cost(cpu, wall, max(peak - before, 0), peak), dict(arrays)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Run a workload in this process; return its result and the CPU seconds of all threads."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def status_bytes(field: str) -> int:
    """One field of the process status in bytes, such as VmRSS (current memory) or VmHWM (peak memory)."""
    for line in STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise ExplorerError(f"{STATUS} has no {field}")
