"""Sends a job's answer piece by piece, and lets go of the job as soon as the client is gone.

A client believes in a host that is not silent for long. So an answer that is long in coming begins before it is there:
with blank lines where it is JSON, with comments where it is a stream of events. What fails from then on is told in the
body, since the status has gone out.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from explorer.steering.protocol.refusal import ErrorBody, explained
from explorer.steering.protocol.steer import ErrorEvent, Event, event_to_sse

LOG = logging.getLogger("explorer.host")
Item = TypeVar("Item")

HEARTBEAT_SECONDS = 10.0
"""Silence after which something is sent that says nothing."""
SEND_SECONDS = 30.0
"""How long a client may leave a piece untaken before it counts as gone."""


class ClientGone(Exception):
    """Nobody waits for the answer any more; never leaves the server."""


@dataclass(frozen=True)
class Form(Generic[Item]):
    """How an answer is written."""

    media_type: str
    """What it is."""
    piece: Callable[[Item], str]
    """One item."""
    failure: Callable[[ErrorBody], str]
    """What ended it."""
    heartbeat: str
    """What says nothing."""
    single: bool = False
    """Whether the first item is all of it."""


def _event_failure(body: ErrorBody) -> str:
    return event_to_sse(ErrorEvent(code=body.code, message=body.words))


EVENTS: Form[Event] = Form("text/event-stream", event_to_sse, _event_failure, ": still here\n\n")
"""Server-sent events."""
REPLY: Form[BaseModel] = Form(
    "application/json", BaseModel.model_dump_json, BaseModel.model_dump_json, "\n", single=True
)
"""One JSON document, which blank lines may precede."""


class Coming(Generic[Item]):
    """A job's items as they come."""

    def __init__(self, items: AsyncGenerator[Item, None]) -> None:
        self._items = items
        self._next: asyncio.Future[Item | None] | None = None

    async def here(self) -> bool:
        """Wait for the next item, or the end, but not for long.

        Raises:
            Whatever the job raised.
        """
        self._next = self._next or asyncio.ensure_future(anext(self._items, None))
        done, _ = await asyncio.wait({self._next}, timeout=HEARTBEAT_SECONDS)
        if done:
            self._next.result()
        return bool(done)

    def take(self) -> Item | None:
        """The item that is here; None is the end."""
        assert self._next is not None
        item, self._next = self._next.result(), None
        return item

    async def close(self) -> None:
        """Let go of the job."""
        if self._next is not None:
            await _settle(self._next)
        await self._items.aclose()


class Pieces(Response, Generic[Item]):
    """An answer whose first piece need not be there when it begins; what is known to fail before that is an ordinary
    refusal."""

    def __init__(self, form: Form[Item], coming: Coming[Item]) -> None:
        super().__init__(media_type=form.media_type, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._form = form
        self._coming = coming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Serve one connection."""
        try:
            await or_gone(self._write(send), receive)
        except (ClientGone, TimeoutError, OSError):
            LOG.info("A client left in the middle of an answer")
        finally:
            await self._coming.close()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            while (item := await self._next(send)) is not None:
                await _send(send, self._form.piece(item))
                if self._form.single:
                    break
        except (OSError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever happens, the client is told
            await _send(send, self._form.failure(explained(error).body))
        await _send(send, "", more=False)

    async def _next(self, send: Send) -> Item | None:
        """The next item, however long it takes; None at the end."""
        while not await self._coming.here():
            await _send(send, self._form.heartbeat)
        return self._coming.take()


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


async def _send(send: Send, text: str, *, more: bool = True) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": more})
