"""Terminal output: progress and tables for people, or one JSON document on standard output."""

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

from explorer.records.progress import Progress as ProgressProtocol
from explorer.records.progress import silent

DEFAULT_WIDTH = 140
"""Width of a table that is not printed to a terminal, in columns."""
READABLE_WIDTH = 16
"""Width at which a column of longer texts is still readable, in terminal cells."""
NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( ?%)?|-|")
"""Right-aligned cells: a number, or the mark for none."""


@contextmanager
def progress_bars() -> Iterator[ProgressProtocol]:
    """Show one progress bar per stage on standard error if it is a terminal; otherwise nothing."""
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
    """Print one line to standard error."""
    print(line, file=sys.stderr, flush=True)


def print_json(document: object) -> None:
    """Print exactly one JSON document to standard output, completely or not at all.

    Characters that the output encoding cannot represent are escaped.
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
    """Print a table with its title to standard output.

    Args:
        title: one or more lines, not wrapped to the table.
        header: column names.
        rows: one cell per column.
        spare: columns to omit, in this order, while the rest does not fit; a line lists them.
    """
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else DEFAULT_WIDTH
    console = Console(width=width, highlight=False)
    columns = [[name, *cells] for name, *cells in zip(header, *rows, strict=True)]
    left_out = list[str]()
    while spare[len(left_out) :] and not _fits(columns, console.width):
        left_out.append(spare[len(left_out)])
        columns = [column for column in columns if column[0] != left_out[-1]]
    console.print(title, markup=False)
    console.print(_table(columns, console.width), markup=False)
    if left_out:
        note = f"Not shown in {console.width} columns: {', '.join(left_out)}. A wider terminal or --json has them."
        console.print(note, markup=False)


def _table(columns: list[list[str]], room: int) -> Table:
    """A table of columns, each a name and its cells, one space apart, with numbers right-aligned."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", show_edge=False, padding=0)
    for (name, *cells), width in zip(columns, _widths(columns, room - len(columns) + 1), strict=True):
        numbers = bool(cells) and all(map(NUMBER.fullmatch, cells))
        table.add_column(name, overflow="fold", width=width, justify="right" if numbers else "left")
    for row in list(zip(*columns, strict=True))[1:]:
        table.add_row(*row)
    return table


def _fits(columns: list[list[str]], room: int) -> bool:
    """Whether numbers and short words are not broken, and longer texts are readable."""
    return sum(min(_natural_width(column), READABLE_WIDTH) for column in columns) + len(columns) - 1 <= room


def _natural_width(column: list[str]) -> int:
    """Natural width of a column in terminal cells."""
    return max(map(cell_len, column))


def _widths(columns: list[list[str]], room: int) -> list[int]:
    """Width of each column: its natural width, capped so that all columns fit; headings are not broken."""
    wanted = [_natural_width(column) for column in columns]
    least = [max(map(cell_len, name.split()), default=1) for name, *_ in columns]
    for most in range(max(wanted), 0, -1):
        widths = [max(low, min(want, most)) for low, want in zip(least, wanted, strict=True)]
        if sum(widths) <= room:
            return widths
    return least
