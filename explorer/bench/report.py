"""What every benchmark returns."""

from dataclasses import dataclass

from pydantic import JsonValue

Table = tuple[str, list[str], list[list[str]]]
"""Title, column names, rows of text."""


@dataclass(frozen=True)
class BenchReport:
    """A benchmark's result, ready to be printed."""

    values: JsonValue
    """For programs, unrounded."""
    tables: tuple[Table, ...]
    """For people."""
    notes: tuple[str, ...] = ()
    """Lines for standard error: what the tables leave out."""
