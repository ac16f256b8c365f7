"""Relays generations of the steering host to the browser, which never learns where the host is.

A generation takes two requests. ``POST /api/steer`` validates it and returns a one-time id; the browser's
``EventSource``, which can only GET, reads ``/api/steer/<id>``. So a prompt is never part of an address (history, logs,
Referer), a lost connection cannot start a second generation, and tabs cannot reach each other's streams. Each event is
one unnamed message of JSON with its ``type``: the browser would mix up an event named "error" with EventSource's own.
The page closes its EventSource at ``done`` or ``error``.

``GET /api/host`` reports the state of the host. Behaviour, controls, sweeps and phrases are Dash callbacks and have no
routes here.
"""

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from explorer.app.security.errors import host_code
from explorer.app.site.hosts import (
    GONE,
    NO_HOST,
    SteeringHost,
    SteeringHosts,
    host_words,
)
from explorer.app.ui.format import short_id
from explorer.errors import HostError, HostUnreachable
from explorer.http.errors import ErrorReply
from explorer.http.streaming import SSE, SSE_HEARTBEAT, Prefetched, StreamedResponse, StreamFormat, StreamLimits
from explorer.steering.protocol.steer import DoneEvent, ErrorEvent, SteerRequest
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import Wire

LOG = logging.getLogger("explorer.app")
EVENTS: StreamFormat[str] = StreamFormat(SSE, str, SSE_HEARTBEAT)
CUT = "Interrupted: the steering host went away before the text was complete; generate again."
USED = ErrorReply(404, "not_found", "This generation has been read already, or does not exist; request it again.")
BUSY = ErrorReply(429, "busy", "Too many generations are waiting here; try again in a moment.")


class RelayError(Wire):
    """Last event of a stream that did not end with an event of the host."""

    type: Literal["error"] = "error"
    code: str
    """``unreachable``, ``not_ready``, ``mismatch``, ``refused``, ``interrupted`` or ``host``."""
    message: str
    """Human-readable; never holds an address."""


class SteerTicket(Wire):
    """Reply to ``POST /api/steer``."""

    id: str
    """Good for one ``GET /api/steer/<id>``."""


class HostState(Wire):
    """Reply to ``GET /api/host``."""

    state: Literal["ready", "not_ready", "unreachable", "mismatch", "refused", "none"]
    message: str
    """Human-readable."""
    subject: SubjectReply | None = None
    """None if the host gave none."""


@dataclass(frozen=True)
class RelayLimits:
    """Bounds of the relay."""

    waiting: int = 128
    """Requested generations whose stream has not been opened."""
    ticket_seconds: float = 60.0
    """Lifetime of an unused id."""
    stream: StreamLimits = field(default_factory=StreamLimits)


class Tickets:
    """Validated requests whose stream has not been opened, by one-time id."""

    def __init__(self, limits: RelayLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._waiting: dict[str, tuple[float, SteerRequest]] = {}

    def issue(self, request: SteerRequest) -> str | None:
        """Store a request and return its id; None if too many wait."""
        self._expire()
        if len(self._waiting) >= self._limits.waiting:
            return None
        ticket = secrets.token_urlsafe(16)
        self._waiting[ticket] = (self._clock() + self._limits.ticket_seconds, request)
        return ticket

    def take(self, ticket: str) -> SteerRequest | None:
        """Remove and return the request of an id; None if it is unknown, used or expired."""
        self._expire()
        found = self._waiting.pop(ticket, None)
        return None if found is None else found[1]

    def _expire(self) -> None:
        now = self._clock()
        for ticket in [ticket for ticket, (until, _) in self._waiting.items() if until <= now]:
            del self._waiting[ticket]


def message(event: Wire) -> str:
    """Encode an event as an unnamed server-sent message."""
    return f"data: {event.model_dump_json()}\n\n"


async def relay(host: SteeringHost, request: SteerRequest) -> AsyncGenerator[str, None]:
    """The events of one generation as server-sent-event text; the last is always ``done`` or ``error``.

    A host that dies, freezes or sends invalid events ends the stream with code ``unreachable`` before its first event,
    and with ``interrupted`` after it. After ``done`` it changes nothing. The client's timeout bounds its silence.
    """
    begun = False
    events = host.steer(request)
    try:
        async for event in events:
            begun = True
            yield message(event)
            if isinstance(event, (DoneEvent, ErrorEvent)):
                return
        yield message(_ending(None, begun))
    except HostError as error:
        yield message(_ending(error, begun))
    except Exception:
        LOG.exception("Unexpected error while relaying the host")
        yield message(_ending(None, begun))
    finally:
        with suppress(HostError):  # a connection that fails while it is closed: every event has been sent
            await events.aclose()  # type: ignore[attr-defined] # every generator has it


def _ending(error: HostError | None, begun: bool) -> RelayError:
    """The last event after an error; None is a stream that stopped without one."""
    if error is not None and not isinstance(error, HostUnreachable):
        return RelayError(code=host_code(error), message=host_words(error))
    return RelayError(code="interrupted", message=CUT) if begun else RelayError(code="unreachable", message=GONE)


async def host_state(host: SteeringHost | None, fingerprint: str) -> HostState:
    """State of a host, and whether it holds the subject with this fingerprint; "" accepts any subject."""
    if host is None:
        return HostState(state="none", message=NO_HOST)
    try:
        subject = await host.subject()
    except HostError as error:
        code = host_code(error)
        return HostState(state="refused" if code == "host" else code, message=host_words(error))
    if fingerprint and fingerprint != subject.fingerprint:
        return HostState(state="mismatch", message=mismatch_words(subject, fingerprint), subject=subject)
    return HostState(state="ready", message=f"{short_id(subject.model)} is ready on {subject.device}.", subject=subject)


def mismatch_words(subject: SubjectReply, fingerprint: str) -> str:
    """Explain that a host holds another subject than the run, and what to do."""
    served = ", ".join(run.id for run in subject.runs)
    return (
        f"Steering is off here: the host serves {served} (block {subject.layer}); this run has another SAE or layer. "
        "Browse it, or start a host of its own: `explorer host RUN`, then `explorer open RUN` with --host-url. "
        f"The host holds {subject.fingerprint}, this run needs {fingerprint}."
    )


def relay_router(hosts: SteeringHosts, limits: RelayLimits | None = None) -> APIRouter:
    """The routes that relay steering hosts.

    Args:
        hosts: steering hosts by run.
        limits: bounds of the relay.
    """
    bounds = limits or RelayLimits()
    tickets = Tickets(bounds)
    router = APIRouter(prefix="/api")

    @router.get("/host")
    async def state(run: str = "", fingerprint: str = "") -> HostState:
        """State of a run's host; never starts one."""
        return await host_state(hosts.of(run[:200]), fingerprint[:200])

    @router.post("/steer", status_code=201, response_model=SteerTicket)
    async def request_generation(request: SteerRequest) -> Response:
        """Request a generation; read it once, under the returned id."""
        if hosts.of(request.run) is None:
            return ErrorReply(503, "none", NO_HOST).response()
        ticket = tickets.issue(request)
        if ticket is None:
            return BUSY.response()
        return JSONResponse(SteerTicket(id=ticket).model_dump(), 201)

    @router.get("/steer/{ticket}")
    async def read_generation(ticket: str) -> Response:
        """The events of a generation: start, token, row_done, and done or error."""
        request = tickets.take(ticket)
        host = None if request is None else hosts.of(request.run)
        if request is None or host is None:
            return USED.response()
        return StreamedResponse(EVENTS, Prefetched(relay(host, request)), bounds.stream)

    return router
