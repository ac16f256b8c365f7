"""Steering hosts as subprocesses of the app: one for each run, started by its first request, ended with the app.

A host that died is restarted by the next request.
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

ASLEEP = "This run's model starts with your first request: a few seconds, once."
LOADING = "The host is loading this run's model: a few seconds, once."
ENDED = (
    "The host of this run exited while it loaded the model; the terminal of the app shows why. "
    "Your next request tries again."
)
DIED = "This run's model stopped. Your next request restarts it: a few seconds, once."
COMMAND = (sys.executable, "-m", "explorer.cli", "host")
"""Starts a host, which prints its address as one line once it listens."""
_SECONDS_TO_START = 55.0
"""Longest wait of a request for a starting host; shorter than the relay's for a first event, so its reason is shown."""
_SECONDS_TO_END = 5.0


class HostProcess:
    """A host's process. It listens after a while, and may exit before or after that."""

    def __init__(self, run: Path, command: Sequence[str]) -> None:
        """Start the process.

        Args:
            run: folder of the run to serve.
            command: command line up to the run and the options.
        """
        self.listening: Future[AsyncSteeringClient | None] = Future()
        """Its client once it listens; None if it exited before."""
        self._token = secrets.token_urlsafe(32)
        self._folder = tempfile.TemporaryDirectory(prefix="manifold-explorer-")
        token_file = Path(self._folder.name) / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(self._token + "\n")
        command_line = [*command, str(run), "--token-file", str(token_file), "--port", "0"]
        self._process = subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read_address, daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether it exited by itself, before or after it listened."""
        return self.listening.done() and (self.listening.result() is None or self._process.poll() is not None)

    def close(self) -> None:
        """End the process and delete its token."""
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def _read_address(self) -> None:
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        client = AsyncSteeringClient(address, self._token, viewer=current_viewer) if address else None
        self.listening.set_result(client)


class LocalHost:
    """The client of a host process, which is started by ``start`` or by a request that finds none alive.

    Requests wait until the process listens. ``subject`` neither starts it nor waits: it reports its state.

    Args:
        run: folder of the run to serve.
        command: command line up to the run and the options.
    """

    def __init__(self, run: Path, command: Sequence[str] = COMMAND) -> None:
        self._run = run
        self._command = command
        self._process: HostProcess | None = None

    def start(self) -> HostProcess:
        """The process, started if there is none."""
        if self._process is None:
            self._process = HostProcess(self._run, self._command)
        return self._process

    def close(self) -> None:
        """End the process if there is one."""
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
        """The model, SAE and runs that the host serves.

        Raises:
            HostNotReady: it has not started, is loading, or exited after it listened.
            HostError: it exited while it loaded.
        """
        process = self._process
        if process is None:
            raise HostNotReady(ASLEEP)
        if not process.listening.done():
            raise HostNotReady(LOADING)
        client = _loaded(process.listening.result())
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
                return _loaded(await asyncio.shield(asyncio.wrap_future(process.listening)))
        except TimeoutError as error:
            raise HostNotReady(LOADING) from error


def _loaded(client: AsyncSteeringClient | None) -> AsyncSteeringClient:
    if client is None:
        raise HostError(ENDED)
    return client


class LocalHosts:
    """A local host for every run that names its subject: each starts at its first request, all end together."""

    def __init__(self, runs: Iterable[Run | BrokenRun], command: Sequence[str] = COMMAND) -> None:
        self._hosts = {
            run.id: LocalHost(run.path, command)
            for run in runs
            if isinstance(run, Run) and run.manifest.subject is not None and run.manifest.subject.fingerprint
        }

    def of(self, run: str) -> LocalHost | None:
        """The host of a run, started or not; None if the run names no subject."""
        return self._hosts.get(run)

    def __enter__(self) -> "LocalHosts":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            for host in self._hosts.values():
                stack.callback(host.close)
