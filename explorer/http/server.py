"""A listening socket, and a uvicorn server that announces its address once it accepts connections."""

import socket
from collections.abc import Callable

import uvicorn

from explorer.errors import ExplorerError
from explorer.http.hosts import bracketed


def bind_socket(bind: str, port: int, backlog: int | None = None) -> socket.socket:
    """Bind a TCP socket.

    Args:
        bind: IPv4 or IPv6 address.
        port: 0 picks a free port.
        backlog: listen at once with this backlog; None leaves listening to the server, so that clients are refused
            until it is ready.

    Raises:
        ExplorerError: the address is taken or is none of this machine's.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((bind, port))
        if backlog is not None:
            bound.listen(backlog)
    except OSError as error:
        bound.close()
        raise ExplorerError(f"cannot listen on {bind} port {port}: {error.strerror or error}") from error
    return bound


def socket_url(bound: socket.socket, bind: str) -> str:
    """``http://host:port`` of a bound socket, without a path."""
    return f"http://{bracketed(bind)}:{bound.getsockname()[1]}"


class AnnouncingServer(uvicorn.Server):
    """Calls ``announce`` once it accepts connections."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting connections, then announce."""
        await super().startup(sockets)
        self._announce()
