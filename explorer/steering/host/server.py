"""The routes of a steering host: one model, one thread that runs it, a token for everything but `/healthz`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable

from fastapi import FastAPI
from fastapi import Request as HttpRequest
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
from explorer.steering.protocol.endpoints import ENDPOINTS, STEER, SUBJECT, Endpoint
from explorer.steering.protocol.refusal import ErrorCode, explained
from explorer.steering.protocol.steer import Event, SteerRequest
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.token_file import SHORTEST_TOKEN
from explorer.steering.protocol.wire import VIEWER_HEADER, Reply, Request, Wire
from explorer.steering.scheduler.cooperative import Cooperative, Item, Task
from explorer.steering.scheduler.scheduler import Job, Scheduler

_LONGEST_VIEWER = 64
_GONE = 499
_HTTP_CODES: dict[int, ErrorCode] = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_UNION_TAG = "constrained-"


@runtime_checkable
class RequestHandlers(Protocol):
    """Handlers of a host's requests, on the model's thread."""

    def subject(self) -> SubjectReply:
        """The subject and runs that are served, and the limits."""

    def ask(self, request: Request[Reply]) -> Cooperative[Reply]:
        """Compute the reply to one request, yielding between steps."""

    def steer(self, request: SteerRequest) -> Task[Event]:
        """Generate text; yields events, and steps that run in batches."""

    def run_batch(self, steps: Sequence[Any]) -> Sequence[object]:
        """Run the steps of several generations as one batch."""


class Health(Wire):
    """Reply to `GET /healthz`."""

    status: str
    """"ok"."""


def create_app(
    answers: RequestHandlers,
    *,
    token: str,
    bind: str = "127.0.0.1",
    hosts: Collection[str] = (),
    scheduler: Scheduler | None = None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """Build a host's application, which owns the thread that runs the model.

    Args:
        answers: handlers of the requests.
        token: bearer token of clients.
        bind: listen address; decides under which names the host answers.
        hosts: further names.
        scheduler: the scheduler of the model's thread; None starts one.
        metrics: the host's counters; None creates them.

    Raises:
        RequestError: the token is too short, or not ASCII.
    """
    if len(token) < SHORTEST_TOKEN or not token.isascii():
        raise RequestError("token", f"{len(token)} characters", f"at least {SHORTEST_TOKEN} ASCII characters")
    limits = answers.subject().limits
    thread = scheduler or Scheduler(running=limits.running, queued=limits.queued, run_batch=answers.run_batch)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        thread.close()

    app = FastAPI(
        title="Manifold Explorer: steering host", version=version("manifold-explorer"), docs_url=None, redoc_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.openapi = partial(openapi_document, app)  # type: ignore[method-assign]
    app.state.scheduler = thread
    counted = metrics or Metrics()
    _add_handlers(app)
    _add_routes(app, answers, thread, counted)
    app.add_middleware(Guard, token=token, hosts=allowed_hosts(bind, hosts), failures=FailureCounter())
    app.add_middleware(CountReplies, metrics=counted, routes={getattr(route, "path", "") for route in app.routes})
    return app


def _add_routes(app: FastAPI, answers: RequestHandlers, scheduler: Scheduler, metrics: Metrics) -> None:
    @app.get("/healthz")
    async def healthz() -> Health:
        """Whether the host answers; the only route without a token."""
        return Health(status="ok")

    @app.get(SUBJECT)
    async def subject() -> SubjectReply:
        """The subject and runs that the host serves, and its limits."""
        return answers.subject()

    for endpoint in ENDPOINTS:
        _add_endpoint(app, endpoint, answers, scheduler)

    @app.post(STEER, response_class=Response)
    async def steer(request: SteerRequest, http: HttpRequest) -> Response:
        """Text of every arm as server-sent events: start, token, row_done, and done or error."""
        job: Job[Event] = scheduler.submit(lambda: answers.steer(request), _client(http))
        return StreamedResponse(stream.EVENTS, await _begun(metrics.counted(job.items()), http), stream.LIMITS)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def gauges() -> Response:
        """Counters and gauges of the host in Prometheus' text format."""
        text = metrics.text(running=scheduler.running, queued=scheduler.waiting, model_seconds=scheduler.busy_seconds)
        return Response(text, media_type=MEDIA_TYPE)


def _add_endpoint(app: FastAPI, endpoint: Endpoint[Reply], answers: RequestHandlers, scheduler: Scheduler) -> None:
    async def answer(request: endpoint.request, http: HttpRequest) -> Response:  # type: ignore[name-defined]
        job: Job[BaseModel] = scheduler.submit(lambda: answers.ask(request), _client(http))
        return StreamedResponse(stream.REPLY, await _begun(job.items(), http), stream.LIMITS)

    app.add_api_route(
        endpoint.path, answer, methods=["POST"], response_model=endpoint.reply, name=endpoint.name,
        description=endpoint.summary,
    )  # fmt: skip


def _client(http: HttpRequest) -> str:
    """Key of the fair queue: the client's address and, if it names one, the viewer."""
    address = http.client.host if http.client else ""
    return f"{address} {http.headers.get(VIEWER_HEADER, '')[:_LONGEST_VIEWER]}"


async def _begun(items: AsyncGenerator[Item, None], http: HttpRequest) -> Prefetched[Item]:
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
    async def refused(_: HttpRequest, error: ExplorerError) -> Response:
        return _explained(error)

    @app.exception_handler(ClientGone)
    async def gone(_: HttpRequest, error: ClientGone) -> Response:  # noqa: ARG001
        return Response(status_code=_GONE)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: HttpRequest, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return ErrorReply(400, "malformed", "the body is not JSON").response(with_field=True)
        return ErrorReply(422, "invalid", str(first["msg"]), _field(first["loc"])).response(with_field=True)

    @app.exception_handler(HTTPException)
    async def plain(_: HttpRequest, error: HTTPException) -> Response:
        code = _HTTP_CODES.get(error.status_code, "malformed")
        return ErrorReply(error.status_code, code, str(error.detail)).response(with_field=True)

    @app.exception_handler(Exception)
    async def unexpected(_: HttpRequest, error: Exception) -> Response:
        return _explained(error)


def _explained(error: Exception) -> Response:
    return explained(error).reply.response(with_field=True)


def _field(place: tuple[str | int, ...]) -> str | None:
    """Dotted path of a field, without the body and without the names that pydantic gives to parts of a union."""
    parts = [str(part) for part in place if part != "body" and not str(part).startswith((_UNION_TAG, "function-"))]
    return ".".join(parts) or None
