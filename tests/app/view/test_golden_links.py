"""Links of earlier versions still open the same page in the same view."""

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
from tests.app.tour.tour_data import write_tour
from tests.fake_host import FakeHost

LINKS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "golden" / "links.json").read_text())
CHOICES = {name: get_args(kind) for name, kind in get_type_hints(View).items() if get_origin(kind) is Literal}
CHOICES["color"] = COLORS
"""Fields with a fixed set of values."""


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


def test_every_key_has_a_golden_link_and_none_was_removed() -> None:
    """A new key needs a golden link of the version that introduces it."""
    named = {name for link in LINKS for name in link["view"]}
    assert named == set(KEYS)


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_every_choice_has_a_golden_link(name: str) -> None:
    made = {link["view"][name] for link in LINKS if name in link["view"]}
    assert made | {getattr(View(), name)} >= set(CHOICES[name])
