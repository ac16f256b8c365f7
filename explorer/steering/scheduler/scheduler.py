"""Runs requests on the one thread that holds the model, a few at a time and in turn.

A job is a generator; what it yields is told to its reader. Running jobs take turns, so long texts and short questions
share the model fairly, and nothing runs beside the model. A turn ends with None, or where the job waits for something
that is done for several at once (``Wanted``): before the next round that is done for all who wait for it, and each goes
on with what came of it. At most ``running`` jobs run and ``queued`` wait; a further one is refused at once. Whoever
waits longest for a turn and runs least goes first, whatever the others have asked for; where every place is taken, a
client that holds fewer of them gets the newest waiting one of the client that holds most. A job whose reader is slow
waits for it; one whose reader has gone is closed.
"""

import asyncio
import logging
import math
import random
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from explorer.steering.protocol.refusal import Refusal
from explorer.steering.scheduler.batching import DoTogether, Wanted

LOG = logging.getLogger("explorer.host")
Item = TypeVar("Item")
Work: TypeAlias = Generator[Item | Wanted[Any] | None, Any, Item | None]
"""Yields what is told, None at the end of a turn, or what it waits for; what it returns is told last."""

_BUFFERED = 32
_RETRY_AT_LEAST = 1.0
_RETRY_SPREAD = 3.0
_MOST_CLIENTS = 4096


def _nothing(_: Sequence[object]) -> Sequence[object]:
    raise NotImplementedError("this worker does nothing for several at once")


class Job(Generic[Item]):
    """One request on the worker, seen from the event loop."""

    def __init__(
        self, worker: "Worker", make: Callable[[], Work[Item]], client: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._worker = worker
        self.client = client
        self._loop = loop
        self._arrived: asyncio.Queue[Item | BaseException | None] = asyncio.Queue()
        self._make = make
        self._work: Work[Item] | None = None
        self._came: object = None
        self.wanted: Wanted[Any] | None = None
        """What it waits for, where that is done for several at once."""
        self.unread = 0
        self.cancelled = False

    def go_on(self) -> Item | Wanted[Any] | None:
        """What the work yields next, with what came of what it waited for. Called by the worker's thread."""
        came, self._came = self._came, None
        if self._work is None:
            self._work = self._make()
        return self._work.throw(came) if isinstance(came, Exception) else self._work.send(came)

    def get(self, came: object) -> None:
        """Give it what came of what it waits for."""
        self._came, self.wanted = came, None

    def let_go(self) -> None:
        """Close the work, wherever it stands."""
        try:
            if self._work is not None:
                self._work.close()
        except Exception:
            LOG.exception("A request failed while it was stopped")

    async def items(self) -> AsyncGenerator[Item, None]:
        """The job's items as they come; leaving early cancels the job.

        Raises:
            Whatever the job raised.
        """
        try:
            while True:
                item = await self._arrived.get()
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                self._worker.taken(self)
                yield item
        finally:
            self._worker.cancel(self)

    def deliver(self, item: Item | BaseException | None) -> None:
        """Hand an item to the event loop; None ends, an exception fails. Called by the worker's thread."""
        try:
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, item)
        except RuntimeError:  # the loop has ended, and its readers with it
            self.cancelled = True


class Worker:
    """The model's thread."""

    def __init__(
        self,
        *,
        running: int,
        queued: int,
        do: DoTogether[Any, object] = _nothing,
        buffered: int = _BUFFERED,
        on_fault: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Starts the thread.

        Args:
            running: jobs that take turns.
            queued: jobs that may wait.
            do: does what running jobs want, for all of them at once.
            buffered: items that a reader may leave unread before its job waits.
            on_fault: told on the thread of whatever a job raised, after its reader.
        """
        self._do = do
        self._on_fault = on_fault
        self._last_turn: dict[str, int] = {}
        self._most_running = running
        self._most = running + queued
        self._buffered = buffered
        self.changed = threading.Condition()
        """Guards `active` and `queue`, and tells of every change."""
        self.queue: deque[Job[object]] = deque()
        self.active: list[Job[object]] = []
        self.busy_seconds = 0.0
        """Time that the thread has spent on jobs, in seconds; only the thread adds to it."""
        self._closed = False
        self._jitter = random.Random()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """Jobs that take turns now."""
        with self.changed:
            return len(self.active)

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        with self.changed:
            return len(self.queue)

    def submit(self, make: Callable[[], Work[Item]], client: str = "") -> Job[Item]:
        """Take a job; ``make`` and its generator run on the model's thread.

        Args:
            make: makes the job's work.
            client: who asks; the places and turns are shared fairly between clients.

        Raises:
            Refusal: as many jobs run and wait as may.
        """
        job = Job(self, make, client, asyncio.get_running_loop())
        with self.changed:
            if self._closed:
                raise Refusal(503, "stopped", "the host is stopping")
            if len(self.active) + len(self.queue) >= self._most:
                self._make_room(client)
            self.queue.append(job)  # type: ignore[arg-type]
            self.changed.notify_all()
        return job

    def _make_room(self, client: str) -> None:
        """Refuse a client, or in its place the newest waiting job of one that holds two places more."""
        held = Counter(job.client for job in (*self.active, *self.queue))
        wait = math.ceil(_RETRY_AT_LEAST + self._jitter.random() * _RETRY_SPREAD)
        message = f"{self._most_running} requests run and {len(self.queue)} wait; try again in {wait} s"
        refusal = Refusal(429, "busy", message, retry_after=float(wait))
        greedy = max(self.queue, key=lambda job: held[job.client], default=None)
        if greedy is None or held[greedy.client] <= held[client] + 1:
            raise refusal
        newest = next(job for job in reversed(self.queue) if job.client == greedy.client)
        self.queue.remove(newest)
        newest.deliver(refusal)

    def _next(self) -> Job[object]:
        """Take the waiting job of the client that runs least, and among those had its last turn longest ago."""
        runs = Counter(job.client for job in self.active)
        job = min(self.queue, key=lambda job: (runs[job.client], self._last_turn.get(job.client, -1)))
        self.queue.remove(job)
        turn = max(self._last_turn.values(), default=0) + 1
        self._last_turn.pop(job.client, None)
        self._last_turn[job.client] = turn
        if len(self._last_turn) > _MOST_CLIENTS:
            self._last_turn.pop(next(iter(self._last_turn)))
        return job

    def taken(self, job: Job[Item]) -> None:
        """Note that a reader took an item."""
        with self.changed:
            job.unread -= 1
            self.changed.notify_all()

    def cancel(self, job: Job[Item]) -> None:
        """End a job, wherever it stands; a running one is closed before its next item."""
        with self.changed:
            job.cancelled = True
            if job in self.queue:
                self.queue.remove(job)  # type: ignore[arg-type]
            self.changed.notify_all()

    def close(self) -> None:
        """Fail every job, and end the thread once its current item is done."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._closed or self._ready())
                if self._closed:
                    break
                while self.queue and len(self.active) < self._most_running:
                    self.active.append(self._next())
                    self.changed.notify_all()
                turn = [job for job in self.active if self._can_go(job)]
            begun = time.perf_counter()
            self._do_together([job for job in turn if job.wanted and not job.cancelled])
            for job in turn:
                goes_on = self._advance(job)
                now = time.perf_counter()
                self.busy_seconds, begun = self.busy_seconds + now - begun, now
                if not goes_on:
                    with self.changed:
                        self.active.remove(job)
                        self.changed.notify_all()
        for job in (*self.active, *self.queue):
            job.let_go()
            job.deliver(Refusal(503, "stopped", "the host is stopping"))

    def _ready(self) -> bool:
        free = len(self.active) < self._most_running
        return bool(self.queue and free) or any(map(self._can_go, self.active))

    def _can_go(self, job: Job[object]) -> bool:
        return job.cancelled or job.unread < self._buffered

    def _do_together(self, jobs: Sequence[Job[object]]) -> None:
        """Do what jobs wait for, at once."""
        if not jobs:
            return
        try:
            came = self._do([job.wanted.asked for job in jobs if job.wanted])
        except Exception as error:  # noqa: BLE001 - told to each of them
            came = [error] * len(jobs)
        for job, what in zip(jobs, came, strict=True):
            job.get(what)

    def _advance(self, job: Job[object]) -> bool:
        """Go on with a job to the end of its turn; False where it is over."""
        try:
            while not job.cancelled and job.unread < self._buffered:
                told = job.go_on()
                if told is None:
                    return True
                if isinstance(told, Wanted):
                    job.wanted = told
                    return True
                with self.changed:
                    job.unread += 1
                job.deliver(told)
        except StopIteration as done:
            if done.value is not None:
                with self.changed:
                    job.unread += 1
                job.deliver(done.value)
            job.deliver(None)
            return False
        except Exception as error:  # noqa: BLE001 - the request's reader is told, and no other request is touched
            job.deliver(error)
            self._on_fault(error)
            return False
        if job.cancelled:
            job.let_go()
        return not job.cancelled
