"""The host as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from explorer.cli.options import read_limits
from explorer.config import SteeringLimits
from explorer.errors import HostError, RequestError
from explorer.steering.answers.handlers import Handlers
from explorer.steering.client import SteeringClient
from explorer.steering.engine.subject import is_poisoned
from explorer.steering.host.serve import POISONED
from explorer.steering.protocol.steer import TokenEvent
from tests.steering.conftest import behaviour_request, steer_request

START_SECONDS = 240.0


def host_command(run: Path, token_file: Path, port: int) -> list[str]:
    named = ["--token-file", str(token_file), "--port", str(port)]
    return [sys.executable, "-m", "explorer.cli", "host", str(run), *named]


def test_a_host_serves_its_run_and_answers_as_the_engine_does(
    steerable_run: Path, answers: Handlers, tmp_path: Path
) -> None:
    token_file = tmp_path / "token"
    with subprocess.Popen(
        [
            *host_command(steerable_run, token_file, 0),
            "--limit",
            "max_prompt_tokens=64",
            "--limit",
            "queued=3",
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            assert url.startswith("http://127.0.0.1:")
            with SteeringClient(url, token_file.read_text().strip(), timeout=START_SECONDS) as client:
                limits = SteeringLimits(max_prompt_tokens=64, queued=3)
                assert client.subject() == answers.subject().model_copy(update={"limits": limits})
                request = behaviour_request(answers.engine)
                assert client.ask(request).values == answers.answer(request).values
                request = steer_request(answers.engine)
                here, there = ([e.token_id for e in events if isinstance(e, TokenEvent)]
                               for events in (answers.generate(request), client.steer(request)))  # fmt: skip
                assert here == there
        finally:
            watchdog.cancel()
            process.send_signal(signal.SIGTERM)
        assert process.wait(START_SECONDS) in (0, -signal.SIGTERM)


LOST = """
import sys
import torch
from explorer.steering.answers.handlers import Handlers
from explorer.steering.host import serve as host

run, token_file, device = sys.argv[1:]

def lost(self, request):
    if device == "cuda":
        torch.zeros(4, device=device)[torch.tensor([9], device=device)].cpu()
    raise torch.AcceleratorError("CUDA error: device-side assert triggered")

Handlers.ask = lost
host.serve(run, token_file=host.Path(token_file), port=0, device=device)
"""
"""A host that loses its device during a request: on CUDA by an illegal memory access."""


def test_a_lost_device_ends_the_process_with_a_status_of_its_own(
    steerable_run: Path, answers: Handlers, tmp_path: Path, device: str
) -> None:
    """Further results could be garbage, so the process exits and a supervisor restarts it."""
    with subprocess.Popen(
        [sys.executable, "-c", LOST, str(steerable_run), str(tmp_path / "token"), device],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        token = (tmp_path / "token").read_text().strip()
        with SteeringClient(url, token, timeout=START_SECONDS) as client:
            assert [e.text for e in client.steer(steer_request(answers.engine)) if isinstance(e, TokenEvent)]
            with pytest.raises(HostError):
                client.ask(behaviour_request(answers.engine))
        errors = process.stderr.read()
        assert process.wait(START_SECONDS) == POISONED == 75
        watchdog.cancel()
    assert "the device is lost, start the host again: CUDA error: device-side assert" in errors


@pytest.mark.parametrize(
    ("error", "poisoned"),
    [
        (torch.AcceleratorError("an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (torch.OutOfMemoryError("CUDA out of memory"), False),
        (RuntimeError("shapes do not match"), False),
        (ValueError("CUDA error in a prompt"), False),
    ],
)
def test_which_errors_lose_a_device(error: Exception, poisoned: bool) -> None:
    assert is_poisoned(error) == poisoned


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["max_prompts=1"], "'max_prompts=1'.*max_prompt_tokens, max_new_tokens"),
        (["running"], "'running'.*NAME=VALUE"),
        (["running=1", "running=2"], "'running=2'.*each name once"),
        (["running=0"], "--limit running: found '0', wanted .*greater than or equal to 1"),
        (["max_strength=inf"], "--limit max_strength: found 'inf', wanted .*less than or equal to 100"),
        (["queued=many"], "--limit queued: found 'many', wanted .*integer"),
    ],
)
def test_an_invalid_limit_is_named(options: list[str], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        read_limits(options)
    assert read_limits(["max_strength=2.5", "queued=0"]) == SteeringLimits(max_strength=2.5, queued=0)
    assert read_limits([]) == SteeringLimits()


@pytest.mark.long
def test_a_taken_port_is_one_line_of_error(steerable_run: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            host_command(steerable_run, tmp_path / "token", port),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"port {port}" in done.stderr
