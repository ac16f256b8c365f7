"""Tours: parsed strictly, resolved after a rebuild, recorded once, and drawn without a host."""

import json
from pathlib import Path

import pytest

from explorer.app.server.router import page_at
from explorer.app.site.hosts import OneHost
from explorer.app.site.shares import ShareStore
from explorer.app.site.site import Site
from explorer.app.tour.check import check_tour, is_tour
from explorer.app.tour.firing import firing_view
from explorer.app.tour.slides import Slides, make_slides
from explorer.app.tour.tour_file import (
    MANIFEST,
    NamedManifold,
    TourFolder,
    find_manifold,
    open_tour,
    result_file,
    tour_folders,
)
from explorer.app.view.links import Links
from explorer.errors import InputError
from explorer.places import shipped_folder
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import Run, open_run
from tests.app.conftest import write_steerable_run
from tests.app.tour.tour_data import DAYS, tour_dict, write_tour
from tests.fake_host import FakeHost

WORDS_PER_MINUTE = 160
"""An unhurried speaker."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> TourFolder:
    runs = tmp_path_factory.mktemp("tours")
    run = write_steerable_run(runs / "planted")
    return write_tour(runs, FakeHost(open_run(run)))


def slides(folder: TourFolder) -> Slides:
    catalog = scan(folder.root.parent.parent)
    return make_slides(folder, catalog, lambda run, one: f"/{run.id}/{one.id}", lambda _run, one: f"{one.id}.svg")


def without(step: dict[str, object], key: str) -> dict[str, object]:
    return {name: value for name, value in step.items() if name != key}


STEP = {"title": "Step", "show": "cloud", "of": "days"}
BROKEN = {
    "unknown key": {"extra": 1},
    "another format": {"format": "tour"},
    "newer version": {"format_version": 2},
    "no steps": {"steps": []},
    "no title": {"title": ""},
    "zero length": {"minutes": 0},
    "unknown kind of step": {"steps": [STEP | {"show": "video"}]},
    "step with an unknown key": {"steps": [STEP | {"html": "<b>"}]},
    "cloud without a manifold": {"steps": [without(STEP, "of")]},
    "cloud of an undefined manifold": {"steps": [STEP | {"of": "months"}]},
    "bands without a result": {"steps": [STEP | {"show": "bands"}]},
    "undefined result": {"steps": [STEP | {"show": "bands", "result": "other"}]},
    "result outside the folder": {"results": {"../x": {"of": "days", "prompt": "x", "to": "Friday"}}},
    "invalid view": {"steps": [STEP | {"view": "?color=pink"}]},
    "manifold with values and id": {"manifolds": {"days": {"run": "planted", "values": DAYS, "cluster": 0}}},
    "manifold without values or id": {"manifolds": {"days": {"run": "planted"}}},
    "strength out of range": {"results": {"to-friday": {"of": "days", "prompt": "x", "to": "Friday", "strength": 9.0}}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_tour_is_one_line_of_error(tmp_path: Path, name: str) -> None:
    folder = write_tour(tmp_path, **BROKEN[name])  # type: ignore[arg-type]
    with pytest.raises(InputError) as raised:
        open_tour(folder.root)
    assert MANIFEST in str(raised.value)
    assert "\n" not in str(raised.value)


def test_duplicate_keys_links_and_invalid_names_are_refused(tmp_path: Path) -> None:
    folder = write_tour(tmp_path)
    manifest = folder.root / MANIFEST
    manifest.write_text('{"title": "a", "title": "b"}')
    with pytest.raises(InputError, match="twice"):
        folder.tour()
    manifest.unlink()
    manifest.symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="symbolic link"):
        folder.tour()
    (tmp_path / "tours" / "Not A Name").mkdir()
    with pytest.raises(InputError, match="other characters"):
        TourFolder(tmp_path / "tours" / "Not A Name").tour()
    (tmp_path / "tours" / "linked").symlink_to(folder.root)
    assert [one.id for one in tour_folders(tmp_path)] == ["days"]


def test_a_manifold_is_resolved_by_most_of_its_values(recorded: TourFolder) -> None:
    catalog = scan(recorded.root.parent.parent)
    days = next(one for one in catalog.run("planted").manifest.clusters if "Monday" in one.order)
    found = find_manifold(catalog, NamedManifold(run="planted", values=(*DAYS, "Someday")))
    assert found[1].id == days.id
    assert find_manifold(catalog, NamedManifold(run="planted", cluster=1))[1].id == 1
    with pytest.raises(InputError, match="no cluster with the values"):
        find_manifold(catalog, NamedManifold(run="planted", values=("Monday", "January", "red")))
    with pytest.raises(InputError, match="no run"):
        find_manifold(catalog, NamedManifold(run="absent", cluster=0))


def test_every_step_is_drawn_from_the_run_and_the_recorded_result(recorded: TourFolder) -> None:
    drawn = slides(recorded)
    by_name = {slide.title: slide for slide in drawn.slides}
    assert [slide.show for slide in drawn.slides] == [
        "words", "firing", "strips", "cloud", "bands", "texts", "numbers", "tiles",
    ]  # fmt: skip
    assert [arm["arm"] for arm in by_name["Bands"].figure["view"]["arms"]] == ["manifold", "linear"]
    assert by_name["Bands"].figure["view"]["end_name"] == "Friday"
    assert [text["row"] for text in by_name["Texts"].figure["texts"]] == ["baseline", "manifold", "linear", "chord"]
    assert len(by_name["Numbers"].figure["numbers"]) == 2
    assert by_name["Tiles"].button == ("Open it and try", "/planted/0")
    assert {slide.cloud for slide in drawn.slides if slide.cloud} == set(drawn.clouds)


def test_a_step_that_cannot_be_shown_leaves_the_others_intact(tmp_path: Path) -> None:
    write_steerable_run(tmp_path / "planted")
    bare = slides(write_tour(tmp_path))
    shows = [slide.show for slide in bare.slides]
    assert shows.count("problem") == 2
    assert [s for s in shows if s != "problem"] == ["words", "firing", "strips", "cloud", "numbers", "tiles"]
    assert "nothing there" in next(slide for slide in bare.slides if slide.show == "problem").figure["problem"]


def test_stepping_through_a_tour_sends_no_request(recorded: TourFolder, run: Run, tmp_path: Path) -> None:
    host = FakeHost(run)
    runs = recorded.root.parent.parent
    site = Site(scan(runs), OneHost(host), ShareStore(tmp_path / "s.sqlite", "test"), Links())
    for step in range(1, 9):
        page_at(site, "/tour/days", f"?v=1&step={step}")
    assert host.asked == 0
    assert "no tour called" in str(page_at(site, "/tour/nights", "").body)
    assert "/tour/days" in str(page_at(site, "/", "").body)
    assert "/tour/days" in str(page_at(site, "/run/planted", "").actions)


def test_a_check_distinguishes_a_sound_tour_from_a_stale_one(recorded: TourFolder, tmp_path: Path) -> None:
    assert is_tour(recorded.root)
    assert check_tour(recorded.root).ok
    run = write_steerable_run(tmp_path / "planted")
    manifest = json.loads((run / "run.json").read_text())
    manifest["subject"]["fingerprint"] = "sha256:" + "77" * 32
    stale = write_tour(tmp_path, FakeHost(open_run(run)))
    (run / "run.json").write_text(json.dumps(manifest))
    (problem,) = check_tour(stale.root).problems
    assert "the subject" in problem.found
    assert "explorer record" in problem.wanted
    (stale.root / result_file("to-friday")).write_text("{}")
    assert not check_tour(stale.root).ok
    (stale.root / MANIFEST).write_text("[]")
    assert check_tour(stale.root).n_files == 0


def test_the_gallery_lists_a_broken_tour(tmp_path: Path) -> None:
    write_steerable_run(tmp_path / "planted")
    write_tour(tmp_path, minutes=-1)
    site = Site(scan(tmp_path), OneHost(), ShareStore(tmp_path / "s.sqlite", "test"), Links())
    assert "cannot be shown" in str(page_at(site, "/", "").body)
    assert "cannot be opened" in str(page_at(site, "/tour/days", "").body)


def test_the_firing_table_has_one_sentence_per_value(run: Run) -> None:
    ring = run.summary(0)
    view = firing_view(ring, run.cluster(0), run.vocabulary())
    assert [row.value for row in view.rows] == [name.strip() for name in ring.order]
    assert all(len(row.levels) == len(view.features) for row in view.rows)
    assert all(0 <= level <= 1 for row in view.rows for level in row.levels)
    assert any(level > 0 for row in view.rows for level in row.levels)


def test_the_demos_tour_is_sound_and_no_longer_than_stated() -> None:
    (folder,) = tour_folders(shipped_folder("cached_runs"))
    assert check_tour(folder.root).problems == ()
    tour = folder.tour()
    words = sum(len(line.split()) for step in tour.steps for line in (step.title, *step.text))
    assert words <= WORDS_PER_MINUTE * tour.minutes
    assert all(slide.show != "problem" for slide in slides(folder).slides)


def test_the_planted_tour_has_every_key_of_the_format() -> None:
    assert set(tour_dict()) == {
        "format", "format_version", "title", "about", "minutes", "manifolds", "results", "steps",
    }  # fmt: skip
