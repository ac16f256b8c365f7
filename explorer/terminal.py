"""What the command line shows people: progress and tables on standard error, one JSON document on standard output."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from explorer.records import Progress as ProgressProtocol
from explorer.records import silent

WIDE = 140
"""Columns of a table that goes to a file or another program."""


@contextmanager
def progress_bars() -> Iterator[ProgressProtocol]:
    """Show one bar a stage on standard error where it is a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield report


def say(line: str) -> None:
    """Tell the person at the terminal one line."""
    print(line, file=sys.stderr, flush=True)


def print_json(document: object) -> None:
    """Print one JSON document to standard output, and nothing else; all of it or nothing.

    What standard output's encoding cannot show is escaped.
    """
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False)
    sys.stdout.write(f"{text}\n")


def print_line(line: str) -> None:
    """Print one line of a result to standard output."""
    print(line, file=sys.stdout)


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table to standard output."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    Console(width=width).print(table, markup=False)
