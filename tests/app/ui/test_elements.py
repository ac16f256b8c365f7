"""Elements equal what Dash's own components would send, and every page consists of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import dash
import pytest
from dash._utils import to_json

from explorer.app.server.router import page_at
from explorer.app.site.hosts import OneHost
from explorer.app.site.shares import ShareStore
from explorer.app.site.site import Site
from explorer.app.ui import dcc, html
from explorer.app.ui.page import frame, header
from explorer.app.view.links import Links
from explorer.runs.run.catalog import scan

PACKAGES = {"dash_html_components": dash.html, "dash_core_components": dash.dcc}
PATHS = (
    "/",
    "/run/planted",
    "/run/planted/cluster/0",
    "/run/planted/cluster/1",
    "/run/none",
    "/collection",
    "/compare",
)


def site_of(runs: Path, folder: Path) -> Site:
    return Site(scan(runs), OneHost(), ShareStore(folder / "shares.sqlite", "test"), Links("/"))


def elements_of(node: object) -> Iterator[dict]:
    """Every element in a tree of lists and elements."""
    if isinstance(node, dict):
        yield node
        yield from elements_of(node["props"].get("children"))
    elif isinstance(node, (list, tuple)):
        for one in node:
            yield from elements_of(one)
    else:
        assert node is None or isinstance(node, (str, int, float)), f"{node!r} is neither an element nor text"


@pytest.mark.parametrize(
    ("made", "component"),
    [
        (html.Td("x", className="number", **{"data-sort": "3"}), dash.html.Td),
        (html.Div(["x", html.I(style={"width": "3%"})], id="a", hidden=True, tabIndex="0"), dash.html.Div),
        (html.Button("?", n_clicks=0, title="Keys", **{"aria-label": "Keys"}), dash.html.Button),
        (dcc.Link("x", href="/run/a"), dash.dcc.Link),
        (dcc.Store(id="s", data={"a": [1.0, None]}), dash.dcc.Store),
    ],
)
def test_an_element_equals_the_dash_component(made: dict, component: type) -> None:
    assert json.loads(to_json(made)) == json.loads(to_json(component(**made["props"])))


@pytest.mark.parametrize("given", [{"classname": "a"}, {"class_name": "a"}, {"data_sort": "1"}, {"href": "/"}])
def test_an_unknown_property_is_refused(given: dict) -> None:
    with pytest.raises(TypeError, match=next(iter(given))):
        html.Td("x", **given)


def test_only_html_elements_take_any_data_attribute() -> None:
    with pytest.raises(TypeError, match="data-sort"):
        dcc.Store(id="s", **{"data-sort": "1"})


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_plain_json(runs_folder: Path, tmp_path: Path, path: str) -> None:
    """A single object of another kind would make Dash walk and copy the whole response before serializing it."""
    page = page_at(site_of(runs_folder, tmp_path), path, "")
    assert json.dumps([*header(page, "/"), *page.body], allow_nan=False)


@pytest.mark.parametrize("path", PATHS)
def test_every_element_of_a_page_is_a_valid_dash_component(runs_folder: Path, tmp_path: Path, path: str) -> None:
    page = page_at(site_of(runs_folder, tmp_path), path, "")
    elements = list(elements_of([*header(page, "/"), *page.body, *frame()]))
    assert len(elements) > 20
    for one in elements:
        getattr(PACKAGES[one["namespace"]], one["type"])(**one["props"])
