"""Metrics of a host: replies are counted once, gauges return to zero, and Prometheus can parse the text."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.steering.host.metrics import Metrics
from explorer.steering.host.server import create_app
from explorer.steering.protocol.steer import Event, SteerRequest
from explorer.steering.scheduler.cooperative import run_alone
from explorer.steering.scheduler.scheduler import Scheduler
from tests.steering.fake import TOKEN, WAIT, FakeHandlers, asked, asked_of_text, served

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')


def read(text: str) -> dict[str, float]:
    """Parse Prometheus' text format strictly: value by name and labels."""
    assert text.endswith("\n")
    found: dict[str, float] = {}
    typed: set[str] = set()
    for line in text[:-1].split("\n"):
        if line.startswith("#"):
            typed |= {line.split(" ")[2]} if line.startswith("# TYPE") else set()
            continue
        match = SAMPLE.fullmatch(line)
        assert match is not None, line
        assert match[1] in typed
        key = match[1].removeprefix("explorer_host_") + (f"{{{match[2]}}}" if match[2] else "")
        assert key not in found
        found[key] = float(match[3])
    return found


@dataclass
class Host:
    """A served host without a model."""

    fake: FakeHandlers
    scheduler: Scheduler
    http: httpx.Client

    def metrics(self) -> dict[str, float]:
        response = self.http.get("/metrics")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return read(response.text)


@pytest.fixture
def host() -> Iterator[Host]:
    fake = FakeHandlers()
    scheduler = Scheduler(running=1, queued=2)
    with (
        served(create_app(fake, token=TOKEN, scheduler=scheduler)) as url,
        httpx.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=WAIT) as http,
    ):
        yield Host(fake, scheduler, http)
        fake.gate.set()


def test_an_idle_host_has_zeros(host: Host) -> None:
    assert host.metrics() == {
        "requests_running": 0, "requests_queued": 0, "tokens_written_total": 0, "model_seconds_total": 0,
        "replicas": 1,
    }  # fmt: skip


def test_every_reply_is_counted_once(host: Host) -> None:
    host.http.get("/healthz")
    host.http.post("/v1/behaviour", json=asked())
    host.http.post("/v1/encode", json=asked_of_text())
    host.http.post("/v1/steer", json=asked(max_tokens=5))
    host.http.post("/v1/steer", json=asked(strength="1"))
    host.http.post("/v1/encode", json=asked_of_text("broken"))
    host.http.get("/v1/subject", headers={"authorization": "Bearer wrong"})
    host.http.get("/healthz", headers={"host": "evil.example"})
    for number in range(3):
        host.http.get(f"/nowhere/{number}")
    found = host.metrics()
    assert found.pop("model_seconds_total") > 0
    assert found == {
        'requests_total{route="/healthz",status="200"}': 1,
        'requests_total{route="/healthz",status="400"}': 1,
        'requests_total{route="/v1/behaviour",status="200"}': 1,
        'requests_total{route="/v1/encode",status="200"}': 1,
        'requests_total{route="/v1/encode",status="500"}': 1,
        'requests_total{route="/v1/steer",status="200"}': 1,
        'requests_total{route="/v1/steer",status="422"}': 1,
        'requests_total{route="/v1/subject",status="401"}': 1,
        'requests_total{route="other",status="404"}': 3,
        'requests_refused_total{code="bad_host"}': 1,
        'requests_refused_total{code="internal"}': 1,
        'requests_refused_total{code="invalid"}': 1,
        'requests_refused_total{code="not_found"}': 3,
        'requests_refused_total{code="unauthorized"}': 1,
        "requests_running": 0,
        "requests_queued": 0,
        "tokens_written_total": 5,
        "replicas": 1,
    }
    assert host.metrics()['requests_total{route="/metrics",status="200"}'] == 1


def test_gauges_return_to_zero_and_refusals_are_counted(host: Host) -> None:
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(host.http.post, "/v1/behaviour", json=asked("wait")) for _ in range(3)]
        with host.scheduler.changed:
            assert host.scheduler.changed.wait_for(
                lambda: (len(host.scheduler.active), len(host.scheduler.queue)) == (1, 2), WAIT
            )
        host.http.post("/v1/encode", json=asked_of_text("wait"))
        busy = host.metrics()
        assert (busy["requests_running"], busy["requests_queued"]) == (1, 2)
        assert busy['requests_refused_total{code="busy"}'] == 1
        host.fake.gate.set()
        assert {job.result(WAIT).status_code for job in jobs} == {200}
    with host.scheduler.changed:
        assert host.scheduler.changed.wait_for(lambda: not host.scheduler.active and not host.scheduler.queue, WAIT)
    calm = host.metrics()
    assert (calm["requests_running"], calm["requests_queued"]) == (0, 0)


def test_an_abandoned_generation_is_closed_and_its_tokens_are_counted() -> None:
    fake, metrics = FakeHandlers(), Metrics()

    async def sent() -> AsyncGenerator[Event, None]:
        for event in run_alone(fake.steer(_steer(max_tokens=100)), fake.run_batch):
            yield event

    async def leave() -> None:
        events = metrics.counted(sent())
        for _ in range(4):
            await anext(events)
        await events.aclose()

    asyncio.run(leave())
    assert metrics.tokens == 3
    assert fake.stopped == 1


def test_samples_name_their_replica() -> None:
    found = read(Metrics("one", 2).text(running=0, queued=0, model_seconds=0.0))
    assert found['replicas{replica="one"}'] == 2
    assert all('replica="one"' in name for name in found)


def _steer(**changes: object) -> SteerRequest:
    return SteerRequest.model_validate(asked(**changes))


@given(st.lists(st.tuples(st.text(), st.integers(0, 10**12)), unique_by=lambda one: one[0], max_size=5))
def test_labels_of_any_text_can_be_parsed(samples: list[tuple[str, int]]) -> None:
    metrics = Metrics()
    metrics.requests.update({(name, 200): n for name, n in samples})
    found = read(metrics.text(running=0, queued=0, model_seconds=0.0))
    assert sorted(n for name, n in found.items() if name.startswith("requests_total")) == sorted(n for _, n in samples)
