"""Progress reports of long work."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Callback for the progress of long work; the caller decides how to display it."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Report that ``done`` of ``total`` units (None if unknown) of ``stage`` are finished."""


def silent(stage: str, done: int, total: int | None) -> None:
    """Ignore progress."""
