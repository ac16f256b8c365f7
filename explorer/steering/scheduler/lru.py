"""Caches that evict the least recently used entry."""

from collections.abc import Callable
from typing import Generic, TypeVar

from explorer.steering.scheduler.cooperative import Cooperative, run_to_completion

Key = TypeVar("Key")
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """At most ``capacity`` values."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: dict[Key, Value] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def discard(self, key: Key) -> None:
        """Remove an entry, if it is there."""
        self._values.pop(key, None)

    def get(self, key: Key, compute: Callable[[], Value]) -> Value:
        """The value of a key, computed where it is missing."""
        value = self._values.pop(key) if key in self._values else compute()
        self.put(key, value)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Store a value as the most recently used one."""
        self._values[key] = value
        if len(self._values) > self._capacity:
            self._values.pop(next(iter(self._values)))


class CooperativeCache(Generic[Key, Value]):
    """A cache whose values are computed cooperatively; tasks that wait for the same key continue one computation."""

    def __init__(self, capacity: int, pending: int) -> None:
        """At most ``capacity`` values, and ``pending`` unfinished computations; an evicted one starts over."""
        self._values: LruCache[Key, Value] = LruCache(capacity)
        self._pending: LruCache[Key, Cooperative[Value]] = LruCache(pending)

    def get(self, key: Key, compute: Callable[[], Cooperative[Value]]) -> Cooperative[Value]:
        """The value of a key, computed where it is missing; others continue what a closed task has begun."""
        while key not in self._values:
            try:
                next(self._pending.get(key, compute))
            except StopIteration as done:
                self._pending.discard(key)
                self._values.put(key, done.value)
            except Exception:
                self._pending.discard(key)
                raise
            else:
                yield
        return self._values.get(key, lambda: run_to_completion(compute()))
