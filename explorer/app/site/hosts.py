"""The app's view of steering hosts: which one serves a run, and messages about them."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from explorer.errors import HostError, HostUnreachable
from explorer.steering.protocol.steer import Event, SteerRequest
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import Reply, Request

_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)

GONE = "The steering host does not answer. You can keep browsing; steering resumes when the host is back."
NO_HOST = "No steering host is connected. Start one with `explorer host RUN` and open the run with --host-url."


class SteeringHost(Protocol):
    """The part of a steering client that the app uses."""

    async def subject(self) -> SubjectReply:
        """The model, SAE and runs that the host serves."""

    async def ask(self, request: Request[Reply]) -> Reply:
        """Send one request and wait for its reply."""

    def steer(self, request: SteerRequest) -> AsyncIterator[Event]:
        """Text, token by token; closing the iterator ends the request at the host."""


class SteeringHosts(Protocol):
    """Steering hosts by run."""

    def of(self, run: str) -> SteeringHost | None:
        """The host that serves the run with this id, None if there is none; starts nothing."""


@dataclass(frozen=True)
class OneHost:
    """One host for every run, or none."""

    host: SteeringHost | None = None

    def of(self, run: str) -> SteeringHost | None:  # noqa: ARG002 - part of the protocol
        """The same host for every run."""
        return self.host


def without_address(text: str) -> str:
    """Replace URLs in a message, so that the host's address never reaches a browser."""
    return _ADDRESS.sub("the host", text)


def host_words(error: HostError) -> str:
    """The message that a browser gets about an error of the host."""
    return GONE if isinstance(error, HostUnreachable) else without_address(str(error))
