"""A client of a steering host, blocking or for asyncio. No torch.

    with SteeringClient("http://127.0.0.1:8051", token) as client:
        reply = client.ask(BehaviourRequest(...))
        for event in client.steer(SteerRequest(...)):
            ...

Closing an iterator of events ends the request at the host.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, contextmanager
from types import TracebackType
from typing import cast

import httpx
from httpx_sse import EventSource
from pydantic import ValidationError

from explorer.errors import HookNotFired, HostMismatch, HostRefused, HostUnreachable
from explorer.steering.protocol.endpoints import STEER, SUBJECT, endpoint_of
from explorer.steering.protocol.refusal import ErrorBody
from explorer.steering.protocol.steer import DoneEvent, ErrorEvent, Event, SteerRequest, event_from_json
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import PROTOCOL_VERSION, VIEWER_HEADER, Reply, Request

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
"""A host that is silent for longer counts as dead: while it computes, it sends a heartbeat every ten seconds."""
_MAX_EVENT = 1 << 20
_MAX_REASON = 200


class SteeringClient:
    """Blocking client of one host."""

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
            token: content of the host's token file.
            transport: how to reach the host; None is the network.
            timeout: longest silence, in seconds.
        """
        self.base_url = base_url
        self._http = httpx.Client(
            base_url=base_url, headers=_headers(token), transport=transport, timeout=timeout, trust_env=False
        )

    def subject(self) -> SubjectReply:
        """The model, SAE and runs that the host serves.

        Raises:
            HostUnreachable: no answer, or the answer is not a steering host's.
            HostRefused: the token is wrong, or the host is busy; ``retry_after`` is the time to wait, in seconds.
            HostMismatch: the host speaks another version of the protocol.
        """
        with _host_errors(self.base_url):
            return _subject(self.base_url, self._http.get(SUBJECT))

    def ask(self, request: Request[Reply]) -> Reply:
        """Send one request and wait for its reply.

        Raises:
            HostUnreachable, HostRefused: as in ``subject``; HostRefused also where a field is out of range.
            HostMismatch: the host holds another subject; the message names both.
            HookNotFired: the edit was not applied.
        """
        endpoint = endpoint_of(request)
        with _host_errors(self.base_url):
            response = self._http.post(endpoint.path, content=request.model_dump_json())
            return _parse(self.base_url, endpoint.reply, response)

    def steer(self, request: SteerRequest) -> Generator[Event, None, None]:
        """Generate text, token by token, up to DoneEvent or ErrorEvent. Closing the iterator stops the host.

        Raises:
            HostUnreachable, HostRefused, HostMismatch: as in ``ask``; HostUnreachable also where the stream breaks off.
        """
        with _host_errors(self.base_url):
            with self._http.stream("POST", STEER, content=request.model_dump_json()) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise _refusal(self.base_url, response)
                for message in _events(response).iter_sse():
                    event = event_from_json(message.data)
                    yield event
                    if isinstance(event, (DoneEvent, ErrorEvent)):
                        return
            raise _broken_off(self.base_url)

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
    """The same for asyncio; methods raise as SteeringClient's."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        viewer: Callable[[], str] = str,
    ) -> None:
        """As SteeringClient; ``viewer`` gives the value of VIEWER_HEADER for the next request, "" for none."""

        async def set_viewer(request: httpx.Request) -> None:
            request.headers[VIEWER_HEADER] = viewer()

        self.base_url = base_url
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=_headers(token), transport=transport, timeout=timeout, trust_env=False,
            event_hooks={"request": [set_viewer]},
        )  # fmt: skip

    async def subject(self) -> SubjectReply:
        """The model, SAE and runs that the host serves."""
        with _host_errors(self.base_url):
            return _subject(self.base_url, await self._http.get(SUBJECT))

    async def ask(self, request: Request[Reply]) -> Reply:
        """Send one request and wait for its reply."""
        endpoint = endpoint_of(request)
        with _host_errors(self.base_url):
            response = await self._http.post(endpoint.path, content=request.model_dump_json())
            return _parse(self.base_url, endpoint.reply, response)

    async def steer(self, request: SteerRequest) -> AsyncGenerator[Event, None]:
        """Generate text, token by token, up to DoneEvent or ErrorEvent. Closing the iterator stops the host."""
        with _host_errors(self.base_url):
            async with self._http.stream("POST", STEER, content=request.model_dump_json()) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    raise _refusal(self.base_url, response)
                async with aclosing(_events(response).aiter_sse()) as messages:
                    async for message in messages:
                        event = event_from_json(message.data)
                        yield event
                        if isinstance(event, (DoneEvent, ErrorEvent)):
                            return
            raise _broken_off(self.base_url)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncSteeringClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _BoundedText:
    """A response whose events are bounded: httpx-sse collects a line, and the lines of an event, without limit.

    httpx-sse reads the headers and the text of a response, and nothing else. The bound is counted after decompression.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.headers = response.headers
        self._response = response
        self._last = ""
        """Last character so far: a blank line may be split between two pieces."""
        self._length = 0
        """Characters since the last blank line."""

    def iter_text(self) -> Iterator[str]:
        for text in self._response.iter_text():
            yield self._checked(text)

    async def aiter_text(self) -> AsyncIterator[str]:
        async for text in self._response.aiter_text():
            yield self._checked(text)

    def _checked(self, text: str) -> str:
        joined = self._last + text
        end = joined.rfind("\n\n")
        self._length = self._length + len(text) if end < 0 else len(joined) - end - 2
        self._last = text[-1:]
        if self._length > _MAX_EVENT:
            raise httpx.RemoteProtocolError("an event without an end")
        return text


def _events(response: httpx.Response) -> EventSource:
    return EventSource(cast("httpx.Response", _BoundedText(response)))


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "application/json"}


def _subject(url: str, response: httpx.Response) -> SubjectReply:
    reply = _parse(url, SubjectReply, response)
    if reply.protocol_version != PROTOCOL_VERSION:
        theirs = f"{reply.app_version} with protocol {reply.protocol_version}"
        raise HostMismatch(f"the host at {url} runs version {theirs}, this client speaks protocol {PROTOCOL_VERSION}")
    return reply


def _parse(url: str, kind: type[Reply], response: httpx.Response) -> Reply:
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
        return HostUnreachable(f"the server at {url} is not a steering host: status {response.status_code}")
    if body.code == "fingerprint_mismatch":
        return HostMismatch(body.message)
    if body.code == "hook_not_fired":
        return HookNotFired(body.message)
    wait = response.headers.get("retry-after", "")
    return HostRefused(body.words, retry_after=float(wait) if wait.isdecimal() else None)


def _error_body(response: httpx.Response) -> ErrorBody | None:
    """The error in a body; one that occurs after the reply has begun has status 200."""
    try:
        return ErrorBody.model_validate_json(response.content)
    except ValidationError:
        return None


def _broken_off(url: str) -> HostUnreachable:
    return HostUnreachable(f"the host at {url} closed the connection in the middle of a reply")


@contextmanager
def _host_errors(url: str) -> Iterator[None]:
    """Translate the errors of httpx and pydantic into the project's error tree, one line each."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        reason = str(error)[:_MAX_REASON] or type(error).__name__
        raise HostUnreachable(f"the steering host at {url} does not answer: {reason}") from error
    except ValidationError as error:
        raise HostUnreachable(
            f"the host at {url} answers what this client does not understand: {_first(error)}"
        ) from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:_MAX_REASON]
