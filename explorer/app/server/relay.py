"""The app's side of the steering host: the browser asks here, and never learns where the host is.

A generation takes two requests. ``POST /api/steer`` checks the request and answers with a one-time id; the browser's
``EventSource``, which can only GET, reads ``/api/steer/<id>``. So a prompt is never part of an address (history, logs,
Referer), a lost connection never starts a second generation by itself, and tabs cannot reach each other's streams.
Each event is one unnamed message of JSON with its ``type``: a named event "error" would be mixed up in the browser with
EventSource's own error event. The page closes its EventSource at ``done`` or ``error``.
What is known of the host is ``GET /api/host``. Behaviour along a path, its controls, sweeps and phrases are ordinary
Dash callbacks, one request and one answer each, and have no routes of their own.
"""

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from explorer.app.security.answers import Refusal, host_code
from explorer.app.server.event_stream import EventStream, StreamLimits
from explorer.app.site.hosts import (
    GONE,
    NO_HOST,
    SteeringHost,
    SteeringHosts,
    host_words,
)
from explorer.app.ui.format import short_id
from explorer.errors import HostError, HostMismatch, HostNotReady, HostUnreachable
from explorer.steering.protocol.steer import DoneEvent, ErrorEvent, SteerRequest
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import Wire

LOG = logging.getLogger("explorer.app")
CUT = (
    "Interrupted: the steering host went away in the middle. What stands here is what it said until then; run it again."
)
USED = Refusal(404, "not_found", "This generation has been read already, or was never asked for; ask again.")
BUSY = Refusal(429, "busy", "Too many generations are waiting here; try again in a moment.")


class RelayError(Wire):
    """Last event of a stream that the relay ends itself."""

    type: Literal["error"] = "error"
    code: str
    """``unreachable``, ``not_ready``, ``mismatch``, ``refused``, ``interrupted``, or the host's own code."""
    message: str
    """Why, for people; never with an address."""


class SteerTicket(Wire):
    """Answer to ``POST /api/steer``."""

    id: str
    """One-time id: the browser's EventSource reads ``/api/steer/<id>``, once."""


class HostState(Wire):
    """Answer to ``GET /api/host``."""

    state: Literal["ready", "not_ready", "unreachable", "mismatch", "refused", "none"]
    """For programs."""
    message: str
    """For people."""
    subject: SubjectReply | None = None
    """What the host holds, where it answers."""


@dataclass(frozen=True)
class RelayLimits:
    """Bounds of the relay."""

    waiting: int = 128
    """Generations that are asked for and not read yet."""
    ticket_seconds: float = 60.0
    """How long an id waits for its reader."""
    stream: StreamLimits = field(default_factory=StreamLimits)
    """Bounds of one stream."""


class Tickets:
    """Requests that wait for their EventSource; each is taken once."""

    def __init__(self, limits: RelayLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._waiting: dict[str, tuple[float, SteerRequest]] = {}

    def issue(self, request: SteerRequest) -> str | None:
        """An id for a request; None where too many wait."""
        self._forget_old()
        if len(self._waiting) >= self._limits.waiting:
            return None
        ticket = secrets.token_urlsafe(16)
        self._waiting[ticket] = (self._clock() + self._limits.ticket_seconds, request)
        return ticket

    def take(self, ticket: str) -> SteerRequest | None:
        """The request of an id, the first time; then None."""
        self._forget_old()
        found = self._waiting.pop(ticket, None)
        return None if found is None else found[1]

    def _forget_old(self) -> None:
        now = self._clock()
        for ticket in [ticket for ticket, (until, _) in self._waiting.items() if until <= now]:
            del self._waiting[ticket]


def message(event: Wire) -> str:
    """One event as an unnamed server-sent message."""
    return f"data: {event.model_dump_json()}\n\n"


async def relay(host: SteeringHost, request: SteerRequest) -> AsyncGenerator[str, None]:
    """The events of one generation as server-sent-event text; the last is ``done`` or ``error``, always.

    A host that dies, freezes or talks nonsense after its first event ends the stream with code ``interrupted``. Its
    client says for how long a silent one is believed in.
    """
    begun = False
    events = host.steer(request)
    try:
        while True:
            event = await anext(events)
            begun = True
            yield message(event)
            if isinstance(event, (DoneEvent, ErrorEvent)):
                return
    except Exception as error:  # whatever happens, the page is told
        if not isinstance(error, (HostError, StopAsyncIteration)):
            LOG.error("Unexpected error while relaying the host", exc_info=error)
        yield message(_ending(error, begun))
    finally:
        await events.aclose()  # type: ignore[attr-defined] # every generator has it


def _ending(error: Exception, begun: bool) -> RelayError:
    lost = not isinstance(error, HostError) or isinstance(error, HostUnreachable)
    if lost:
        return RelayError(code="interrupted", message=CUT) if begun else RelayError(code="unreachable", message=GONE)
    assert isinstance(error, HostError)
    return RelayError(code=host_code(error), message=host_words(error))


async def host_state(host: SteeringHost | None, fingerprint: str) -> HostState:
    """What can be said of the host; with a run's fingerprint, whether it holds that run's subject."""
    if host is None:
        return HostState(state="none", message=NO_HOST)
    try:
        subject = await host.subject()
    except HostUnreachable:
        return HostState(state="unreachable", message=GONE)
    except HostNotReady as error:
        return HostState(state="not_ready", message=host_words(error))
    except HostMismatch as error:
        return HostState(state="mismatch", message=host_words(error))
    except HostError as error:
        return HostState(state="refused", message=host_words(error))
    if fingerprint and fingerprint != subject.fingerprint:
        return HostState(state="mismatch", message=mismatch_words(subject, fingerprint), subject=subject)
    return HostState(state="ready", message=f"{short_id(subject.model)} is ready on {subject.device}.", subject=subject)


def mismatch_words(subject: SubjectReply, fingerprint: str) -> str:
    """Why a host cannot steer a run, and what to do."""
    served = ", ".join(run.id for run in subject.runs)
    return (
        f"Steering is off here: the host serves {served} (block {subject.layer}); this run has another SAE or layer. "
        "Browse it, or start a host of its own: `explorer host RUN`, then `explorer open RUN` with --host-url. "
        f"The host holds {subject.fingerprint}, this run needs {fingerprint}."
    )


def relay_router(hosts: SteeringHosts, limits: RelayLimits | None = None) -> APIRouter:
    """The routes that relay a run's host; without one they say so.

    Args:
        hosts: who is asked about which run.
        limits: bounds.
    """
    bounds = limits or RelayLimits()
    tickets = Tickets(bounds)
    router = APIRouter(prefix="/api")

    @router.get("/host")
    async def state(run: str = "", fingerprint: str = "") -> HostState:
        """What can be said of a run's host, in words; asking starts none."""
        return await host_state(hosts.of(run[:200]), fingerprint[:200])

    @router.post("/steer", status_code=201, response_model=SteerTicket)
    async def ask(request: SteerRequest) -> Response:
        """Ask for a generation; read it once, under its id."""
        if hosts.of(request.run) is None:
            return Refusal(503, "none", NO_HOST).response()
        ticket = tickets.issue(request)
        if ticket is None:
            return BUSY.response()
        return JSONResponse(SteerTicket(id=ticket).model_dump(), 201)

    @router.get("/steer/{ticket}")
    async def read(ticket: str) -> Response:
        """The generation's events: start, token, row_done, and done or error."""
        request = tickets.take(ticket)
        host = None if request is None else hosts.of(request.run)
        if request is None or host is None:
            return USED.response()
        return EventStream(lambda: relay(host, request), bounds.stream)

    return router
