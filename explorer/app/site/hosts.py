"""The app's view of steering hosts: which one serves a run, and messages about them."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from explorer.errors import HostError, HostUnreachable
from explorer.steering.protocol.checks import (
    CheckReply,
    CheckRequest,
    PhrasesReply,
    PhrasesRequest,
    SweepReply,
    SweepRequest,
)
from explorer.steering.protocol.encode import EncodeReply, EncodeRequest
from explorer.steering.protocol.feature import FeatureReply, FeatureRequest
from explorer.steering.protocol.protocol import (
    BehaviourReply,
    BehaviourRequest,
    Event,
    SteerRequest,
    SubjectReply,
)

_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)

GONE = "The steering host does not answer. You can keep browsing; steering resumes when the host is back."
NO_HOST = "No steering host is connected. Start one with `explorer host RUN` and open the run with --host-url."


class SteeringHost(Protocol):
    """What the relay needs of a steering client."""

    async def subject(self) -> SubjectReply:
        """What the host holds."""

    async def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        """Next-token behaviour along a path."""

    async def encode(self, request: EncodeRequest) -> EncodeReply:
        """Which clusters fire on each token of a text."""

    async def check(self, request: CheckRequest) -> CheckReply:
        """The controls of a path, and the same move from other prompts."""

    async def sweep(self, request: SweepRequest) -> SweepReply:
        """Every strength at every position of a path."""

    async def phrases(self, request: PhrasesRequest) -> PhrasesReply:
        """How likely some phrases are along a path."""

    async def feature(self, request: FeatureRequest) -> FeatureReply:
        """Which next tokens a feature's direction speaks for."""

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
