"""How a host's replies are written: a generation as server-sent events, everything else as one JSON document.

A client gives up on a host that is silent, so a reply that takes long starts before it is complete. What fails from
then on is reported in the body, under status 200.
"""

from pydantic import BaseModel

from explorer.http.streaming import SSE, SSE_HEARTBEAT, StreamFormat, StreamLimits
from explorer.steering.protocol.refusal import explained
from explorer.steering.protocol.steer import ErrorEvent, Event, event_to_sse

LIMITS = StreamLimits()


def _failed_event(error: Exception) -> str:
    body = explained(error).body
    return event_to_sse(ErrorEvent(code=body.code, message=body.words))


def _failed_reply(error: Exception) -> str:
    return explained(error).body.model_dump_json()


EVENTS: StreamFormat[Event] = StreamFormat(SSE, event_to_sse, SSE_HEARTBEAT, _failed_event)
REPLY: StreamFormat[BaseModel] = StreamFormat(
    "application/json", BaseModel.model_dump_json, "\n", _failed_reply, single=True
)
"""JSON may be preceded by blank lines, so they are its heartbeat."""
