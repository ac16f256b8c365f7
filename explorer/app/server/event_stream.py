"""Server-sent events as an ASGI answer: bounded, with heartbeats, and gone at once when the reader is."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EventSource = Callable[[], AsyncGenerator[str, None]]
"""Starts the events of one stream, each a whole piece of server-sent-event text."""

HEARTBEAT = ": still here\n\n"
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would collect the tokens and send them at once
}


@dataclass(frozen=True)
class StreamLimits:
    """Bounds of one stream."""

    heartbeat_seconds: float = 10.0
    """Silence after which a comment keeps the connection open."""
    send_seconds: float = 30.0
    """How long a reader may leave a piece untaken before the stream is dropped."""
    buffered: int = 64
    """Pieces that wait for a slow reader; the source then waits too."""


class EventStream(Response):
    """Streams events until they end or the reader leaves; then the source is closed before the answer returns.

    One task reads the source into a bounded queue and one writes the queue out, so a slow reader slows the source
    down instead of filling the memory. ``source`` runs and is closed in one task.
    """

    media_type = "text/event-stream"

    def __init__(self, source: EventSource, limits: StreamLimits | None = None) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._source = source
        self._limits = limits or StreamLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Serve one connection."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(self._limits.buffered)
        reader = asyncio.create_task(self._read(queue))
        tasks = [reader, asyncio.create_task(self._write(queue, send)), asyncio.create_task(_gone(receive))]
        try:
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, (OSError, TimeoutError)):
                raise result

    async def _read(self, queue: asyncio.Queue[str | None]) -> None:
        try:
            async with aclosing(self._source()) as events:
                async for event in events:
                    await queue.put(event)
        except Exception:
            await queue.put(None)
            raise
        await queue.put(None)

    async def _write(self, queue: asyncio.Queue[str | None], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        while True:
            try:
                async with asyncio.timeout(self._limits.heartbeat_seconds):
                    text = await queue.get()
            except TimeoutError:
                text = HEARTBEAT
            body = (text or "").encode()
            async with asyncio.timeout(self._limits.send_seconds):
                await send({"type": "http.response.body", "body": body, "more_body": text is not None})
            if text is None:
                return


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
