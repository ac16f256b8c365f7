"""A run as tables of typed columns (features, clusters, and each cluster's own), and their CSV and TSV."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explorer.records.bundle import Vocabulary
from explorer.records.cluster import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.runs.run.reader import Run

Cell = str | int | float | None | Sequence[str] | Sequence[int]
"""Text, number, missing, or list."""
Kind = Literal["int32", "int64", "float32", "float64", "text", "texts", "integers"]
"""Type of a column's cells: a numpy dtype, text, list of texts, or list of int32."""


@dataclass(frozen=True)
class Column:
    """The cells of one column, all of one kind or None."""

    kind: Kind
    cells: Sequence[Cell]
    """One per row; NaN becomes None."""


Table = Mapping[str, Column]
"""Columns by name, in order, of equal length."""


def run_tables(run: Run) -> Iterator[tuple[str, Table]]:
    """Every table of a run with its name, a relative path without suffix; read lazily.

    Raises:
        RunError: the run is broken.
    """
    vocabulary = run.vocabulary()
    yield "features", features_table(run, vocabulary)
    yield "clusters", clusters_table(run.manifest.clusters)
    for summary in run.manifest.clusters:
        folder, geometry = f"clusters/{summary.id:05d}", run.cluster(summary.id)
        yield f"{folder}/values", values_table(summary, geometry)
        yield f"{folder}/points", points_table(summary, geometry, vocabulary)
        yield f"{folder}/curve", curve_table(summary, geometry)


def table_rows(table: Table) -> Iterator[Sequence[Cell]]:
    """The column names of a table, then its rows."""
    yield tuple(table)
    yield from zip(*(column.cells for column in table.values()), strict=True)


def features_table(run: Run, vocabulary: Vocabulary) -> Table:
    """One row per feature; `cluster` is -1 for noise and -2 for features that fire too rarely to be scored."""
    table, labels = run.features(), run.labels()
    labels_of = [labels.of(feature) for feature in range(len(table.cluster))]
    top = [[vocabulary.text(token) for token in tokens if token >= 0] for tokens in table.top_tokens.tolist()]
    x, y = table.xy.T
    return {
        "feature": _number_column(np.arange(len(table.cluster), dtype=np.int32)),
        "cluster": _number_column(table.cluster),
        "x": _number_column(x),
        "y": _number_column(y),
        "fires": _number_column(table.fires),
        "membership": _number_column(table.membership),
        "mean_activation": _number_column(table.mean_activation),
        "max_activation": _number_column(table.max_activation),
        "top_tokens": Column("texts", top),
        "labels": Column("texts", [[one.label for one in every] for every in labels_of]),
        "label_sources": Column("texts", [[one.source for one in every] for every in labels_of]),
    }


def clusters_table(summaries: Sequence[ClusterSummary]) -> Table:
    """One row per cluster: the fields of its summary, with one column per score and per interval bound."""
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
    """One row per value, in order along the coordinate."""
    return {
        "value": Column("text", summary.order),
        "coordinate": _number_column(geometry.value_coordinate),
        "tokens": _number_column(geometry.value_count),
    }


def points_table(summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary) -> Table:
    """One row per drawn token; `before` and `after` are its context."""
    contexts = [
        [vocabulary.text(token) if token >= 0 else "" for token in context] for context in geometry.context_ids.tolist()
    ]
    values = [summary.order[value] if value >= 0 else None for value in geometry.value.tolist()]
    return {
        "token_index": _number_column(geometry.token_index),
        **_xyz_columns(geometry.points),
        "coordinate": _number_column(geometry.coordinate),
        "value": Column("text", values),
        "before": Column("text", ["".join(texts[:CONTEXT_BEFORE]) for texts in contexts]),
        "token": Column("text", [texts[CONTEXT_BEFORE] for texts in contexts]),
        "after": Column("text", ["".join(texts[CONTEXT_BEFORE + 1 :]) for texts in contexts]),
    }


def curve_table(summary: ClusterSummary, geometry: ClusterGeometry) -> Table:
    """One row per knot of the fitted curve; a closed curve does not repeat the first."""
    ends = summary.shape != "closed curve"
    coordinate = np.linspace(0.0, 1.0, len(geometry.curve), endpoint=ends)
    return {"coordinate": _number_column(coordinate), **_xyz_columns(geometry.curve)}


def _xyz_columns(points: np.ndarray) -> dict[str, Column]:
    return {axis: _number_column(points[:, at]) for at, axis in enumerate("xyz")}


def _number_column(array: np.ndarray) -> Column:
    kinds: dict[str, Kind] = {"int32": "int32", "int64": "int64", "float32": "float32", "float64": "float64"}
    cells = array.tolist()
    known = cells if array.dtype.kind == "i" else [None if math.isnan(cell) else cell for cell in cells]
    return Column(kinds[array.dtype.name], known)


FORMULA = "=+-@\t\r\n＝＋－＠"
"""Prefixes that make a spreadsheet run a cell as a formula (OWASP, "CSV Injection")."""


def as_csv(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as CSV (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_cell_text(cell) for cell in row] for row in rows)
    return text.getvalue()


def as_tsv(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as tab-separated text for the clipboard, with the cells of the CSV; a cell that holds a tab is quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, dialect="excel-tab", lineterminator="\n").writerows(
        [_cell_text(cell) for cell in row] for row in rows
    )
    return text.getvalue()


def _cell_text(cell: Cell) -> str:
    """A cell as text: nine digits, which round-trip a float32; lists as JSON."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.9g}"
    if isinstance(cell, int):
        return str(cell)
    return harmless(cell) if isinstance(cell, str) else json.dumps(list(cell), ensure_ascii=False)


def harmless(text: str) -> str:
    """Prefix a text with an apostrophe if a spreadsheet could run it as a formula, or if it begins with one."""
    prefixes = {text.lstrip(" \N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}")[:1], text.lstrip()[:1]}
    return f"'{text}" if prefixes & {*FORMULA, "'"} else text
