"""A small Dash app, plain and behind the front filter, and a way to ask it without a network."""

import asyncio
import json
from typing import Any

import httpx
from dash import ALL, Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.app.security.callbacks import TypedDash
from explorer.app.security.filter import EdgeFilter, EdgeSettings
from explorer.errors import RequestError, RunError
from explorer.http.hosts import host_list

HOST = "127.0.0.1:8050"
UPDATE = "/_dash-update-component"
JSON_TYPE = {"content-type": "application/json"}


def filter_of(app: ASGIApp) -> EdgeFilter:
    """The front filter inside an app, whatever stands around it."""
    while not isinstance(app, EdgeFilter):
        app = app.app  # type: ignore[attr-defined]
    return app


def small_dash(kind: type[Dash] = TypedDash) -> Dash:
    """Callbacks of each kind: plain, several outputs, patterns, without output, clientside, and ones that fail."""
    app = kind("small", backend="fastapi", suppress_callback_exceptions=True)
    app.layout = html.Div([dcc.Location(id="url"), html.Button("press", id="button"), html.Div(id="said")])

    @app.callback(Output("said", "children"), Input("button", "n_clicks"), State("url", "pathname"))
    def say(clicks: int | None, path: str | None) -> str:
        return f"{clicks} {path}"

    @app.callback(
        Output("left", "children"), Output("right", "children"), Input({"kind": "tile", "n": ALL}, "n_clicks")
    )
    def both(clicks: list[int | None]) -> tuple[str, str]:
        return str(len(clicks)), str(sum(click or 0 for click in clicks))

    @app.callback(Input("button", "n_clicks_timestamp"))
    def nothing(_when: int | None) -> None:
        raise PreventUpdate

    @app.callback(Output("fails", "children"), Input("how", "data"))
    def fail(how: object) -> str:
        if how == "request":
            raise RequestError("link", "a comma", "a full stop")
        if how == "run":
            raise RunError("/home/somebody/runs/almanac/run.json", "half a file", "a whole one")
        raise ZeroDivisionError("the secret of the house")

    app.clientside_callback(
        "function(n) { return 'here ' + n; }", Output("client", "children"), Input("button", "n_clicks")
    )
    return app


def settings(**changes: Any) -> EdgeSettings:
    """The front filter's settings for the loopback server at HOST."""
    return EdgeSettings(host_list("127.0.0.1", 8050), **changes)


def good_body(**changes: Any) -> dict[str, Any]:
    """A callback body as the browser sends it, with some parts changed; a part set to ... is left out."""
    body = {
        "output": "said.children",
        "outputs": {"id": "said", "property": "children"},
        "inputs": [{"id": "button", "property": "n_clicks", "value": 3}],
        "changedPropIds": ["button.n_clicks"],
        "parsedChangedPropsIds": ["button.n_clicks"],
        "state": [{"id": "url", "property": "pathname", "value": "/run/almanac"}],
    }
    return {key: value for key, value in (body | changes).items() if value is not ...}


def fail_body(how: object) -> dict[str, Any]:
    """The body of the callback that fails."""
    return {
        "output": "fails.children",
        "outputs": {"id": "fails", "property": "children"},
        "inputs": [{"id": "how", "property": "data", "value": how}],
        "changedPropIds": ["how.data"],
    }


def ask(
    app: ASGIApp, method: str, path: str, headers: dict[str, str] | None = None, content: bytes | None = None
) -> httpx.Response:
    """One request, answered whole."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.request(method, path, headers=headers, content=content)

    return asyncio.run(run())


def post(app: ASGIApp, body: object, path: str = UPDATE, headers: dict[str, str] | None = None) -> httpx.Response:
    """POST a body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(app, "POST", path, JSON_TYPE | (headers or {}), content)


class Wire:
    """One ASGI connection, driven by hand: what a browser sends and when it leaves, and what it has got."""

    def __init__(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        given = {"host": HOST} | (headers or {})
        self.scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8050),
        }
        self.sent: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self.got: list[Message] = []
        self.left = asyncio.Event()
        self.arrived = asyncio.Condition()

    async def receive(self) -> Message:
        if self.sent:
            return self.sent.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        async with self.arrived:
            self.got.append(message)
            self.arrived.notify_all()

    async def until(self, text: bytes) -> None:
        """Wait until so much has arrived; at most five seconds."""
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: text in self.body)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)

    @property
    def status(self) -> int:
        return int(self.got[0]["status"])

    async def run(self, app: ASGIApp) -> None:
        receive: Receive = self.receive
        send: Send = self.send
        async with asyncio.timeout(10):
            await app(self.scope, receive, send)
