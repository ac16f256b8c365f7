"""Links that earlier versions made open today: to the page that they named, in the view that they named."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from explorer.app.server.router import page_at
from explorer.app.site.hosts import OneHost
from explorer.app.site.shares import ShareStore
from explorer.app.site.site import Site
from explorer.app.view.links import Links
from explorer.app.view.state import COLORS, KEYS, View, decode
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import open_run
from tests.app.conftest import write_steerable_run
from tests.app.fake_host import FakeHost
from tests.app.tour.tour_data import write_tour

LINKS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "golden" / "links.json").read_text())
CHOICES = {name: get_args(kind) for name, kind in get_type_hints(View).items() if get_origin(kind) is Literal}
CHOICES["color"] = COLORS
"""Fields of a view that take one of a few words."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    runs = tmp_path_factory.mktemp("golden")
    run = open_run(write_steerable_run(runs / "planted"))
    write_tour(runs, FakeHost(run))
    return Site(scan(runs), OneHost(), ShareStore(runs / "s.sqlite", "test"), Links())


@pytest.mark.parametrize("link", LINKS, ids=lambda link: f"{link['path']}{link['query'][:30]}")
def test_a_link_of_an_earlier_version_opens(site: Site, link: dict[str, Any]) -> None:
    wanted = {name: tuple(value) if isinstance(value, list) else value for name, value in link["view"].items()}
    assert asdict(decode(link["query"])) == asdict(replace(View(), **wanted))
    page = page_at(site, link["path"], link["query"])
    assert page.title not in ("Not found", "This run cannot be opened")
    assert "could not be read" not in str(page.body)


def test_every_key_of_a_link_stands_here_and_none_has_gone() -> None:
    """A key that is new comes here together with a link of the version that brings it."""
    named = {name for link in LINKS for name in link["view"]}
    assert named == set(KEYS)


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_every_choice_that_a_link_can_make_stands_here(name: str) -> None:
    made = {link["view"][name] for link in LINKS if name in link["view"]}
    assert made | {getattr(View(), name)} >= set(CHOICES[name])
