"""Hosts beside the app: one for each run, started by the first question, ended with the app, clear while they load."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from explorer.app.server import local_host
from explorer.app.server.local_host import ASLEEP, DIED, ENDED, LOADING, LocalHost, LocalHosts
from explorer.app.server.relay import host_state, relay_router
from explorer.app.site.hosts import NO_HOST, host_words
from explorer.errors import HostError
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import open_run
from explorer.steering.client import AsyncSteeringClient
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest
from tests.app.conftest import FINGERPRINT, write_steerable_run
from tests.app.edge_app import ask
from tests.planted import write_planted_run


@dataclass(frozen=True)
class Place:
    """Where runs lie, what lets their hosts listen, and where hosts keep their tokens."""

    runs: Path
    gate: Path
    tokens: Path
    clients: list[AsyncSteeringClient] = field(default_factory=list)
    """Every client that was made, to be closed in the loop that used it."""

    def run(self, story: Coroutine[Any, Any, None]) -> None:
        """Run a story, and close what it connected."""

        async def whole() -> None:
            try:
                await story
            finally:
                for client in self.clients:
                    await client.aclose()

        asyncio.run(whole())

    def connect(self, *asked: Any, **how: Any) -> AsyncSteeringClient:
        """A client, noted."""
        self.clients.append(AsyncSteeringClient(*asked, **how))
        return self.clients[-1]

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "tests.app.gated_host", str(self.gate))

    @property
    def started(self) -> int:
        """How many hosts were started and not ended."""
        return len(list(self.tokens.iterdir()))

    def host(self) -> LocalHost:
        return LocalHost(self.runs / "first", self.command)

    def hosts(self) -> LocalHosts:
        return LocalHosts(scan(self.runs).entries, self.command)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    for name in ("first", "second"):
        write_steerable_run(folder / name)
    write_planted_run(folder / "unnamed")
    (write_planted_run(folder / "broken") / "features.safetensors").write_bytes(b"cut short")
    return folder


@pytest.fixture
def place(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    (tmp_path / "tokens").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tokens"))
    found = Place(runs, tmp_path / "gate", tmp_path / "tokens")
    monkeypatch.setattr(local_host, "AsyncSteeringClient", found.connect)
    yield found
    assert found.started == 0, "every host ended with its app, and took its token along"


def question(run: str = "first") -> BehaviourRequest:
    return BehaviourRequest(run=run, fingerprint=FINGERPRINT, cluster=0, prompt="it rained on", end="Friday")


async def started(asking: Coroutine[Any, Any, BehaviourReply]) -> asyncio.Task[BehaviourReply]:
    """A question that has begun to wait."""
    task = asyncio.create_task(asking)
    await asyncio.sleep(0)
    return task


async def refusal(asking: Coroutine[Any, Any, object]) -> str:
    """What a host that is not ready says, as a browser is told."""
    with pytest.raises(HostError) as told:
        await asking
    return host_words(told.value)


def test_the_first_question_starts_a_host_and_waits_for_it(place: Place) -> None:
    async def story(host: LocalHost) -> None:
        assert await refusal(host.subject()) == ASLEEP
        assert place.started == 0
        first, second = [await started(host.ask(question())) for _ in range(2)]
        assert place.started == 1
        assert await refusal(host.subject()) == LOADING
        place.gate.touch()
        assert (await first).fingerprint == (await second).fingerprint == FINGERPRINT
        assert (await host.subject()).runs[0].id == "first"
        assert place.started == 1

    host = place.host()
    try:
        place.run(story(host))
    finally:
        host.close()


def test_a_host_that_is_slow_is_told_and_can_be_asked_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: LocalHost) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(local_host, "_SECONDS_TO_START", 0.01)
            assert await refusal(host.ask(question())) == LOADING
        place.gate.touch()
        assert (await host.ask(question())).fingerprint == FINGERPRINT

    with place.host() as host:
        place.run(story(host))


def test_a_host_that_ends_while_it_loads_is_told(place: Place) -> None:
    async def story(host: LocalHost) -> None:
        place.gate.write_text("end")
        for _ in range(2):
            assert await refusal(host.ask(question())) == ENDED
            assert await refusal(host.subject()) == ENDED
            assert (await host_state(host, FINGERPRINT)).state == "refused"

    with place.host() as host:
        place.run(story(host))


def end_the_host(host: LocalHost) -> None:
    """End its process as a crash would, and wait until it is gone."""
    process = host.start()._process
    process.kill()
    process.wait()


def test_a_host_that_dies_is_started_anew_by_the_next_question(place: Place) -> None:
    async def story(host: LocalHost) -> None:
        place.gate.touch()
        assert (await host.ask(question())).fingerprint == FINGERPRINT
        end_the_host(host)
        for _ in range(2):
            assert await refusal(host.subject()) == DIED
        place.gate.unlink()
        asked = await started(host.ask(question()))
        assert await refusal(host.subject()) == LOADING
        place.gate.touch()
        assert (await asked).fingerprint == FINGERPRINT
        assert (await host.subject()).runs[0].id == "first"
        assert place.started == 1, "the old one's token is gone"

    with place.host() as host:
        place.run(story(host))


def test_a_host_that_could_not_load_is_tried_again(place: Place) -> None:
    async def story(host: LocalHost) -> None:
        place.gate.write_text("end")
        assert await refusal(host.ask(question())) == ENDED
        place.gate.write_text("")
        assert (await host.ask(question())).fingerprint == FINGERPRINT

    with place.host() as host:
        place.run(story(host))


def test_a_question_that_is_given_up_leaves_the_host_to_the_others(place: Place) -> None:
    async def story(host: LocalHost) -> None:
        left, stays = [await started(host.ask(question())) for _ in range(2)]
        left.cancel()
        place.gate.touch()
        assert (await stays).fingerprint == FINGERPRINT
        assert left.cancelled()

    with place.host() as host:
        place.run(story(host))


def test_a_host_that_nobody_lets_in_ends_all_the_same(place: Place) -> None:
    with place.host():
        assert place.started == 1


def test_every_run_that_names_its_subject_has_a_host_of_its_own(place: Place) -> None:
    async def story(hosts: LocalHosts) -> None:
        second, first = hosts.of("second"), hosts.of("first")
        assert second is not None
        assert first is not None
        assert second is hosts.of("second")
        place.gate.touch()
        assert (await second.ask(question("second"))).fingerprint == FINGERPRINT
        assert [run.id for run in (await second.subject()).runs] == ["second"]
        assert await refusal(first.subject()) == ASLEEP
        assert place.started == 1
        both = await asyncio.gather(first.ask(question()), second.ask(question("second")))
        assert [reply.fingerprint for reply in both] == [FINGERPRINT] * 2
        assert place.started == 2

    with place.hosts() as hosts:
        assert [hosts.of(name) for name in ("unnamed", "broken", "absent", "")] == [None] * 4
        place.run(story(hosts))


def test_asking_how_a_host_is_starts_none(place: Place) -> None:
    subject = open_run(place.runs / "first").manifest.subject
    assert subject is not None
    with place.hosts() as hosts:
        app = FastAPI()
        app.include_router(relay_router(hosts))
        for run, wanted in (("first", ("not_ready", ASLEEP)), ("unnamed", ("none", NO_HOST))):
            told = ask(app, "GET", f"/api/host?run={run}&fingerprint={subject.fingerprint}")
            assert told.status_code == 200
            found = json.loads(told.content)
            assert (found["state"], found["message"]) == wanted
        assert place.started == 0
