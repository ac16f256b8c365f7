"""Exports a run: tables as CSV or Parquet, portraits as SVG and PNG."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from explorer.errors import InputError, RequestError
from explorer.runs.io.atomic import staged_folder, write_bytes
from explorer.runs.io.files import hash_file, list_files, quoted
from explorer.runs.io.strict_json import encode_json
from explorer.runs.report.png import portrait_png
from explorer.runs.report.portrait import draw_portrait
from explorer.runs.report.tables import Table, as_csv, run_tables, table_rows
from explorer.runs.run.manifest import thumbnail_file
from explorer.runs.run.reader import Run

FORMATS = ("csv", "parquet", "svg", "png")
"""Supported formats."""
DEFAULT_FORMATS = ("csv", "svg")
"""Default formats: SVG is sharper than PNG at any size, and needs no rendering."""
MANIFEST = "export.json"
"""Manifest of an export: the run and the hash of every file; written last."""
_OURS = (MANIFEST, "features.csv", "clusters.csv", "features.parquet", "clusters.parquet", "clusters", "thumbnails")

Encode = Callable[[Table], bytes]
"""Encodes a table as a file."""


def export_run(run: Run, out: Path, formats: Sequence[str] = DEFAULT_FORMATS) -> dict[str, str]:
    """Write a run's tables and portraits into a folder, atomically.

    CSV is RFC 4180 in UTF-8 with a header line; numbers keep the precision of their arrays, and a missing number is an
    empty cell. A text that a spreadsheet could run as a formula, and a text that begins with an apostrophe, is prefixed
    with an apostrophe; removing one restores the text. Lists are JSON in one cell. Parquet has the same columns under
    the same names; numbers keep their types, lists are lists, texts are unchanged, and missing values are null.

    Args:
        run: an open run.
        out: the folder; an earlier export in it is replaced.
        formats: some of FORMATS.

    Returns:
        SHA-256 of every file by relative path.

    Raises:
        RequestError: an unknown format, or Parquet without pyarrow.
        RunError: the run is broken.
        InputError: something other than an export exists at ``out``.
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
        header = {"format": "manifold-export", "format_version": 1, "run": run.id, "digest": run.digest}
        write_bytes(staged / MANIFEST, encode_json({**header, "sha256": sha256}), durable=False)
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
        raise RequestError("--format parquet", "no pyarrow", wanted) from missing
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
