"""Comparison pages: which sides an address names, and what they show."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from explorer.app.compare.clusters_page import merged_table
from explorer.app.compare.compared_clusters import SIDES, compared_at, compared_points, sides_of
from explorer.app.compare.parts import similarity_sentence
from explorer.app.compare.runs_page import match_sentences
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
    """Two runs of one world, and an unreadable one."""
    folder = tmp_path_factory.mktemp("compare")
    for name in ("first", "second", "broken"):
        write_steerable_run(folder / name)
    (folder / "broken" / "features.safetensors").write_bytes(b"cut short")
    return site_of(folder, folder / "shares.sqlite")


def _sides(site: Site, left: str, right: str) -> list[tuple[str, int | None]]:
    return [(side.run.id, side.cluster) for side in sides_of(site, View(left=left, right=right))]


def _links(page: str) -> list[object]:
    return [one["props"]["href"] for one in components(json.loads(page), "Link")]  # type: ignore[index]


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
def test_a_missing_side_defaults_to_the_other_run_and_the_most_similar_cluster(
    site: Site, left: str, right: str, wanted: list[tuple[str, int | None]]
) -> None:
    assert _sides(site, left, right) == wanted


def test_a_run_is_compared_with_itself(runs_folder: Path, tmp_path: Path) -> None:
    alone = site_of(runs_folder, tmp_path / "s.sqlite")
    assert _sides(alone, "planted/0", "") == [("planted", 0), ("planted", 1)]
    page = shown(alone, "/compare")
    assert "Both sides are the same run" in page
    assert "Matched clusters" in page
    assert "/compare?v=1&a=planted/1&b=planted/1" in _links(page)


@pytest.mark.parametrize(("left", "reason"), [("none", "no run"), ("broken", "features"), ("first/9", "no cluster 9")])
def test_a_missing_side_is_reported(site: Site, left: str, reason: str) -> None:
    with pytest.raises((RunError, RequestError), match=reason):
        sides_of(site, View(left=left))
    assert "cannot be opened" in shown(site, "/compare", f"?v=1&a={left}")


def test_an_address_names_its_comparison() -> None:
    links = Links("/proxy/")
    assert links.compare("a-run/3", "other/12") == "/proxy/compare?v=1&a=a-run/3&b=other/12"
    assert links.read("/proxy/compare") == CompareRoute()


def test_two_clusters_are_shown_side_by_side(site: Site) -> None:
    page = page_at(site, "/compare", "?v=1&a=first/0&b=second/0")
    body = shown(site, "/compare", "?v=1&a=first/0&b=second/0")
    assert page.title.endswith("Compare")
    assert "7 values in both, in the same order (r = 1.00); none on one side only." in body
    assert "They share 14 features of one SAE." in body
    (data,) = (one["props"]["data"] for one in components(json.loads(body), "Store"))  # type: ignore[index]
    assert (data["a"], data["b"], len(data["sides"])) == ("first/0", "second/0", 2)
    assert [side["figure"]["data"][0]["type"] for side in data["sides"]] == ["scatter3d"] * 2
    assert [side["strips"]["names"]["0"] for side in data["sides"]] == ["0 “\u2068the week begins\u2069”"] * 2


def test_copied_points_are_the_drawn_points(site: Site) -> None:
    pair = compared_at(site, View(left="first/0", right="second"))
    head, *rows = compared_points(pair)
    places = [head.index(axis) for axis in ("x", "y", "z")]
    for side, one in zip(SIDES, pair.both, strict=True):
        mine = [row for row in rows if row[0] == side]
        assert {row[1:3] for row in mine} == {(one.run.id, one.summary.id)}
        assert np.allclose([[row[at] for at in places] for row in mine], one.geometry.points)
    with pytest.raises(RequestError, match="two whole runs"):
        compared_at(site, View(left="first", right="second"))


def test_tables_of_both_sides_are_merged_when_one_side_has_an_extra_column() -> None:
    plain = (("feature", "peak"), [("core 1", "Monday")])
    named = (("feature", "label", "peak"), [("core 2", "days", "Friday")])
    head = ("side", "feature", "label", "peak")
    left, right = ("left", "core 1", "", "Monday"), ("right", "core 2", "days", "Friday")
    assert merged_table([plain, named]) == (head, [left, right])


def test_every_panel_is_a_card_and_every_drawing_has_a_table(site: Site) -> None:
    body = shown(site, "/compare", "?v=1&a=first/0&b=second/0")
    assert re.findall(r'"data-card": ?"([a-z-]+)"', body) == ["clouds", "strips", "facts", "values", "alike"]
    assert body.count('"data-table"') == 3
    assert re.findall(r'"data-card": ?"([a-z-]+)"', shown(site, "/compare")) == ["matches", "only-left", "only-right"]


def test_two_runs_are_matched_and_unmatched_clusters_are_counted(site: Site) -> None:
    body = shown(site, "/compare")
    assert "2 clusters of Planted rings (2 in all) have a match in Planted rings (2)" in body
    assert "Of 2 curves on the left, 2 matched a curve on the right." in body
    assert "/compare?v=1&a=first/0&b=second/0" in _links(body)
    found = site.comparisons.of(site.catalog.run("first"), site.catalog.run("second"))
    assert site.comparisons.of(site.catalog.run("first"), site.catalog.run("second")) is found
    assert (
        "0 on the left and 0 on the right have none"
        in match_sentences(*map(site.catalog.run, ("first", "second")), found)[0]
    )


def test_pages_link_to_a_comparison(site: Site) -> None:
    manifold = page_at(site, "/run/first/cluster/1", "")
    assert any(action["props"].get("href") == "/compare?v=1&a=first/1" for action in manifold.actions)
    assert "/compare?v=1&a=first&b=second" in _links(shown(site, "/"))


def test_similarity_is_given_with_its_chance_level() -> None:
    assert similarity_sentence(ClusterSimilarity(None, 0.9, 0.6, 0.15)).endswith(
        "(chance 15 %): similarity 0.54 overall."
    )
    assert "models differ" in similarity_sentence(ClusterSimilarity(None, 0.9, None, None))
    assert similarity_sentence(ClusterSimilarity(0.5, 0.9, 0.6, 0.15)).startswith("50 % of their core")


def test_clusters_with_nothing_in_common(site: Site) -> None:
    first = site.catalog.run("first")
    page = shown(site, "/compare", "?v=1&a=first/0&b=second/1")
    assert "They have no named value in common." in page
    assert "Different shapes: closed curve on the left, open curve on the right." in page
    assert first.summary(0).label in page
