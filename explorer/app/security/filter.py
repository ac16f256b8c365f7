"""The front filter: one ASGI middleware between the network and everything that the app serves."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.app.security.callbacks import CALLBACK_PATH, check_callback
from explorer.app.security.errors import INTERNAL, install_error_handlers
from explorer.app.security.headers import ScriptHashes, dash_script_hashes, harden
from explorer.app.security.origins import SAFE_METHODS, check_host, check_site
from explorer.http.bodies import BodyLimits, ReplayedBody, parse_json, read_body
from explorer.http.errors import ErrorReply
from explorer.http.hosts import HostList

if TYPE_CHECKING:
    from dash import Dash

LOG = logging.getLogger("explorer.app")
_WITHOUT_BODY = frozenset({204, 304, 307})


@dataclass(frozen=True)
class EdgeSettings:
    """What the front filter lets through."""

    hosts: HostList
    limits: BodyLimits = field(default_factory=BodyLimits)
    larger_bodies: Mapping[str, int] = field(default_factory=lambda: {"/api/share": 4_000_000})
    """Path to the size limit of its bodies, in bytes, where it differs from ``limits``."""
    read_only: bool = False
    """Refuse every method that may write, except POSTs to ``harmless_posts``."""
    harmless_posts: tuple[str, ...] = (f"/{CALLBACK_PATH}", "/api/steer")
    """Paths whose POSTs store nothing."""
    frame_ancestors: str = "'self'"
    """CSP sources that may frame the app."""

    def limits_of(self, path: str) -> BodyLimits:
        """Bounds of the bodies that a path takes."""
        return replace(self.limits, max_bytes=self.larger_bodies.get(path, self.limits.max_bytes))


def protect(server: FastAPI, dash_app: "Dash", settings: EdgeSettings) -> ASGIApp:
    """Put the front filter around a Dash app on FastAPI; serve the result in its place.

    Args:
        server: ``dash_app.server``; its errors become JSON of one shape.
        dash_app: the app, with its layout and callbacks.
        settings: what to let through.
    """
    install_error_handlers(server)
    return EdgeFilter(server, settings, dash_script_hashes(dash_app))


class EdgeFilter:
    """Checks each request before the app sees it, and hardens each response.

    Pure ASGI, so responses stream chunk by chunk. WebSockets are refused: the app has none.
    """

    def __init__(self, app: ASGIApp, settings: EdgeSettings, script_hashes: ScriptHashes = tuple) -> None:
        self.app = app
        self.settings = settings
        self.script_hashes = script_hashes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "There are no WebSockets here."})
        elif scope["type"] != "http":
            await self.app(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Under FastAPI, Dash's callbacks respond without a content type.
        default_type = "application/json" if _is_callback(scope) else "application/octet-stream"
        hardened = HardenedSend(send, self._harden, default_type)
        headers = Headers(scope=scope)
        refusal = self._check_head(scope, headers)
        if refusal is None and scope["method"] not in SAFE_METHODS:
            body = await read_body(receive, headers, self.settings.limits_of(scope["path"]))
            if isinstance(body, bytes):
                refusal = self._check_body(scope, headers, body)
                receive = ReplayedBody(body, receive)
            else:
                refusal = body
        if refusal is not None:
            await refusal.response()(scope, receive, hardened)
            return
        try:
            await self.app(scope, receive, hardened)
        except Exception as error:  # the server's own error page must not get out
            LOG.error("Unexpected error at %s %s", scope["method"], scope["path"], exc_info=error)
            if hardened.started:
                raise
            await INTERNAL.response()(scope, receive, hardened)

    def _harden(self, headers: MutableHeaders) -> None:
        harden(headers, self.script_hashes, self.settings.frame_ancestors)

    def _check_head(self, scope: Scope, headers: Headers) -> ErrorReply | None:
        method, path = scope["method"], scope["path"]
        refusal = check_host(headers, scope["scheme"], self.settings.hosts) or check_site(method, headers)
        if refusal is not None:
            return refusal
        if method in SAFE_METHODS:
            has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
            return ErrorReply(400, "malformed", f"A {method} request has no body here.") if has_body else None
        if self.settings.read_only and path not in self.settings.harmless_posts:
            return ErrorReply(403, "read_only", "This server is read-only.")
        return None

    def _check_body(self, scope: Scope, headers: Headers, body: bytes) -> ErrorReply | None:
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return ErrorReply(415, "unsupported_type", "Bodies must be application/json.")
        value = parse_json(body, self.settings.limits_of(scope["path"]))
        if isinstance(value, ErrorReply):
            return value
        return check_callback(value, QueryParams(scope["query_string"]).keys()) if _is_callback(scope) else None


def _is_callback(scope: Scope) -> bool:
    return bool(scope["path"].endswith(f"/{CALLBACK_PATH}"))


class HardenedSend:
    """An ASGI ``send`` that sets the security headers and lets no foreign error page out.

    A response of 500 and above is held back until its first piece of body: unless that is an ErrorReply, INTERNAL goes
    out in its place, so no framework's traceback does. A response without a content type gets one, so that no browser
    guesses.
    """

    def __init__(self, send: Send, harden_headers: Callable[[MutableHeaders], None], default_type: str) -> None:
        self._send = send
        self._default_type = default_type
        self._harden = harden_headers
        self._held: Message | None = None
        self._replaced = False
        self.started = False

    async def __call__(self, message: Message) -> None:
        """Take one message of the response."""
        if message["type"] == "http.response.start":
            if message["status"] >= 500:
                self._held = message
                return
            await self._start(message)
        elif message["type"] == "http.response.body":
            await self._body(message)
        else:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        self.started = True
        headers = MutableHeaders(raw=message["headers"])
        if message["status"] not in _WITHOUT_BODY:
            headers.setdefault("content-type", self._default_type)
        self._harden(headers)
        await self._send(message)

    async def _body(self, message: Message) -> None:
        if self._replaced:
            return
        if self._held is not None:
            held, self._held = self._held, None
            if not message.get("body", b"").startswith(b'{"code":'):
                self._replaced = True
                response = INTERNAL.response()
                message = {"type": "http.response.body", "body": response.body}
                held = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
            await self._start(held)
        await self._send(message)
