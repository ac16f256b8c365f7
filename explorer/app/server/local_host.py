"""Steering hosts beside the app: a process and a model for each run, started when it is asked, ended with the app.

One that dies is started anew by the next question.
"""

import asyncio
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from explorer.app.server.edge import current_viewer
from explorer.errors import HostError, HostNotReady
from explorer.runs.run.catalog import BrokenRun
from explorer.runs.run.reader import Run
from explorer.steering.client import AsyncSteeringClient
from explorer.steering.protocol.steer import Event, SteerRequest
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import Reply, Request

ASLEEP = "This run's model starts with your first question: a few seconds, once."
LOADING = "The host is loading this run's model: a few seconds, once."
ENDED = (
    "The host of this run ended while it loaded the model; the terminal that the app runs in says why. "
    "Your next question tries again."
)
DIED = "This run's model stopped. Your next question starts it anew: a few seconds, once."
COMMAND = (sys.executable, "-m", "explorer.cli", "host")
"""Starts a host: prints its address as one line once it listens."""
_SECONDS_TO_START = 55.0
"""How long a question waits for a host that starts; the relay waits longer for a first event, so the reason is told."""
_SECONDS_TO_END = 5.0


class HostProcess:
    """One process of a host: it listens after a while, or ends before that, and may end at any time after."""

    def __init__(self, run: Path, command: Sequence[str]) -> None:
        """Start it.

        Args:
            run: the run whose subject it serves.
            command: what starts it, before the run and the options.
        """
        self.listening: Future[AsyncSteeringClient | None] = Future()
        """Its client once it listens; None where it ended before."""
        self._token = secrets.token_urlsafe(32)
        self._folder = tempfile.TemporaryDirectory(prefix="manifold-explorer-")
        token_file = Path(self._folder.name) / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(self._token + "\n")
        whole = [*command, str(run), "--token-file", str(token_file), "--port", "0"]
        self._process = subprocess.Popen(whole, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen_for_address, daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself: before it listened, or since."""
        return self.listening.done() and (self.listening.result() is None or self._process.poll() is not None)

    def close(self) -> None:
        """End it, and take its token away."""
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def _listen_for_address(self) -> None:
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        client = AsyncSteeringClient(address, self._token, viewer=current_viewer) if address else None
        self.listening.set_result(client)


class LocalHost:
    """The client of a host process, which is started by ``start`` or by a question that finds none alive.

    Questions wait until the process listens. ``subject`` starts nothing and does not wait: it tells how far it is.

    Args:
        run: the run whose subject it serves.
        command: what starts it, before the run and the options.
    """

    def __init__(self, run: Path, command: Sequence[str] = COMMAND) -> None:
        self._run = run
        self._command = command
        self._process: HostProcess | None = None

    def start(self) -> HostProcess:
        """The process; started where there is none."""
        if self._process is None:
            self._process = HostProcess(self._run, self._command)
        return self._process

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def __enter__(self) -> "LocalHost":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def subject(self) -> SubjectReply:
        """What the host holds.

        Raises:
            HostNotReady: it has not started, loads, or has ended since it listened.
            HostError: it ended while it loaded.
        """
        process = self._process
        if process is None:
            raise HostNotReady(ASLEEP)
        if not process.listening.done():
            raise HostNotReady(LOADING)
        client = _there(process.listening.result())
        if process.ended:
            raise HostNotReady(DIED)
        return await client.subject()

    async def ask(self, request: Request[Reply]) -> Reply:
        """Send one request and wait for its reply; starts the process where none runs."""
        return await (await self._started()).ask(request)

    async def steer(self, request: SteerRequest) -> AsyncGenerator[Event, None]:
        """Text, token by token."""
        events = (await self._started()).steer(request)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    async def _started(self) -> AsyncSteeringClient:
        ended = self._process if self._process is not None and self._process.ended else None
        if ended is not None:
            self.close()
        process = self.start()
        if ended is not None and (client := ended.listening.result()) is not None:
            await client.aclose()
        try:
            async with asyncio.timeout(_SECONDS_TO_START):
                return _there(await asyncio.shield(asyncio.wrap_future(process.listening)))
        except TimeoutError as late:
            raise HostNotReady(LOADING) from late


def _there(client: AsyncSteeringClient | None) -> AsyncSteeringClient:
    if client is None:
        raise HostError(ENDED)
    return client


class LocalHosts:
    """A local host for every run that names its subject; each starts by itself and all end together."""

    def __init__(self, runs: Iterable[Run | BrokenRun], command: Sequence[str] = COMMAND) -> None:
        whole = [run for run in runs if isinstance(run, Run)]
        named = [run for run in whole if run.manifest.subject is not None and run.manifest.subject.fingerprint]
        self._hosts = {run.id: LocalHost(run.path, command) for run in named}

    def of(self, run: str) -> LocalHost | None:
        """The host of a run, started or not; None where the run names no subject."""
        return self._hosts.get(run)

    def __enter__(self) -> "LocalHosts":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            for host in self._hosts.values():
                stack.callback(host.close)
