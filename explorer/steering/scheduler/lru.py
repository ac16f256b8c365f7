"""Keeps the last few things that were made."""

from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Made = TypeVar("Made")


class Kept(Generic[Key, Made]):
    """What was asked for last, each by its key; beyond ``most``, what nobody asked for the longest is let go."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: dict[Key, Made] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._made

    def drop(self, key: Key) -> None:
        """Let one go."""
        self._made.pop(key, None)

    def get(self, key: Key, make: Callable[[], Made]) -> Made:
        """What the key stands for, made if it is not here."""
        made = self._made.pop(key) if key in self._made else make()
        self.put(key, made)
        return made

    def put(self, key: Key, made: Made) -> None:
        """Keep one that was made elsewhere."""
        self._made[key] = made
        if len(self._made) > self._most:
            self._made.pop(next(iter(self._made)))
