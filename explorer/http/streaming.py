"""Responses that start before they are complete: server-sent events, and JSON that takes long to compute.

Both are kept alive by heartbeats: comments between events, blank lines before JSON. One mechanism serves both, which is
why it is not ``sse-starlette``; that library also loses three of the promises below
(docs/decisions/2026-12-01-libraries.md):

* every send is bounded in time, the first and the last one too, so a stalled client never holds a job;
* the source is closed before the response returns, and its cleanup may await;
* no task, signal handler or process-wide state outlives the response.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LOG = logging.getLogger("explorer.http")
Item = TypeVar("Item")
SSE = "text/event-stream"
SSE_HEARTBEAT = ": still here\n\n"
_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would collect the events and send them at once
}


class ClientGone(Exception):
    """The client closed the connection or stopped reading; never leaves the server."""


@dataclass(frozen=True)
class StreamLimits:
    """Timing of one response."""

    heartbeat_seconds: float = 10.0
    """Silence after which a heartbeat is sent."""
    send_seconds: float = 30.0
    """Time that a client may take to accept a chunk before it counts as gone."""


@dataclass(frozen=True)
class StreamFormat(Generic[Item]):
    """How items become the body of a response."""

    media_type: str
    encode: Callable[[Item], str]
    heartbeat: str
    """Text that clients of this media type skip."""
    failure: Callable[[Exception], str] | None = None
    """Encodes what ended the source, since the status has been sent; None raises it to the server."""
    single: bool = False
    """Whether the first item is the whole body."""


class Prefetched(Generic[Item]):
    """The items of an async generator, whose next one can be awaited for a while without losing it."""

    def __init__(self, items: AsyncGenerator[Item, None]) -> None:
        self._items = items
        self._next: asyncio.Future[Item | None] | None = None

    async def ready(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the next item or the end; raises what the generator raised."""
        self._next = self._next or asyncio.ensure_future(anext(self._items, None))
        done, _ = await asyncio.wait({self._next}, timeout=seconds)
        if done:
            self._next.result()
        return bool(done)

    def take(self) -> Item | None:
        """The item that ``ready`` found; None at the end."""
        assert self._next is not None
        item, self._next = self._next.result(), None
        return item

    async def close(self) -> None:
        """Cancel a pending item and close the generator."""
        if self._next is not None:
            await _settle(self._next)
        await self._items.aclose()


class StreamedResponse(Response, Generic[Item]):
    """Sends items as they arrive; the source is pulled one item at a time, so a slow client slows it down."""

    def __init__(self, format: StreamFormat[Item], items: Prefetched[Item], limits: StreamLimits | None = None) -> None:
        super().__init__(media_type=format.media_type, headers=_HEADERS)
        del self.headers["content-length"]
        self._format = format
        self._items = items
        self._limits = limits or StreamLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Serve one connection."""
        try:
            await unless_gone(self._respond(send), receive)
        except ClientGone:
            LOG.info("A client left before its response was complete")
        finally:
            await self._items.close()

    async def _respond(self, send: Send) -> None:
        await self._send(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            while (item := await self._next(send)) is not None:
                await self._body(send, self._format.encode(item))
                if self._format.single:
                    break
        except ClientGone:
            raise
        except Exception as error:
            if self._format.failure is None:
                raise
            await self._body(send, self._format.failure(error))
        await self._body(send, "", more=False)

    async def _next(self, send: Send) -> Item | None:
        while not await self._items.ready(self._limits.heartbeat_seconds):
            await self._body(send, self._format.heartbeat)
        return self._items.take()

    async def _body(self, send: Send, text: str, *, more: bool = True) -> None:
        await self._send(send, {"type": "http.response.body", "body": text.encode(), "more_body": more})

    async def _send(self, send: Send, message: dict[str, object]) -> None:
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await send(message)
        except (OSError, TimeoutError) as error:
            raise ClientGone from error


async def unless_gone(work: Awaitable[Item], receive: Receive) -> Item:
    """Await ``work`` for as long as the client is connected.

    Raises:
        ClientGone: the client disconnected first; ``work`` has been cancelled and awaited.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        await _settle(leaving)
        await _settle(working)


async def _settle(task: "asyncio.Future[Item]") -> None:
    """Cancel a task that is still running, and wait for it."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # retrieved, so that asyncio does not log it


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
