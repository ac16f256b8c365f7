"""Two replicas on Ray Serve behave as one host does. Skipped without the extra ``cluster``."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from explorer.config import SteeringLimits
from explorer.steering.answers.handlers import Handlers
from explorer.steering.client import SteeringClient
from explorer.steering.protocol.refusal import ErrorBody
from explorer.steering.protocol.steer import StartEvent, TokenEvent
from tests.steering.conftest import behaviour_request, steer_request
from tests.steering.host.test_metrics import read

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: the extra `cluster`")

START_SECONDS = 300.0


@pytest.fixture(scope="module")
def cluster(steerable_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and token of two replicas."""
    token_file = tmp_path_factory.mktemp("cluster") / "token"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "explorer.cli", "host", str(steerable_run), "--token-file", str(token_file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    with subprocess.Popen(
        [*command, "--port", str(port), "--ray", "--replicas", "2", "--limit", "queued=3", "--json"],
        stdout=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        assert process.stdout is not None
        lines = (line for line in process.stdout if line.startswith("{"))
        yield json.loads(next(lines))["url"], token_file.read_text().strip()
        watchdog.cancel()
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_SECONDS) == 0


def test_replicas_answer_as_the_engine_does(cluster: tuple[str, str], answers: Handlers) -> None:
    url, token = cluster
    with SteeringClient(url, token, timeout=START_SECONDS) as client:
        for _ in range(6):
            assert client.subject() == answers.subject().model_copy(update={"limits": SteeringLimits(queued=3)})
            request = behaviour_request(answers.engine)
            assert client.ask(request) == answers.answer(request)
        request = steer_request(answers.engine)
        here, there = ([e.token_id for e in events if isinstance(e, TokenEvent)]
                       for events in (answers.generate(request), client.steer(request)))  # fmt: skip
        assert here == there


def test_replicas_share_token_and_error_shape(cluster: tuple[str, str]) -> None:
    url, token = cluster
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
    for headers, status, code in (
        ({}, 401, "unauthorized"),
        ({"authorization": f"Bearer {token}x"}, 401, "unauthorized"),
        ({"authorization": f"Bearer {token}", "host": "evil.example"}, 400, "bad_host"),
    ):
        response = httpx.get(f"{url}/v1/subject", headers=headers)
        assert response.status_code == status
        assert ErrorBody.model_validate_json(response.content).code == code


def test_both_replicas_are_in_the_metrics(cluster: tuple[str, str]) -> None:
    url, token = cluster
    seen: set[str] = set()
    for _ in range(100):
        found = read(httpx.get(f"{url}/metrics", headers={"authorization": f"Bearer {token}"}).text)
        (name,) = (name for name in found if name.startswith("replicas{"))
        assert found[name] == 2
        seen.add(name)
        if len(seen) == 2:
            break
    assert len(seen) == 2


def test_a_client_that_leaves_frees_its_place_through_the_proxy(cluster: tuple[str, str], answers: Handlers) -> None:
    url, token = cluster
    with SteeringClient(url, token, timeout=START_SECONDS) as client:
        for _ in range(30):  # more than two replicas can hold
            events = client.steer(steer_request(answers.engine, max_tokens=64))
            assert isinstance(next(events), StartEvent)
            events.close()
        assert [e for e in client.steer(steer_request(answers.engine)) if isinstance(e, TokenEvent)]
