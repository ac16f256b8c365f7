"""Counters of a host, and their text for `GET /metrics`, written by ``prometheus_client``."""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from contextlib import aclosing
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.steering.protocol.refusal import ErrorBody
from explorer.steering.protocol.steer import Event, TokenEvent

Samples: TypeAlias = Mapping[tuple[str, ...], float]
"""Values by label values."""
MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
OTHER = "other"
"""Route label of every address that does not exist, so that clients cannot create series."""
_PREFIX = "explorer_host_"
_FIRST_ERROR_STATUS = 400


class Metrics:
    """Counters of one host, raised on the event loop only.

    The library's own counters would add a ``_created`` series to each; a collector of plain numbers does not, and needs
    no process-wide registry.
    """

    def __init__(self, replica: str = "", replicas: int = 1) -> None:
        """With several replicas at one address each scrape reaches one of them: every sample names its replica."""
        self._own = {"replica": replica} if replica else {}
        self._replicas = replicas
        self.requests: Counter[tuple[str, int]] = Counter()
        """Replies by route and status; 499 where the client left first."""
        self.refused: Counter[str] = Counter()
        """Errors by the protocol's code."""
        self.tokens = 0
        """Generated tokens that were sent, all columns together."""

    async def counted(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Pass a generation's events on and count its tokens; closing this closes them."""
        async with aclosing(events):
            async for event in events:
                self.tokens += isinstance(event, TokenEvent)
                yield event

    def text(self, *, running: int, queued: int, model_seconds: float) -> str:
        """All samples in Prometheus' text format 0.0.4.

        Args:
            running: requests that share the model now.
            queued: requests that wait.
            model_seconds: seconds that the model's thread has spent on requests.
        """
        requests: Samples = {(route, str(status)): n for (route, status), n in sorted(self.requests.items())}
        refused: Samples = {(code,): n for code, n in sorted(self.refused.items())}
        registry = CollectorRegistry()
        registry.register(
            _Snapshot(
                self._counter("requests", "Requests answered.", requests, "route", "status"),
                self._counter("requests_refused", "Requests refused, by error code.", refused, "code"),
                self._gauge("requests_running", "Requests that share the model.", running),
                self._gauge("requests_queued", "Requests that wait for the model.", queued),
                self._counter("tokens_written", "Tokens generated, all columns together.", {(): self.tokens}),
                self._counter("model_seconds", "Seconds spent in the model.", {(): model_seconds}),
                self._gauge("replicas", "Replicas at this address.", self._replicas),
            )
        )
        return generate_latest(registry).decode()

    def _counter(self, name: str, meaning: str, samples: Samples, *labels: str) -> CounterMetricFamily:
        family = CounterMetricFamily(_PREFIX + name, meaning, labels=[*self._own, *labels])
        for values, number in samples.items():
            family.add_metric([*self._own.values(), *values], number)
        return family

    def _gauge(self, name: str, meaning: str, number: float) -> GaugeMetricFamily:
        family = GaugeMetricFamily(_PREFIX + name, meaning, labels=[*self._own])
        family.add_metric([*self._own.values()], number)
        return family


class _Snapshot:
    """A collector of metrics that are already there."""

    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class CountReplies:
    """Outermost ASGI middleware: counts each reply by route and status, and each error by its code."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, routes: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = scope["path"] if scope["path"] in self._routes else OTHER
        status = 0

        async def counting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                self._metrics.requests[route, status] += 1
            elif status >= _FIRST_ERROR_STATUS and message.get("body"):
                self._metrics.refused[_code(message["body"])] += 1
            await send(message)

        await self._app(scope, receive, counting_send)


def _code(body: bytes) -> str:
    try:
        return ErrorBody.model_validate_json(body).code
    except ValidationError:
        return OTHER
