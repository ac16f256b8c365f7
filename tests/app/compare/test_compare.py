"""Pages that compare: which sides an address names, and what is said of them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from explorer.app.compare.pair import SIDES, asked_pair, pair_rows, sides_of
from explorer.app.compare.pair_page import beside
from explorer.app.compare.parts import likeness_words
from explorer.app.compare.runs_page import runs_words
from explorer.app.server.router import page_at
from explorer.app.site.site import Site
from explorer.app.view.links import CompareRoute, Links
from explorer.app.view.state import View
from explorer.errors import RequestError, RunError
from explorer.runs.compare.similarity import ClusterSimilarity
from tests.app.conftest import write_steerable_run
from tests.app.server.test_pages import components, shown, site_of


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two runs of one world, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("compare")
    for name in ("first", "second", "broken"):
        write_steerable_run(folder / name)
    (folder / "broken" / "features.safetensors").write_bytes(b"cut short")
    return site_of(folder, folder / "shares.sqlite")


def _sides(site: Site, left: str, right: str) -> list[tuple[str, int | None]]:
    return [(side.run.id, side.cluster) for side in sides_of(site, View(left=left, right=right))]


def _links(told: str) -> list[object]:
    return [one["props"]["href"] for one in components(json.loads(told), "Link")]  # type: ignore[index]


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ("", "", [("first", None), ("second", None)]),
        ("second", "", [("second", None), ("first", None)]),
        ("first/1", "", [("first", 1), ("second", 1)]),
        ("first", "second/0", [("first", 0), ("second", 0)]),
        ("first/0", "first", [("first", 0), ("first", 1)]),
        ("first/0", "second/1", [("first", 0), ("second", 1)]),
    ],
)
def test_what_a_link_leaves_open_is_the_other_run_and_the_cluster_most_alike(
    site: Site, left: str, right: str, wanted: list[tuple[str, int | None]]
) -> None:
    assert _sides(site, left, right) == wanted


def test_one_run_is_compared_with_itself(runs_folder: Path, tmp_path: Path) -> None:
    alone = site_of(runs_folder, tmp_path / "s.sqlite")
    assert _sides(alone, "planted/0", "") == [("planted", 0), ("planted", 1)]
    told = shown(alone, "/compare")
    assert "This is one run beside itself" in told
    assert "Matched clusters" in told
    assert "/compare?v=1&a=planted/1&b=planted/1" in _links(told)


@pytest.mark.parametrize(("left", "reason"), [("none", "no run"), ("broken", "features"), ("first/9", "no cluster 9")])
def test_a_side_that_is_not_there_is_said(site: Site, left: str, reason: str) -> None:
    with pytest.raises((RunError, RequestError), match=reason):
        sides_of(site, View(left=left))
    assert "cannot be opened" in shown(site, "/compare", f"?v=1&a={left}")


def test_an_address_names_its_comparison() -> None:
    links = Links("/proxy/")
    assert links.compare("a-run/3", "other/12") == "/proxy/compare?v=1&a=a-run/3&b=other/12"
    assert links.read("/proxy/compare") == CompareRoute()


def test_two_clusters_stand_side_by_side(site: Site) -> None:
    page = page_at(site, "/compare", "?v=1&a=first/0&b=second/0")
    told = shown(site, "/compare", "?v=1&a=first/0&b=second/0")
    assert page.title.endswith("Compare")
    assert "7 values on both, in the same order (r = 1.00); none on one side only." in told
    assert "They share 14 features of one SAE." in told
    (data,) = (one["props"]["data"] for one in components(json.loads(told), "Store"))  # type: ignore[index]
    assert (data["a"], data["b"], len(data["sides"])) == ("first/0", "second/0", 2)
    assert [side["figure"]["data"][0]["type"] for side in data["sides"]] == ["scatter3d"] * 2
    assert [side["strips"]["names"]["0"] for side in data["sides"]] == ["0 “\u2068the week begins\u2069”"] * 2


def test_what_is_copied_of_two_clouds_is_what_is_drawn(site: Site) -> None:
    pair = asked_pair(site, View(left="first/0", right="second"))
    head, *rows = pair_rows(pair)
    places = [head.index(axis) for axis in ("x", "y", "z")]
    for side, one in zip(SIDES, pair.both, strict=True):
        mine = [row for row in rows if row[0] == side]
        assert {row[1:3] for row in mine} == {(one.run.id, one.summary.id)}
        assert np.allclose([[row[at] for at in places] for row in mine], one.geometry.points)
    with pytest.raises(RequestError, match="two whole runs"):
        asked_pair(site, View(left="first", right="second"))


def test_tables_of_both_sides_are_one_where_one_side_has_a_column_more() -> None:
    plain = (("feature", "peak"), [("core 1", "Monday")])
    named = (("feature", "label", "peak"), [("core 2", "days", "Friday")])
    head = ("side", "feature", "label", "peak")
    left, right = ("left", "core 1", "", "Monday"), ("right", "core 2", "days", "Friday")
    assert beside([plain, named]) == (head, [left, right])


def test_every_panel_is_a_card_and_every_drawing_has_a_table(site: Site) -> None:
    told = shown(site, "/compare", "?v=1&a=first/0&b=second/0")
    assert re.findall(r'"data-card": ?"([a-z-]+)"', told) == ["clouds", "strips", "facts", "values", "alike"]
    assert told.count('"data-table"') == 3
    assert re.findall(r'"data-card": ?"([a-z-]+)"', shown(site, "/compare")) == ["matches", "only-left", "only-right"]


def test_two_runs_are_matched_and_the_rest_is_counted(site: Site) -> None:
    told = shown(site, "/compare")
    assert "2 clusters of Planted rings (2 in all) have a match in Planted rings (2)" in told
    assert "Of 2 curves on the left, 2 matched a curve on the right." in told
    assert "/compare?v=1&a=first/0&b=second/0" in _links(told)
    found = site.comparisons.of(site.catalog.run("first"), site.catalog.run("second"))
    assert site.comparisons.of(site.catalog.run("first"), site.catalog.run("second")) is found
    assert (
        "0 on the left and 0 on the right have none"
        in runs_words(*map(site.catalog.run, ("first", "second")), found)[0]
    )


def test_pages_lead_to_a_comparison(site: Site) -> None:
    manifold = page_at(site, "/run/first/cluster/1", "")
    assert any(action["props"].get("href") == "/compare?v=1&a=first/1" for action in manifold.actions)
    assert "/compare?v=1&a=first&b=second" in _links(shown(site, "/"))


def test_likeness_is_said_with_its_chance() -> None:
    assert likeness_words(ClusterSimilarity(None, 0.9, 0.6, 0.15)).endswith("(by chance 15 %): 0.54 in all.")
    assert "different models" in likeness_words(ClusterSimilarity(None, 0.9, None, None))
    assert likeness_words(ClusterSimilarity(0.5, 0.9, 0.6, 0.15)).startswith("50 % of their cores")


def test_nothing_in_common_is_said(site: Site) -> None:
    first = site.catalog.run("first")
    told = shown(site, "/compare", "?v=1&a=first/0&b=second/1")
    assert "They name no value in common." in told
    assert "A different shape: closed curve on the left, open curve on the right." in told
    assert first.summary(0).label in told
