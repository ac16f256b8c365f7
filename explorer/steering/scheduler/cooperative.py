"""Work that takes turns: done part by part, so that whoever shares the model need not wait for all of it."""

from collections.abc import Callable, Generator
from typing import Generic, TypeAlias, TypeVar

from explorer.steering.scheduler.lru import Kept

Key = TypeVar("Key")
Made = TypeVar("Made")

Turns: TypeAlias = Generator[None, None, Made]
"""Yields wherever others may have their turn, and returns what was made."""


def finish(work: Turns[Made]) -> Made:
    """Do all of it at once."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            made: Made = done.value
            return made


class MadeInTurns(Generic[Key, Made]):
    """Keeps the last few things that were made, as ``Kept``; who asks for one that is being made goes on with it."""

    def __init__(self, most: int, most_under_way: int) -> None:
        """Beyond ``most_under_way``, what nobody went on with the longest is let go and begun anew when asked for."""
        self._made: Kept[Key, Made] = Kept(most)
        self._under_way: Kept[Key, Turns[Made]] = Kept(most_under_way)

    def get(self, key: Key, make: Callable[[], Turns[Made]]) -> Turns[Made]:
        """What the key stands for, made in turns if it is not here; leaving in the middle leaves the work to others."""
        while key not in self._made:
            try:
                next(self._under_way.get(key, make))
            except StopIteration as done:
                self._under_way.drop(key)
                self._made.put(key, done.value)
            except Exception:
                self._under_way.drop(key)
                raise
            else:
                yield
        return self._made.get(key, lambda: finish(make()))
