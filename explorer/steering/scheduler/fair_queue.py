"""The fair queue: places and service are shared equally between clients, however much each of them submits."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_MAX_CLIENTS = 4096


class Submitted(Protocol):
    """Anything that a client has submitted."""

    @property
    def client(self) -> str:
        """Id of the client."""


Entry = TypeVar("Entry", bound=Submitted)


class FairQueue(Generic[Entry]):
    """Waiting entries; the next one is of the client with the fewest running, then of the least recently served."""

    def __init__(self) -> None:
        self._waiting: deque[Entry] = deque()
        self._last_served: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._waiting)

    def append(self, entry: Entry) -> None:
        """Add an entry, the newest one."""
        self._waiting.append(entry)

    def discard(self, entry: Entry) -> None:
        """Remove an entry, if it waits."""
        if entry in self._waiting:
            self._waiting.remove(entry)

    def pop(self, running: Counter[str]) -> Entry:
        """Take the next entry, the oldest of its client.

        Args:
            running: entries of each client that are being served.
        """
        entry = min(self._waiting, key=lambda one: (running[one.client], self._last_served.get(one.client, -1)))
        self._waiting.remove(entry)
        number = max(self._last_served.values(), default=0) + 1
        self._last_served.pop(entry.client, None)
        self._last_served[entry.client] = number
        if len(self._last_served) > _MAX_CLIENTS:
            self._last_served.pop(next(iter(self._last_served)))
        return entry

    def displaceable(self, client: str, held: Counter[str]) -> Entry | None:
        """The entry that gives up its place to a client where all are taken, or None.

        It is the newest entry of the client that holds the most places, provided it holds at least two more.

        Args:
            client: who needs a place.
            held: places of each client, running and waiting.
        """
        greediest = max(self._waiting, key=lambda one: held[one.client], default=None)
        if greediest is None or held[greediest.client] <= held[client] + 1:
            return None
        return next(one for one in reversed(self._waiting) if one.client == greediest.client)
