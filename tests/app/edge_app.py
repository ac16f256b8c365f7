"""A small Dash app for tests of the edge filter, and helpers to send requests without a network."""

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
    """The edge filter of an app, below any outer middleware."""
    while not isinstance(app, EdgeFilter):
        app = app.app  # type: ignore[attr-defined]
    return app


def small_dash(kind: type[Dash] = TypedDash) -> Dash:
    """An app with each kind of callback: plain, multi-output, pattern-matching, no output, clientside and failing."""
    app = kind("small", backend="fastapi", suppress_callback_exceptions=True)
    app.layout = html.Div([dcc.Location(id="url"), html.Button("press", id="button"), html.Div(id="said")])

    @app.callback(Output("said", "children"), Input("button", "n_clicks"), State("url", "pathname"))
    def describe(clicks: int | None, path: str | None) -> str:
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
    """Edge settings for the loopback server at HOST."""
    return EdgeSettings(host_list("127.0.0.1", 8050), **changes)


def good_body(**changes: Any) -> dict[str, Any]:
    """A valid callback body with some keys replaced; a key set to ``...`` is omitted."""
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
    """Body of a request to the failing callback."""
    return {
        "output": "fails.children",
        "outputs": {"id": "fails", "property": "children"},
        "inputs": [{"id": "how", "property": "data", "value": how}],
        "changedPropIds": ["how.data"],
    }


def ask(
    app: ASGIApp, method: str, path: str, headers: dict[str, str] | None = None, content: bytes | None = None
) -> httpx.Response:
    """Send one request and return the complete response."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.request(method, path, headers=headers, content=content)

    return asyncio.run(run())


def post(app: ASGIApp, body: object, path: str = UPDATE, headers: dict[str, str] | None = None) -> httpx.Response:
    """POST a body: bytes unchanged, anything else encoded as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(app, "POST", path, JSON_TYPE | (headers or {}), content)


class Wire:
    """One ASGI connection: scripted requests (`sent`), received messages (`got`) and a disconnect (`left`)."""

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
        """Wait until the received body contains `text`; times out after five seconds."""
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
