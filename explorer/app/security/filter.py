"""The front filter: one ASGI middleware between the network and everything that the app serves."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.app.security.answers import INTERNAL, Refusal, install_answers
from explorer.app.security.bodies import BodyLimits, parse_json
from explorer.app.security.callback_specs import Callbacks, CallbackSpec, dash_callbacks
from explorer.app.security.envelope import CALLBACK_PATH, check_envelope
from explorer.app.security.headers import ScriptHashes, dash_script_hashes, harden
from explorer.app.security.origins import SAFE_METHODS, HostList, check_host, check_site

if TYPE_CHECKING:
    from dash import Dash

LOG = logging.getLogger("explorer.app")
_WITHOUT_BODY = frozenset({204, 304, 307})


@dataclass(frozen=True)
class EdgeSettings:
    """What the front filter lets through."""

    hosts: HostList
    """Names that the app answers under; see ``host_list``."""
    limits: BodyLimits = field(default_factory=BodyLimits)
    """Bounds of a request's body."""
    larger_bodies: Mapping[str, int] = field(default_factory=lambda: {"/api/share": 4_000_000})
    """Longest body of single paths, in bytes."""
    read_only: bool = False
    """Refuse every write; only the POSTs of ``harmless_posts`` pass."""
    harmless_posts: tuple[str, ...] = (f"/{CALLBACK_PATH}", "/api/steer")
    """POSTs that store nothing."""
    frame_ancestors: str = "'self'"
    """Who may show the app in a frame, as CSP sources."""

    def limits_of(self, path: str) -> BodyLimits:
        """Bounds of the body of a request to one path."""
        size = self.larger_bodies.get(path, self.limits.max_bytes)
        return BodyLimits(size, self.limits.max_depth, self.limits.seconds)


def protect(server: FastAPI, dash_app: "Dash", settings: EdgeSettings) -> ASGIApp:
    """Put the front filter around a Dash app on FastAPI; serve the result in its place.

    Args:
        server: the FastAPI app, ``dash_app.server``; its errors are made JSON of one shape.
        dash_app: the Dash app on it, with its layout and callbacks.
        settings: what to let through.
    """
    install_answers(server)
    return EdgeFilter(server, settings, dash_callbacks(dash_app), dash_script_hashes(dash_app))


def no_callbacks() -> Mapping[str, CallbackSpec]:
    """The callbacks of an app without Dash: none."""
    return {}


class EdgeFilter:
    """Checks each request before the app sees it and hardens each answer.

    Pure ASGI: answers stream through chunk by chunk. WebSockets are refused, the app has none.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: EdgeSettings,
        callbacks: Callbacks = no_callbacks,
        script_hashes: ScriptHashes = tuple,
    ) -> None:
        self.app = app
        self.settings = settings
        self.callbacks = callbacks
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
        # Dash's callbacks answer under FastAPI without saying that it is JSON.
        is_callback = scope["path"].endswith(f"/{CALLBACK_PATH}")
        answer = HardenedAnswer(send, self._harden, "application/json" if is_callback else "application/octet-stream")
        headers = Headers(scope=scope)
        refusal = self._check_head(scope, headers)
        if refusal is None and scope["method"] not in SAFE_METHODS:
            body = await read_body(receive, headers, self.settings.limits_of(scope["path"]))
            if isinstance(body, bytes):
                refusal = self._check_body(scope, headers, body)
                receive = Replay(body, receive)
            else:
                refusal = body
        if refusal is not None:
            await refusal.response()(scope, receive, answer)
            return
        try:
            await self.app(scope, receive, answer)
        except Exception as error:  # nothing may reach the server's own error page
            LOG.error("Unexpected error at %s %s", scope["method"], scope["path"], exc_info=error)
            if answer.started:
                raise
            await INTERNAL.response()(scope, receive, answer)

    def _harden(self, headers: MutableHeaders) -> None:
        harden(headers, self.script_hashes, self.settings.frame_ancestors)

    def _check_head(self, scope: Scope, headers: Headers) -> Refusal | None:
        method, path = scope["method"], scope["path"]
        refusal = check_host(headers, scope["scheme"], self.settings.hosts) or check_site(method, headers)
        if refusal is not None:
            return refusal
        if method in SAFE_METHODS:
            has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
            return Refusal(400, "malformed", f"A {method} request has no body here.") if has_body else None
        if self.settings.read_only and path not in self.settings.harmless_posts:
            return Refusal(403, "read_only", "This server is read-only.")
        return None

    def _check_body(self, scope: Scope, headers: Headers, body: bytes) -> Refusal | None:
        is_callback = scope["path"].endswith(f"/{CALLBACK_PATH}")
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return Refusal(415, "unsupported_type", "Bodies are application/json here.")
        value = parse_json(body, self.settings.limits_of(scope["path"]))
        if isinstance(value, Refusal):
            return value
        if not is_callback:
            return None
        return check_envelope(value, QueryParams(scope["query_string"]).keys(), self.callbacks())


async def read_body(receive: Receive, headers: Headers, limits: BodyLimits) -> bytes | Refusal:
    """Read a whole body within its bounds of size and time."""
    too_large = Refusal(413, "too_large", f"A body here has at most {limits.max_bytes} bytes.")
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:19]) > limits.max_bytes:
        return too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.seconds):
            while True:
                message = await receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limits.max_bytes:
                    return too_large
                if message["type"] == "http.disconnect":
                    return Refusal(400, "malformed", "The connection ended before the body did.")
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        return Refusal(408, "timeout", f"The body took longer than {limits.seconds:g} seconds.")


class Replay:
    """An ASGI ``receive`` that gives a body read before, and then what really comes: the disconnect."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """Give the next message."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class HardenedAnswer:
    """An ASGI ``send`` that sets the security headers and lets no foreign error page out.

    An answer of 500 and above is held back until its first piece of body: unless that has the app's own error shape it
    leaves as INTERNAL, so that no traceback of a framework gets out. An answer without a content type gets one, so that
    no browser has to guess.
    """

    def __init__(self, send: Send, harden_headers: Callable[[MutableHeaders], None], default_type: str) -> None:
        self._send = send
        self._default_type = default_type
        self._harden = harden_headers
        self._held: Message | None = None
        self._replaced = False
        self.started = False

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer."""
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
