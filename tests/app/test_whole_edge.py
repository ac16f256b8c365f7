"""The complete app behind the edge filter: every route and callback with unexpected input."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from explorer.app.security.headers import FIXED, inline_scripts
from explorer.app.server.factory import create_app
from explorer.app.site.hosts import OneHost
from explorer.runs.run.catalog import scan
from tests.app.edge_app import Wire, ask, filter_of, post, settings
from tests.app.steering.steering_data import steer_request
from tests.fake_host import FakeHost


class Whole:
    """The complete app with one planted run, and access to its parts."""

    def __init__(self, run: Path, shares: Path) -> None:
        self.catalog = scan(run)
        (entry,) = self.catalog.entries
        self.run = self.catalog.run(entry.id)
        self.host = FakeHost(self.run)
        self.app: ASGIApp = create_app(self.catalog, hosts=OneHost(self.host), shares_path=shares, edge=settings())
        self.filter = filter_of(self.app)
        asyncio.run(start(self.app))
        listed = ask(self.app, "GET", "/_dash-dependencies").json()
        self.callbacks = [spec for spec in listed if spec["clientside_function"] is None]

    @property
    def routes(self) -> list[APIRoute]:
        return list(api_routes(self.filter.app.routes))  # type: ignore[attr-defined]


def api_routes(routes: Iterable[object]) -> Iterator[APIRoute]:
    """All API routes, including those of included routers."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        yield from api_routes(getattr(getattr(route, "original_router", route), "routes", ()))


def steering_body(whole: Whole) -> bytes:
    """JSON body of a valid generation request for the planted run."""
    request = steer_request(run=whole.run.id, cluster=whole.run.manifest.clusters[0].id, end=0.5)
    return request.model_dump_json().encode()


async def ticket_of(whole: Whole) -> str:
    wire = Wire("POST", "/api/steer", steering_body(whole), {"content-type": "application/json"})
    await wire.run(whole.app)
    return str(json.loads(wire.body)["id"])


async def start(app: ASGIApp) -> None:
    """Run the ASGI lifespan, during which Dash registers its catch-all page."""
    messages: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_message: Message) -> None:
        pass

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


@pytest.fixture(scope="module")
def whole(planted_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(planted_run, tmp_path_factory.mktemp("shares") / "shares.sqlite")


ODD = ["", "0", "-1", "999999999999999999999", "x", "..", "%2e%2e%2fetc", "%00", "<b>", "1e9", "é", "a" * 3000]


def test_every_route_handles_odd_path_parameters(whole: Whole) -> None:
    paths = sorted({route.path for route in whole.routes})
    assert {"/", "/run/{run_id}", "/s/{share_id}", "/api/share/{share_id}", "/api/steer/{ticket}"} <= set(paths)
    for path in paths:
        for odd in ODD if "{" in path else ODD[:1]:
            filled = re.sub(r"\{.*?\}", odd, path.replace("{run_id}", whole.run.id))
            for method in ("GET", "POST", "OPTIONS"):
                response = ask(whole.app, method, filled or "/")
                assert response.status_code < 500, (method, filled, response.text)
                for name, value in FIXED.items():
                    assert response.headers[name] == value, (method, filled)
                assert "content-security-policy" in response.headers
                if response.status_code >= 400:
                    assert response.json().keys() == {"code", "message"}, (method, filled, response.text)


@pytest.mark.parametrize("path", ["/", "/run/planted", "/run/planted/cluster/0", "/s/x", "/anything/else"])
def test_pages_run_only_their_own_scripts(whole: Whole, path: str) -> None:
    page = ask(whole.app, "GET", path)
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    executable = [source for source in inline_scripts(page.text) if not source.lstrip().startswith("{")]
    assert executable == [], "no inline scripts"
    assert re.search(r'<script type="module" src="/assets/\w+/js/main.js">', page.text)
    assert "script-src 'self';" in policy
    assert " on" not in "".join(re.findall(r"<[^>]* on\w+=", page.text)), "no inline event handlers"
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page.text), "no external resources"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["/", "/run/planted", "/run/planted/cluster/0", "/run/planted/cluster/99", "/s/x", "?v=1", "<b>"])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def with_value(draw: st.DrawFn, slot: dict[str, str]) -> dict[str, Any]:
    """One input or state slot with an arbitrary value."""
    return {"id": slot["id"], "property": slot["property"], "value": draw(VALUES)}


def envelope(draw: st.DrawFn, spec: dict[str, Any]) -> dict[str, Any]:
    """A body with the structure of its callback and arbitrary values."""
    names = [name.rsplit(".", 1) for name in spec["output"].strip(".").split("...")]
    outputs = [{"id": component, "property": name.split("@")[0]} for component, name in names]
    return {
        "output": spec["output"],
        "outputs": outputs if spec["output"].startswith("..") else outputs[0],
        "inputs": [with_value(draw, slot) for slot in spec["inputs"]],
        "state": [with_value(draw, slot) for slot in spec["state"]],
        "changedPropIds": [],
    }


@effort(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_value_of_a_callback_gives_a_server_error(whole: Whole, data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from(whole.callbacks))
    body = data.draw(st.composite(lambda draw: envelope(draw, spec))())
    response = post(whole.app, body)
    assert response.status_code < 500, (body, response.text)


def test_tokens_are_streamed_one_by_one_through_all_middleware(whole: Whole) -> None:
    async def run() -> None:
        whole.host.pause = 0.01
        stream = Wire("GET", f"/api/steer/{await ticket_of(whole)}", headers={"accept-encoding": "gzip"})
        await stream.run(whole.app)
        pieces = [message["body"] for message in stream.got if message.get("body")]
        assert len(pieces) > 8, "events are not merged"
        assert pieces[-1].startswith(b'data: {"type":"done"')

    asyncio.run(run())


def test_a_disconnect_ends_the_stream_through_all_middleware(whole: Whole) -> None:
    async def run() -> None:
        whole.host.pause = 3600.0
        stream = Wire("GET", f"/api/steer/{await ticket_of(whole)}", headers={"accept-encoding": "gzip"})
        task = asyncio.create_task(stream.run(whole.app))
        await stream.until(b'"type":"token"')
        stream.left.set()
        await task
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
