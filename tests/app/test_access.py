"""Access control: view-only links expose a single run; prefixes and frame ancestors are validated."""

import asyncio
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from explorer.app.security.origins import frame_ancestors
from explorer.app.security.prefix import UnderPrefix, read_prefix
from explorer.app.server.factory import create_app
from explorer.app.server.serve import ListenSettings, serve_view_only
from explorer.app.site.hosts import OneHost
from explorer.app.site.shares import SharedResult, ShareStore
from explorer.app.view.links import PAGE_PATHS
from explorer.errors import RequestError, RunError
from explorer.runs.run.catalog import scan
from tests.app.conftest import write_steerable_run
from tests.app.edge_app import ask, filter_of, post, settings
from tests.app.steering.steering_data import reply, request, shared
from tests.app.test_whole_edge import api_routes, start

SECRET = "/view/a-secret-that-nobody-can-guess/"


@dataclass
class Guarded:
    """A view-only app for one of two runs."""

    app: UnderPrefix
    own: str
    """Id of a share of the visible run."""
    other: str
    """Id of a share of the hidden run."""

    @property
    def paths(self) -> list[str]:
        """All paths of the app, with parameters replaced by existing ids."""
        given = {"run_id": "shown", "cluster": "0", "share_id": self.own, "tour_id": "days"}
        paths = {route.path for route in api_routes(filter_of(self.app).app.routes)} | set(PAGE_PATHS)  # type: ignore[attr-defined]
        return sorted(re.sub(r"{(\w+)[^}]*}", lambda name: given.get(name[1], "x"), path) for path in paths)


def shared_result(run: str) -> SharedResult:
    return shared(behaviour_request=request(run=run), behaviour=reply(run=run), texts=())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    folder = tmp_path_factory.mktemp("guarded")
    write_steerable_run(folder / "shown")
    shutil.copytree(folder / "shown", folder / "hidden")
    store = ShareStore(folder / "s.sqlite", "test")
    own, other = (store.put(shared_result(run)) for run in ("shown", "hidden"))
    edge = settings(read_only=True)
    app = create_app(
        scan(folder / "shown"), hosts=OneHost(), shares_path=store.path, edge=edge, prefix=SECRET, view_only=True
    )
    assert isinstance(app, UnderPrefix)
    asyncio.run(start(app))
    return Guarded(app, own, other)


def test_every_route_is_refused_without_the_secret(guarded: Guarded) -> None:
    assert len(guarded.paths) > 12
    for path in guarded.paths:
        for before in (
            "",
            "/view",
            "/view/another-secret-of-some-length",
            SECRET.rstrip("/").upper(),
            SECRET.rstrip("/") + "x",
        ):
            for method in ("GET", "POST", "HEAD", "PUT", "DELETE"):
                headers = {"content-type": "application/json"} if method not in ("GET", "HEAD") else {}
                response = ask(guarded.app, method, before + path, headers, b"{}" if headers else None)
                assert response.status_code in (403, 404, 405), (method, before + path)
                assert "content-security-policy" in response.headers
                assert b"shown" not in response.content


def test_the_secret_gives_access_to_one_run_only(guarded: Guarded) -> None:
    def get(path: str) -> httpx.Response:
        return ask(guarded.app, "GET", SECRET.rstrip("/") + path)

    assert get("/").status_code == 200
    assert get("/run/shown/cluster/0").status_code == 200
    assert get("/api/run/shown/thumbnail/0.svg").status_code == 200
    assert get("/api/run/hidden/thumbnail/0.svg").status_code in (400, 404)
    assert get(f"/api/share/{guarded.own}").status_code == 200
    assert get(f"/api/share/{guarded.other}").status_code == 404
    assert get("/api/run/..%2Fhidden/thumbnail/0.svg").status_code in (400, 404)
    assert SECRET in get("/").text


def test_the_secret_does_not_allow_writing_or_steering(guarded: Guarded) -> None:
    for path in ("/api/share", "/api/steer"):
        response = post(guarded.app, shared_result("shown").model_dump(mode="json"), SECRET.rstrip("/") + path)
        assert response.status_code in (403, 422, 503), path


def test_a_view_only_link_requires_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        serve_view_only(tmp_path, tmp_path / "key", ListenSettings(0))
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize(("text", "prefix"), [("/", "/"), ("", "/"), ("lab", "/lab/"), ("/a/b.c~1/", "/a/b.c~1/")])
def test_prefixes_are_normalised_to_slashes_at_both_ends(text: str, prefix: str) -> None:
    assert read_prefix(text) == prefix


@pytest.mark.parametrize("text", ["/a/../b/", "/./", "/a b/", "/a?b/", "/%2e/", "/a//b/", '/"/', "/" + "x" * 300])
def test_invalid_prefixes_are_refused(text: str) -> None:
    with pytest.raises(RequestError):
        read_prefix(text)


def test_frame_ancestors_are_origins() -> None:
    assert frame_ancestors([]) == "'self'"
    assert (
        frame_ancestors(["https://notes.example", "http://localhost:*"])
        == "'self' https://notes.example http://localhost:*"
    )
    for text in (
        "*",
        "https://*",
        "notes.example",
        "https://a.example/path",
        "javascript:x",
        "https://a b",
        "'none'; x",
    ):
        with pytest.raises(RequestError):
            frame_ancestors([text])
