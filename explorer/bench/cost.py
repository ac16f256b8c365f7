"""What a piece of work costs: CPU time and memory, each time in a process of its own.

A process that has done other work before keeps memory that it no longer needs, and gives it to the next work without a
trace. So every measurement starts a new one, which first imports, loads and warms up, and only then is looked at.
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
"""What the work found."""
Work = Callable[[], Arrays]
"""The work itself, ready to start."""

Found = TypeVar("Found")

STATUS: Final = Path("/proc/self/status")
"""Where Linux tells a process its memory."""
FORGET_PEAK: Final = ("/proc/self/clear_refs", "5")
"""Written there, this makes the largest memory so far the present one (Linux, proc(5))."""


@dataclass(frozen=True)
class Cost:
    """What one piece of work took."""

    cpu: float
    """Seconds of all threads, in the program and in the system."""
    wall: float
    """Seconds until it was done."""
    memory: int
    """Bytes at the largest, beyond what the process held before, which is its imports and the loaded codes."""
    peak: int
    """Bytes of the whole process at the largest, all included."""


def measure(prepare: Callable[..., Work], *inputs: object) -> tuple[Cost, Arrays]:
    """Prepare a work in a new process, do it there once, and tell its cost and what it found.

    Args:
        prepare: a function of a module, which loads what the work needs and warms up what is compiled; not measured.
        inputs: its arguments.

    Raises:
        ExplorerError: the process was ended from outside, mostly for want of memory, or the system does not tell a
            process its memory.
    """
    if not STATUS.is_file():
        raise ExplorerError(f"{STATUS} is not there: memory is measured on Linux alone")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_measured, prepare, *inputs).result()
        except (BrokenProcessPool, MemoryError) as fault:
            raise ExplorerError(f"{prepare.__name__} was ended while it was measured: too little memory?") from fault


def _measured(prepare: Callable[..., Work], *inputs: object) -> tuple[Cost, Arrays]:
    work = prepare(*inputs)
    gc.collect()
    place, order = FORGET_PEAK
    with suppress(OSError):  # where it is not allowed, the peak of the loading counts as well
        Path(place).write_text(order)
    before, start, cpu = status_bytes("VmRSS"), time.perf_counter(), time.process_time()
    found = work()
    cpu, wall, peak = time.process_time() - cpu, time.perf_counter() - start, status_bytes("VmHWM")
    return Cost(cpu, wall, max(peak - before, 0), peak), dict(found)


def timed(work: Callable[[], Found]) -> tuple[Found, float]:
    """Do some work in this process, and tell the CPU seconds of all its threads."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def status_bytes(field: str) -> int:
    """One line of the process's status, such as VmRSS (memory now) or VmHWM (memory at the largest), in bytes."""
    for line in STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise ExplorerError(f"{STATUS} has no {field}")
