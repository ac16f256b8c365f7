"""What `GET /openapi.json` says: FastAPI's document, and what FastAPI cannot know of the host.

That is the token, which stands before all routes, the errors, which have one shape, and the events of a stream.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from explorer.steering.host.auth import MAX_BODY, OPEN_PATHS
from explorer.steering.host.metrics import MEDIA_TYPE
from explorer.steering.host.stream import HEARTBEAT_SECONDS
from explorer.steering.protocol.refusal import ErrorBody
from explorer.steering.protocol.steer import SteerEvent
from explorer.steering.protocol.wire import PROTOCOL_VERSION, VIEWER_HEADER

ANY_ERRORS = {
    400: "The Host header names somebody else.",
    401: "No token, or not the host's own.",
    429: "Too many wrong tokens from this address.",
    500: "The host failed; its log says more.",
}
"""Errors of every route behind the token."""
ASKED_ERRORS = {
    400: "The Host header names somebody else, or the body is no JSON or nested too deep.",
    404: "No such run here.",
    408: "The body took too long.",
    409: "The host holds another subject; both are named.",
    413: f"The body has more than {MAX_BODY} bytes.",
    422: "A field is out of its range and named, or the model's numbers are not finite (`numeric_overflow`).",
    429: "As many requests run and wait as may, or too many wrong tokens came from this address.",
    500: "The steering did not happen (`hook_not_fired`), or the host failed.",
    503: "The host is stopping.",
}
"""Further errors of what is asked of the model."""
_STREAM = "Server-sent events, the data of each one event: `start`, `token` and `row_done`, last `done` or `error`."
_ABOUT = (
    f"Protocol {PROTOCOL_VERSION}. The model is asked from one thread, which takes turns between a few requests and "
    "reads those that write together; some more may wait, and a further one is told 429 at once. Closing the "
    f"connection ends a request. An answer that takes longer than {HEARTBEAT_SECONDS:g} s begins before it is there, "
    "with blank lines before its JSON or with comments before its events; what fails after that is told under status "
    "200, as `ErrorBody` in place of the JSON or as the event `error`."
)
_VIEWER = {
    "name": VIEWER_HEADER, "in": "header", "required": False, "schema": {"type": "string", "maxLength": 64},
    "description": "For whom a client asks that asks for several people: places and turns are shared fairly.",
}  # fmt: skip
_RETRY = {
    "description": "Whole seconds after which to try again, drawn at random so that not all come back at once.",
    "schema": {"type": "integer", "minimum": 1},
}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document, made on the first call and kept."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    schemas = document["components"]["schemas"]
    schemas |= _further_schemas()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _tell(operation, path, asked=method == "post")
    paths = document["paths"]
    paths["/v1/steer"]["post"]["responses"]["200"] = _answer(_STREAM, "text/event-stream", "SteerEvent")
    paths["/metrics"]["get"]["responses"]["200"]["content"] = {MEDIA_TYPE: {"schema": {"type": "string"}}}
    return document


def _tell(operation: dict[str, Any], path: str, *, asked: bool) -> None:
    """Add a route's errors; of one that asks the model also the viewer, and of an open one that it needs no token."""
    errors = ANY_ERRORS | (ASKED_ERRORS if asked else {})
    if path in OPEN_PATHS:
        operation["security"], errors = [], {400: ANY_ERRORS[400]}
    if asked:
        operation["parameters"] = [_VIEWER]
    for status, words in errors.items():
        operation["responses"][str(status)] = _answer(words, "application/json", "ErrorBody")
    if 429 in errors:
        operation["responses"]["429"]["headers"] = {"Retry-After": _RETRY}


def _answer(words: str, media_type: str, schema: str) -> dict[str, Any]:
    return {"description": words, "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _further_schemas() -> dict[str, Any]:
    """Schemas that no route names: the error's shape, and a stream's events with their parts."""
    template, events = "#/components/schemas/{model}", TypeAdapter[SteerEvent](SteerEvent)
    whole = events.json_schema(mode="serialization", ref_template=template)
    parts: dict[str, Any] = whole.pop("$defs")
    return parts | {"SteerEvent": whole, "ErrorBody": ErrorBody.model_json_schema(ref_template=template)}
