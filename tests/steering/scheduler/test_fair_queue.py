"""The fair queue by itself: who is served next, and who gives up a place."""

from collections import Counter
from dataclasses import dataclass

import pytest

from explorer.steering.scheduler.fair_queue import FairQueue


@dataclass(frozen=True)
class Entry:
    client: str
    number: int


def queue_of(*clients: str) -> FairQueue[Entry]:
    queue = FairQueue[Entry]()
    for number, client in enumerate(clients):
        queue.append(Entry(client, number))
    return queue


def test_the_least_recently_served_client_is_next_and_its_oldest_entry_first() -> None:
    queue = queue_of("a", "a", "a", "b", "c", "b")
    assert [queue.pop(Counter()).number for _ in range(6)] == [0, 3, 4, 1, 5, 2]


def test_the_client_with_fewest_running_is_next() -> None:
    queue = queue_of("a", "b", "a")
    assert queue.pop(Counter(a=2, b=1)).client == "b"
    assert queue.pop(Counter(a=2, b=2)).client == "a"


@pytest.mark.parametrize(
    ("held", "number"), [({"a": 3, "b": 2}, None), ({"a": 4, "b": 2}, 3), ({"a": 2}, 3), ({}, None)]
)
def test_a_place_is_taken_from_a_client_with_at_least_two_more(held: dict[str, int], number: int | None) -> None:
    entry = queue_of("a", "c", "a", "a").displaceable("b", Counter(held))
    assert (None if entry is None else entry.number) == number


def test_a_discarded_entry_is_not_served() -> None:
    queue = queue_of("a", "b")
    queue.discard(Entry("a", 0))
    queue.discard(Entry("a", 7))
    assert [entry.client for entry in queue] == ["b"]
    assert len(queue) == 1
