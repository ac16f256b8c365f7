"""The scheduler: rounds, places, fairness, batching and cancellation."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from explorer.steering.protocol.refusal import Refusal
from explorer.steering.scheduler.cooperative import Batched, Item, RunBatch, Task
from explorer.steering.scheduler.scheduler import Job, Scheduler

WAIT = 30.0


def rounds(*items: Item | None) -> Task[Item]:
    """Yields one item a round."""
    for one in items:
        yield one
        yield None


@asynccontextmanager
async def working(
    running: int = 2, queued: int = 2, buffered: int = 4, run_batch: RunBatch[str, object] | None = None
) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(
        running=running,
        queued=queued,
        buffered=buffered,
        run_batch=run_batch or (lambda operations: [None] * len(operations)),
    )
    try:
        async with asyncio.timeout(WAIT):
            yield scheduler
    finally:
        await asyncio.to_thread(scheduler.close)


async def gauges(scheduler: Scheduler, running: int, waiting: int) -> None:
    def stand() -> bool:
        with scheduler.changed:
            return scheduler.changed.wait_for(
                lambda: (len(scheduler.active), len(scheduler.queue)) == (running, waiting), WAIT
            )

    assert await asyncio.to_thread(stand)


def test_jobs_run_round_robin() -> None:
    order: list[str] = []
    gate = threading.Event()

    def job(name: str) -> Task[int]:
        assert gate.wait(WAIT)
        for number in range(3):
            order.append(name)
            yield number
            yield None

    async def run() -> None:
        async with working() as scheduler:
            jobs = [scheduler.submit(lambda name=name: job(name)) for name in "abc"]
            gate.set()
            assert [[item async for item in each.items()] for each in jobs] == [[0, 1, 2]] * 3
            await gauges(scheduler, 0, 0)

    asyncio.run(run())
    assert sorted(order[:2]) != ["c", "c"]
    assert order.index("b") < 5
    assert order.index("c") > order.index("b")
    assert sorted(order) == list("aaabbbccc")


def test_a_round_without_an_item_yields_to_others() -> None:
    """A job of many such rounds neither waits for its reader nor delays others, and can be cancelled in the middle."""
    taken = Counter[str]()

    def long() -> Task[str]:
        while True:
            taken["long"] += 1
            yield None

    async def run() -> None:
        async with working(buffered=1) as scheduler:
            endless = scheduler.submit(long)
            while not taken["long"]:
                await asyncio.sleep(0)
            short = scheduler.submit(lambda: rounds(None, "told", None))
            assert [item async for item in short.items()] == ["told"]
            before = taken["long"]
            while taken["long"] < before + 100:
                await asyncio.sleep(0)
            scheduler.cancel(endless)
            await gauges(scheduler, 0, 0)

    asyncio.run(run())


def test_a_job_that_starts_is_notified() -> None:
    gate = threading.Event()

    def job() -> Task[int]:
        assert gate.wait(WAIT)
        yield 0

    async def run() -> None:
        async with working() as scheduler:
            with scheduler.changed:
                scheduler.submit(job)
                while not scheduler.active:
                    assert scheduler.changed.wait(WAIT)
            gate.set()
            await gauges(scheduler, 0, 0)

    asyncio.run(run())


def test_a_job_without_a_place_is_refused_and_a_freed_place_is_reused() -> None:
    gate = threading.Event()

    def blocked() -> Task[int]:
        assert gate.wait(WAIT)
        yield 1

    async def run() -> None:
        async with working() as scheduler:
            jobs = [scheduler.submit(blocked) for _ in range(4)]
            with pytest.raises(Refusal) as refusal:
                scheduler.submit(blocked)
            assert refusal.value.status == 429
            assert refusal.value.retry_after is not None
            scheduler.cancel(jobs[-1])
            jobs[-1] = scheduler.submit(blocked)
            gate.set()
            assert [[item async for item in each.items()] for each in jobs] == [[1]] * 4
            await gauges(scheduler, 0, 0)

    asyncio.run(run())


def test_a_reader_that_leaves_closes_its_job() -> None:
    closed = threading.Event()

    def endless() -> Task[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async def run() -> None:
        async with working() as scheduler:
            items = scheduler.submit(endless).items()
            assert await anext(items) == 1
            await items.aclose()
            assert await asyncio.to_thread(closed.wait, WAIT)
            await gauges(scheduler, 0, 0)

    asyncio.run(run())


def test_a_slow_reader_pauses_its_own_job_only() -> None:
    made = []

    def counting() -> Task[int]:
        for number in range(1000):
            made.append(number)
            yield number

    async def run() -> None:
        async with working(buffered=4) as scheduler:
            slow = scheduler.submit(counting)
            quick = scheduler.submit(lambda: rounds(*range(50)))
            assert [item async for item in quick.items()] == list(range(50))
            assert len(made) <= 4
            assert [item async for item in slow.items()] == list(range(1000))

    asyncio.run(run())


def test_a_fault_reaches_its_own_reader_only() -> None:
    def faulty() -> Task[int]:
        yield 1
        raise ValueError("mine")

    async def run() -> None:
        async with working() as scheduler:
            broken, sound = scheduler.submit(faulty), scheduler.submit(lambda: rounds(7))
            with pytest.raises(ValueError, match="mine"):
                assert [item async for item in broken.items()] == []
            assert [item async for item in sound.items()] == [7]
            await gauges(scheduler, 0, 0)

    asyncio.run(run())


def test_closing_fails_waiting_jobs() -> None:
    async def run() -> None:
        scheduler = Scheduler(running=1, queued=1, buffered=1)
        items = scheduler.submit(lambda: rounds(*range(100))).items()
        assert await anext(items) == 0
        await asyncio.to_thread(scheduler.close)
        with pytest.raises(Refusal, match="stopping"):
            assert not [item async for item in items]
        with pytest.raises(Refusal, match="stopping"):
            scheduler.submit(lambda: rounds(1))

    asyncio.run(run())


def jain(served: list[int]) -> float:
    """Jain's fairness index: 1 where all get the same, 1 / n where one gets everything."""
    return sum(served) ** 2 / (len(served) * sum(one**2 for one in served))


@pytest.mark.parametrize("running", [1, 2, 4])
def test_a_flooding_client_gets_no_more_than_its_share(running: int) -> None:
    """One client submits forty jobs, then four others submit four each: service is shared equally."""
    gate = threading.Event()
    begun: list[str] = []

    def job(name: str) -> Task[int]:
        assert gate.wait(WAIT)
        begun.append(name)
        yield from rounds(*range(3))

    async def run() -> None:
        async with working(running=running, queued=60) as scheduler:
            names = ["flooder"] * 40 + ["a", "b", "c", "d"] * 4
            jobs = [scheduler.submit(lambda name=name: job(name), name) for name in names]
            gate.set()
            await asyncio.gather(*(_all(one) for one in jobs))
            await gauges(scheduler, 0, 0)

    asyncio.run(run())
    shared = Counter(begun[begun.index("a") :][:20])  # those before it were alone when they began
    assert jain([shared[name] for name in (*"abcd", "flooder")]) >= 0.95
    assert Counter(begun)["flooder"] == 40


async def _all(job: Job[int]) -> list[int]:
    return [item async for item in job.items()]


def test_a_client_without_a_place_displaces_one_that_holds_them_all() -> None:
    gate = threading.Event()

    def blocked() -> Task[int]:
        assert gate.wait(WAIT)
        yield 1

    async def run() -> None:
        async with working(running=2, queued=2) as scheduler:
            jobs = [scheduler.submit(blocked, "flooder") for _ in range(4)]
            other = scheduler.submit(blocked, "other")
            with pytest.raises(Refusal) as refusal:
                await anext(jobs[-1].items())
            assert refusal.value.status == 429
            with pytest.raises(Refusal):
                scheduler.submit(blocked, "flooder")
            gate.set()
            assert [[item async for item in job.items()] for job in (*jobs[:3], other)] == [[1]] * 4
            await gauges(scheduler, 0, 0)

    asyncio.run(run())


def test_a_fault_is_reported_after_its_reader_has_it() -> None:
    received: list[Exception] = []

    def faulty() -> Task[int]:
        yield 1
        raise ValueError("mine")

    async def run() -> None:
        scheduler = Scheduler(running=1, queued=1, on_fault=received.append)
        with pytest.raises(ValueError, match="mine"):
            assert [item async for item in scheduler.submit(faulty).items()] == []
        await asyncio.to_thread(scheduler.close)

    asyncio.run(run())
    assert [str(error) for error in received] == ["mine"]


def operating(name: str, steps: int, gate: threading.Event) -> Task[str]:
    """Waits for an operation ``steps`` times and yields the outcomes; its first round waits for the gate."""
    assert gate.wait(WAIT)
    for _ in range(steps):
        yield (yield Batched(name))
        yield name


def test_operations_run_as_one_batch_and_each_job_gets_its_outcome() -> None:
    done: list[tuple[str, ...]] = []
    gate = threading.Event()

    def run_batch(operations: Sequence[str]) -> Sequence[object]:
        done.append(tuple(operations))
        return [name.upper() for name in operations]

    async def run() -> None:
        async with working(running=3, run_batch=run_batch) as scheduler:
            jobs = [
                scheduler.submit(lambda name=name, n=n: operating(name, n, gate)) for name, n in (("a", 3), ("b", 1))
            ]
            plain = scheduler.submit(lambda: rounds(1, 2, 3))
            await gauges(scheduler, 3, 0)
            gate.set()
            received = [[item async for item in job.items()] for job in jobs]
            assert received == [["A", "a"] * 3, ["B", "b"]]
            assert [item async for item in plain.items()] == [1, 2, 3]
            await gauges(scheduler, 0, 0)

    asyncio.run(run())
    assert sorted(map(len, done)) == [1, 1, 2], "a job that starts later or ends earlier delays no other"


def test_a_failed_operation_affects_its_job_only() -> None:
    gate = threading.Event()

    def run_batch(operations: Sequence[str]) -> Sequence[object]:
        return [ValueError(name) if name == "bad" else name for name in operations]

    async def run() -> None:
        async with working(run_batch=run_batch) as scheduler:
            bad, good = (scheduler.submit(lambda name=name: operating(name, 3, gate)) for name in ("bad", "good"))
            gate.set()
            with pytest.raises(ValueError, match="bad"):
                assert not [item async for item in bad.items()]
            assert [item async for item in good.items()] == ["good"] * 6
            await gauges(scheduler, 0, 0)

    asyncio.run(run())


def test_a_failed_batch_fails_every_job_in_it() -> None:
    gate = threading.Event()

    def run_batch(_: Sequence[str]) -> Sequence[object]:
        raise RuntimeError("no")

    async def run() -> None:
        async with working(run_batch=run_batch) as scheduler:
            wanting, plain = scheduler.submit(lambda: operating("a", 1, gate)), scheduler.submit(lambda: rounds(1, 2))
            gate.set()
            with pytest.raises(RuntimeError, match="no"):
                assert not [item async for item in wanting.items()]
            assert [item async for item in plain.items()] == [1, 2]

    asyncio.run(run())


def test_no_operation_runs_for_a_cancelled_or_paused_job() -> None:
    """Operations run for jobs that can continue: not where the reader has left or does not read."""
    done = Counter[str]()
    gate = threading.Event()

    def run_batch(operations: Sequence[str]) -> Sequence[object]:
        done.update(operations)
        return list(operations)

    async def run() -> None:
        async with working(running=3, queued=1, buffered=4, run_batch=run_batch) as scheduler:
            left, slow, quick = (
                scheduler.submit(lambda name=name, n=n: operating(name, n, gate))
                for name, n in (("left", 10**9), ("slow", 10), ("quick", 50))
            )
            gate.set()
            items = left.items()
            assert await anext(items) == "left"
            await items.aclose()
            assert len([item async for item in quick.items()]) == 100
            assert done["slow"] <= 3
            assert len([item async for item in slow.items()]) == 20
            await gauges(scheduler, 0, 0)
            assert done["left"] < 10

    asyncio.run(run())
    assert done["slow"] == 10
