"""What a request to a host must pass before any route: host name, bearer token, and bounds of the body."""

import hmac
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.http.bodies import BodyLimits, ReplayedBody, check_depth, read_body
from explorer.http.errors import ErrorReply
from explorer.http.hosts import LOOPBACK_NAMES, bracketed, host_header, is_loopback, is_wildcard

OPEN_PATHS = frozenset({"/healthz"})
"""Paths that need no token."""
BODY_LIMITS = BodyLimits(max_bytes=64 * 1024, max_depth=16, seconds=20.0)
MAX_FAILURES = 20
"""Wrong tokens that an address may offer within FAILURE_WINDOW before it is throttled."""
FAILURE_WINDOW = 60.0
"""Seconds."""
_MAX_ADDRESSES = 4096
_SECURITY_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store", "referrer-policy": "no-referrer"}


class FailureCounter:
    """Counts wrong tokens by address in a sliding window."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, list[float]] = {}

    def add(self, address: str) -> float | None:
        """Record a failure; returns the seconds to wait once there are too many."""
        now = self._clock()
        recent = [at for at in self._failures.pop(address, []) if now - at < FAILURE_WINDOW][-MAX_FAILURES:]
        self._failures[address] = [*recent, now]
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.pop(next(iter(self._failures)))
        return FAILURE_WINDOW - (now - recent[0]) if len(recent) >= MAX_FAILURES else None


class Guard:
    """ASGI middleware that refuses what no route should see. Throttling never affects the right token."""

    def __init__(self, app: ASGIApp, *, token: str, hosts: Collection[str], failures: FailureCounter) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(host.lower() for host in hosts)
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one connection, then pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _with_security_headers(send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refusal = self._check_host(headers) or self._check_token(scope, headers)
        if refusal is None:
            body = await read_body(receive, headers, BODY_LIMITS)
            if isinstance(body, bytes):
                refusal = check_depth(body, BODY_LIMITS)
                receive = ReplayedBody(body, receive)
            else:  # the protocol has no code of its own for a body that is too slow
                refusal = replace(body, code="malformed") if body.status == 408 else body
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal.response(with_field=True)(scope, receive, send)

    def _check_host(self, headers: Headers) -> ErrorReply | None:
        authority = host_header(headers)
        if authority is not None and authority.name in self._hosts:
            return None
        return ErrorReply(400, "bad_host", "this host does not answer under that name")

    def _check_token(self, scope: Scope, headers: Headers) -> ErrorReply | None:
        if scope["path"] in OPEN_PATHS:
            return None
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(offered.encode("utf-8", "replace"), self._token)
        if right and scheme.lower() == "bearer":
            return None
        wait = self._failures.add((scope.get("client") or ("",))[0])
        if wait is not None:
            return ErrorReply(429, "throttled", "too many wrong tokens from this address", retry_after=wait)
        return ErrorReply(401, "unauthorized", "the host's bearer token is required")


def allowed_hosts(bind: str, extra: Collection[str] = ()) -> frozenset[str]:
    """Names that a host answers under, on any port: its address, the loopback names if it listens there, and more."""
    loopback = LOOPBACK_NAMES if is_loopback(bind) or is_wildcard(bind) else ()
    own = () if is_loopback(bind) else (bracketed(bind).lower(),)
    return frozenset({*own, *loopback, *extra})


def _with_security_headers(send: Send) -> Send:
    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            added = [(name.encode(), value.encode()) for name, value in _SECURITY_HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *(pair for pair in added if pair[0] not in present)]
        await send(message)

    return hardened
