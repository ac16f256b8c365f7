"""A run as tables for other programs, column by column: its features, its clusters, and each cluster's own."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explorer.records import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary, Vocabulary
from explorer.runs.run.reader import Run

Cell = str | int | float | None | Sequence[str] | Sequence[int]
"""A text, a number, nothing, or a list."""
Kind = Literal["int32", "int64", "float32", "float64", "text", "texts", "integers"]
"""What a column's cells are: numbers as numpy names them, a text, a list of texts, or a list of int32 numbers."""


@dataclass(frozen=True)
class Column:
    """The cells of one column, all of one kind or None."""

    kind: Kind
    """What they are."""
    cells: Sequence[Cell]
    """One a row; a number that is NaN in its array is None."""


Table = Mapping[str, Column]
"""Columns by name, in their order, equally long."""


def run_tables(run: Run) -> Iterator[tuple[str, Table]]:
    """Every table of a run with its name, a relative path without a suffix; each is read when it is asked for.

    Raises:
        RunError: the run is broken.
    """
    vocabulary = run.vocabulary()
    yield "features", features_table(run, vocabulary)
    yield "clusters", clusters_table(run.manifest.clusters)
    for summary in run.manifest.clusters:
        place, geometry = f"clusters/{summary.id:05d}", run.cluster(summary.id)
        yield f"{place}/values", values_table(summary, geometry)
        yield f"{place}/points", points_table(summary, geometry, vocabulary)
        yield f"{place}/curve", curve_table(summary, geometry)


def table_rows(table: Table) -> Iterator[Sequence[Cell]]:
    """The names of a table's columns, then its rows."""
    yield tuple(table)
    yield from zip(*(column.cells for column in table.values()), strict=True)


def features_table(run: Run, vocabulary: Vocabulary) -> Table:
    """One row a feature; `cluster` is -1 for noise and -2 for features that fire too rarely to be scored."""
    table, labels = run.features(), run.labels()
    given = [labels.of(feature) for feature in range(len(table.cluster))]
    top = [[vocabulary.text(token) for token in tokens if token >= 0] for tokens in table.top_tokens.tolist()]
    x, y = table.xy.T
    return {
        "feature": _numbers(np.arange(len(table.cluster), dtype=np.int32)),
        "cluster": _numbers(table.cluster),
        "x": _numbers(x),
        "y": _numbers(y),
        "fires": _numbers(table.fires),
        "membership": _numbers(table.membership),
        "mean_activation": _numbers(table.mean_activation),
        "max_activation": _numbers(table.max_activation),
        "top_tokens": Column("texts", top),
        "labels": Column("texts", [[one.label for one in every] for every in given]),
        "label_sources": Column("texts", [[one.source for one in every] for every in given]),
    }


def clusters_table(summaries: Sequence[ClusterSummary]) -> Table:
    """One row a cluster: the manifest's columns, each score and each end of an interval in its own."""
    names = sorted({name for summary in summaries for name in summary.scores})
    measured = sorted({name for summary in summaries for name in summary.intervals})
    own: dict[str, Kind] = {
        "id": "int32",
        "label": "text",
        "shape": "text",
        "intrinsic_dim": "float64",
        "regime": "text",
        "n_tokens": "int64",
        "n_sampled": "int64",
        "value_offset": "int32",
        "words": "text",
        "features": "integers",
        "halo": "integers",
        "order": "texts",
        "feature_order": "integers",
    }
    ends = [(name, end) for name in measured for end in (0, 1)]
    return {
        **{name: Column(kind, [getattr(summary, name) for summary in summaries]) for name, kind in own.items()},
        **{name: Column("float64", [summary.scores.get(name) for summary in summaries]) for name in names},
        **{
            f"{name}_{('low', 'high')[end]}": Column(
                "float64", [summary.intervals.get(name, (None, None))[end] for summary in summaries]
            )
            for name, end in ends
        },
    }


def values_table(summary: ClusterSummary, geometry: ClusterGeometry) -> Table:
    """One row a value, in its order along the coordinate."""
    return {
        "value": Column("text", summary.order),
        "coordinate": _numbers(geometry.value_coordinate),
        "tokens": _numbers(geometry.value_count),
    }


def points_table(summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary) -> Table:
    """One row a drawn token; `before` and `after` are the text around it."""
    contexts = [
        [vocabulary.text(token) if token >= 0 else "" for token in context] for context in geometry.context_ids.tolist()
    ]
    values = [summary.order[value] if value >= 0 else None for value in geometry.value.tolist()]
    return {
        "token_index": _numbers(geometry.token_index),
        **_places(geometry.points),
        "coordinate": _numbers(geometry.coordinate),
        "value": Column("text", values),
        "before": Column("text", ["".join(texts[:CONTEXT_BEFORE]) for texts in contexts]),
        "token": Column("text", [texts[CONTEXT_BEFORE] for texts in contexts]),
        "after": Column("text", ["".join(texts[CONTEXT_BEFORE + 1 :]) for texts in contexts]),
    }


def curve_table(summary: ClusterSummary, geometry: ClusterGeometry) -> Table:
    """One row a knot of the fitted curve; the knots of a closed curve do not repeat the first."""
    ends = summary.shape != "closed curve"
    coordinate = np.linspace(0.0, 1.0, len(geometry.curve), endpoint=ends)
    return {"coordinate": _numbers(coordinate), **_places(geometry.curve)}


def _places(points: np.ndarray) -> dict[str, Column]:
    return {axis: _numbers(points[:, at]) for at, axis in enumerate("xyz")}


def _numbers(array: np.ndarray) -> Column:
    kinds: dict[str, Kind] = {"int32": "int32", "int64": "int64", "float32": "float32", "float64": "float64"}
    cells = array.tolist()
    known = cells if array.dtype.kind == "i" else [None if math.isnan(cell) else cell for cell in cells]
    return Column(kinds[array.dtype.name], known)


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
