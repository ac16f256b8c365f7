"""The app bench: what its pages, its map and its server cost, and how it bears many viewers."""

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
from explorer.records import Progress, silent
from explorer.runs.run.reader import open_run

KEPT_CLUSTERS: Final = 80
"""Clusters that each copy in the large run keeps: about 5,000 at 131,072 features."""
MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True)
class AppReport:
    """Everything that was measured; the load is the machine's, over the minute before."""

    visits: Visits
    """Pages in the browser, on the run itself."""
    load_visits: float
    """Load then."""
    crowd: Crowd
    """Many viewers, on the run itself."""
    viewers: int
    """How many."""
    load_crowd: float
    """Load then, theirs included."""
    map: MapCost
    """The map of the large run."""
    opened: Opened
    """Tiles of the large run."""
    load_opened: float
    """Load then."""
    large: int
    """Features of the large run."""
    clusters: int
    """Its clusters."""
    cores: int
    """Cores of the machine."""


def measure_app(path: Path, settings: AppBenchSettings | None = None, *, progress: Progress = silent) -> AppReport:
    """Measure the app on a run and on a large one that is made of copies of it.

    Raises:
        RunError: the run cannot be read.
        ExplorerError: as in ``browser`` and ``served_app``.
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
        large = open_run(write_tiled_run(run, Path(folder) / "large", copies, KEPT_CLUSTERS, progress=progress))
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
    """Give the table for people: what was measured, what was found, what is wanted, and the load beside it."""
    visits, seen, cost, opened = report.visits, report.crowd, report.map, report.opened
    large = f"{report.large:,} features, {report.clusters:,} clusters"
    fetched = f"{cost.bytes_a_feature:.1f}"
    several = f"{report.viewers} viewers for {seen.seconds:.0f} s"
    rows = [
        ["first visit to the atlas: map drawn, tiles there", _seconds(visits.usable), "", _loaded(report.load_visits)],
        ["click on a tile: cloud and strips are seen", _seconds(visits.seen), "< 1 s", _loaded(report.load_visits)],
        ["the same click: the cloud can be turned", _seconds(visits.turns), "", _loaded(report.load_visits)],
        ["JavaScript beside plotly, both pages", f"{visits.scripts / MEBIBYTE:.2f} MiB", "<= 2 MB", ""],
        [
            f"{several}: a page, p50 and p95",
            _spread(seen.pages),
            "p95 < 300 ms",
            _loaded(report.load_crowd),
        ],
        [f"{several}: errors", f"{seen.errors} of {seen.requests:,} requests", "0", ""],
        [f"opening a tile, server CPU, p50 and p95 ({large})", _spread(opened.cpu), "p95 <= 50 ms", ""],
        ["the same as time, p50 and p95", _spread(opened.wall), "", _loaded(report.load_opened)],
        [
            "map, names and tiles: fetched before compression",
            f"{fetched} bytes a feature",
            "<= 12",
            "",
        ],
        ["map: main thread until it is drawn", f"{cost.main_ms / 1000:.1f} s", "", _loaded(report.load_opened)],
        ["map: main thread for a step of a drag", f"{cost.pan_ms:.0f} ms", "", _loaded(report.load_opened)],
        ["map: JavaScript heap", f"{cost.heap / MEBIBYTE:.1f} MiB", "", ""],
        ["map: sent to the graphics card by drag and zoom", f"{cost.sent_by_moves:,} bytes", "0", ""],
        ["map: sent to it when colours change", f"{cost.sent_by_color:,} bytes", "no points", ""],
        ["map: requests by drag, zoom and colours", f"{cost.asked}", "0", ""],
    ]
    title = f"The app on {report.cores} cores; medians of {len(visits.usable)} in the browser"
    return title, ["what", "found", "wanted", "load"], rows


def report_values(report: AppReport) -> dict[str, JsonValue]:
    """Give everything unrounded, for programs."""
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
