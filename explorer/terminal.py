"""What the command line shows people: progress and tables on standard error, one JSON document on standard output."""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from explorer.records import Progress as ProgressProtocol
from explorer.records import silent

WIDE = 140
"""Columns of a table that goes to a file or another program."""
READABLE = 16
"""Width, in cells of the terminal, at which a column of longer texts still reads well."""
NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( ?%)?|-|")
"""A cell that stands to the right: a number, or the mark for none."""


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


def print_table(title: str, header: list[str], rows: list[list[str]], spare: Sequence[str] = ()) -> None:
    """Print a table to standard output, its title above it.

    Args:
        title: one line or more, as wide as the terminal.
        header: names of the columns.
        rows: cells, one a column.
        spare: columns that are left out, the first one first, for as long as the rest does not fit; a line says so.
    """
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    console = Console(width=width, highlight=False)
    columns = [[name, *cells] for name, *cells in zip(header, *rows, strict=True)]
    left_out = list[str]()
    while spare[len(left_out) :] and not _fits(columns, console.width):
        left_out.append(spare[len(left_out)])
        columns = [column for column in columns if column[0] != left_out[-1]]
    console.print(title, markup=False)
    console.print(_table(columns, console.width), markup=False)
    if left_out:
        told = f"Not shown in {console.width} columns: {', '.join(left_out)}. A wider terminal or --json has them."
        console.print(told, markup=False)


def _table(columns: list[list[str]], room: int) -> Table:
    """A table of columns, each a name and its cells: one space between them, numbers to the right."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", show_edge=False, padding=0)
    for (name, *cells), width in zip(columns, _widths(columns, room - len(columns) + 1), strict=True):
        numbers = bool(cells) and all(map(NUMBER.fullmatch, cells))
        table.add_column(name, overflow="fold", width=width, justify="right" if numbers else "left")
    for row in list(zip(*columns, strict=True))[1:]:
        table.add_row(*row)
    return table


def _fits(columns: list[list[str]], room: int) -> bool:
    """Whether numbers and short words stay whole, and longer texts can be read."""
    return sum(min(_wanted(column), READABLE) for column in columns) + len(columns) - 1 <= room


def _wanted(column: list[str]) -> int:
    """Cells of the terminal that a column would fill."""
    return max(map(cell_len, column))


def _widths(columns: list[list[str]], room: int) -> list[int]:
    """What each column gets: what it would fill, but the widest no more than leaves room for all; headings unbroken."""
    wanted = [_wanted(column) for column in columns]
    least = [max(map(cell_len, name.split()), default=1) for name, *_ in columns]
    for most in range(max(wanted), 0, -1):
        widths = [max(low, min(want, most)) for low, want in zip(least, wanted, strict=True)]
        if sum(widths) <= room:
            return widths
    return least
