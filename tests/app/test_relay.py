"""The relay: every event in order, one ending always, nothing of the host's address, nothing left running."""

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

from explorer.app.security.answers import install_answers
from explorer.app.security.filter import EdgeFilter
from explorer.app.server.edge import unknown_api_router
from explorer.app.server.event_stream import EventStream, StreamLimits
from explorer.app.server.relay import CUT, RelayLimits, Tickets, host_state, relay, relay_router
from explorer.app.site.hosts import GONE, NO_HOST, Event, OneHost, SteeringHost, without_address
from explorer.config import SteeringLimits
from explorer.errors import HookNotFired, HostError, HostMismatch, HostRefused, HostUnreachable
from explorer.steering.client import TIMEOUT, AsyncSteeringClient
from explorer.steering.host.stream import HEARTBEAT_SECONDS
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
STORY: list[Event] = [
    start_event(),
    *UPDATES,
    RowDoneEvent(row="manifold", finish="length", text=" all", hook_fired=1),
    DoneEvent(hook_fired={"manifold": 1}, finish={"manifold": "length"}, tokens=50),
]
Between = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """Wait for nothing."""


class Gate:
    """Lets so many events pass as it is told to."""

    def __init__(self, open_for: int) -> None:
        self.passes = asyncio.Semaphore(open_for)

    async def __call__(self) -> None:
        await self.passes.acquire()


class Host:
    """A host that tells a story, waits before each event, may fail after some, and notes when it was left."""

    def __init__(self, story: list[Event] = STORY, failure: Exception | None = None, before: Between = at_once) -> None:
        self.story = story
        self.failure = failure
        self.before = before
        self.running = 0
        self.asked: list[SteerRequest] = []

    async def subject(self) -> SubjectReply:
        if self.failure is not None:
            raise self.failure
        return SUBJECT

    async def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        return reply(cluster=request.cluster)

    async def steer(self, request: SteerRequest) -> AsyncIterator[Event]:
        self.asked.append(request)
        self.running += 1
        try:
            for event in self.story:
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
    install_answers(server)
    return EdgeFilter(server, settings())


def ticket(app: ASGIApp, **changes: Any) -> str:
    response = post(app, steer_request(**changes).model_dump(mode="json"), "/api/steer")
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def events_of(body: bytes) -> list[dict[str, Any]]:
    """What an EventSource would hand to onmessage."""
    messages = []
    for block in body.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        assert all(line.startswith("data: ") for line in lines), lines
        if lines:
            messages.append(json.loads("\n".join(line.removeprefix("data: ") for line in lines)))
    return messages


def told(host: SteeringHost) -> list[dict[str, Any]]:
    app = served(host)
    response = ask(app, "GET", f"/api/steer/{ticket(app)}")
    assert response.status_code == 200
    return events_of(response.content)


def test_every_event_comes_in_order() -> None:
    host = Host()
    events = told(host)
    assert [event["type"] for event in events] == ["start", *["token"] * 50, "row_done", "done"]
    assert [event["index"] for event in events if event["type"] == "token"] == list(range(50))
    assert events == [json.loads(event.model_dump_json()) for event in STORY]
    assert host.running == 0
    assert host.asked == [steer_request()]


def test_headers_keep_proxies_from_collecting() -> None:
    app = served(Host())
    response = ask(app, "GET", f"/api/steer/{ticket(app)}")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-store"
    assert "content-length" not in response.headers


def test_a_ticket_is_good_once() -> None:
    host = Host()
    app = served(host)
    path = f"/api/steer/{ticket(app)}"
    assert ask(app, "GET", path).status_code == 200
    again = ask(app, "GET", path)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert len(host.asked) == 1, "a reconnecting EventSource starts nothing"
    assert ask(app, "GET", "/api/steer/guess").status_code == 404


def test_tickets_are_forgotten_and_bounded() -> None:
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


def test_too_many_waiting_is_told_at_once() -> None:
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
    assert host.asked == []


# Endings

FAILURES: list[tuple[Exception, str]] = [
    (HostUnreachable(f"nobody answers at {ADDRESS}/v1/steer with {SECRET}"), "unreachable"),
    (HostRefused(f"{ADDRESS} says the queue is full"), "refused"),
    (HostMismatch(f"the host at {ADDRESS} holds sha256:aa, the run needs sha256:bb"), "mismatch"),
    (HookNotFired("the hook did not fire"), "host"),
    (HostError("something else"), "host"),
    (ValueError(f"garbage from {ADDRESS}, {SECRET}"), "unreachable"),
]


@pytest.mark.parametrize(("failure", "code"), FAILURES)
def test_a_failure_before_the_first_event(failure: Exception, code: str) -> None:
    host = Host(story=[], failure=failure)
    (event,) = told(host)
    assert (event["type"], event["code"]) == ("error", code)
    assert ADDRESS not in event["message"]
    assert SECRET not in event["message"]
    assert host.running == 0


def test_a_mismatch_names_both_subjects() -> None:
    (event,) = told(Host(story=[], failure=FAILURES[2][0]))
    assert "sha256:aa" in event["message"]
    assert "sha256:bb" in event["message"]


@pytest.mark.parametrize("kept", [1, 2, 25, 51, 52])
@pytest.mark.parametrize("failure", [None, HostUnreachable(ADDRESS), ValueError(SECRET)])
def test_a_host_lost_in_the_middle_keeps_what_came(kept: int, failure: Exception | None) -> None:
    """A stream that merely ends without ``done`` is an interruption too."""
    host = Host(story=STORY[:kept], failure=failure)
    events = told(host)
    assert events[:-1] == [json.loads(event.model_dump_json()) for event in STORY[:kept]]
    assert events[-1] == {"type": "error", "code": "interrupted", "message": CUT}
    assert host.running == 0


def test_the_hosts_own_error_ends_the_stream() -> None:
    error = ErrorEvent(code="numeric_overflow", message="logits are not finite")
    events = told(Host(story=[STORY[0], error, *UPDATES]))
    assert events[-1] == {"type": "error", "code": "numeric_overflow", "message": "logits are not finite"}
    assert len(events) == 2


def test_nothing_is_told_after_done() -> None:
    assert told(Host(story=[*STORY, *UPDATES]))[-1]["type"] == "done"


def test_without_a_host_it_is_said_in_words() -> None:
    app = served(None)
    response = post(app, steer_request().model_dump(mode="json"), "/api/steer")
    assert (response.status_code, response.json()) == (503, {"code": "none", "message": NO_HOST})
    assert ask(app, "GET", "/api/host").json() == {"state": "none", "message": NO_HOST, "subject": None}


# The same through the client, over a wire that fails


def wire_text() -> bytes:
    """What a host sends for the story, with a comment in the middle."""
    texts = [event_to_sse(event) for event in STORY]
    return "".join([*texts[:5], ": still here\n\n", *texts[5:]]).encode()


class Wired(httpx.AsyncByteStream):
    """A host's answer in pieces; after the last one the connection fails, or ends as if all were well."""

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


def told_over(stream: Wired, status: int = 200) -> list[dict[str, Any]]:
    """The events of one generation, the client in between."""

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


@pytest.mark.parametrize(("kept", "code"), [(0, "unreachable"), (3, "interrupted")])
def test_a_frozen_host_is_given_up(kept: int, code: str) -> None:
    """It holds the connection and says nothing more, not even that it is there."""
    text = "".join(map(event_to_sse, STORY[:kept]))

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
    assert len(events) == kept + 1


def test_a_host_is_believed_in_for_longer_than_it_is_ever_silent() -> None:
    assert TIMEOUT.read is not None
    assert TIMEOUT.read > 2 * HEARTBEAT_SECONDS


WIRE_TEXT = wire_text()
CUTS = sorted({*range(40), *range(0, len(WIRE_TEXT), 31), *range(len(WIRE_TEXT) - 20, len(WIRE_TEXT))})


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), httpx.RemoteProtocolError("incomplete"), None])
def test_cut_after_any_byte(failure: Exception | None) -> None:
    whole = [json.loads(event.model_dump_json()) for event in STORY]
    for cut in CUTS:
        lines = WIRE_TEXT[:cut].split(b"\n")[:-1]
        came = sum(line.startswith(b"data:") for line in lines)
        events = told_over(Wired([WIRE_TEXT[:cut]], failure))
        assert events[:came] == whole[:came], cut
        if came < len(whole):
            assert [event["code"] for event in events[came:]] == ["interrupted" if came else "unreachable"], cut


@effort(max_examples=60, deadline=None)
@given(data=st.data())
def test_pieces_of_any_size_make_the_same_events(data: st.DataObject) -> None:
    marks = sorted(data.draw(st.lists(st.integers(0, len(WIRE_TEXT)), max_size=12)))
    pieces = [WIRE_TEXT[a:b] for a, b in zip([0, *marks], [*marks, len(WIRE_TEXT)], strict=True)]
    assert told_over(Wired(pieces, None)) == [json.loads(event.model_dump_json()) for event in STORY]


@effort(max_examples=50, deadline=None)
@given(garbage=st.binary(max_size=60), place=st.integers(0, len(WIRE_TEXT)))
def test_garbage_in_the_stream_ends_it_in_words(garbage: bytes, place: int) -> None:
    events = told_over(Wired([WIRE_TEXT[:place], garbage, WIRE_TEXT[place:]], None))
    assert events[-1]["type"] in {"done", "error"}
    assert [event["type"] for event in events[:-1]].count("done") == 0


@pytest.mark.parametrize("line", [b"data: {}\n\n", b"data: [1]\n\n", b'data: {"type":"token"}\n\n', b"data: \xff\n\n"])
def test_events_of_another_protocol_are_an_interruption(line: bytes) -> None:
    first = event_to_sse(STORY[0]).encode()
    assert told_over(Wired([first, line], None))[-1]["code"] == "interrupted"


def test_a_line_without_end_is_given_up() -> None:
    first = event_to_sse(STORY[0]).encode()
    assert told_over(Wired([first, *[b"x" * 100_000] * 20], None))[-1]["code"] == "interrupted"


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
    (event,) = told_over(Wired([body], None), status)
    assert event["code"] == code
    assert "Traceback" not in event["message"]


# The reader


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
def test_a_reader_who_leaves_frees_the_host(seen: int) -> None:
    async def leave(app: ASGIApp, host: Host) -> None:
        host.before = Gate(seen + 1)
        wire = Wire("GET", f"/api/steer/{await new_ticket(app)}")
        task = asyncio.create_task(wire.run(app))
        await wire.until(f'"index":{seen - 1}'.encode() if seen else b'"type":"start"')
        assert host.running == 1
        wire.left.set()
        await task

    drive(leave, Host())


def test_many_readers_leave_at_any_moment() -> None:
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


def test_a_connection_that_breaks_on_writing_frees_the_host() -> None:
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


def test_a_reader_who_does_not_read_slows_the_host_and_is_dropped() -> None:
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
        assert produced[0] < 50, "the source waits for the reader"

    drive(stall, Host(story=endless, before=count), RelayLimits(stream=StreamLimits(send_seconds=0.2, buffered=16)))


def test_silence_is_filled_with_heartbeats() -> None:
    async def listen(app: ASGIApp, host: Host) -> None:
        gate = Gate(1)
        host.before = gate
        wire = Wire("GET", f"/api/steer/{await new_ticket(app)}")
        task = asyncio.create_task(wire.run(app))
        await wire.until(b": still here\n\n: still here\n\n")
        for _ in STORY:
            gate.passes.release()
        await task
        assert events_of(wire.body)[-1]["type"] == "done"

    drive(listen, Host(), RelayLimits(stream=StreamLimits(heartbeat_seconds=0.01)))


def test_two_tabs_do_not_disturb_each_other() -> None:
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
        for _ in STORY:
            gate.passes.release()
        await tasks[1]
        assert len(events_of(wires[1].body)) == len(STORY)
        assert {request.seed for request in host.asked} == {1, 2}

    drive(both, Host())


@effort(max_examples=60, deadline=None)
@given(pieces=st.lists(st.text(max_size=8), max_size=30), buffered=st.integers(1, 4), turns=st.integers(0, 40))
def test_a_stream_is_its_source_or_a_beginning_of_it(pieces: list[str], buffered: int, turns: int) -> None:
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
        stream = EventStream(source, StreamLimits(buffered=buffered))
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
    # A stream that is left before its source began has nothing to close.
    assert len(closed) <= 1
    assert closed or not got


# What is known of the host


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (None, "ready"),
        (HostUnreachable(ADDRESS), "unreachable"),
        (HostRefused(f"wrong token for {ADDRESS}"), "refused"),
        (HostMismatch("sha256:aa sha256:bb"), "mismatch"),
    ],
)
def test_host_in_words(failure: Exception | None, state: str) -> None:
    response = ask(served(Host(failure=failure)), "GET", f"/api/host?fingerprint={FINGERPRINT}")
    assert response.json()["state"] == state
    assert ADDRESS not in response.text
    assert (response.json()["subject"] is not None) == (state == "ready")


def test_a_host_with_another_subject_is_named() -> None:
    state = asyncio.run(host_state(Host(), "sha256:other"))
    assert state.state == "mismatch"
    assert "sha256:other" in state.message
    assert FINGERPRINT in state.message


def test_addresses_are_taken_out() -> None:
    text = "no answer from https://user:pw@gpu.example:9000/v1?x=1, or ws://h and HTTP://X"
    assert without_address(text) == "no answer from the host or the host and the host"
    assert without_address(GONE) == GONE


def test_other_api_addresses_are_not_found() -> None:
    response = ask(served(None), "GET", "/api/elsewhere/x")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
