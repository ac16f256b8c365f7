"""Caches of what comparing runs costs: reading a run means reading all of its clusters."""

from collections import OrderedDict
from threading import Lock
from typing import TypeVar

from explorer.runs.compare.matching import RunComparison, compare_runs
from explorer.runs.compare.similarity import MatchingInput, read_matching_input
from explorer.runs.run.reader import Run

Key = TypeVar("Key")
Value = TypeVar("Value")

RunKey = tuple[str, str]
"""A run's id and the digest of its contents."""
MAX_RUNS = 4
MAX_PAIRS = 16


class Comparisons:
    """Least-recently-used caches of runs and of comparisons; concurrent requests compute each once."""

    def __init__(self) -> None:
        self._readings: OrderedDict[RunKey, MatchingInput] = OrderedDict()
        self._pairs: OrderedDict[tuple[RunKey, RunKey], RunComparison] = OrderedDict()
        self._lock = Lock()

    def reading(self, run: Run) -> MatchingInput:
        """A run's clusters as matching needs them; raises RunError if one is broken."""
        with self._lock:
            return self._reading(run)

    def of(self, left: Run, right: Run) -> RunComparison:
        """All clusters of two runs, matched; raises RunError if one is broken."""
        key = (_key(left), _key(right))
        with self._lock:
            if key not in self._pairs:
                self._pairs[key] = compare_runs(self._reading(left), self._reading(right))
            return _touch(self._pairs, key, MAX_PAIRS)

    def _reading(self, run: Run) -> MatchingInput:
        if _key(run) not in self._readings:
            self._readings[_key(run)] = read_matching_input(run)
        return _touch(self._readings, _key(run), MAX_RUNS)


def _key(run: Run) -> RunKey:
    return run.id, run.digest


def _touch(cache: OrderedDict[Key, Value], key: Key, size: int) -> Value:
    """Mark an entry as used last, and evict the least recently used ones beyond ``size``."""
    cache.move_to_end(key)
    while len(cache) > size:
        cache.popitem(last=False)
    return cache[key]
