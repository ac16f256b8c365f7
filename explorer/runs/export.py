"""Writes a run as files for other programs: tables as CSV, portraits as SVG and PNG."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from explorer.errors import InputError, RequestError
from explorer.maths.portrait import draw_portrait
from explorer.maths.portrait_pixels import portrait_pixels
from explorer.records import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary, Vocabulary
from explorer.runs.atomic import staged_folder, write_bytes
from explorer.runs.files import hash_file, list_files, quoted
from explorer.runs.manifest import thumbnail_file
from explorer.runs.png import encode_png
from explorer.runs.run import Run
from explorer.runs.strict_json import encode_json

FORMATS = ("csv", "svg", "png")
"""What can be written."""
USUAL = ("csv", "svg")
"""What is written where nothing is asked for: the SVG is sharper than the PNG at any size, and is there already."""
MANIFEST = "export.json"
"""Names the run and the hash of every file; written last."""
FORMULA = "=+-@\t\r\n＝＋－＠"
"""A spreadsheet may run a cell that begins with one of these (OWASP, "CSV Injection")."""

Cell = str | int | float | None | Sequence[str] | Sequence[int]
"""A text, a number, nothing, or a list."""


def export_run(run: Run, out: Path, formats: Sequence[str] = USUAL) -> dict[str, str]:
    """Write a run's tables and portraits into a folder, which appears whole or not at all.

    CSV is RFC 4180 in UTF-8 with a header line; numbers keep the precision of their arrays, and a cell without a
    number is empty. A text that a spreadsheet could run as a formula, and one that begins with an apostrophe, gets an
    apostrophe before it: take one away to have the text back. Lists are JSON in one cell.

    Args:
        run: an open run.
        out: the folder; an earlier export in it is replaced.
        formats: some of FORMATS.

    Returns:
        SHA-256 of every file by its relative path.

    Raises:
        RequestError: a format that is not known.
        RunError: the run is broken.
        InputError: something else than an export stands at ``out``.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise RequestError("--format", quoted(unknown[0]) if unknown else "none", " or ".join(FORMATS))
    with staged_folder(out, MANIFEST, _is_ours, InputError) as staged:
        if "csv" in formats:
            _write_tables(run, staged)
        if "svg" in formats:
            _write_portraits(run, staged)
        if "png" in formats:
            _write_pixels(run, staged)
        sha256 = {name: hash_file(staged, name, InputError) for name in list_files(staged, InputError)}
        told = {"format": "manifold-export", "format_version": 1, "run": run.id, "digest": run.digest, "sha256": sha256}
        write_bytes(staged / MANIFEST, encode_json(told), durable=False)
    return sha256


def _is_ours(name: str) -> bool:
    return name in (MANIFEST, "features.csv", "clusters.csv", "clusters", "thumbnails")


def _write_pixels(run: Run, folder: Path) -> None:
    (folder / "thumbnails").mkdir(exist_ok=True)
    for summary in run.manifest.clusters:
        geometry = run.cluster(summary.id)
        portrait = draw_portrait(geometry.points, geometry.coordinate, geometry.curve, summary.shape)
        name = Path(thumbnail_file(summary.id)).with_suffix(".png")
        write_bytes(folder / name, encode_png(portrait_pixels(portrait)), durable=False)


def _write_portraits(run: Run, folder: Path) -> None:
    (folder / "thumbnails").mkdir()
    for summary in run.manifest.clusters:
        name = thumbnail_file(summary.id)
        write_bytes(folder / name, run.thumbnail(summary.id).encode("utf-8"), durable=False)


def _write_tables(run: Run, folder: Path) -> None:
    vocabulary = run.vocabulary()
    _write(folder / "features.csv", _feature_rows(run, vocabulary))
    _write(folder / "clusters.csv", _summary_rows(run.manifest.clusters))
    for summary in run.manifest.clusters:
        place = folder / "clusters" / f"{summary.id:05d}"
        place.mkdir(parents=True)
        geometry = run.cluster(summary.id)
        _write(place / "values.csv", _value_rows(summary, geometry))
        _write(place / "points.csv", point_rows(summary, geometry, vocabulary))
        _write(place / "curve.csv", _curve_rows(summary, geometry))


def _feature_rows(run: Run, vocabulary: Vocabulary) -> Iterator[Sequence[Cell]]:
    """One row a feature; `cluster` is -1 for noise and -2 for features that fire too rarely to be scored."""
    table = run.features()
    yield (
        *("feature", "cluster", "x", "y", "fires", "membership", "mean_activation", "max_activation"),
        *("top_tokens", "labels", "label_sources"),
    )
    labels = run.labels()
    columns = zip(
        table.cluster.tolist(),
        *table.xy.T.tolist(),
        table.fires.tolist(),
        table.membership.tolist(),
        table.mean_activation.tolist(),
        table.max_activation.tolist(),
        table.top_tokens.tolist(),
        strict=True,
    )
    for feature, (*numbers, top) in enumerate(columns):
        given = labels.of(feature)
        tokens = [vocabulary.text(token) for token in top if token >= 0]
        yield (feature, *numbers, tokens, [one.label for one in given], [one.source for one in given])


def _summary_rows(summaries: Sequence[ClusterSummary]) -> Iterator[Sequence[Cell]]:
    """One row a cluster: the manifest's columns, each score and each end of an interval in its own."""
    names = sorted({name for summary in summaries for name in summary.scores})
    measured = sorted({name for summary in summaries for name in summary.intervals})
    yield (
        *("id", "label", "shape", "intrinsic_dim", "regime", "n_tokens", "n_sampled", "value_offset", "words"),
        *("features", "halo", "order", "feature_order"),
        *names,
        *(f"{name}_{end}" for name in measured for end in ("low", "high")),
    )
    for summary in summaries:
        yield (
            summary.id,
            summary.label,
            summary.shape,
            summary.intrinsic_dim,
            summary.regime,
            summary.n_tokens,
            summary.n_sampled,
            summary.value_offset,
            summary.words,
            summary.features,
            summary.halo,
            summary.order,
            summary.feature_order,
            *(summary.scores.get(name) for name in names),
            *(end for name in measured for end in summary.intervals.get(name, (None, None))),
        )


def _value_rows(summary: ClusterSummary, geometry: ClusterGeometry) -> Iterator[Sequence[Cell]]:
    """One row a value, in its order along the coordinate."""
    yield ("value", "coordinate", "tokens")
    yield from zip(summary.order, geometry.value_coordinate.tolist(), geometry.value_count.tolist(), strict=True)


def point_rows(summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary) -> Iterator[Sequence[Cell]]:
    """A header, then one row a drawn token; `before` and `after` are the text around it."""
    yield ("token_index", "x", "y", "z", "coordinate", "value", "before", "token", "after")
    for row, context in enumerate(geometry.context_ids.tolist()):
        texts = [vocabulary.text(token) if token >= 0 else "" for token in context]
        value = int(geometry.value[row])
        yield (
            int(geometry.token_index[row]),
            *geometry.points[row].tolist(),
            float(geometry.coordinate[row]),
            summary.order[value] if value >= 0 else None,
            "".join(texts[:CONTEXT_BEFORE]),
            texts[CONTEXT_BEFORE],
            "".join(texts[CONTEXT_BEFORE + 1 :]),
        )


def _curve_rows(summary: ClusterSummary, geometry: ClusterGeometry) -> Iterator[Sequence[Cell]]:
    """One row a knot of the fitted curve; the knots of a closed curve do not repeat the first."""
    yield ("coordinate", "x", "y", "z")
    count = len(geometry.curve)
    ends = summary.shape != "closed curve"
    coordinate = np.linspace(0.0, 1.0, count, endpoint=ends).tolist()
    for at, point in zip(coordinate, geometry.curve.tolist(), strict=True):
        yield (at, *point)


def _write(path: Path, rows: Iterable[Sequence[Cell]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_told(cell) for cell in row] for row in rows)
    write_bytes(path, text.getvalue().encode("utf-8"), durable=False)


def as_tsv(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as tab-separated text for a clipboard, cells told as in the files; a cell that holds a tab is quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, dialect="excel-tab", lineterminator="\n").writerows([_told(cell) for cell in row] for row in rows)
    return text.getvalue()


def _told(cell: Cell) -> str:
    """A cell as text: nine digits give a float32 back exactly."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float):
        return f"{cell:.9g}"
    if isinstance(cell, (str, int)):
        return harmless(cell) if isinstance(cell, str) else str(cell)
    return json.dumps(list(cell), ensure_ascii=False)


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula; it begins with one apostrophe more where that was needed."""
    begins = {text.lstrip(" \N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}")[:1], text.lstrip()[:1]}
    return f"'{text}" if begins & {*FORMULA, "'"} else text
