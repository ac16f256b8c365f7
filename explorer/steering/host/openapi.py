"""The OpenAPI document of `GET /openapi.json`: FastAPI's, and what FastAPI cannot know of a host.

That is the token, which is checked before any route, the one shape of errors, and the events of a stream.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from explorer.steering.host.auth import BODY_LIMITS, OPEN_PATHS
from explorer.steering.host.metrics import MEDIA_TYPE
from explorer.steering.host.stream import LIMITS
from explorer.steering.protocol.refusal import ErrorBody
from explorer.steering.protocol.steer import SteerEvent
from explorer.steering.protocol.wire import PROTOCOL_VERSION, VIEWER_HEADER

ANY_ERRORS = {
    400: "The Host header names another server.",
    401: "No token, or the wrong one.",
    429: "Too many wrong tokens from this address.",
    500: "The host failed; see its log.",
}
"""Errors of every route behind the token."""
MODEL_ERRORS = {
    400: "The Host header names another server, or the body is not JSON or nested too deep.",
    404: "This host does not serve the run.",
    408: "The body took too long to arrive.",
    409: "The host holds another subject; the message names both.",
    413: f"The body has more than {BODY_LIMITS.max_bytes} bytes.",
    422: "A field is out of range (it is named), or the model's numbers are not finite (`numeric_overflow`).",
    429: "The queue is full, or too many wrong tokens came from this address.",
    500: "The edit did not happen (`hook_not_fired`), or the host failed.",
    503: "The host is stopping.",
}
"""Errors of routes that run the model."""
_STREAM = "Server-sent events whose data are events: `start`, `token` and `row_done`, last `done` or `error`."
_DESCRIPTION = (
    f"Protocol {PROTOCOL_VERSION}. One thread runs the model: a few requests take turns, and texts that generate at "
    "the same time share batches. Some more requests wait in a queue; when it is full, a request gets 429 at once. "
    "Closing the connection cancels a request. A reply that takes longer than "
    f"{LIMITS.heartbeat_seconds:g} s starts before it is complete, with blank lines before its JSON or comments before "
    "its events; an error after that is reported under status 200, as an `ErrorBody` in place of the JSON or as an "
    "`error` event."
)
_VIEWER = {
    "name": VIEWER_HEADER, "in": "header", "required": False, "schema": {"type": "string", "maxLength": 64},
    "description": "On whose behalf the request is made, for clients that serve several people: the queue is fair "
    "between viewers.",
}  # fmt: skip
_RETRY = {
    "description": "Whole seconds after which to retry, with random jitter.",
    "schema": {"type": "integer", "minimum": 1},
}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document of an app, cached on it."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
    schemas = document["components"]["schemas"]
    schemas |= _further_schemas()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(operation, path, runs_model=method == "post")
    paths = document["paths"]
    paths["/v1/steer"]["post"]["responses"]["200"] = _reply(_STREAM, "text/event-stream", "SteerEvent")
    paths["/metrics"]["get"]["responses"]["200"]["content"] = {MEDIA_TYPE: {"schema": {"type": "string"}}}
    return document


def _complete(operation: dict[str, Any], path: str, *, runs_model: bool) -> None:
    """Add a route's errors, the viewer header where it runs the model, and whether it needs no token."""
    errors = ANY_ERRORS | (MODEL_ERRORS if runs_model else {})
    if path in OPEN_PATHS:
        operation["security"], errors = [], {400: ANY_ERRORS[400]}
    if runs_model:
        operation["parameters"] = [_VIEWER]
    for status, description in errors.items():
        operation["responses"][str(status)] = _reply(description, "application/json", "ErrorBody")
    if 429 in errors:
        operation["responses"]["429"]["headers"] = {"Retry-After": _RETRY}


def _reply(description: str, media_type: str, schema: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _further_schemas() -> dict[str, Any]:
    """Schemas that no route refers to: the error, and the events of a stream with their parts."""
    template, events = "#/components/schemas/{model}", TypeAdapter[SteerEvent](SteerEvent)
    whole = events.json_schema(mode="serialization", ref_template=template)
    parts: dict[str, Any] = whole.pop("$defs")
    return parts | {"SteerEvent": whole, "ErrorBody": ErrorBody.model_json_schema(ref_template=template)}
