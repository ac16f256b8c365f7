"""The Python client of a steering host: the same that the app uses. No torch.

    with SteeringClient("http://127.0.0.1:8051", token) as client:
        for event in client.steer(request):
            ...

``AsyncSteeringClient`` is the same for asyncio. Closing an iterator of events ends the request at the host.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from explorer.errors import HookNotFired, HostMismatch, HostRefused, HostUnreachable
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest
from explorer.steering.protocol.checks import (
    CheckReply,
    CheckRequest,
    PhrasesReply,
    PhrasesRequest,
    SweepReply,
    SweepRequest,
)
from explorer.steering.protocol.features import EncodeReply, EncodeRequest, FeatureReply, FeatureRequest
from explorer.steering.protocol.refusal import ErrorBody
from explorer.steering.protocol.steer import DoneEvent, ErrorEvent, Event, SteerRequest, event_from_json
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import PROTOCOL_VERSION, VIEWER_HEADER

Reply = TypeVar("Reply", bound=BaseModel)

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
"""Longest silence of a host that is believed: however long its answer takes, it says that it is there every ten
seconds. Connecting must be quick."""
_SUBJECT, _BEHAVIOUR, _STEER, _ENCODE = "/v1/subject", "/v1/behaviour", "/v1/steer", "/v1/encode"
_CHECK, _SWEEP, _PHRASES = "/v1/check", "/v1/sweep", "/v1/phrases"
_FEATURE = "/v1/feature"
_LONGEST_LINE = 1 << 20
_SHOWN = 200


class SteeringClient:
    """Speaks to a host, and waits for it."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
    ) -> None:
        """Connects on the first call.

        Args:
            base_url: such as "http://127.0.0.1:8051".
            token: what the host's token file holds.
            transport: how to reach it; None is the network.
            timeout: longest silence, in seconds.
        """
        self.base_url = base_url
        self._http = httpx.Client(
            base_url=base_url, headers=_headers(token), transport=transport, timeout=timeout, trust_env=False
        )

    def subject(self) -> SubjectReply:
        """What the host holds.

        Raises:
            HostUnreachable: nobody answers, or what answers is no steering host.
            HostRefused: the token is wrong, or the host is busy; its ``retry_after`` tells when to try again.
            HostMismatch: the host speaks another version of the protocol.
        """
        with _told(self.base_url):
            response = self._http.get(_SUBJECT)
            return _subject(self.base_url, response)

    def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        """Next-token behaviour along a path.

        Raises:
            HostUnreachable, HostRefused: as in ``subject``; HostRefused also where a field is out of its range.
            HostMismatch: the host holds another subject; both are named.
            HookNotFired: the steering did not happen.
        """
        return self._post(_BEHAVIOUR, request, BehaviourReply)

    def encode(self, request: EncodeRequest) -> EncodeReply:
        """Which clusters fire on each token of a text.

        Raises:
            HostUnreachable, HostRefused, HostMismatch: as in ``behaviour``.
        """
        return self._post(_ENCODE, request, EncodeReply)

    def check(self, request: CheckRequest) -> CheckReply:
        """The controls of a path, and the same move from other prompts; raises as ``behaviour``."""
        return self._post(_CHECK, request, CheckReply)

    def sweep(self, request: SweepRequest) -> SweepReply:
        """Every strength at every position of a path; raises as ``behaviour``."""
        return self._post(_SWEEP, request, SweepReply)

    def phrases(self, request: PhrasesRequest) -> PhrasesReply:
        """How likely some phrases are along a path; raises as ``behaviour``."""
        return self._post(_PHRASES, request, PhrasesReply)

    def feature(self, request: FeatureRequest) -> FeatureReply:
        """Which next tokens a feature's direction speaks for.

        Raises:
            HostUnreachable, HostRefused, HostMismatch: as in ``behaviour``.
        """
        return self._post(_FEATURE, request, FeatureReply)

    def _post(self, path: str, request: BaseModel, kind: type[Reply]) -> Reply:
        with _told(self.base_url):
            response = self._http.post(path, content=request.model_dump_json())
            return _reply(self.base_url, kind, response)

    def steer(self, request: SteerRequest) -> Generator[Event, None, None]:
        """Text, token by token; the last event is DoneEvent or ErrorEvent. Closing the iterator stops the host.

        Raises:
            HostUnreachable, HostRefused, HostMismatch: as in ``behaviour``; HostUnreachable also where the stream
                ends in the middle.
        """
        with _told(self.base_url):
            with self._http.stream("POST", _STEER, content=request.model_dump_json()) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise _refusal(self.base_url, response)
                lines = _Lines()
                for piece in response.iter_bytes():
                    for event in lines.events(piece):
                        yield event
                        if isinstance(event, (DoneEvent, ErrorEvent)):
                            return
            raise _cut(self.base_url)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "SteeringClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncSteeringClient:
    """Speaks to a host without blocking the event loop; methods as in SteeringClient."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        viewer: Callable[[], str] = str,
    ) -> None:
        """As SteeringClient; ``viewer`` tells for whom the next request is, "" for nobody in particular."""

        async def name(request: httpx.Request) -> None:
            request.headers[VIEWER_HEADER] = viewer()

        self.base_url = base_url
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=_headers(token), transport=transport, timeout=timeout, trust_env=False,
            event_hooks={"request": [name]},
        )  # fmt: skip

    async def subject(self) -> SubjectReply:
        """What the host holds; raises as SteeringClient.subject."""
        with _told(self.base_url):
            response = await self._http.get(_SUBJECT)
            return _subject(self.base_url, response)

    async def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        """Next-token behaviour along a path; raises as SteeringClient.behaviour."""
        return await self._post(_BEHAVIOUR, request, BehaviourReply)

    async def encode(self, request: EncodeRequest) -> EncodeReply:
        """Which clusters fire on each token of a text; raises as SteeringClient.encode."""
        return await self._post(_ENCODE, request, EncodeReply)

    async def check(self, request: CheckRequest) -> CheckReply:
        """The controls of a path, and the same move from other prompts; raises as SteeringClient.behaviour."""
        return await self._post(_CHECK, request, CheckReply)

    async def sweep(self, request: SweepRequest) -> SweepReply:
        """Every strength at every position of a path; raises as SteeringClient.behaviour."""
        return await self._post(_SWEEP, request, SweepReply)

    async def phrases(self, request: PhrasesRequest) -> PhrasesReply:
        """How likely some phrases are along a path; raises as SteeringClient.behaviour."""
        return await self._post(_PHRASES, request, PhrasesReply)

    async def feature(self, request: FeatureRequest) -> FeatureReply:
        """Which next tokens a feature's direction speaks for; raises as SteeringClient.feature."""
        return await self._post(_FEATURE, request, FeatureReply)

    async def _post(self, path: str, request: BaseModel, kind: type[Reply]) -> Reply:
        with _told(self.base_url):
            response = await self._http.post(path, content=request.model_dump_json())
            return _reply(self.base_url, kind, response)

    async def steer(self, request: SteerRequest) -> AsyncGenerator[Event, None]:
        """Text, token by token; raises as SteeringClient.steer."""
        with _told(self.base_url):
            async with self._http.stream("POST", _STEER, content=request.model_dump_json()) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    raise _refusal(self.base_url, response)
                lines = _Lines()
                async for piece in response.aiter_bytes():
                    for event in lines.events(piece):
                        yield event
                        if isinstance(event, (DoneEvent, ErrorEvent)):
                            return
            raise _cut(self.base_url)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncSteeringClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Lines:
    """Puts events together from pieces of server-sent-event text; a line that never ends is refused."""

    def __init__(self) -> None:
        self._rest = b""

    def events(self, piece: bytes) -> Iterator[Event]:
        """Events that this piece completes. The host writes each event's data as one line, so lines suffice."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise httpx.RemoteProtocolError("an event without an end")
        for line in lines:
            if line.startswith(b"data:"):
                yield event_from_json(line.removeprefix(b"data:").decode("utf-8", "replace"))


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "application/json"}


def _subject(url: str, response: httpx.Response) -> SubjectReply:
    reply = _reply(url, SubjectReply, response)
    if reply.protocol_version != PROTOCOL_VERSION:
        theirs = f"{reply.app_version} with protocol {reply.protocol_version}"
        raise HostMismatch(f"the host at {url} runs version {theirs}, this client speaks protocol {PROTOCOL_VERSION}")
    return reply


def _reply(url: str, kind: type[Reply], response: httpx.Response) -> Reply:
    if response.status_code != httpx.codes.OK:
        raise _refusal(url, response)
    try:
        return kind.model_validate_json(response.content)
    except ValidationError:
        if _error_body(response) is None:
            raise
        raise _refusal(url, response) from None


def _refusal(url: str, response: httpx.Response) -> HostUnreachable | HostRefused | HostMismatch | HookNotFired:
    body = _error_body(response)
    if body is None:
        return HostUnreachable(f"what answers at {url} is no steering host: status {response.status_code}")
    if body.code == "fingerprint_mismatch":
        return HostMismatch(body.message)
    if body.code == "hook_not_fired":
        return HookNotFired(body.message)
    wait = response.headers.get("retry-after", "")
    return HostRefused(body.words, retry_after=float(wait) if wait.isdecimal() else None)


def _error_body(response: httpx.Response) -> ErrorBody | None:
    """Why there is no answer; an answer that had begun has it under the status of success."""
    try:
        return ErrorBody.model_validate_json(response.content)
    except ValidationError:
        return None


def _cut(url: str) -> HostUnreachable:
    return HostUnreachable(f"the host at {url} went away in the middle of an answer")


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn what httpx and pydantic raise into the error tree, in one line."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        reason = str(error)[:_SHOWN] or type(error).__name__
        raise HostUnreachable(f"the steering host at {url} does not answer: {reason}") from error
    except ValidationError as error:
        raise HostUnreachable(
            f"the host at {url} answers what this client does not understand: {_first(error)}"
        ) from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:_SHOWN]
