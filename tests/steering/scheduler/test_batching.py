"""Concurrent generations share one forward pass a token; outputs do not depend on other requests in the batch."""

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from explorer.lm.generation.batched_generation import BatchedGenerator, StepResult, step_all
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine import generation as generation_module
from explorer.steering.protocol.steer import DoneEvent, Event, SteerRequest
from explorer.steering.protocol.wire import ARMS
from explorer.steering.scheduler.cooperative import Task
from explorer.steering.scheduler.scheduler import Job, Scheduler
from tests.steering.conftest import behaviour_request, steer_request

WAIT = 30.0


def requests(answers: Handlers) -> list[SteerRequest]:
    """Several kinds of prompts, steered tokens, arms and lengths."""
    engine = answers.engine
    return [
        steer_request(engine, max_tokens=9, arms=ARMS, where="generated", strength=3.0),
        steer_request(engine, max_tokens=9, prompt="it rained", temperature=1.5, seed=4),
        steer_request(engine, max_tokens=9, prompt="arrived around Friday and", where="all_prompt", strength=-2.0),
        steer_request(engine, max_tokens=4, prompt="the parcel was sent on", strength=0.0),
    ]


async def events_of(job: Job[Event]) -> list[Event]:
    return [event async for event in job.items()]


def served(answers: Handlers, requested: Sequence[SteerRequest]) -> list[list[Event] | BaseException]:
    """Events of requests that start at once, with behaviour requests in between."""
    gate = threading.Event()

    def write(request: SteerRequest) -> Task[Event]:
        assert gate.wait(WAIT)
        yield None
        yield from answers.steer(request)

    def ask() -> Task[object]:
        for _ in range(5):
            answers.answer(behaviour_request(answers.engine, arms=ARMS))
            yield None

    async def run() -> list[list[Event] | BaseException]:
        scheduler = Scheduler(running=len(requested) + 1, queued=0, run_batch=answers.run_batch, buffered=1000)
        try:
            jobs = [scheduler.submit(lambda one=one: write(one)) for one in requested]
            scheduler.submit(ask)
            gate.set()
            async with asyncio.timeout(WAIT):
                return await asyncio.gather(*map(events_of, jobs), return_exceptions=True)
        finally:
            await asyncio.to_thread(scheduler.close)

    return asyncio.run(run())


def test_concurrent_requests_share_a_pass_and_have_the_output_of_each_alone(
    answers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested, steps, rows = requests(answers), Counter[int](), list[int]()
    alone = [list(answers.generate(request)) for request in requested]
    monkeypatch.setattr(generation_module, "step_all", lambda texts: noted(texts, steps))
    handle = answers.engine.subject.place.model.register_forward_pre_hook(
        lambda _, __, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    try:
        found = served(answers, requested)
    finally:
        handle.remove()
    if answers.engine.subject.batch_difference == 0.0:
        assert found == alone
    written = sum(request.max_tokens for request in requested)
    assert sum(texts * count for texts, count in steps.items()) <= written
    assert steps[4] >= 3, "all four write for a while"
    assert steps[3] >= 3, "and three go on"
    assert max(rows) >= 4 * 4, "their rows are one batch"


def noted(texts: Sequence[BatchedGenerator], steps: Counter[int]) -> list[StepResult]:
    steps[len(texts)] += 1
    return step_all(texts)


def test_a_request_that_fails_in_the_model_does_not_affect_others(
    answers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested = requests(answers)
    alone = [list(answers.generate(request)) for request in requested]

    def failing(texts: Sequence[BatchedGenerator]) -> list[StepResult]:
        outcomes = step_all(texts)
        if len(texts) == len(requested):
            outcomes[1] = ZeroDivisionError("its own fault")
        return outcomes

    monkeypatch.setattr(generation_module, "step_all", failing)
    found = served(answers, requested)
    assert isinstance(found[1], ZeroDivisionError)
    for number in (0, 2, 3):
        events = found[number]
        assert isinstance(events, list)
        assert isinstance(events[-1], DoneEvent)
        if answers.engine.subject.batch_difference == 0.0:
            assert events == alone[number]
