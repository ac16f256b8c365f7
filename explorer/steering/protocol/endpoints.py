"""The endpoints that answer one request with one reply: path, request, reply. Client and host are built from it.

Two routes are no part of it: `GET /v1/subject` takes no request, does not involve the model and starts no host, and
`POST /v1/steer` answers with a stream of events.
"""

from dataclasses import dataclass
from typing import Any, Generic

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
from explorer.steering.protocol.wire import Reply, Request

SUBJECT = "/v1/subject"
STEER = "/v1/steer"


@dataclass(frozen=True)
class Endpoint(Generic[Reply]):
    """`POST path`, answered once."""

    path: str
    request: type[Request[Reply]]
    reply: type[Reply]
    summary: str
    """Description in the OpenAPI document."""

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint("/v1/behaviour", BehaviourRequest, BehaviourReply,
             "Next-token behaviour at every waypoint of every arm, from one batch."),
    Endpoint("/v1/encode", EncodeRequest, EncodeReply,
             "The clusters that fire on each token of a text, and the token's position on their curves."),
    Endpoint("/v1/check", CheckRequest, CheckReply,
             "The controls of a path, and the same move from other prompts."),
    Endpoint("/v1/sweep", SweepRequest, SweepReply,
             "Every strength at every position of a path, from one batch."),
    Endpoint("/v1/phrases", PhrasesRequest, PhrasesReply,
             "Log-probability of phrases after the prompt, unsteered and along a path."),
    Endpoint("/v1/feature", FeatureRequest, FeatureReply,
             "The next tokens that a feature's direction promotes and suppresses (logit lens)."),
)  # fmt: skip

_BY_REQUEST = {endpoint.request: endpoint for endpoint in ENDPOINTS}


def endpoint_of(request: Request[Reply]) -> Endpoint[Reply]:
    """The endpoint that takes a request."""
    return _BY_REQUEST[type(request)]
