"""Runs tasks on the one thread that holds the model, several at a time.

- At most ``running`` tasks run round-robin, each up to its next yield of None; ``queued`` more wait, and a further one
  is refused at once. Nothing runs on the model in parallel.
- Operations that tasks wait for (``Batched``) are collected, and run as one batch before the next round.
- The queue is fair between clients: fewest running first, then least recently served.
- Backpressure: a task whose reader is slow pauses; a task whose reader has left is closed.
"""

import asyncio
import logging
import math
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Generic

from explorer.steering.protocol.refusal import Refusal
from explorer.steering.scheduler.cooperative import Batched, Item, RunBatch, Task
from explorer.steering.scheduler.fair_queue import FairQueue

LOG = logging.getLogger("explorer.host")

_BUFFERED = 32
_RETRY_AT_LEAST = 1.0
_RETRY_SPREAD = 3.0


def _no_batches(_: Sequence[object]) -> Sequence[object]:
    raise NotImplementedError("this scheduler runs no batched operations")


class Job(Generic[Item]):
    """One submitted task: advanced by the model's thread, read by the event loop."""

    def __init__(
        self, scheduler: "Scheduler", create: Callable[[], Task[Item]], client: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.client = client
        self.awaiting: Batched[Any] | None = None
        """The operation that the task waits for."""
        self.unread = 0
        """Items that the reader has not taken yet."""
        self.cancelled = False
        self._scheduler = scheduler
        self._create = create
        self._task: Task[Item] | None = None
        self._outcome: object = None
        self._loop = loop
        self._items: asyncio.Queue[Item | BaseException | None] = asyncio.Queue()

    def resume(self) -> Item | Batched[Any] | None:
        """Run the task up to its next yield, with the outcome of the operation that it waited for. Model's thread."""
        outcome, self._outcome = self._outcome, None
        if self._task is None:
            self._task = self._create()
        return self._task.throw(outcome) if isinstance(outcome, Exception) else self._task.send(outcome)

    def set_outcome(self, outcome: object) -> None:
        """Store the outcome of the operation that the task waits for."""
        self._outcome, self.awaiting = outcome, None

    def close(self) -> None:
        """Close the task, wherever it stands. Model's thread."""
        try:
            if self._task is not None:
                self._task.close()
        except Exception:
            LOG.exception("A request failed while it was stopped")

    def deliver(self, item: Item | BaseException | None) -> None:
        """Pass an item to the event loop; None is the end, an exception a failure. Model's thread."""
        try:
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)
        except RuntimeError:  # the loop has ended, and its readers with it
            self.cancelled = True

    async def items(self) -> AsyncGenerator[Item, None]:
        """The task's items; closing the iterator cancels the job.

        Raises:
            Whatever the task raised.
        """
        try:
            while True:
                item = await self._items.get()
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                self._scheduler.item_read(self)
                yield item
        finally:
            self._scheduler.cancel(self)


class Scheduler:
    """The model's thread and its jobs."""

    def __init__(
        self,
        *,
        running: int,
        queued: int,
        run_batch: RunBatch[Any, object] = _no_batches,
        buffered: int = _BUFFERED,
        on_fault: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Starts the thread.

        Args:
            running: jobs that run round-robin.
            queued: jobs that may wait.
            run_batch: runs the operations that jobs wait for.
            buffered: items that a reader may leave unread before its job pauses.
            on_fault: called on the thread with whatever a job raised, after its reader has got it.
        """
        self.changed = threading.Condition()
        """Guards `active` and `queue`, and is notified of every change."""
        self.queue: FairQueue[Job[Any]] = FairQueue()
        self.active: list[Job[Any]] = []
        self.busy_seconds = 0.0
        """Time that the thread has spent on jobs, in seconds; written by the thread alone."""
        self._run_batch = run_batch
        self._on_fault = on_fault
        self._max_running = running
        self._max_jobs = running + queued
        self._buffered = buffered
        self._closed = False
        self._jitter = random.Random()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """Number of jobs that run."""
        with self.changed:
            return len(self.active)

    @property
    def waiting(self) -> int:
        """Number of jobs that wait."""
        with self.changed:
            return len(self.queue)

    def submit(self, create: Callable[[], Task[Item]], client: str = "") -> Job[Item]:
        """Queue a job.

        Args:
            create: creates the task; called on the model's thread, as the task itself is.
            client: places and service are shared fairly between clients.

        Raises:
            Refusal: every place is taken, or the scheduler is closed.
        """
        job = Job(self, create, client, asyncio.get_running_loop())
        with self.changed:
            if self._closed:
                raise Refusal(503, "stopped", "the host is stopping")
            if len(self.active) + len(self.queue) >= self._max_jobs:
                self._make_room(client)
            self.queue.append(job)
            self.changed.notify_all()
        return job

    def item_read(self, job: Job[Item]) -> None:
        """Note that a reader took an item."""
        with self.changed:
            job.unread -= 1
            self.changed.notify_all()

    def cancel(self, job: Job[Item]) -> None:
        """End a job, wherever it stands; a running one is closed before its next item."""
        with self.changed:
            job.cancelled = True
            self.queue.discard(job)
            self.changed.notify_all()

    def close(self) -> None:
        """Fail every job, and end the thread once its current step is done."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        self._thread.join()

    def _make_room(self, client: str) -> None:
        """Refuse the client, or in its place a waiting job of a client that holds at least two places more."""
        held = Counter(job.client for job in (*self.active, *self.queue))
        wait = math.ceil(_RETRY_AT_LEAST + self._jitter.random() * _RETRY_SPREAD)
        message = f"{self._max_running} requests run and {len(self.queue)} wait; try again in {wait} s"
        refusal = Refusal(429, "busy", message, retry_after=float(wait))
        displaced = self.queue.displaceable(client, held)
        if displaced is None:
            raise refusal
        self.queue.discard(displaced)
        displaced.deliver(refusal)

    def _run(self) -> None:
        while (jobs := self._next_round()) is not None:
            begun = time.perf_counter()
            self._run_operations([job for job in jobs if job.awaiting and not job.cancelled])
            for job in jobs:
                unfinished = self._advance(job)
                now = time.perf_counter()
                self.busy_seconds, begun = self.busy_seconds + now - begun, now
                if not unfinished:
                    with self.changed:
                        self.active.remove(job)
                        self.changed.notify_all()
        for job in (*self.active, *self.queue):
            job.close()
            job.deliver(Refusal(503, "stopped", "the host is stopping"))

    def _next_round(self) -> list[Job[Any]] | None:
        """Wait until a job can run; the jobs of the next round, None once the scheduler is closed."""
        with self.changed:
            self.changed.wait_for(lambda: self._closed or self._ready())
            if self._closed:
                return None
            while self.queue and len(self.active) < self._max_running:
                self.active.append(self.queue.pop(Counter(job.client for job in self.active)))
                self.changed.notify_all()
            return [job for job in self.active if self._can_run(job)]

    def _ready(self) -> bool:
        free = len(self.active) < self._max_running
        return bool(self.queue and free) or any(map(self._can_run, self.active))

    def _can_run(self, job: Job[Any]) -> bool:
        return job.cancelled or job.unread < self._buffered

    def _run_operations(self, jobs: Sequence[Job[Any]]) -> None:
        """Run as one batch what jobs wait for."""
        if not jobs:
            return
        try:
            outcomes = self._run_batch([job.awaiting.operation for job in jobs if job.awaiting])
        except Exception as error:  # noqa: BLE001 - every job of the batch fails with it
            outcomes = [error] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.set_outcome(outcome)

    def _advance(self, job: Job[Any]) -> bool:
        """Run a job up to the end of its round; False where it is over."""
        try:
            while not job.cancelled and job.unread < self._buffered:
                item = job.resume()
                if item is None:
                    return True
                if isinstance(item, Batched):
                    job.awaiting = item
                    return True
                self._deliver(job, item)
        except StopIteration as done:
            if done.value is not None:
                self._deliver(job, done.value)
            job.deliver(None)
            return False
        except Exception as error:  # noqa: BLE001 - the job's reader gets it, and no other job is affected
            job.deliver(error)
            self._on_fault(error)
            return False
        if job.cancelled:
            job.close()
        return not job.cancelled

    def _deliver(self, job: Job[Any], item: object) -> None:
        with self.changed:
            job.unread += 1
        job.deliver(item)
