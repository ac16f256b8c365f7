"""Listening sockets and their addresses."""

import socket
import threading

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from explorer.errors import ExplorerError
from explorer.http.server import AnnouncingServer, bind_socket, socket_url


async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """An app that is never called."""


def test_a_taken_port_is_an_error_before_anything_listens() -> None:
    with bind_socket("127.0.0.1", 0, backlog=1) as first, pytest.raises(ExplorerError, match="cannot listen on"):
        bind_socket("127.0.0.1", first.getsockname()[1], backlog=1)


def test_a_socket_without_a_backlog_refuses_clients() -> None:
    with bind_socket("127.0.0.1", 0) as bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname(), timeout=5)


def test_the_server_announces_once_it_accepts_connections() -> None:
    accepted: list[bool] = []
    with bind_socket("127.0.0.1", 0) as bound:
        url = socket_url(bound, "127.0.0.1")
        assert url == f"http://127.0.0.1:{bound.getsockname()[1]}"

        def announce() -> None:
            with socket.create_connection(bound.getsockname(), timeout=5):
                accepted.append(True)
            server.should_exit = True

        server = AnnouncingServer(uvicorn.Config(nothing, log_level="critical", lifespan="off"), announce)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        thread.join(10)
    assert accepted
