"""What stands before every route of a host: host names, the token, and the size and depth of bodies."""

import asyncio
import hmac
import ipaddress
import math
import time
from collections.abc import Callable, Collection

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.steering.protocol.refusal import ErrorBody, ErrorCode

OPEN_PATHS = frozenset({"/healthz"})
"""The only paths that need no token."""
MAX_BODY = 64 * 1024
"""Largest request body in bytes."""
BODY_SECONDS = 20.0
"""Longest time that a body may take."""
MAX_DEPTH = 16
"""Deepest nesting of a request body."""
MAX_FAILURES = 20
"""Wrong tokens that an address may offer in FAILURE_WINDOW seconds before it is told to wait."""
FAILURE_WINDOW = 60.0
_MOST_ADDRESSES = 4096
_SECURITY_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store", "referrer-policy": "no-referrer"}


def error_response(
    status: int, code: ErrorCode, message: str, *, field: str | None = None, retry_after: float | None = None
) -> Response:
    """An answer of the one shape that every error has."""
    headers = dict(_SECURITY_HEADERS)
    if retry_after is not None:
        headers["retry-after"] = str(math.ceil(retry_after))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    body = ErrorBody(code=code, message=message, field=field).model_dump_json()
    return Response(body, status, headers, media_type="application/json")


class Failures:
    """Counts wrong tokens by address, for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, list[float]] = {}

    def add(self, address: str) -> float | None:
        """Note a failure; seconds to wait where there were too many, else None."""
        now = self._clock()
        recent = [at for at in self._seen.pop(address, []) if now - at < FAILURE_WINDOW][-MAX_FAILURES:]
        self._seen[address] = [*recent, now]
        if len(self._seen) > _MOST_ADDRESSES:
            self._seen.pop(next(iter(self._seen)))
        return FAILURE_WINDOW - (now - recent[0]) if len(recent) >= MAX_FAILURES else None


class Guard:
    """Refuses what no route should see. A right token always passes: throttling is for wrong ones."""

    def __init__(self, app: ASGIApp, *, token: str, hosts: Collection[str], failures: Failures) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(host.lower() for host in hosts)
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one connection, then hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refusal = self._host_refusal(headers) or self._token_refusal(scope, headers)
        if refusal is None:
            body = await _read_body(headers, receive)
            if isinstance(body, bytes):
                await self._app(scope, _replay(body, receive), _with_headers(send))
                return
            refusal = body
        await refusal(scope, receive, send)

    def _host_refusal(self, headers: Headers) -> Response | None:
        given = headers.getlist("host")
        if len(given) == 1 and host_name(given[0]) in self._hosts:
            return None
        return error_response(400, "bad_host", "this host does not answer to that name")

    def _token_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if scope["path"] in OPEN_PATHS:
            return None
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(offered.encode("utf-8", "replace"), self._token)
        if right and scheme.lower() == "bearer":
            return None
        wait = self._failures.add((scope.get("client") or ("",))[0])
        if wait is not None:
            return error_response(429, "throttled", "too many wrong tokens from this address", retry_after=wait)
        return error_response(401, "unauthorized", "a bearer token is needed, and it must be the host's own")


def host_name(header: str) -> str:
    """The name in a Host header, without its port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


def allowed_hosts(bind: str, further: Collection[str] = ()) -> frozenset[str]:
    """Names that a host answers to: its own address, the loopback ones where it listens there, and further ones."""
    loopback = {"127.0.0.1", "localhost", "[::1]"}
    if is_loopback(bind):
        return frozenset({*loopback, *further})
    try:
        everywhere = ipaddress.ip_address(bind).is_unspecified
    except ValueError:
        everywhere = False
    own = f"[{bind}]" if ":" in bind else bind
    return frozenset({own.lower(), *further, *(loopback if everywhere else ())})


def is_loopback(bind: str) -> bool:
    """Whether an address is reached from this machine only."""
    if bind == "localhost":
        return True
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return False


def nesting(body: bytes) -> int:
    """Deepest nesting of brackets outside strings, without parsing."""
    depth = deepest = 0
    quoted = escaped = False
    for byte in body:
        if quoted:
            quoted = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            quoted = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            deepest = max(deepest, depth)
        elif byte in (0x5D, 0x7D):
            depth -= 1
    return deepest


async def _read_body(headers: Headers, receive: Receive) -> bytes | Response:
    told = headers.get("content-length", "0")
    too_large = error_response(413, "too_large", f"a body may have {MAX_BODY} bytes")
    if not told.isdecimal() or int(told) > MAX_BODY:
        return too_large
    body, more = b"", True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more and len(body) <= MAX_BODY:
                message = await receive()
                body += bytes(message.get("body", b""))
                more = message["type"] == "http.request" and bool(message.get("more_body", False))
    except TimeoutError:
        return error_response(408, "malformed", f"the body took longer than {BODY_SECONDS:g} s")
    if len(body) > MAX_BODY:
        return too_large
    if nesting(body) > MAX_DEPTH:
        return error_response(400, "too_deep", f"a body may be nested {MAX_DEPTH} deep")
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once, then whatever comes: the news that the client has gone."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def further(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            added = [(name.encode(), value.encode()) for name, value in _SECURITY_HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *(pair for pair in added if pair[0] not in present)]
        await send(message)

    return further
