"""Fake steering host: `FakeHandlers` behind the real routes, `FakeHost` in place of the app's client.

It also runs as a separate process that tests can delay and kill:

    python -m tests.fake_host RUN --port 0 --token-file FILE [--gate FILE] [--fingerprint SHA] [--pause SECONDS]

With ``--gate``, it starts to listen once that file exists, or exits with code 3 if the file contains "end".
"""

import argparse
import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from explorer.config import SteeringLimits
from explorer.errors import HookNotFired, HostMismatch, HostUnreachable
from explorer.runs.run.reader import Run, open_run
from explorer.steering.host.server import create_app
from explorer.steering.protocol.behaviour import BehaviourRequest, PathRequest
from explorer.steering.protocol.features import EncodeRequest
from explorer.steering.protocol.refusal import Refusal, overflow
from explorer.steering.protocol.steer import DoneEvent, Event, SteerRequest
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import Kind, Reply, Request, Wire
from explorer.steering.scheduler.cooperative import Cooperative, Task
from tests.fake_model import FINGERPRINT, FakeModel

TOKEN = "an-example-token-of-32-characters"
WAIT = 30.0
"""Timeout of every wait, in seconds."""
POLL_SECONDS = 0.01


class FakeHandlers:
    """Host side, controlled by words in the prompt: "wait" blocks until `gate` is set and "slow" yields until then;
    "overflow", "deaf" and "broken" fail, during generation after the first step."""

    def __init__(
        self, model: FakeModel | None = None, *, limits: SteeringLimits | None = None, pause: float = 0.0
    ) -> None:
        self.model = model or FakeModel()
        self.model.limits = limits or self.model.limits
        self.pause = pause
        """Seconds between two generation steps."""
        self.gate = threading.Event()
        self.touched = 0
        """Requests that reached the model."""
        self.turns = 0
        """Number of times that "slow" requests have yielded."""
        self.stopped = 0
        """Generations closed before their end."""

    @property
    def limits(self) -> SteeringLimits:
        return self.model.limits

    def subject(self) -> SubjectReply:
        return self.model.subject()

    def ask(self, request: Request[Reply]) -> Cooperative[Reply]:
        yield from self._prepare(request)
        words = request.prompt if isinstance(request, PathRequest) else getattr(request, "text", "")
        if isinstance(request, EncodeRequest):
            yield
        self.touched += 1
        self._fail(words)
        if words == "wait":
            assert self.gate.wait(WAIT)
        return self.model.reply(request)  # type: ignore[return-value]

    def steer(self, request: SteerRequest) -> Task[Event]:
        yield from self._prepare(request)
        self.touched += 1
        finished = False
        try:
            if request.prompt == "wait":
                assert self.gate.wait(WAIT)
            for event in self.model.events(request):
                yield event
                if event is None:
                    time.sleep(self.pause)
                    self._fail(request.prompt)
            finished = True
        finally:
            self.stopped += not finished

    def run_batch(self, steps: Sequence[object]) -> Sequence[object]:
        raise NotImplementedError("the fake host runs no batched model steps")

    def _prepare(self, request: Wire) -> Cooperative[None]:
        """Check the fingerprint; yield while the prompt contains "slow" and `gate` is not set."""
        held, needed = self.model.fingerprint, getattr(request, "fingerprint", "")
        if needed != held:
            raise Refusal(409, "fingerprint_mismatch", f"this host holds {held}, the request is for {needed}")
        while isinstance(request, PathRequest) and "slow" in request.prompt.split() and not self.gate.is_set():
            self.turns += 1
            time.sleep(0.001)  # a busy loop would starve the server thread
            yield

    def _fail(self, words: str) -> None:
        for word in words.split():
            if word == "overflow":
                raise overflow()
            if word == "deaf":
                raise HookNotFired("the hook fired 0 times, not 1")
            if word == "broken":
                raise ZeroDivisionError("a fault with a secret in it")


class FakeHost:
    """App side: the replies for one run, as the steering client would return them."""

    def __init__(self, run: Run, moves: bool = True, pause: float = 0.0) -> None:
        self.run = run
        self.model = FakeModel(run, moves=moves)
        self.alive = True
        """Whether the host is reachable."""
        self.pause = pause
        """Seconds between two generation steps."""
        self.asked = 0
        """Number of requests that would have reached the model."""
        self.streams = 0
        """Number of generations among them."""
        self.dies_at: int | None = None
        """Index of the event at which the host dies instead of sending it, from 0; with the number of events, it dies
        right after the last."""
        self.latest: BehaviourRequest | None = None
        """Most recent behaviour request."""

    @property
    def kind(self) -> Kind:
        return self.model.kind

    @kind.setter
    def kind(self, kind: Kind) -> None:
        self.model.kind = kind

    async def subject(self) -> SubjectReply:
        self._check_alive()
        return self.model.subject()

    async def ask(self, request: Request[Reply]) -> Reply:
        self._check_alive()
        if request.fingerprint != self.model.fingerprint:  # type: ignore[attr-defined] # every request has one
            raise HostMismatch(f"the host holds {self.model.fingerprint}, the run needs {request.fingerprint}")  # type: ignore[attr-defined]
        self.asked += 1
        self.latest = request if isinstance(request, BehaviourRequest) else self.latest
        return self.model.reply(request)  # type: ignore[return-value]

    async def steer(self, request: SteerRequest) -> AsyncIterator[Event]:
        self._check_alive()
        self.asked += 1
        self.streams += 1
        number = 0
        for event in self.model.events(request):
            if event is None:
                await asyncio.sleep(self.pause)
                continue
            self.alive = self.alive and number != self.dies_at
            self._check_alive()
            number += 1
            if isinstance(event, DoneEvent) and number == self.dies_at:
                self.alive = False
            yield event

    def _check_alive(self) -> None:
        if not self.alive:
            raise HostUnreachable("cannot connect to http://127.0.0.1:1")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert server.up.wait(WAIT)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(WAIT)
            assert not thread.is_alive()


def asked(prompt: str = "a prompt", **changes: object) -> dict[str, object]:
    """JSON body of a steering request."""
    return {"run": "planted", "fingerprint": FINGERPRINT, "cluster": 0, "prompt": prompt, "end": 0.5} | changes


def asked_of_text(text: str = "a text", **changes: object) -> dict[str, object]:
    """JSON body of an encode request."""
    return {"run": "planted", "fingerprint": FINGERPRINT, "text": text} | changes


def main() -> None:
    """Wait for the gate, print the URL, serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--gate", type=Path)
    parser.add_argument("--fingerprint", default="")
    parser.add_argument("--pause", type=float, default=0.0)
    given = parser.parse_args()
    if given.gate is not None:
        while not given.gate.exists():
            time.sleep(POLL_SECONDS)
        if given.gate.read_text() == "end":
            sys.exit(3)
    handlers = FakeHandlers(FakeModel(open_run(given.run), fingerprint=given.fingerprint), pause=given.pause)
    app = create_app(handlers, token=given.token_file.read_text().strip())
    with socket.create_server(("127.0.0.1", given.port)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    main()
