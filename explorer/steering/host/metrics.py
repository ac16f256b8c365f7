"""What a host counts, and `GET /metrics`: Prometheus' text format 0.0.4 in a few lines."""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.steering.protocol.refusal import ErrorBody
from explorer.steering.protocol.steer import Event, TokenEvent

Labels = tuple[tuple[str, str], ...]
"""Names and values of a sample's labels."""

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""Route of every request to an address that does not exist, so that nobody can make new series."""
_FIRST_REFUSAL = 400
_PREFIX = "explorer_host_"


class Metrics:
    """Counters of one host, raised by the event loop's thread alone."""

    def __init__(self, replica: str = "", replicas: int = 1) -> None:
        """Where several replicas answer at one address, each scrape is one replica's, and every sample names it."""
        self._own: Labels = (("replica", replica),) if replica else ()
        self._replicas = replicas
        self.requests: Counter[tuple[str, int]] = Counter()
        """Answered requests by route and status; a client that left before its answer counts as 499."""
        self.refused: Counter[str] = Counter()
        """Refusals by the protocol's code."""
        self.tokens = 0
        """Tokens sent, all columns together."""

    async def written(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """The events of a text as they are sent, its tokens counted; closing this closes them."""
        async with aclosing(events):
            async for event in events:
                self.tokens += isinstance(event, TokenEvent)
                yield event

    def text(self, *, running: int, queued: int, model_seconds: float) -> str:
        """Everything in Prometheus' text format.

        Args:
            running: requests that take turns now.
            queued: requests that wait.
            model_seconds: time that the model's thread has spent on requests, in seconds.
        """
        requests: dict[Labels, float] = {
            (("route", route), ("status", str(status))): n for (route, status), n in sorted(self.requests.items())
        }
        refused: dict[Labels, float] = {(("code", code),): n for code, n in sorted(self.refused.items())}
        families: list[tuple[str, str, str, Mapping[Labels, float]]] = [
            ("requests_total", "counter", "Requests answered.", requests),
            ("requests_refused_total", "counter", "Requests refused, by the error's code.", refused),
            ("requests_running", "gauge", "Requests that take turns on the model.", {(): running}),
            ("requests_queued", "gauge", "Requests that wait for their turn.", {(): queued}),
            ("tokens_written_total", "counter", "Tokens written, all columns together.", {(): self.tokens}),
            ("model_seconds_total", "counter", "Seconds spent in the model.", {(): model_seconds}),
            ("replicas", "gauge", "Replicas that were asked for at this address.", {(): self._replicas}),
        ]
        return "".join(
            family(name, kind, meaning, {(*self._own, *labels): value for labels, value in samples.items()})
            for name, kind, meaning, samples in families
        )


class CountAnswers:
    """ASGI around everything else: counts each answer by route and status, and each refusal by its code."""

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

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                self._metrics.requests[route, status] += 1
            elif status >= _FIRST_REFUSAL and message.get("body"):
                self._metrics.refused[_code(message["body"])] += 1
            await send(message)

        await self._app(scope, receive, counted)


def family(name: str, kind: str, meaning: str, samples: Mapping[Labels, float]) -> str:
    """One family of samples with its head, in text format 0.0.4.

    Args:
        name: without the project's prefix; a counter's ends in ``_total``.
        kind: "counter" or "gauge".
        meaning: one line.
        samples: value of each set of labels.
    """
    full = _PREFIX + name
    lines = [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}"]
    lines += [f"{full}{_labels(labels)} {value!r}" for labels, value in samples.items()]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _code(body: bytes) -> str:
    try:
        return ErrorBody.model_validate_json(body).code
    except ValidationError:
        return OTHER
