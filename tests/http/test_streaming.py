"""Streamed responses: bounded sends, heartbeats, cleanup before the response returns, nothing left running."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message

from explorer.http.streaming import (
    SSE,
    SSE_HEARTBEAT,
    ClientGone,
    Prefetched,
    StreamedResponse,
    StreamFormat,
    StreamLimits,
    unless_gone,
)

TEXT: StreamFormat[str] = StreamFormat(SSE, str, SSE_HEARTBEAT)
REPORTED: StreamFormat[str] = StreamFormat(SSE, str, SSE_HEARTBEAT, lambda error: f"failed: {error}")
SINGLE: StreamFormat[str] = StreamFormat("application/json", str, "\n", single=True)
QUICK = StreamLimits(send_seconds=0.05)


class Client:
    """One ASGI connection: collects what it gets, may stall at a message, and may leave."""

    def __init__(self, stalls_at: Callable[[Message], bool] = lambda _: False) -> None:
        self.messages: list[Message] = []
        self.left = asyncio.Event()
        self._stalls_at = stalls_at

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._stalls_at(message):
            await asyncio.Event().wait()
        self.messages.append(message)

    @property
    def body(self) -> str:
        return b"".join(message.get("body", b"") for message in self.messages).decode()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(5):
            await work()
        assert len(asyncio.all_tasks()) == 1, "no task outlives its response"

    asyncio.run(bounded())


async def respond(response: StreamedResponse[Any], client: Client) -> None:
    await response({"type": "http"}, client.receive, client.send)


async def numbers(count: int) -> AsyncGenerator[str, None]:
    for number in range(count):
        yield f"{number} "


@pytest.mark.parametrize(
    "stalls_at",
    [
        lambda message: message["type"] == "http.response.start",
        lambda message: message.get("body") == b"1 ",
        lambda message: message.get("more_body") is False,
    ],
)
def test_a_client_that_stalls_at_any_message_is_dropped(stalls_at: Callable[[Message], bool]) -> None:
    async def work() -> None:
        await respond(StreamedResponse(TEXT, Prefetched(numbers(3)), QUICK), Client(stalls_at))

    run(work)


def test_the_source_is_closed_and_cleaned_up_before_the_response_returns() -> None:
    async def work() -> None:
        client, cleaned = Client(), []

        async def endless() -> AsyncGenerator[str, None]:
            try:
                while True:
                    await asyncio.sleep(0)
                    yield "x"
            finally:
                await asyncio.sleep(0.01)
                cleaned.append(True)

        task = asyncio.create_task(respond(StreamedResponse(TEXT, Prefetched(endless())), client))
        while len(client.messages) < 5:
            await asyncio.sleep(0)
        client.left.set()
        await task
        assert cleaned
        seen = len(client.messages)
        await asyncio.sleep(0.01)
        assert len(client.messages) == seen, "nothing is sent after the client has left"

    run(work)


def test_silence_is_filled_with_heartbeats() -> None:
    async def work() -> None:
        client, gate = Client(), asyncio.Event()

        async def late() -> AsyncGenerator[str, None]:
            await gate.wait()
            yield "late"

        limits = StreamLimits(heartbeat_seconds=0.01)
        task = asyncio.create_task(respond(StreamedResponse(TEXT, Prefetched(late()), limits), client))
        while client.body.count(SSE_HEARTBEAT) < 3:
            await asyncio.sleep(0.01)
        gate.set()
        await task
        assert client.body.removeprefix(SSE_HEARTBEAT * client.body.count(SSE_HEARTBEAT)) == "late"

    run(work)


@pytest.mark.parametrize("error", [ValueError("bug"), TimeoutError("slow"), OSError("disk")])
def test_an_error_of_the_source_is_reported_and_not_taken_for_a_lost_client(error: Exception) -> None:
    async def failing() -> AsyncGenerator[str, None]:
        yield "one "
        raise error

    async def work() -> None:
        client = Client()
        await respond(StreamedResponse(REPORTED, Prefetched(failing())), client)
        assert client.body == f"one failed: {error}"
        assert client.messages[-1]["more_body"] is False
        with pytest.raises(type(error)):
            await respond(StreamedResponse(TEXT, Prefetched(failing())), Client())

    run(work)


def test_a_single_item_is_the_whole_body_and_the_rest_is_not_computed() -> None:
    async def work() -> None:
        client, source = Client(), numbers(3)
        await respond(StreamedResponse(SINGLE, Prefetched(source)), client)
        assert client.body == "0 "
        assert await anext(source, None) is None, "the source is closed"

    run(work)


def test_work_is_cancelled_when_the_client_leaves() -> None:
    async def work() -> None:
        client, cancelled = Client(), []

        async def slow() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(True)

        client.left.set()
        with pytest.raises(ClientGone):
            await unless_gone(slow(), client.receive)
        assert cancelled

    run(work)
