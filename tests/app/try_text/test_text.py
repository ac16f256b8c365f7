"""The text probe: what the page shows, and which texts never reach the host."""

import asyncio
import json
from pathlib import Path

import pytest
from dash._utils import to_json

from explorer.app.server.router import page_at
from explorer.app.site.addresses import run_at
from explorer.app.site.hosts import OneHost, SteeringHost
from explorer.app.site.shares import ShareStore
from explorer.app.site.site import Site
from explorer.app.steering.suggest import suggest_text
from explorer.app.try_text.figure import FAR, TextView, text_view
from explorer.app.try_text.requests import TextAnswer, probe_text
from explorer.app.view import ids
from explorer.app.view.links import Links
from explorer.app.view.state import MAX_TRIED
from explorer.errors import RequestError, RunError
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import Run
from explorer.steering.protocol.features import EncodedToken, EncodeReply, EncodeRequest, FiredCluster, Firing
from tests.fake_host import FakeHost

TEXT = "<s> it rained on Monday and in 1950 lost"


def site_of(folder: Path, shares: Path, host: SteeringHost | None = None) -> Site:
    return Site(scan(folder), OneHost(host), ShareStore(shares / "s.sqlite", "test"), Links("/"))


def probe(site: Site, text: str | None = TEXT, path: str = "/run/planted") -> TextAnswer:
    return asyncio.run(probe_text(site, path, text))


def view_of(run: Run, text: str = TEXT) -> TextView:
    subject = run.manifest.subject
    assert subject is not None
    request = EncodeRequest(run=run.id, fingerprint=subject.fingerprint, text=text)
    return text_view(run, text, asyncio.run(FakeHost(run).ask(request)))


def reply_of(token: EncodedToken, *clusters: int) -> EncodeReply:
    fired = tuple(FiredCluster(cluster=one, core=1, needed=1, tokens=1) for one in clusters)
    return EncodeReply(fingerprint="f", run="planted", tokens=(token,), clusters=fired)


def test_a_token_shows_its_position_and_its_firing_features(run: Run) -> None:
    view = view_of(run)
    assert [token.text for token in view.tokens] == TEXT.split()
    assert [token.special for token in view.tokens] == [True, *[False] * 8]
    (monday,) = view.tokens[4].firing
    assert (monday.cluster, monday.label) == (0, run.summary(0).label)
    assert monday.place == "near Monday, 1.2 times the usual distance from the curve"
    assert monday.features == "3 of 12 core features: 0 “\u2068the week begins\u2069”, 1, 2"
    assert not monday.far
    (lost,) = view.tokens[8].firing
    assert lost.far
    assert lost.place.endswith("4 times the usual distance from the curve, too far to be reliable")
    assert view.tokens[1].firing == ()
    assert view.counts == {"0": 2, "1": 1}
    assert view.summary == "2 clusters fire on this text."


def test_colours_are_those_of_the_position_and_of_the_map(run: Run) -> None:
    view = view_of(run, "Monday Tuesday")
    first, second = (token.firing[0] for token in view.tokens)
    assert first.color != second.color
    assert first.hue == second.hue


def test_a_shape_without_a_curve_comes_last_and_has_no_position(run: Run) -> None:
    without = Firing(cluster=0, features=(1,), coordinate=None, off_manifold=None)
    with_place = Firing(cluster=1, features=tuple(range(12)), coordinate=0.0, off_manifold=FAR)
    token = EncodedToken(text="\n", special=False, firing=(without, with_place))
    (shown,) = text_view(run, "x", reply_of(token, 0, 1)).tokens
    assert shown.text == "⏎"
    assert [one.cluster for one in shown.firing] == [1, 0]
    assert shown.firing[0].far
    assert shown.firing[0].features.endswith("”, 1, 2, 3, 4, 5, 6, 7 …")
    assert shown.firing[1].place == ""
    assert shown.firing[1].coordinate is None


def test_without_labels_features_are_listed_by_id(unlabelled: Run) -> None:
    firing = Firing(cluster=0, features=(0, 1, 2), coordinate=None, off_manifold=None)
    token = EncodedToken(text="x", special=False, firing=(firing,))
    (shown,) = text_view(unlabelled, "x", reply_of(token, 0)).tokens
    assert shown.firing[0].features == "3 of 12 core features: 0, 1, 2"


def test_a_token_without_text_is_still_a_chip(run: Run) -> None:
    (shown,) = text_view(run, "x", reply_of(EncodedToken(text="", special=False, firing=()))).tokens
    assert shown.text == "…"


def test_nothing_fires(run: Run) -> None:
    view = view_of(run, "it rained")
    assert view.summary == "No cluster fires on this text."
    assert view.counts == {}


def test_one_request_per_text(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    host = FakeHost(run)
    for path in ("/run/planted", "/run/planted/cluster/1"):
        answer = probe(site_of(runs_folder, tmp_path, host), path=path)
        assert answer.problem == ""
        assert answer.data is not None
        assert (answer.data["run"], answer.data["text"]) == ("planted", TEXT)
        json.dumps(answer.data)
    assert host.asked == 2


@pytest.mark.parametrize(
    ("text", "path"),
    [(None, "/run/planted"), ("", "/run/planted"), (" \t", "/run/planted"), ("x" * (MAX_TRIED + 1), "/run/planted"),
     (TEXT, "/"), (TEXT, "/s/x")],
)  # fmt: skip
def test_an_invalid_text_never_reaches_the_host(
    runs_folder: Path, run: Run, tmp_path: Path, text: str | None, path: str
) -> None:
    host = FakeHost(run)
    answer = probe(site_of(runs_folder, tmp_path, host), text, path)
    assert answer.data is None
    assert answer.problem
    assert host.asked == 0


def test_a_missing_host_is_reported(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    answer = probe(site_of(runs_folder, tmp_path))
    assert answer.data is None
    assert "No steering host is connected" in answer.problem
    gone = FakeHost(run)
    gone.alive = False
    problem = probe(site_of(runs_folder, tmp_path, gone)).problem
    assert "does not answer" in problem
    assert "127.0.0.1" not in problem


def test_a_reply_about_unknown_clusters_is_not_drawn(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    class Other(FakeHost):
        async def ask(self, request: EncodeRequest) -> EncodeReply:  # noqa: ARG002
            return reply_of(EncodedToken(text="x", special=False, firing=()), 99)

    answer = probe(site_of(runs_folder, tmp_path, Other(run)))
    assert answer.data is None
    assert "does not match this run" in answer.problem
    with pytest.raises(RunError):
        text_view(run, "x", reply_of(EncodedToken(text="x", special=False, firing=()), 99))


@pytest.mark.parametrize("path", ["/run/planted", "/run/planted/cluster/0"])
def test_a_link_fills_the_field_without_a_request(runs_folder: Path, run: Run, tmp_path: Path, path: str) -> None:
    host = FakeHost(run)
    page = page_at(site_of(runs_folder, tmp_path, host), path, "?v=1&text=it%20rained%20on%20Friday")
    shown = to_json(list(page.body))
    assert "it rained on Friday" in shown
    assert host.asked == 0
    assert shown.count(f'"id":"{ids.HOST_STATE}"') == 1


def test_the_initial_text_is_the_runs_own(run: Run) -> None:
    assert suggest_text(run).strip()
    assert len(suggest_text(run)) <= MAX_TRIED


def test_the_run_is_resolved_from_both_of_its_pages(runs_folder: Path, tmp_path: Path) -> None:
    site = site_of(runs_folder, tmp_path)
    assert run_at(site, "/run/planted").id == run_at(site, "/run/planted/cluster/0").id == "planted"
    with pytest.raises(RequestError):
        run_at(site, "/")
