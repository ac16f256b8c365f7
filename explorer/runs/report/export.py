"""Writes a run as files for other programs: tables as CSV or Parquet, portraits as SVG and PNG."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from explorer.errors import InputError, RequestError
from explorer.maths.portrait.portrait import draw_portrait
from explorer.runs.io.atomic import staged_folder, write_bytes
from explorer.runs.io.files import hash_file, list_files, quoted
from explorer.runs.io.strict_json import encode_json
from explorer.runs.report.png import portrait_png
from explorer.runs.report.tables import Table, as_csv, run_tables, table_rows
from explorer.runs.run.manifest import thumbnail_file
from explorer.runs.run.reader import Run

FORMATS = ("csv", "parquet", "svg", "png")
"""What can be written."""
USUAL = ("csv", "svg")
"""What is written where nothing is asked for: the SVG is sharper than the PNG at any size, and is there already."""
MANIFEST = "export.json"
"""Names the run and the hash of every file; written last."""
_OURS = (MANIFEST, "features.csv", "clusters.csv", "features.parquet", "clusters.parquet", "clusters", "thumbnails")

Encode = Callable[[Table], bytes]
"""Makes a file of a table."""


def export_run(run: Run, out: Path, formats: Sequence[str] = USUAL) -> dict[str, str]:
    """Write a run's tables and portraits into a folder, which appears whole or not at all.

    CSV is RFC 4180 in UTF-8 with a header line; numbers keep the precision of their arrays, and a cell without a
    number is empty. A text that a spreadsheet could run as a formula, and one that begins with an apostrophe, gets an
    apostrophe before it: take one away to have the text back. Lists are JSON in one cell. Parquet has the same columns
    by the same names; there numbers keep their types, lists are lists, texts are as they are, and what is
    not there is null.

    Args:
        run: an open run.
        out: the folder; an earlier export in it is replaced.
        formats: some of FORMATS.

    Returns:
        SHA-256 of every file by its relative path.

    Raises:
        RequestError: a format that is not known, or Parquet without pyarrow.
        RunError: the run is broken.
        InputError: something else than an export stands at ``out``.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise RequestError("--format", quoted(unknown[0]) if unknown else "none", " or ".join(FORMATS))
    encoders = {name: _encoder(name) for name in formats if name in ("csv", "parquet")}
    with staged_folder(out, MANIFEST, _OURS.__contains__, InputError) as staged:
        if encoders:
            _write_tables(run, staged, encoders)
        if "svg" in formats:
            _write_portraits(run, staged)
        if "png" in formats:
            _write_png(run, staged)
        sha256 = {name: hash_file(staged, name, InputError) for name in list_files(staged, InputError)}
        told = {"format": "manifold-export", "format_version": 1, "run": run.id, "digest": run.digest, "sha256": sha256}
        write_bytes(staged / MANIFEST, encode_json(told), durable=False)
    return sha256


def _encoder(name: str) -> Encode:
    if name == "csv":
        return lambda table: as_csv(table_rows(table)).encode("utf-8")
    try:
        encode: Encode = import_module("explorer.runs.report.parquet_file").as_parquet
    except ModuleNotFoundError as missing:
        if missing.name != "pyarrow":
            raise
        wanted = 'it installed: pip install "manifold-explorer[parquet]"'
        raise RequestError("--format parquet", "no pyarrow here", wanted) from missing
    return encode


def _write_tables(run: Run, folder: Path, encoders: dict[str, Encode]) -> None:
    for name, table in run_tables(run):
        for suffix, encode in encoders.items():
            path = folder / f"{name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, encode(table), durable=False)


def _write_png(run: Run, folder: Path) -> None:
    (folder / "thumbnails").mkdir(exist_ok=True)
    for summary in run.manifest.clusters:
        geometry = run.cluster(summary.id)
        portrait = draw_portrait(geometry.points, geometry.coordinate, geometry.curve, summary.shape)
        name = Path(thumbnail_file(summary.id)).with_suffix(".png")
        write_bytes(folder / name, portrait_png(portrait), durable=False)


def _write_portraits(run: Run, folder: Path) -> None:
    (folder / "thumbnails").mkdir()
    for summary in run.manifest.clusters:
        name = thumbnail_file(summary.id)
        write_bytes(folder / name, run.thumbnail(summary.id).encode("utf-8"), durable=False)
