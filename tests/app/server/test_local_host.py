"""Local hosts: one for each run, started by its first request, ended with the app, with clear messages meanwhile."""

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
class Sandbox:
    """Folders of runs and of the hosts' tokens, and the file that lets hosts listen."""

    runs: Path
    gate: Path
    tokens: Path
    clients: list[AsyncSteeringClient] = field(default_factory=list)
    """Every client, to be closed in the loop that used it."""

    def run(self, scenario: Coroutine[Any, Any, None]) -> None:
        """Run a test's coroutine, then close its clients."""

        async def whole() -> None:
            try:
                await scenario
            finally:
                for client in self.clients:
                    await client.aclose()

        asyncio.run(whole())

    def connect(self, *args: Any, **kwargs: Any) -> AsyncSteeringClient:
        """Create and record a client."""
        self.clients.append(AsyncSteeringClient(*args, **kwargs))
        return self.clients[-1]

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "tests.app.gated_host", str(self.gate))

    @property
    def started(self) -> int:
        """Number of running hosts."""
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
def sandbox(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    (tmp_path / "tokens").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tokens"))
    found = Sandbox(runs, tmp_path / "gate", tmp_path / "tokens")
    monkeypatch.setattr(local_host, "AsyncSteeringClient", found.connect)
    yield found
    assert found.started == 0, "every host ended with its app, and its token was deleted"


def behaviour_request(run: str = "first") -> BehaviourRequest:
    return BehaviourRequest(run=run, fingerprint=FINGERPRINT, cluster=0, prompt="it rained on", end="Friday")


async def started(request: Coroutine[Any, Any, BehaviourReply]) -> asyncio.Task[BehaviourReply]:
    """Start a request and let it begin to wait."""
    task = asyncio.create_task(request)
    await asyncio.sleep(0)
    return task


async def refusal(request: Coroutine[Any, Any, object]) -> str:
    """The message that a browser gets from a host that is not ready."""
    with pytest.raises(HostError) as error:
        await request
    return host_words(error.value)


def test_the_first_request_starts_a_host_and_waits_for_it(sandbox: Sandbox) -> None:
    async def scenario(host: LocalHost) -> None:
        assert await refusal(host.subject()) == ASLEEP
        assert sandbox.started == 0
        first, second = [await started(host.ask(behaviour_request())) for _ in range(2)]
        assert sandbox.started == 1
        assert await refusal(host.subject()) == LOADING
        sandbox.gate.touch()
        assert (await first).fingerprint == (await second).fingerprint == FINGERPRINT
        assert (await host.subject()).runs[0].id == "first"
        assert sandbox.started == 1

    host = sandbox.host()
    try:
        sandbox.run(scenario(host))
    finally:
        host.close()


def test_a_request_to_a_slow_host_fails_and_can_be_repeated(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(host: LocalHost) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(local_host, "_SECONDS_TO_START", 0.01)
            assert await refusal(host.ask(behaviour_request())) == LOADING
        sandbox.gate.touch()
        assert (await host.ask(behaviour_request())).fingerprint == FINGERPRINT

    with sandbox.host() as host:
        sandbox.run(scenario(host))


def test_a_host_that_exits_while_it_loads_is_reported(sandbox: Sandbox) -> None:
    async def scenario(host: LocalHost) -> None:
        sandbox.gate.write_text("end")
        for _ in range(2):
            assert await refusal(host.ask(behaviour_request())) == ENDED
            assert await refusal(host.subject()) == ENDED
            assert (await host_state(host, FINGERPRINT)).state == "refused"

    with sandbox.host() as host:
        sandbox.run(scenario(host))


def kill_host(host: LocalHost) -> None:
    """Kill its process, and wait for it."""
    process = host.start()._process
    process.kill()
    process.wait()


def test_a_dead_host_is_restarted_by_the_next_request(sandbox: Sandbox) -> None:
    async def scenario(host: LocalHost) -> None:
        sandbox.gate.touch()
        assert (await host.ask(behaviour_request())).fingerprint == FINGERPRINT
        kill_host(host)
        for _ in range(2):
            assert await refusal(host.subject()) == DIED
        sandbox.gate.unlink()
        pending = await started(host.ask(behaviour_request()))
        assert await refusal(host.subject()) == LOADING
        sandbox.gate.touch()
        assert (await pending).fingerprint == FINGERPRINT
        assert (await host.subject()).runs[0].id == "first"
        assert sandbox.started == 1, "the token of the dead one is gone"

    with sandbox.host() as host:
        sandbox.run(scenario(host))


def test_a_host_that_failed_to_load_is_started_again(sandbox: Sandbox) -> None:
    async def scenario(host: LocalHost) -> None:
        sandbox.gate.write_text("end")
        assert await refusal(host.ask(behaviour_request())) == ENDED
        sandbox.gate.write_text("")
        assert (await host.ask(behaviour_request())).fingerprint == FINGERPRINT

    with sandbox.host() as host:
        sandbox.run(scenario(host))


def test_a_cancelled_request_does_not_affect_others(sandbox: Sandbox) -> None:
    async def scenario(host: LocalHost) -> None:
        left, stays = [await started(host.ask(behaviour_request())) for _ in range(2)]
        left.cancel()
        sandbox.gate.touch()
        assert (await stays).fingerprint == FINGERPRINT
        assert left.cancelled()

    with sandbox.host() as host:
        sandbox.run(scenario(host))


def test_a_host_that_never_listens_is_ended_too(sandbox: Sandbox) -> None:
    with sandbox.host():
        assert sandbox.started == 1


def test_every_run_with_a_subject_has_its_own_host(sandbox: Sandbox) -> None:
    async def scenario(hosts: LocalHosts) -> None:
        second, first = hosts.of("second"), hosts.of("first")
        assert second is not None
        assert first is not None
        assert second is hosts.of("second")
        sandbox.gate.touch()
        assert (await second.ask(behaviour_request("second"))).fingerprint == FINGERPRINT
        assert [run.id for run in (await second.subject()).runs] == ["second"]
        assert await refusal(first.subject()) == ASLEEP
        assert sandbox.started == 1
        both = await asyncio.gather(first.ask(behaviour_request()), second.ask(behaviour_request("second")))
        assert [reply.fingerprint for reply in both] == [FINGERPRINT] * 2
        assert sandbox.started == 2

    with sandbox.hosts() as hosts:
        assert [hosts.of(name) for name in ("unnamed", "broken", "absent", "")] == [None] * 4
        sandbox.run(scenario(hosts))


def test_reading_the_state_of_a_host_starts_none(sandbox: Sandbox) -> None:
    subject = open_run(sandbox.runs / "first").manifest.subject
    assert subject is not None
    with sandbox.hosts() as hosts:
        app = FastAPI()
        app.include_router(relay_router(hosts))
        for run, wanted in (("first", ("not_ready", ASLEEP)), ("unnamed", ("none", NO_HOST))):
            response = ask(app, "GET", f"/api/host?run={run}&fingerprint={subject.fingerprint}")
            assert response.status_code == 200
            found = json.loads(response.content)
            assert (found["state"], found["message"]) == wanted
        assert sandbox.started == 0
