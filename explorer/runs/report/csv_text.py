"""Tables as text that a spreadsheet shows and never runs."""

import csv
import io
import json
from collections.abc import Iterable, Sequence

from explorer.runs.report.tables import Cell

FORMULA = "=+-@\t\r\n＝＋－＠"
"""A spreadsheet may run a cell that begins with one of these (OWASP, "CSV Injection")."""


def as_csv(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as RFC 4180 has them, for a file."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_told(cell) for cell in row] for row in rows)
    return text.getvalue()


def as_tsv(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as tab-separated text for a clipboard, cells told as in the files; a cell that holds a tab is quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, dialect="excel-tab", lineterminator="\n").writerows([_told(cell) for cell in row] for row in rows)
    return text.getvalue()


def _told(cell: Cell) -> str:
    """A cell as text: nine digits give a float32 back exactly; a list is JSON."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.9g}"
    if isinstance(cell, int):
        return str(cell)
    return harmless(cell) if isinstance(cell, str) else json.dumps(list(cell), ensure_ascii=False)


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula; it begins with one apostrophe more where that was needed."""
    begins = {text.lstrip(" \N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}")[:1], text.lstrip()[:1]}
    return f"'{text}" if begins & {*FORMULA, "'"} else text
