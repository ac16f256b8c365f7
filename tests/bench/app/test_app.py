"""The app bench: its large run is whole, its viewers count what goes wrong, and every figure stands in the table."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from explorer.bench.app import browser as app_browser
from explorer.bench.app.app import AppReport, report_table, report_values
from explorer.bench.app.browser import MapCost, Visits, browser
from explorer.bench.app.large_run import write_tiled_run
from explorer.bench.app.server import at_path, opening, served_app
from explorer.bench.app.viewers import Crowd, Opened, crowd, open_tiles
from explorer.errors import ExplorerError
from explorer.records.clustering import LEFT_OUT
from explorer.records.progress import silent
from explorer.runs.report.check import check
from explorer.runs.run.reader import Run, open_run
from tests.planted import write_planted_run


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A planted run, and three copies of it with one cluster each."""
    folder = tmp_path_factory.mktemp("tiled")
    source = open_run(write_planted_run(folder / "one"))
    return source, open_run(write_tiled_run(source, folder / "runs" / "three", 3, 1))


def test_copies_make_a_whole_run_whose_maps_lie_side_by_side(tiled: tuple[Run, Run]) -> None:
    source, three = tiled
    assert check(three.path).problems == ()
    n, table = source.manifest.n_features, three.features()
    assert three.manifest.n_features == 3 * n
    assert [one.features[0] // n for one in three.manifest.clusters] == [0, 1, 2]
    assert three.cluster(2).atoms.tolist() == [*three.summary(2).features, *three.summary(2).halo]
    corners = [np.nanmin(table.xy[copy * n : (copy + 1) * n], axis=0) for copy in range(3)]
    assert len({tuple(corner.round(3)) for corner in corners}) == 3
    assert (table.cluster[:n] == LEFT_OUT).sum() == source.manifest.n_left_out


def test_tiles_are_opened_and_viewers_counted_on_a_served_run(tiled: tuple[Run, Run]) -> None:
    _, three = tiled
    with served_app(three.path) as app:
        opened = open_tiles(app, three.id, [0, 1, 2], silent)
        assert len(opened.cpu) == len(opened.wall) == 2, "the first one warms up"
        assert all(value > 0 for value in (*opened.cpu, *opened.wall))
        seen = crowd(app, three.id, range(3), viewers=4, seconds=1.0, think=0.2, seed=0)
        assert seen.errors == 0
        assert seen.requests > len(seen.pages) >= 4
        assert crowd(app, "absent", range(3), viewers=2, seconds=0.5, think=0.1, seed=0).errors > 0
        with httpx.Client() as client:
            address, body = opening(client, app.url)
            assert "Planted rings" in client.post(address, json=at_path(body, f"/run/{three.id}")).text


def test_an_app_that_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="before it listened"), served_app(tmp_path / "absent"):
        pass


def test_without_a_browser_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.bench.app.browser.shutil.which", lambda _: "/nowhere/chromium")
    with pytest.raises(ExplorerError, match=r"^bench app: Chromium does not start .*playwright install chromium$"):
        browser().__enter__()
    monkeypatch.setattr(app_browser, "sync_playwright", None)
    with pytest.raises(ExplorerError, match=r"^bench app: Playwright is not installed"):
        browser().__enter__()


def test_every_figure_stands_in_the_table() -> None:
    report = AppReport(
        visits=Visits((1000.0, 2000.0, 3000.0), (400.0, 500.0, 900.0), (1500.0, 1600.0, 1700.0), 3 << 19, 5 << 20),
        load_visits=1.5,
        crowd=Crowd((10.0, 20.0), 1234, 0, 60.4),
        viewers=50,
        load_crowd=2.5,
        map=MapCost(131_072, 10.43, 1800.0, 11 << 20, 27.2, 0, 21_504, 0),
        opened=Opened((40.0, 50.0), (60.0, 70.0)),
        load_opened=3.5,
        large=131_072,
        clusters=5120,
        cores=2,
    )
    title, header, rows = report_table(report)
    assert title.startswith("The app on 2 cores; medians of 3")
    assert {len(row) for row in rows} == {len(header)}
    results = {row[0]: row[1:] for row in rows}
    assert results["first visit to the atlas: map and tiles ready"] == ["2.00 s (1.00 to 3.00)", "", "1.5"]
    assert results["click on a tile: cloud and strips visible"] == ["0.50 s (0.40 to 0.90)", "< 1 s", "1.5"]
    assert results["same click: the cloud can be rotated"][0] == "1.60 s (1.50 to 1.70)"
    assert results["JavaScript without plotly, both pages"][0] == "1.50 MiB"
    assert results["50 viewers for 60 s: errors"][0] == "0 of 1,234 requests"
    assert results["map, names and tiles: uncompressed download"][0] == "10.4 bytes per feature"
    assert json.loads(json.dumps(report_values(report)))["map"]["sent_by_color"] == 21_504
