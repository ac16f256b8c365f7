"""Caches that evict the least recently used entry."""

import pytest

from explorer.steering.scheduler.cooperative import Cooperative, run_to_completion
from explorer.steering.scheduler.lru import CooperativeCache, LruCache


def compute(key: str, parts: list[str], count: int = 3) -> Cooperative[str]:
    for _ in range(count):
        parts.append(key)
        yield
    return key.upper()


def test_waiting_tasks_share_one_computation() -> None:
    parts: list[str] = []
    cache: CooperativeCache[str, str] = CooperativeCache(2, 2)
    first, second = (cache.get("a", lambda: compute("a", parts)) for _ in range(2))
    next(first)
    next(second)
    first.close()
    assert parts == ["a", "a"], "the second continues where the first stopped"
    assert run_to_completion(second) == "A"
    assert run_to_completion(cache.get("a", lambda: compute("a", parts))) == "A"
    assert parts == ["a"] * 3


def test_a_failed_or_evicted_computation_starts_over() -> None:
    parts: list[str] = []
    cache: CooperativeCache[str, str] = CooperativeCache(9, 2)

    def failing() -> Cooperative[str]:
        yield from compute("f", parts, 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_to_completion(cache.get("f", failing))
    assert run_to_completion(cache.get("f", lambda: compute("f", parts))) == "F"
    assert parts == ["f"] * 4
    for key in "abc":
        next(cache.get(key, lambda key=key: compute(key, parts)))
    assert run_to_completion(cache.get("a", lambda: compute("a", parts))) == "A"
    assert parts[4:] == ["a", "b", "c", "a", "a", "a"]


def test_the_least_recently_used_entry_is_evicted() -> None:
    computed: list[str] = []
    cache: LruCache[str, str] = LruCache(2)

    def get(key: str) -> str:
        return cache.get(key, lambda: computed.append(key) or key.upper())  # type: ignore[func-returns-value]

    assert [get(key) for key in "abacab"] == list("ABACAB")
    assert computed == ["a", "b", "c", "b"], "a was used again before c was added, so b is evicted"
