"""Work that is done for several at once: whoever needs it asks for it, and goes on with what came of it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

Item = TypeVar("Item")
Asked = TypeVar("Asked")
Came = TypeVar("Came")


@dataclass(frozen=True)
class Wanted(Generic[Asked]):
    """What a generator waits for: it is sent what came of it, or thrown why nothing did."""

    asked: Asked
    """What is to be done."""


DoTogether: TypeAlias = Callable[[Sequence[Asked]], Sequence[Came | Exception]]
"""Does what several ask for at once; what fails for one fails for nobody else."""


def by_itself(
    work: Generator[Item | Wanted[Asked] | None, Came, object], do: DoTogether[Asked, Came]
) -> Iterator[Item]:
    """What a generator tells, where all that it asks for is done for it alone and nobody else has a turn; closing this
    closes it.

    Raises:
        Whatever the generator raises.
    """
    try:
        told = next(work)
        while True:
            if isinstance(told, Wanted):
                (came,) = do([told.asked])
                told = work.throw(came) if isinstance(came, Exception) else work.send(came)
            else:
                if told is not None:
                    yield told
                told = next(work)
    except StopIteration:
        return
    finally:
        work.close()
