"""The result type of every benchmark."""

from dataclasses import dataclass

from pydantic import JsonValue

Table = tuple[str, list[str], list[list[str]]]
"""Title, column names, rows of text."""


@dataclass(frozen=True)
class BenchReport:
    """A benchmark's result, ready to print."""

    values: JsonValue
    """Unrounded values for programs."""
    tables: tuple[Table, ...]
    """Formatted tables for people."""
    notes: tuple[str, ...] = ()
    """Remarks that the tables omit, printed to standard error."""
