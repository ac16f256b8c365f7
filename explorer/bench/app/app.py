"""The app benchmark: page load times, map costs and server time, alone and with many viewers."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from pydantic import JsonValue

from explorer.bench.app.browser import MapCost, Visits, browser, map_cost, visit_pages
from explorer.bench.app.large_run import write_tiled_run
from explorer.bench.app.server import served_app
from explorer.bench.app.viewers import Crowd, Opened, crowd, open_tiles
from explorer.bench.settings import AppBenchSettings
from explorer.records.progress import Progress, silent
from explorer.runs.run.reader import open_run

CLUSTERS_PER_COPY: Final = 80
"""Clusters of each copy in the large run: about 5,000 in all at 131,072 features."""
MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True)
class AppReport:
    """All measurements. Each load is the machine's one-minute average when a part ended."""

    visits: Visits
    """Page visits in the browser, on the run itself."""
    load_visits: float
    crowd: Crowd
    """Concurrent viewers, on the run itself."""
    viewers: int
    load_crowd: float
    """Includes the simulated viewers."""
    map: MapCost
    """The map of the large run."""
    opened: Opened
    """Tiles of the large run."""
    load_opened: float
    large: int
    """Features of the large run."""
    clusters: int
    """Clusters of the large run."""
    cores: int


def measure_app(path: Path, settings: AppBenchSettings | None = None, *, progress: Progress = silent) -> AppReport:
    """Measure the app on a run, and on a large run made of copies of it.

    Raises:
        RunError: The run cannot be read.
        ExplorerError: The browser or the app does not start.
    """
    settings = settings or AppBenchSettings()
    run = open_run(path)
    numbers = range(len(run.manifest.clusters))
    with served_app(path) as app:
        with browser() as started:
            visits = visit_pages(started, app, run.id, settings.visits, progress)
        load_visits = _load()
        progress(f"{settings.viewers} viewers", 0, None)
        seen = crowd(app, run.id, numbers, settings.viewers, settings.seconds, settings.think, settings.seed)
        load_crowd = _load()
    with TemporaryDirectory(prefix="explorer-bench-") as folder:
        copies = -(-settings.features // run.manifest.n_features)
        large = open_run(write_tiled_run(run, Path(folder) / "large", copies, CLUSTERS_PER_COPY, progress=progress))
        clusters, features = len(large.manifest.clusters), large.manifest.n_features
        rng = np.random.default_rng(settings.seed)
        drawn = rng.choice(clusters, min(settings.opened + 1, clusters), replace=False).tolist()
        with served_app(large.path) as app:
            opened = open_tiles(app, large.id, drawn, progress)
            load_opened = _load()
            with browser() as started:
                cost = map_cost(started, app, large.id, features)
    return AppReport(
        visits=visits,
        load_visits=load_visits,
        crowd=seen,
        viewers=settings.viewers,
        load_crowd=load_crowd,
        map=cost,
        opened=opened,
        load_opened=load_opened,
        large=features,
        clusters=clusters,
        cores=os.cpu_count() or 1,
    )


def report_table(report: AppReport) -> tuple[str, list[str], list[list[str]]]:
    """The table: measurement, result, target and load."""
    visits, seen, cost, opened = report.visits, report.crowd, report.map, report.opened
    large = f"{report.large:,} features, {report.clusters:,} clusters"
    fetched = f"{cost.bytes_a_feature:.1f}"
    several = f"{report.viewers} viewers for {seen.seconds:.0f} s"
    rows = [
        [
            "first visit to the atlas: map and tiles ready",
            _seconds(visits.usable),
            "",
            _loaded(report.load_visits),
        ],
        ["click on a tile: cloud and strips visible", _seconds(visits.seen), "< 1 s", _loaded(report.load_visits)],
        ["same click: the cloud can be rotated", _seconds(visits.turns), "", _loaded(report.load_visits)],
        ["JavaScript without plotly, both pages", f"{visits.scripts / MEBIBYTE:.2f} MiB", "<= 2 MB", ""],
        [
            f"{several}: page latency, p50 and p95",
            _spread(seen.pages),
            "p95 < 300 ms",
            _loaded(report.load_crowd),
        ],
        [f"{several}: errors", f"{seen.errors} of {seen.requests:,} requests", "0", ""],
        [f"opening a tile, server CPU, p50 and p95 ({large})", _spread(opened.cpu), "p95 <= 50 ms", ""],
        ["same, wall time, p50 and p95", _spread(opened.wall), "", _loaded(report.load_opened)],
        [
            "map, names and tiles: uncompressed download",
            f"{fetched} bytes per feature",
            "<= 12",
            "",
        ],
        ["map: main-thread time until drawn", f"{cost.main_ms / 1000:.1f} s", "", _loaded(report.load_opened)],
        ["map: main-thread time per drag step", f"{cost.pan_ms:.0f} ms", "", _loaded(report.load_opened)],
        ["map: JavaScript heap", f"{cost.heap / MEBIBYTE:.1f} MiB", "", ""],
        ["map: bytes uploaded to the GPU by drag and zoom", f"{cost.sent_by_moves:,} bytes", "0", ""],
        ["map: bytes uploaded to the GPU by a colour change", f"{cost.sent_by_color:,} bytes", "no points", ""],
        ["map: requests caused by drag, zoom and colours", f"{cost.asked}", "0", ""],
    ]
    title = f"The app on {report.cores} cores; medians of {len(visits.usable)} visits in the browser"
    return title, ["measurement", "result", "target", "load"], rows


def report_values(report: AppReport) -> dict[str, JsonValue]:
    """All measurements, unrounded."""
    return asdict(report)


def _load() -> float:
    return os.getloadavg()[0]


def _loaded(load: float) -> str:
    return f"{load:.1f}"


def _seconds(milliseconds: tuple[float, ...]) -> str:
    low, middle, high = (np.quantile(milliseconds, share) / 1000 for share in (0.0, 0.5, 1.0))
    return f"{middle:.2f} s ({low:.2f} to {high:.2f})"


def _spread(milliseconds: tuple[float, ...]) -> str:
    middle, high = (np.quantile(milliseconds, share) for share in (0.5, 0.95))
    return f"{middle:.0f} and {high:.0f} ms"
