"""Sends a job's events to a client as server-sent events, and lets go of the job as soon as the client is gone."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from explorer.errors import HookNotFired
from explorer.steering.protocol import DoneEvent, ErrorEvent, RowDoneEvent, StartEvent, TokenEvent, event_to_sse
from explorer.steering.refusal import Refusal

LOG = logging.getLogger("explorer.host")
Event = StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent
Item = TypeVar("Item")

HEARTBEAT_SECONDS = 10.0
"""Silence after which a comment keeps the connection open."""
SEND_SECONDS = 30.0
"""How long a client may leave a piece untaken before it counts as gone."""
_HEARTBEAT = b": still here\n\n"


class ClientGone(Exception):
    """Nobody waits for the answer any more; never leaves the server."""


class EventStream(Response):
    """The first event is at hand when the answer begins: what fails before it is an ordinary refusal."""

    media_type = "text/event-stream"

    def __init__(self, first: Event, further: AsyncGenerator[Event, None]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._further = further

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Serve one connection."""
        try:
            await or_gone(self._write(send), receive)
        except (ClientGone, TimeoutError, OSError):
            LOG.info("A client left in the middle of a stream")
        finally:
            await self._further.aclose()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _send(send, event_to_sse(self._first).encode())
        try:
            while True:
                event = await self._next(send)
                if event is None:
                    break
                await _send(send, event_to_sse(event).encode())
        except (OSError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever happens, the client is told
            await _send(send, event_to_sse(error_event(error)).encode())
        await _send(send, b"", more=False)

    async def _next(self, send: Send) -> Event | None:
        """The next event, however long it takes; None at the end."""
        coming = asyncio.ensure_future(anext(self._further, None))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT_SECONDS)
                if done:
                    return coming.result()
                await _send(send, _HEARTBEAT)
        finally:
            await _settle(coming)


def error_event(error: Exception) -> ErrorEvent:
    """The last event of a stream that fails."""
    if isinstance(error, Refusal):
        return ErrorEvent(code=error.body.code, message=error.body.message)
    if isinstance(error, HookNotFired):
        return ErrorEvent(code="hook_not_fired", message=str(error))
    LOG.error("A stream failed", exc_info=error)
    return ErrorEvent(code="internal", message="the host failed on this request; its log says more")


async def or_gone(work: Awaitable[Item], receive: Receive) -> Item:
    """Wait for work, or until the client is gone.

    Raises:
        ClientGone: the client went first; the work is cancelled.
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
    """Cancel a task that is not done and wait until it is."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": body, "more_body": more})
