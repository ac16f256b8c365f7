"""The clients against a host, and against broken and hostile responses."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Send

from explorer.config import SteeringLimits
from explorer.errors import HookNotFired, HostError, HostMismatch, HostRefused, HostUnreachable
from explorer.http.streaming import StreamedResponse, StreamLimits
from explorer.steering.client import AsyncSteeringClient, SteeringClient
from explorer.steering.host import stream
from explorer.steering.host.server import create_app
from explorer.steering.protocol.behaviour import BehaviourRequest
from explorer.steering.protocol.checks import CONTROL_ARMS, CheckRequest, PhrasesRequest, SweepRequest
from explorer.steering.protocol.features import EncodeRequest, FeatureRequest
from explorer.steering.protocol.steer import DoneEvent, SteerRequest, TokenEvent, event_to_sse
from tests.fake_host import FINGERPRINT, TOKEN, WAIT, FakeHandlers, asked, asked_of_text, served

TOKEN_EVENT = TokenEvent(row="baseline", index=0, text="ü", token_id=1, logprob=-0.5)
DONE = DoneEvent(hook_fired={}, finish={}, tokens=1)
STEER = SteerRequest.model_validate(asked(max_tokens=3))
BEHAVIOUR = BehaviourRequest.model_validate(asked())
CHECK = CheckRequest.model_validate(asked())
SWEEP = SweepRequest.model_validate(asked(strengths=[1.0], positions=[0.0, 1.0]))
PHRASES = PhrasesRequest.model_validate(asked(phrases=["this is a test"]))
ENCODE = EncodeRequest.model_validate(asked_of_text("Monday"))
FEATURE = FeatureRequest(run="planted", fingerprint=FINGERPRINT, feature=3)


def client(answer: Callable[[httpx.Request], httpx.Response]) -> SteeringClient:
    return SteeringClient("http://host", TOKEN, transport=httpx.MockTransport(answer))


def says(status: int, content: bytes | str, kind: str = "application/json") -> SteeringClient:
    return client(lambda _: httpx.Response(status, content=content, headers={"content-type": kind}))


def test_both_clients_use_every_endpoint() -> None:
    async def asynchronously(url: str) -> list[str]:
        async with AsyncSteeringClient(url, TOKEN) as there:
            assert (await there.subject()).model == "fake"
            assert (await there.ask(BEHAVIOUR)).values == ("Monday",)
            assert (await there.ask(ENCODE)).clusters[0].tokens == 1
            assert (await there.ask(CHECK)).across is None
            assert (await there.ask(SWEEP)).target == "Monday"
            assert (await there.ask(PHRASES)).phrases[0].text == "this is a test"
            assert (await there.ask(FEATURE)).promoted[0].text == " Monday"
            return [event.type async for event in there.steer(STEER)]

    with served(create_app(FakeHandlers(), token=TOKEN)) as url:
        with SteeringClient(url, TOKEN) as here:
            assert here.subject().model == "fake"
            assert here.ask(BEHAVIOUR).values == ("Monday",)
            assert here.ask(ENCODE).tokens[0].firing[0].features == (1,)
            assert list(dict.fromkeys(arm.arm for arm in here.ask(CHECK).controls.arms)) == list(CONTROL_ARMS)
            assert here.ask(SWEEP).positions == (0.0, 1.0)
            assert here.ask(PHRASES).phrases[0].baseline == -10.0
            assert here.ask(FEATURE).feature == 3
            types = [event.type for event in here.steer(STEER)]
        assert types == ["start", "token", "token", "token", "row_done", "done"]
        assert asyncio.run(asynchronously(url)) == types
        with SteeringClient(url, "wrong") as stranger, pytest.raises(HostRefused, match="bearer token"):
            stranger.subject()


def test_closing_the_iterator_stops_the_host() -> None:
    fake = FakeHandlers()
    app = create_app(fake, token=TOKEN)
    with served(app) as url, SteeringClient(url, TOKEN) as here:
        events = here.steer(SteerRequest.model_validate(asked(max_tokens=4096)))
        assert next(events).type == "start"
        events.close()
        scheduler = app.state.scheduler
        with scheduler.changed:
            assert scheduler.changed.wait_for(lambda: not scheduler.active, 30)
    assert fake.stopped == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (401, '{"code":"unauthorized","message":"a token is needed"}', HostRefused, "a token is needed"),
        (409, '{"code":"fingerprint_mismatch","message":"holds a, not b"}', HostMismatch, "holds a, not b"),
        (422, '{"code":"invalid","message":"too large","field":"strength"}', HostRefused, "strength: too large"),
        (429, '{"code":"busy","message":"come back"}', HostRefused, "come back"),
        (500, '{"code":"hook_not_fired","message":"fired 0 times"}', HookNotFired, "fired 0 times"),
        (502, "<html>bad gateway</html>", HostUnreachable, "status 502"),
        (200, "<html>a captive portal</html>", HostUnreachable, "does not understand"),
        (200, '{"protocol_version":1}', HostUnreachable, "does not understand"),
        (302, "", HostUnreachable, "status 302"),
        (200, '\n\n{"code":"fingerprint_mismatch","message":"holds a, not b"}', HostMismatch, "holds a, not b"),
        (200, '\n\n{"code":"invalid","message":"too large","field":"strength"}', HostRefused, "strength: too large"),
    ],
)
def test_error_responses_map_to_exceptions(status: int, body: str, error: type[HostError], words: str) -> None:
    for ask in (
        lambda c: c.subject(),
        lambda c: c.ask(BEHAVIOUR),
        lambda c: c.ask(ENCODE),
        lambda c: c.ask(CHECK),
        lambda c: c.ask(SWEEP),
        lambda c: c.ask(PHRASES),
        lambda c: c.ask(FEATURE),
        lambda c: list(c.steer(STEER)),
    ):
        if status == 200 and "steer" in ask.__code__.co_names:
            continue
        with says(status, body) as there, pytest.raises(error, match=words) as caught:
            ask(there)
        assert "\n" not in str(caught.value)


def patience_for(app: FastAPI) -> float:
    """A timeout that a host does not exceed by accident, however busy the machine is: many of its round trips."""
    with served(app) as url, SteeringClient(url, TOKEN) as here:
        here.subject()
        started = time.perf_counter()
        here.subject()
    return max(0.25, 40 * (time.perf_counter() - started))


def test_heartbeats_keep_a_slow_request_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """For longer than the client's timeout, a failure after that is reported as usual."""
    patience = patience_for(create_app(FakeHandlers(), token=TOKEN))
    fake, beat, beats = FakeHandlers(), patience / 25, 0
    send = StreamedResponse._body

    async def counted(self: StreamedResponse[Any], to: Send, text: str, *, more: bool = True) -> None:
        nonlocal beats
        await send(self, to, text, more=more)
        beats += text in (stream.EVENTS.heartbeat, stream.REPLY.heartbeat)
        if beats * beat > 2 * patience:
            fake.gate.set()

    def held() -> None:
        nonlocal beats
        beats = 0
        fake.gate.clear()

    monkeypatch.setattr(stream, "LIMITS", StreamLimits(heartbeat_seconds=beat))
    monkeypatch.setattr(StreamedResponse, "_body", counted)
    slow, overflow = ({"prompt": prompt} for prompt in ("slow", "slow overflow"))
    with served(create_app(fake, token=TOKEN)) as url, SteeringClient(url, TOKEN, timeout=patience) as here:
        held()
        assert here.ask(BEHAVIOUR.model_copy(update=slow)).values == ("Monday",)
        held()
        assert next(here.steer(STEER.model_copy(update=slow))).type == "start"
        held()
        with pytest.raises(HostRefused, match="not finite"):
            here.ask(BEHAVIOUR.model_copy(update=overflow))


def test_a_busy_host_says_when_to_retry() -> None:
    fake = FakeHandlers(limits=SteeringLimits(running=1, queued=0))
    app = create_app(fake, token=TOKEN)
    with (
        served(app) as url,
        SteeringClient(url, TOKEN, timeout=WAIT) as first,
        SteeringClient(url, TOKEN, timeout=WAIT) as second,
    ):
        writing = first.steer(STEER.model_copy(update={"max_tokens": 4096}))
        next(writing)
        for ask in (lambda: second.ask(BEHAVIOUR), lambda: next(second.steer(STEER))):
            with pytest.raises(HostRefused, match="1 requests run") as busy:
                ask()
            assert busy.value.retry_after is not None
            assert 1 <= busy.value.retry_after <= 4
        writing.close()
        with pytest.raises(HostRefused) as wrong, SteeringClient(url, "x" * 16, timeout=WAIT) as stranger:
            stranger.subject()
        assert wrong.value.retry_after is None


def test_another_version_of_the_protocol_is_a_mismatch() -> None:
    newer = FakeHandlers().subject().model_copy(update={"protocol_version": 99, "app_version": "9.9"})
    with says(200, newer.model_dump_json()) as there, pytest.raises(HostMismatch, match=r"9\.9 with protocol 99"):
        there.subject()


def test_an_unreachable_host_is_reported() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    for ask in (
        lambda c: c.subject(),
        lambda c: c.ask(BEHAVIOUR),
        lambda c: c.ask(ENCODE),
        lambda c: c.ask(CHECK),
        lambda c: c.ask(SWEEP),
        lambda c: c.ask(PHRASES),
        lambda c: c.ask(FEATURE),
        lambda c: list(c.steer(STEER)),
    ):
        with client(gone) as there, pytest.raises(HostUnreachable, match="http://host does not answer"):
            ask(there)


@pytest.mark.parametrize("cut", range(1, len(event_to_sse(TOKEN_EVENT).encode()) - 2, 7))
def test_a_truncated_stream_keeps_its_events_and_raises(cut: int) -> None:
    whole = event_to_sse(TOKEN_EVENT).encode()
    got = []
    with says(200, whole + whole[:cut], "text/event-stream") as there, pytest.raises(HostUnreachable):
        got.extend(there.steer(STEER))
    assert got[:1] == [TOKEN_EVENT]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_are_parsed_from_pieces_of_any_size(size: int) -> None:
    text = (": still here\n\n" + event_to_sse(TOKEN_EVENT) + event_to_sse(DONE)).encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    kind = {"content-type": "text/event-stream"}
    with client(lambda _: httpx.Response(200, content=iter(pieces), headers=kind)) as there:
        assert list(there.steer(STEER)) == [TOKEN_EVENT, DONE]


@pytest.mark.parametrize("line", [b"x" * 4096, b"data: x\n" * 512, b": no blank line\n" * 256])
def test_an_endless_event_is_refused_within_bounded_memory(line: bytes) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += len(line)
            yield line

    kind = {"content-type": "text/event-stream"}
    with (
        client(lambda _: httpx.Response(200, content=endless(), headers=kind)) as there,
        pytest.raises(HostUnreachable, match="an event without an end"),
    ):
        list(there.steer(STEER))
    assert sent < 2 << 20


def test_heartbeats_do_not_count_towards_the_bound() -> None:
    pieces = itertools.chain(itertools.repeat(b": still here\n\n", 100_000), [event_to_sse(DONE).encode()])
    kind = {"content-type": "text/event-stream"}
    with client(lambda _: httpx.Response(200, content=pieces, headers=kind)) as there:
        assert list(there.steer(STEER)) == [DONE]


@pytest.mark.parametrize(
    "garbage", [b"data: {\n\n", b'data: {"type":"strange"}\n\n', b"x" * (2 << 20), b"data: \xff\n\n"]
)
def test_garbage_is_refused(garbage: bytes) -> None:
    with says(200, garbage, "text/event-stream") as there, pytest.raises(HostUnreachable):
        list(there.steer(STEER))
