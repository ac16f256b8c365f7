"""The table of endpoints: every row has a route, a handler and typed messages."""

from typing import Any

import pytest

from explorer.steering.answers.handlers import Handlers
from explorer.steering.host.server import create_app
from explorer.steering.protocol.endpoints import ENDPOINTS, Endpoint, endpoint_of
from explorer.steering.protocol.wire import Request
from tests.fake_host import TOKEN, FakeHandlers


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_an_endpoint_has_a_handler_and_its_request_names_its_reply(endpoint: Endpoint[Any]) -> None:
    handlers = Handlers.__dict__["_handle"].dispatcher
    assert endpoint.request in handlers.registry
    assert endpoint_of(endpoint.request.model_construct()) is endpoint
    (reply,) = [base.__pydantic_generic_metadata__["args"][0] for base in endpoint.request.__mro__[1:]
                if base is not Request and issubclass(base, Request)]  # fmt: skip
    assert reply is endpoint.reply


def test_the_routes_are_the_table() -> None:
    app = create_app(FakeHandlers(), token=TOKEN)
    app.state.scheduler.close()
    posts = {path for path, methods in app.openapi()["paths"].items() if "post" in methods}
    assert posts == {endpoint.path for endpoint in ENDPOINTS} | {"/v1/steer"}
