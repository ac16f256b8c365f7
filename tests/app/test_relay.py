"""The event relay: order, exactly one final event, no host address in messages, no leaked tasks."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from starlette.types import ASGIApp

from explorer.app.security.errors import install_error_handlers
from explorer.app.security.filter import EdgeFilter
from explorer.app.server.edge import unknown_api_router
from explorer.app.server.relay import CUT, EVENTS, RelayLimits, Tickets, host_state, relay, relay_router
from explorer.app.site.hosts import GONE, NO_HOST, Event, OneHost, SteeringHost, without_address
from explorer.config import SteeringLimits
from explorer.errors import HookNotFired, HostError, HostMismatch, HostRefused, HostUnreachable
from explorer.http.streaming import Prefetched, StreamedResponse, StreamLimits
from explorer.steering.client import TIMEOUT, AsyncSteeringClient
from explorer.steering.host.stream import LIMITS
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest
from explorer.steering.protocol.steer import DoneEvent, ErrorEvent, RowDoneEvent, SteerRequest, TokenEvent, event_to_sse
from explorer.steering.protocol.subject import ServedRun, SubjectReply
from tests.app.edge_app import Wire, ask, post, settings
from tests.app.steering.steering_data import FINGERPRINT, reply, start_event, steer_request

ADDRESS = "http://10.1.2.3:9000"
SECRET = "canary-token"
SUBJECT = SubjectReply(
    protocol_version=1,
    app_version="0.1.0",
    fingerprint=FINGERPRINT,
    model="almanac",
    sae="almanac-sae",
    layer=2,
    hook="resid_post",
    d_model=128,
    device="cpu",
    dtype="float32",
    arms=("manifold",),
    limits=SteeringLimits(),
    runs=(ServedRun(id="almanac", clusters=9),),
)
UPDATES = [TokenEvent(row="manifold", index=n, text=f" t{n}", token_id=n, logprob=-0.5) for n in range(50)]
ALL_EVENTS: list[Event] = [
    start_event(),
    *UPDATES,
    RowDoneEvent(row="manifold", finish="length", text=" all", hook_fired=1),
    DoneEvent(hook_fired={"manifold": 1}, finish={"manifold": "length"}, tokens=50),
]
Between = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """Do not wait."""


class Gate:
    """Blocks after a given number of events."""

    def __init__(self, open_for: int) -> None:
        self.passes = asyncio.Semaphore(open_for)

    async def __call__(self) -> None:
        await self.passes.acquire()


class Host:
    """A fake host that replays events, awaits `before` ahead of each, may fail at the end, and counts open streams."""

    def __init__(
        self, events: list[Event] = ALL_EVENTS, failure: Exception | None = None, before: Between = at_once
    ) -> None:
        self.events = events
        self.failure = failure
        self.before = before
        self.running = 0
        self.requests: list[SteerRequest] = []

    async def subject(self) -> SubjectReply:
        if self.failure is not None:
            raise self.failure
        return SUBJECT

    async def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        return reply(cluster=request.cluster)

    async def steer(self, request: SteerRequest) -> AsyncIterator[Event]:
        self.requests.append(request)
        self.running += 1
        try:
            for event in self.events:
                await self.before()
                yield event
            if self.failure is not None:
                raise self.failure
        finally:
            self.running -= 1


def served(host: SteeringHost | None, limits: RelayLimits | None = None) -> ASGIApp:
    server = FastAPI()
    server.include_router(relay_router(OneHost(host), limits))
    server.include_router(unknown_api_router())
    install_error_handlers(server)
    return EdgeFilter(server, settings())


def ticket(app: ASGIApp, **changes: Any) -> str:
    response = post(app, steer_request(**changes).model_dump(mode="json"), "/api/steer")
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def events_of(body: bytes) -> list[dict[str, Any]]:
    """Decode the messages that an EventSource would pass to ``onmessage``."""
    messages = []
    for block in body.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        assert all(line.startswith("data: ") for line in lines), lines
        if lines:
            messages.append(json.loads("\n".join(line.removeprefix("data: ") for line in lines)))
    return messages


def relayed(host: SteeringHost) -> list[dict[str, Any]]:
    app = served(host)
    response = ask(app, "GET", f"/api/steer/{ticket(app)}")
    assert response.status_code == 200
    return events_of(response.content)


def test_events_are_relayed_in_order() -> None:
    host = Host()
    events = relayed(host)
    assert [event["type"] for event in events] == ["start", *["token"] * 50, "row_done", "done"]
    assert [event["index"] for event in events if event["type"] == "token"] == list(range(50))
    assert events == [json.loads(event.model_dump_json()) for event in ALL_EVENTS]
    assert host.running == 0
    assert host.requests == [steer_request()]


def test_headers_keep_proxies_from_buffering() -> None:
    app = served(Host())
    response = ask(app, "GET", f"/api/steer/{ticket(app)}")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-store"
    assert "content-length" not in response.headers


def test_a_ticket_is_valid_once() -> None:
    host = Host()
    app = served(host)
    path = f"/api/steer/{ticket(app)}"
    assert ask(app, "GET", path).status_code == 200
    again = ask(app, "GET", path)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert len(host.requests) == 1, "a reconnecting EventSource starts no generation"
    assert ask(app, "GET", "/api/steer/guess").status_code == 404


def test_tickets_expire_and_are_bounded() -> None:
    now = [0.0]
    tickets = Tickets(RelayLimits(waiting=2, ticket_seconds=60.0), clock=lambda: now[0])
    first = tickets.issue(steer_request(seed=1))
    second = tickets.issue(steer_request(seed=2))
    assert first is not None
    assert second is not None
    assert tickets.issue(steer_request()) is None
    now[0] = 59.0
    assert tickets.take(first) == steer_request(seed=1)
    now[0] = 60.0
    assert tickets.take(second) is None
    assert tickets.issue(steer_request()) is not None


def test_too_many_waiting_tickets_are_refused() -> None:
    app = served(Host(), RelayLimits(waiting=1))
    ticket(app)
    response = post(app, steer_request().model_dump(mode="json"), "/api/steer")
    assert (response.status_code, response.json()["code"]) == (429, "busy")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strength", "1"),
        ("strength", None),
        ("strength", 1e30),
        ("cluster", -1),
        ("cluster", 1.5),
        ("arms", []),
        ("arms", ["manifold"] * 10_000),
        ("arms", ["sideways"]),
        ("max_tokens", 10**9),
        ("prompt", ""),
        ("prompt", "x" * 20_001),
        ("surprise", 1),
        ("url", ADDRESS),
    ],
)
def test_bad_requests_never_reach_the_host(field: str, value: object) -> None:
    host = Host()
    response = post(served(host), steer_request().model_dump(mode="json") | {field: value}, "/api/steer")
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert field in response.json()["message"]
    assert host.requests == []


# Final events

FAILURES: list[tuple[Exception, str]] = [
    (HostUnreachable(f"cannot connect to {ADDRESS}/v1/steer with {SECRET}"), "unreachable"),
    (HostRefused(f"{ADDRESS} says the queue is full"), "refused"),
    (HostMismatch(f"the host at {ADDRESS} holds sha256:aa, the run needs sha256:bb"), "mismatch"),
    (HookNotFired("the hook did not fire"), "host"),
    (HostError("something else"), "host"),
    (ValueError(f"garbage from {ADDRESS}, {SECRET}"), "unreachable"),
]


@pytest.mark.parametrize(("failure", "code"), FAILURES)
def test_a_failure_before_the_first_event(failure: Exception, code: str) -> None:
    host = Host(events=[], failure=failure)
    (event,) = relayed(host)
    assert (event["type"], event["code"]) == ("error", code)
    assert ADDRESS not in event["message"]
    assert SECRET not in event["message"]
    assert host.running == 0


def test_a_mismatch_names_both_subjects() -> None:
    (event,) = relayed(Host(events=[], failure=FAILURES[2][0]))
    assert "sha256:aa" in event["message"]
    assert "sha256:bb" in event["message"]


@pytest.mark.parametrize("sent", [1, 2, 25, 51, 52])
@pytest.mark.parametrize("failure", [None, HostUnreachable(ADDRESS), ValueError(SECRET)])
def test_a_host_lost_mid_stream_gives_an_interruption_after_its_events(sent: int, failure: Exception | None) -> None:
    """A stream that ends without ``done`` is reported as interrupted, too."""
    host = Host(events=ALL_EVENTS[:sent], failure=failure)
    events = relayed(host)
    assert events[:-1] == [json.loads(event.model_dump_json()) for event in ALL_EVENTS[:sent]]
    assert events[-1] == {"type": "error", "code": "interrupted", "message": CUT}
    assert host.running == 0


def test_the_hosts_own_error_ends_the_stream() -> None:
    error = ErrorEvent(code="numeric_overflow", message="logits are not finite")
    events = relayed(Host(events=[ALL_EVENTS[0], error, *UPDATES]))
    assert events[-1] == {"type": "error", "code": "numeric_overflow", "message": "logits are not finite"}
    assert len(events) == 2


def test_nothing_is_sent_after_done() -> None:
    assert relayed(Host(events=[*ALL_EVENTS, *UPDATES]))[-1]["type"] == "done"


def test_without_a_host_the_relay_replies_503() -> None:
    app = served(None)
    response = post(app, steer_request().model_dump(mode="json"), "/api/steer")
    assert (response.status_code, response.json()) == (503, {"code": "none", "message": NO_HOST})
    assert ask(app, "GET", "/api/host").json() == {"state": "none", "message": NO_HOST, "subject": None}


# Through the client, over a failing connection


def wire_text() -> bytes:
    """The bytes of ALL_EVENTS, with a heartbeat among them."""
    texts = [event_to_sse(event) for event in ALL_EVENTS]
    return "".join([*texts[:5], ": still here\n\n", *texts[5:]]).encode()


class Wired(httpx.AsyncByteStream):
    """A response body in chunks; after the last one the connection fails, or closes cleanly."""

    def __init__(self, pieces: list[bytes], failure: Exception | None) -> None:
        self.pieces = pieces
        self.failure = failure
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.failure is not None:
            raise self.failure

    async def aclose(self) -> None:
        self.closed += 1
        if self.failure is not None:
            raise self.failure


def relayed_over(stream: Wired, status: int = 200) -> list[dict[str, Any]]:
    """The events of one generation, relayed through the client."""

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, stream=stream, headers={"content-type": "text/event-stream"})

    async def run() -> bytes:
        async with AsyncSteeringClient(ADDRESS, SECRET, transport=httpx.MockTransport(answer)) as client:
            return "".join([piece async for piece in relay(client, steer_request())]).encode()

    body = asyncio.run(run())
    assert ADDRESS.encode() not in body
    assert SECRET.encode() not in body
    assert stream.closed == 1
    return events_of(body)


@pytest.mark.parametrize(("sent", "code"), [(0, "unreachable"), (3, "interrupted")])
def test_a_frozen_host_times_out(sent: int, code: str) -> None:
    """The host keeps the connection open but sends nothing more, not even heartbeats."""
    text = "".join(map(event_to_sse, ALL_EVENTS[:sent]))

    async def run() -> bytes:
        left = asyncio.Event()

        async def freeze(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{text}".encode())
            while await reader.read(1 << 16):
                pass
            writer.close()
            await writer.wait_closed()
            left.set()

        async with await asyncio.start_server(freeze, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            patience = httpx.Timeout(0.05, connect=5)
            async with AsyncSteeringClient(f"http://{host}:{port}", SECRET, timeout=patience) as client:
                body = "".join([piece async for piece in relay(client, steer_request())]).encode()
            await left.wait()
        return body

    events = events_of(asyncio.run(run()))
    assert events[-1]["code"] == code
    assert len(events) == sent + 1


def test_the_read_timeout_exceeds_two_heartbeats() -> None:
    assert TIMEOUT.read is not None
    assert TIMEOUT.read > 2 * LIMITS.heartbeat_seconds


WIRE_TEXT = wire_text()
CUTS = sorted({*range(40), *range(0, len(WIRE_TEXT), 31), *range(len(WIRE_TEXT) - 20, len(WIRE_TEXT))})


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), httpx.RemoteProtocolError("incomplete"), None])
def test_cut_after_any_byte(failure: Exception | None) -> None:
    whole = [json.loads(event.model_dump_json()) for event in ALL_EVENTS]
    for cut in CUTS:
        # An event ends at its blank line (HTML standard, section 9.2.6); heartbeats are not events.
        complete = sum(b"data:" in event for event in WIRE_TEXT[:cut].split(b"\n\n")[:-1])
        events = relayed_over(Wired([WIRE_TEXT[:cut]], failure))
        assert events[:complete] == whole[:complete], cut
        if complete < len(whole):
            assert [event["code"] for event in events[complete:]] == ["interrupted" if complete else "unreachable"], cut


@effort(max_examples=60, deadline=None)
@given(data=st.data())
def test_chunk_boundaries_do_not_matter(data: st.DataObject) -> None:
    marks = sorted(data.draw(st.lists(st.integers(0, len(WIRE_TEXT)), max_size=12)))
    pieces = [WIRE_TEXT[a:b] for a, b in zip([0, *marks], [*marks, len(WIRE_TEXT)], strict=True)]
    assert relayed_over(Wired(pieces, None)) == [json.loads(event.model_dump_json()) for event in ALL_EVENTS]


@effort(max_examples=50, deadline=None)
@given(garbage=st.binary(max_size=60), place=st.integers(0, len(WIRE_TEXT)))
def test_garbage_in_the_stream_ends_it_with_one_event(garbage: bytes, place: int) -> None:
    events = relayed_over(Wired([WIRE_TEXT[:place], garbage, WIRE_TEXT[place:]], None))
    assert events[-1]["type"] in {"done", "error"}
    assert [event["type"] for event in events[:-1]].count("done") == 0


@pytest.mark.parametrize("line", [b"data: {}\n\n", b"data: [1]\n\n", b'data: {"type":"token"}\n\n', b"data: \xff\n\n"])
def test_invalid_events_are_an_interruption(line: bytes) -> None:
    first = event_to_sse(ALL_EVENTS[0]).encode()
    assert relayed_over(Wired([first, line], None))[-1]["code"] == "interrupted"


def test_an_unterminated_line_is_an_interruption() -> None:
    first = event_to_sse(ALL_EVENTS[0]).encode()
    assert relayed_over(Wired([first, *[b"x" * 100_000] * 20], None))[-1]["code"] == "interrupted"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b'{"code": "unauthorized", "message": "wrong token"}', "refused"),
        (409, b'{"code": "fingerprint_mismatch", "message": "sha256:aa is held, sha256:bb is asked"}', "mismatch"),
        (429, b'{"code": "busy", "message": "queue full"}', "refused"),
        (500, b"<html>Traceback</html>", "unreachable"),
        (302, b"", "unreachable"),
        (204, b"", "unreachable"),
    ],
)
def test_refusals_of_the_host(status: int, body: bytes, code: str) -> None:
    (event,) = relayed_over(Wired([body], None), status)
    assert event["code"] == code
    assert "Traceback" not in event["message"]


# The client


def drive(work: Callable[[ASGIApp, Host], Awaitable[None]], host: Host, limits: RelayLimits | None = None) -> None:
    asyncio.run(_drive(work, host, limits))


async def _drive(work: Callable[[ASGIApp, Host], Awaitable[None]], host: Host, limits: RelayLimits | None) -> None:
    async with asyncio.timeout(20):
        await work(served(host, limits), host)
    assert host.running == 0
    assert len(asyncio.all_tasks()) == 1, "no task outlives its stream"


async def new_ticket(app: ASGIApp, **changes: Any) -> str:
    body = json.dumps(steer_request(**changes).model_dump(mode="json")).encode()
    wire = Wire("POST", "/api/steer", body, {"content-type": "application/json"})
    await wire.run(app)
    return str(json.loads(wire.body)["id"])


@pytest.mark.parametrize("seen", [0, 1, 2, 20, 49])
def test_a_disconnect_closes_the_host_stream(seen: int) -> None:
    async def leave(app: ASGIApp, host: Host) -> None:
        host.before = Gate(seen + 1)
        wire = Wire("GET", f"/api/steer/{await new_ticket(app)}")
        task = asyncio.create_task(wire.run(app))
        await wire.until(f'"index":{seen - 1}'.encode() if seen else b'"type":"start"')
        assert host.running == 1
        wire.left.set()
        await task

    drive(leave, Host())


def test_clients_may_disconnect_at_any_time() -> None:
    async def leave(app: ASGIApp, host: Host) -> None:
        async def pause() -> None:
            await asyncio.sleep(0)

        host.before = pause
        for turns in range(200):
            wire = Wire("GET", f"/api/steer/{await new_ticket(app)}")
            task = asyncio.create_task(wire.run(app))
            for _ in range(turns % 67):
                await asyncio.sleep(0)
            wire.left.set()
            await task
            assert host.running == 0, turns

    drive(leave, Host())


def test_a_send_error_closes_the_host_stream() -> None:
    async def broken(app: ASGIApp, host: Host) -> None:
        host.before = Gate(3)
        wire = Wire("GET", f"/api/steer/{await new_ticket(app)}")
        good = wire.send

        async def send(message: Any) -> None:
            await good(message)
            if b'"index":1' in message.get("body", b""):
                raise OSError("broken pipe")

        wire.send = send  # type: ignore[method-assign]
        await wire.run(app)

    drive(broken, Host())


def test_a_stalled_client_applies_backpressure_and_is_dropped() -> None:
    endless = [start_event(), *[UPDATES[0]] * 10_000]
    produced = [0]

    async def count() -> None:
        produced[0] += 1
        await asyncio.sleep(0)

    async def stall(app: ASGIApp, _host: Host) -> None:
        wire = Wire("GET", f"/api/steer/{await new_ticket(app)}")
        good = wire.send

        async def send(message: Any) -> None:
            await good(message)
            if b'"index"' in message.get("body", b""):
                await asyncio.Event().wait()

        wire.send = send  # type: ignore[method-assign]
        await wire.run(app)
        assert produced[0] < 50, "the source is paused by backpressure"

    drive(stall, Host(events=endless, before=count), RelayLimits(stream=StreamLimits(send_seconds=0.2)))


def test_heartbeats_are_sent_while_the_host_is_silent() -> None:
    async def listen(app: ASGIApp, host: Host) -> None:
        gate = Gate(1)
        host.before = gate
        wire = Wire("GET", f"/api/steer/{await new_ticket(app)}")
        task = asyncio.create_task(wire.run(app))
        await wire.until(b": still here\n\n: still here\n\n")
        for _ in ALL_EVENTS:
            gate.passes.release()
        await task
        assert events_of(wire.body)[-1]["type"] == "done"

    drive(listen, Host(), RelayLimits(stream=StreamLimits(heartbeat_seconds=0.01)))


def test_streams_of_two_tabs_are_independent() -> None:
    async def both(app: ASGIApp, host: Host) -> None:
        gate = Gate(0)
        host.before = gate
        wires = [Wire("GET", f"/api/steer/{await new_ticket(app, seed=seed)}") for seed in (1, 2)]
        tasks = [asyncio.create_task(wire.run(app)) for wire in wires]
        while host.running < 2:
            await asyncio.sleep(0)
        gate.passes.release()
        gate.passes.release()
        await asyncio.gather(*(wire.until(b'"type":"start"') for wire in wires))
        wires[0].left.set()
        await tasks[0]
        assert host.running == 1
        for _ in ALL_EVENTS:
            gate.passes.release()
        await tasks[1]
        assert len(events_of(wires[1].body)) == len(ALL_EVENTS)
        assert {request.seed for request in host.requests} == {1, 2}

    drive(both, Host())


@effort(max_examples=60, deadline=None)
@given(pieces=st.lists(st.text(max_size=8), max_size=30), turns=st.integers(0, 80))
def test_a_stream_equals_its_source_or_a_prefix_of_it(pieces: list[str], turns: int) -> None:
    closed = []

    async def source() -> Any:
        try:
            for piece in pieces:
                await asyncio.sleep(0)
                yield piece
        finally:
            closed.append(True)

    async def run() -> bytes:
        wire = Wire("GET", "/")
        wire.sent = []
        stream = StreamedResponse(EVENTS, Prefetched(source()))
        task = asyncio.create_task(stream(wire.scope, wire.receive, wire.send))
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns % 2:
            wire.left.set()
        await asyncio.wait_for(task, 5)
        return wire.body

    whole = "".join(pieces).encode()
    got = asyncio.run(run())
    assert whole.startswith(got) if turns % 2 else got == whole
    # After a disconnect before the source has started there is nothing to close.
    assert len(closed) <= 1
    assert closed or not got


# State of the host


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (None, "ready"),
        (HostUnreachable(ADDRESS), "unreachable"),
        (HostRefused(f"wrong token for {ADDRESS}"), "refused"),
        (HostMismatch("sha256:aa sha256:bb"), "mismatch"),
    ],
)
def test_host_state(failure: Exception | None, state: str) -> None:
    response = ask(served(Host(failure=failure)), "GET", f"/api/host?fingerprint={FINGERPRINT}")
    assert response.json()["state"] == state
    assert ADDRESS not in response.text
    assert (response.json()["subject"] is not None) == (state == "ready")


def test_a_mismatch_names_both_fingerprints() -> None:
    state = asyncio.run(host_state(Host(), "sha256:other"))
    assert state.state == "mismatch"
    assert "sha256:other" in state.message
    assert FINGERPRINT in state.message


def test_addresses_are_removed_from_messages() -> None:
    text = "no answer from https://user:pw@gpu.example:9000/v1?x=1, or ws://h and HTTP://X"
    assert without_address(text) == "no answer from the host or the host and the host"
    assert without_address(GONE) == GONE


def test_unknown_api_paths_are_not_found() -> None:
    response = ask(served(None), "GET", "/api/elsewhere/x")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
