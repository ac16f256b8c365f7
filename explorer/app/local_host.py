"""A steering host beside the app: a process of its own that holds the model, started and ended with the app."""

import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from types import TracebackType

from explorer.app.relay import Event
from explorer.app.viewer import current_viewer
from explorer.errors import HostUnreachable
from explorer.steering.checks_protocol import (
    CheckReply,
    CheckRequest,
    PhrasesReply,
    PhrasesRequest,
    SweepReply,
    SweepRequest,
)
from explorer.steering.client import AsyncSteeringClient
from explorer.steering.encode_protocol import EncodeReply, EncodeRequest
from explorer.steering.feature_protocol import FeatureReply, FeatureRequest
from explorer.steering.protocol import BehaviourReply, BehaviourRequest, SteerRequest, SubjectReply

_SECONDS_TO_END = 5.0


class LocalHost:
    """The client of a host process; until that process listens, and after it has gone, nobody answers.

    The page is there at once and the model a few seconds later, so the app does not wait for the host.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._token = secrets.token_urlsafe(32)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._client: AsyncSteeringClient | None = None

    def __enter__(self) -> "LocalHost":
        self._folder = tempfile.TemporaryDirectory(prefix="manifold-explorer-")
        token_file = Path(self._folder.name) / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(self._token + "\n")
        command = [sys.executable, "-m", "explorer.cli", "host", str(self._run), "--token-file", str(token_file)]
        self._process = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen_for_address, args=(self._process,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        if self._folder is not None:
            self._folder.cleanup()

    async def subject(self) -> SubjectReply:
        """What the host holds."""
        return await self._there().subject()

    async def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        """Next-token behaviour along a path."""
        return await self._there().behaviour(request)

    async def encode(self, request: EncodeRequest) -> EncodeReply:
        """Which clusters fire on each token of a text."""
        return await self._there().encode(request)

    async def check(self, request: CheckRequest) -> CheckReply:
        """The controls of a path, and the same move from other prompts."""
        return await self._there().check(request)

    async def sweep(self, request: SweepRequest) -> SweepReply:
        """Every strength at every position of a path."""
        return await self._there().sweep(request)

    async def phrases(self, request: PhrasesRequest) -> PhrasesReply:
        """How likely some phrases are along a path."""
        return await self._there().phrases(request)

    async def feature(self, request: FeatureRequest) -> FeatureReply:
        """Which next tokens a feature's direction speaks for."""
        return await self._there().feature(request)

    async def steer(self, request: SteerRequest) -> AsyncGenerator[Event, None]:
        """Text, token by token."""
        events = self._there().steer(request)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    def _there(self) -> AsyncSteeringClient:
        if self._client is None:
            raise HostUnreachable("the host is still loading its model")
        return self._client

    def _listen_for_address(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if address:
            self._client = AsyncSteeringClient(address, self._token, viewer=current_viewer)
