"""Runs as comparing reads them, kept: the first comparison of a run reads all of its clusters, the next ones none."""

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
MOST_RUNS = 4
"""Runs that are kept, those asked for last."""
MOST_PAIRS = 16
"""Comparisons of two runs that are kept."""


class Comparisons:
    """Readings of runs and comparisons of two, read once, whoever asks at the same time."""

    def __init__(self) -> None:
        self._readings: OrderedDict[RunKey, MatchingInput] = OrderedDict()
        self._pairs: OrderedDict[tuple[RunKey, RunKey], RunComparison] = OrderedDict()
        self._lock = Lock()

    def reading(self, run: Run) -> MatchingInput:
        """A run's clusters as matching needs them; raises RunError where one is broken."""
        with self._lock:
            return self._reading(run)

    def of(self, left: Run, right: Run) -> RunComparison:
        """All clusters of two runs, matched; raises RunError where one is broken."""
        key = (_key(left), _key(right))
        with self._lock:
            if key not in self._pairs:
                self._pairs[key] = compare_runs(self._reading(left), self._reading(right))
            return _kept(self._pairs, key, MOST_PAIRS)

    def _reading(self, run: Run) -> MatchingInput:
        if _key(run) not in self._readings:
            self._readings[_key(run)] = read_matching_input(run)
        return _kept(self._readings, _key(run), MOST_RUNS)


def _key(run: Run) -> RunKey:
    return run.id, run.digest


def _kept(store: OrderedDict[Key, Value], key: Key, most: int) -> Value:
    """An entry, now the last to go; the first ones go where there are more than ``most``."""
    store.move_to_end(key)
    while len(store) > most:
        store.popitem(last=False)
    return store[key]
