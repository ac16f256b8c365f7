"""Cooperative tasks: generators that share the model's thread, and hand in operations that are batched across tasks.

A task yields None where another task may run, a ``Batched`` operation where it waits for one, and everything else as an
item for its reader.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

Item = TypeVar("Item")
Operation = TypeVar("Operation")
Outcome = TypeVar("Outcome")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Batched(Generic[Operation]):
    """An operation that a task waits for; the task is sent its outcome, or thrown its error."""

    operation: Operation


Cooperative: TypeAlias = Generator[None, None, Result]
"""Computes one result, and yields None between parts."""
Task: TypeAlias = Generator[Item | Batched[Any] | None, Any, Item | None]
"""Produces items for a reader; a return value other than None is the last one."""
RunBatch: TypeAlias = Callable[[Sequence[Operation]], Sequence[Outcome | Exception]]
"""Runs the operations of several tasks at once. Outcomes keep the order; an operation that fails yields its exception
and leaves the others unaffected."""


def run_to_completion(task: Cooperative[Result]) -> Result:
    """Run all parts in a row."""
    while True:
        try:
            next(task)
        except StopIteration as done:
            result: Result = done.value
            return result


def run_alone(
    task: Generator[Item | Batched[Operation] | None, Outcome, object], run_batch: RunBatch[Operation, Outcome]
) -> Iterator[Item]:
    """Items of a task that shares the model with no other one: every operation is a batch of its own.

    Closing the iterator closes the task.

    Raises:
        Whatever the task raises.
    """
    try:
        item = next(task)
        while True:
            if isinstance(item, Batched):
                (outcome,) = run_batch([item.operation])
                item = task.throw(outcome) if isinstance(outcome, Exception) else task.send(outcome)
            else:
                if item is not None:
                    yield item
                item = next(task)
    except StopIteration:
        return
    finally:
        task.close()
