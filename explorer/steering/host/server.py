"""The routes of a steering host: one model, one worker, a token for everything but `/healthz`."""

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
from explorer.steering.host.auth import Failures, Guard, allowed_hosts, error_response
from explorer.steering.host.metrics import MEDIA_TYPE, CountAnswers, Metrics
from explorer.steering.host.openapi import openapi_document
from explorer.steering.host.stream import EVENTS, REPLY, ClientGone, Coming, Pieces, or_gone
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
    """What a host needs of whatever holds the model."""

    def subject(self) -> SubjectReply:
        """What is held, and the limits."""

    def ask(self, request: Request[Reply]) -> Cooperative[Reply]:
        """The reply to one request, in turns."""

    def steer(self, request: SteerRequest) -> Task[Event]:
        """Text, token by token; wants its steps."""

    def run_batch(self, steps: Sequence[Any]) -> Sequence[object]:
        """The steps that several texts want, at once."""


class Health(Wire):
    """Answer of `GET /healthz`."""

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
    """Build a host's application. It starts the model's thread, and ends it with the application.

    Args:
        answers: holds the model.
        token: what clients must show.
        bind: address that the server listens on; decides which names it answers to.
        hosts: further names.
        worker: the model's thread, where it is not to be made here.
        metrics: what is counted, likewise.

    Raises:
        RequestError: there is no token, or too short a one.
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
    app.add_middleware(Guard, token=token, hosts=allowed_hosts(bind, hosts), failures=Failures())
    app.add_middleware(CountAnswers, metrics=counted, routes={getattr(route, "path", "") for route in app.routes})
    return app


def _add_routes(app: FastAPI, answers: RequestHandlers, scheduler: Scheduler, metrics: Metrics) -> None:
    @app.get("/healthz")
    async def healthz() -> Health:
        """Whether the host answers; the only route without a token."""
        return Health(status="ok")

    @app.get(SUBJECT)
    async def subject() -> SubjectReply:
        """What the host holds and what it allows."""
        return answers.subject()

    for endpoint in ENDPOINTS:
        _add_endpoint(app, endpoint, answers, scheduler)

    @app.post(STEER, response_class=Response)
    async def steer(request: SteerRequest, http: HttpRequest) -> Response:
        """Text of every arm as server-sent events: start, token, row_done, and done or error."""
        job: Job[Event] = scheduler.submit(lambda: answers.steer(request), _client(http))
        return Pieces(EVENTS, await _begun(metrics.written(job.items()), http))

    @app.get("/metrics", response_class=PlainTextResponse)
    async def gauges() -> Response:
        """What the host has done and what it is doing, in Prometheus' text format."""
        text = metrics.text(running=scheduler.running, queued=scheduler.waiting, model_seconds=scheduler.busy_seconds)
        return Response(text, media_type=MEDIA_TYPE)


def _add_endpoint(app: FastAPI, endpoint: Endpoint[Reply], answers: RequestHandlers, scheduler: Scheduler) -> None:
    async def answer(request: endpoint.request, http: HttpRequest) -> Response:  # type: ignore[name-defined]
        job: Job[BaseModel] = scheduler.submit(lambda: answers.ask(request), _client(http))
        return Pieces(REPLY, await _begun(job.items(), http))

    app.add_api_route(
        endpoint.path, answer, methods=["POST"], response_model=endpoint.reply, name=endpoint.name,
        description=endpoint.summary,
    )  # fmt: skip


def _client(http: HttpRequest) -> str:
    """Who asks, for the fair queue: a viewer that the app names, or an address."""
    address = http.client.host if http.client else ""
    return f"{address} {http.headers.get(VIEWER_HEADER, '')[:_LONGEST_VIEWER]}"


async def _begun(items: AsyncGenerator[Item, None], http: HttpRequest) -> Coming[Item]:
    """A job whose first item is here, or long in coming; it is let go where it fails or the client leaves."""
    coming = Coming(items)
    try:
        await or_gone(coming.here(), http.receive)
    except (ExplorerError, ClientGone, asyncio.CancelledError):
        await coming.close()
        raise
    except Exception as error:
        await coming.close()
        # Told here, not by the last resort below: that one closes the connection under the client's next request.
        raise explained(error) from error
    return coming


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
            return error_response(400, "malformed", "the body is no JSON")
        return error_response(422, "invalid", str(first["msg"]), field=_field(first["loc"]))

    @app.exception_handler(HTTPException)
    async def plain(_: HttpRequest, error: HTTPException) -> Response:
        return error_response(error.status_code, _HTTP_CODES.get(error.status_code, "malformed"), str(error.detail))

    @app.exception_handler(Exception)
    async def unexpected(_: HttpRequest, error: Exception) -> Response:
        return _explained(error)


def _explained(error: Exception) -> Response:
    told = explained(error)
    body = told.body
    return error_response(told.status, body.code, body.message, field=body.field, retry_after=told.retry_after)


def _field(place: tuple[str | int, ...]) -> str | None:
    """Dotted path of a field, without the body and without the names that pydantic gives to parts of a union."""
    parts = [str(part) for part in place if part != "body" and not str(part).startswith((_UNION_TAG, "function-"))]
    return ".".join(parts) or None
