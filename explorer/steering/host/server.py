"""The routes of a steering host: one model, one worker thread, a token for everything but `/healthz`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol, TypeVar, runtime_checkable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from explorer.errors import ExplorerError, RequestError
from explorer.http.errors import ErrorReply
from explorer.http.streaming import ClientGone, Prefetched, StreamedResponse, unless_gone
from explorer.steering.host import stream
from explorer.steering.host.auth import FailureCounter, Guard, allowed_hosts
from explorer.steering.host.metrics import MEDIA_TYPE, CountReplies, Metrics
from explorer.steering.host.openapi import openapi_document
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
    VIEWER_HEADER,
    BehaviourReply,
    BehaviourRequest,
    ErrorCode,
    Event,
    PathRequest,
    SteerRequest,
    SubjectReply,
    Wire,
)
from explorer.steering.protocol.refusal import explained
from explorer.steering.protocol.token_file import SHORTEST_TOKEN
from explorer.steering.scheduler.cooperative import Turns
from explorer.steering.scheduler.scheduler import Item, Job, Work, Worker

Path = TypeVar("Path", bound=PathRequest)
Reply = TypeVar("Reply", bound=BaseModel)

_LONGEST_VIEWER = 64
_GONE = 499
_HTTP_CODES: dict[int, ErrorCode] = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_UNION_TAG = "constrained-"


@runtime_checkable
class Answering(Protocol):
    """What a host needs of whatever holds the model."""

    def subject(self) -> SubjectReply:
        """What is held, and the limits."""

    def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        """Next-token behaviour along a path."""

    def encoding(self, request: EncodeRequest) -> Turns[EncodeReply]:
        """For each token of a text the clusters that fire there, in turns."""

    def preparing(self, request: PathRequest) -> Turns[None]:
        """What the first question about a cluster waits for, in turns; done before any other of its requests."""

    def checking(self, request: CheckRequest) -> Turns[CheckReply]:
        """The controls of a path, and the same move from other prompts, in turns."""

    def sweep(self, request: SweepRequest) -> SweepReply:
        """Every strength at every position of a path."""

    def phrases(self, request: PhrasesRequest) -> PhrasesReply:
        """How likely some phrases are along a path."""

    def feature(self, request: FeatureRequest) -> FeatureReply:
        """Which next tokens a feature's direction speaks for."""

    def writing(self, request: SteerRequest) -> Work[Event]:
        """Text, token by token; wants its steps."""

    def choose(self, asked: Sequence[Any]) -> Sequence[object]:
        """The steps that several texts want, at once."""


class Health(Wire):
    """Answer of `GET /healthz`."""

    status: str
    """"ok"."""


def create_app(
    answers: Answering,
    *,
    token: str,
    bind: str = "127.0.0.1",
    hosts: Collection[str] = (),
    worker: Worker | None = None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """Build a host's application, which owns the thread that runs the model.

    Args:
        answers: handlers of the requests.
        token: bearer token of clients.
        bind: listen address; decides under which names the host answers.
        hosts: further names.
        worker: the thread that runs the model; None starts one.
        metrics: the host's counters; None creates them.

    Raises:
        RequestError: the token is too short, or not ASCII.
    """
    if len(token) < SHORTEST_TOKEN or not token.isascii():
        raise RequestError("token", f"{len(token)} characters", f"at least {SHORTEST_TOKEN} ASCII characters")
    limits = answers.subject().limits
    thread = worker or Worker(running=limits.running, queued=limits.queued, do=answers.choose)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        thread.close()

    app = FastAPI(
        title="Manifold Explorer: steering host", version=version("manifold-explorer"), docs_url=None, redoc_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.openapi = partial(openapi_document, app)  # type: ignore[method-assign]
    app.state.worker = thread
    counted = metrics or Metrics()
    _add_handlers(app)
    _add_routes(app, answers, thread, counted)
    app.add_middleware(Guard, token=token, hosts=allowed_hosts(bind, hosts), failures=FailureCounter())
    app.add_middleware(CountReplies, metrics=counted, routes={getattr(route, "path", "") for route in app.routes})
    return app


def _add_routes(app: FastAPI, answers: Answering, worker: Worker, metrics: Metrics) -> None:
    @app.get("/healthz")
    async def healthz() -> Health:
        """Whether the host answers; the only route without a token."""
        return Health(status="ok")

    @app.get("/v1/subject")
    async def subject() -> SubjectReply:
        """What the host holds and what it allows."""
        return answers.subject()

    @app.post("/v1/behaviour", response_model=BehaviourReply)
    async def behaviour(request: BehaviourRequest, http: Request) -> Response:
        """Next-token behaviour at every waypoint, every arm, from one batch."""
        return await _once(worker, _ready(answers, request, answers.behaviour), http)

    @app.post("/v1/encode", response_model=EncodeReply)
    async def encode(request: EncodeRequest, http: Request) -> Response:
        """Which clusters fire on each token of a text, and where on their curves it lies."""
        return await _once(worker, answers.encoding(request), http)

    @app.post("/v1/check", response_model=CheckReply)
    async def check(request: CheckRequest, http: Request) -> Response:
        """The controls of a path, and the same move from other prompts."""
        return await _once(worker, answers.checking(request), http)

    @app.post("/v1/sweep", response_model=SweepReply)
    async def sweep(request: SweepRequest, http: Request) -> Response:
        """Every strength at every position of a path, from one batch."""
        return await _once(worker, _ready(answers, request, answers.sweep), http)

    @app.post("/v1/phrases", response_model=PhrasesReply)
    async def phrases(request: PhrasesRequest, http: Request) -> Response:
        """How likely some phrases are after the prompt, unsteered and along a path."""
        return await _once(worker, _ready(answers, request, answers.phrases), http)

    @app.post("/v1/feature", response_model=FeatureReply)
    async def feature(request: FeatureRequest, http: Request) -> Response:
        """Which next tokens a feature's direction speaks for and against, by itself."""
        return await _once(worker, _at_once(answers, request), http)

    @app.post("/v1/steer", response_class=Response)
    async def steer(request: SteerRequest, http: Request) -> Response:
        """Text of every arm as server-sent events: start, token, row_done, and done or error."""
        job: Job[Event] = worker.submit(lambda: _written(answers, request), _client(http))
        return StreamedResponse(stream.EVENTS, await _begun(metrics.counted(job.items()), http), stream.LIMITS)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def gauges() -> Response:
        """What the host has done and what it is doing, in Prometheus' text format."""
        text = metrics.text(running=worker.running, queued=worker.waiting, model_seconds=worker.busy_seconds)
        return Response(text, media_type=MEDIA_TYPE)


def _ready(answers: Answering, request: Path, answer: Callable[[Path], Reply]) -> Turns[Reply]:
    yield from answers.preparing(request)
    return answer(request)


def _at_once(answers: Answering, request: FeatureRequest) -> Turns[FeatureReply]:
    yield from ()
    return answers.feature(request)


def _written(answers: Answering, request: SteerRequest) -> Work[Event]:
    yield from answers.preparing(request)
    yield from answers.writing(request)


def _told(turns: Turns[Reply]) -> Work[Reply]:
    yield (yield from turns)


async def _once(worker: Worker, turns: Turns[Reply], http: Request) -> Response:
    """One reply from the model's thread, as JSON."""
    job: Job[BaseModel] = worker.submit(lambda: _told(turns), _client(http))
    return StreamedResponse(stream.REPLY, await _begun(job.items(), http), stream.LIMITS)


def _client(http: Request) -> str:
    """Who asks, for the fair queue: a viewer that the app names, or an address."""
    address = http.client.host if http.client else ""
    return f"{address} {http.headers.get(VIEWER_HEADER, '')[:_LONGEST_VIEWER]}"


async def _begun(items: AsyncGenerator[Item, None], http: Request) -> Prefetched[Item]:
    """A job whose first item is ready or slower than a heartbeat; an error before that gets a status of its own."""
    prefetched = Prefetched(items)
    try:
        await unless_gone(prefetched.ready(stream.LIMITS.heartbeat_seconds), http.receive)
    except (ExplorerError, ClientGone, asyncio.CancelledError):
        await prefetched.close()
        raise
    except Exception as error:
        await prefetched.close()
        # Not left to the handler of last resort, which closes the connection under the client's next request.
        raise explained(error) from error
    return prefetched


def _add_handlers(app: FastAPI) -> None:
    @app.exception_handler(ExplorerError)
    async def refused(_: Request, error: ExplorerError) -> Response:
        return _explained(error)

    @app.exception_handler(ClientGone)
    async def gone(_: Request, error: ClientGone) -> Response:  # noqa: ARG001
        return Response(status_code=_GONE)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return ErrorReply(400, "malformed", "the body is not JSON").response(with_field=True)
        return ErrorReply(422, "invalid", str(first["msg"]), _field(first["loc"])).response(with_field=True)

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> Response:
        code = _HTTP_CODES.get(error.status_code, "malformed")
        return ErrorReply(error.status_code, code, str(error.detail)).response(with_field=True)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return _explained(error)


def _explained(error: Exception) -> Response:
    return explained(error).reply.response(with_field=True)


def _field(place: tuple[str | int, ...]) -> str | None:
    """Dotted path of a field, without the body and without the names that pydantic gives to parts of a union."""
    parts = [str(part) for part in place if part != "body" and not str(part).startswith((_UNION_TAG, "function-"))]
    return ".".join(parts) or None
