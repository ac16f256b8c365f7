"""Serves the app: one worker, one URL, with a host that is named, started beside it, or absent."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import uvicorn

from explorer.app.factory import create_app
from explorer.app.local_host import LocalHost
from explorer.app.relay import SteeringHost
from explorer.app.security.filter import EdgeSettings
from explorer.app.security.origins import host_list
from explorer.errors import ExplorerError, RequestError
from explorer.runs.catalog import scan
from explorer.steering.client import AsyncSteeringClient
from explorer.terminal import print_json, say

LONGEST_TOKEN = 4096
"""Bytes of a token file that are read."""
_BACKLOG = 128
_SHUTDOWN_SECONDS = 3


@dataclass(frozen=True)
class HostAddress:
    """Where a steering host is, and what it asks for; only the command line names it."""

    url: str
    """Such as "http://127.0.0.1:8051"."""
    token: str
    """What the host's token file holds."""

    @classmethod
    def read(cls, url: str | None, token_file: Path | None) -> "HostAddress | None":
        """Read both options of the command line; None where neither is given.

        Raises:
            RequestError: one without the other, no address, or a file without a token.
        """
        if url is None and token_file is None:
            return None
        if url is None or token_file is None:
            raise RequestError("steering host", "an address or a token alone", "both --host-url and --host-token-file")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RequestError("--host-url", repr(url), "an address such as http://127.0.0.1:8051")
        return cls(url, _token(token_file))


def serve(
    folder: Path,
    *,
    host: HostAddress | None = None,
    port: int = 8050,
    bind: str = "127.0.0.1",
    allowed_hosts: tuple[str, ...] = (),
    shares_path: Path | None = None,
    read_only: bool = False,
    as_json: bool = False,
) -> None:
    """Serve the runs of a folder until interrupted; prints its address once it listens.

    Args:
        folder: a run, or a folder of runs.
        host: the steering host, or None.
        port: 0 takes a free one.
        bind: address to listen on.
        allowed_hosts: further names that the page may be asked for by.
        shares_path: SQLite file of shared results; None takes the user's own.
        read_only: store nothing.
        as_json: print {"url": ...} in place of a line.

    Raises:
        RunError: the folder is none.
        RequestError: a name that is no host name.
        ExplorerError: the address cannot be listened on.
    """
    client = None if host is None else AsyncSteeringClient(host.url, host.token)
    _serve(folder, client, port, bind, allowed_hosts, shares_path, read_only, _announce(as_json))


def serve_with_local_host(folder: Path, *, steered: str, port: int = 0, as_json: bool = False) -> None:
    """Serve a folder of runs with a host for one of them, started beside the app and ended with it.

    Args:
        folder: the folder of runs.
        steered: name of the run whose subject the host serves.
        port: 0 takes a free one.
        as_json: print {"url": ...} in place of a line.

    Raises:
        RunError, ExplorerError: as in ``serve``.
    """
    # uvicorn gives a signal that ended it back to the process, which would end here without ending the host.
    signal.signal(signal.SIGTERM, _leave)
    with LocalHost(folder / steered) as host:
        _serve(folder, host, port, "127.0.0.1", (), None, False, _announce(as_json))


@contextmanager
def one_host(run: Path | None, address: HostAddress | None) -> Iterator[SteeringHost]:
    """A host that runs already, or one that is started for a run and ended again.

    Raises:
        RequestError: both are named, or neither.
    """
    if (run is None) == (address is None):
        raise RequestError("host", "both or neither", "either --run, or --host-url and --host-token-file")
    if run is not None:
        with LocalHost(run) as host:
            yield host
    elif address is not None:
        yield AsyncSteeringClient(address.url, address.token)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Leave as an exception does, through every context manager."""
    raise SystemExit(128 + number)


def default_shares() -> Path:
    """Where shared results are kept when nobody says otherwise: the user's data folder, never a run's."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "manifold-explorer" / "shares.sqlite"


def _serve(
    folder: Path,
    host: SteeringHost | None,
    port: int,
    bind: str,
    allowed_hosts: tuple[str, ...],
    shares_path: Path | None,
    read_only: bool,
    announce: Callable[[str], None],
) -> None:
    catalog = scan(folder)
    shares = shares_path or default_shares()
    if not read_only:
        shares.parent.mkdir(parents=True, exist_ok=True)
    with _listen(bind, port) as listening:
        own_port = int(listening.getsockname()[1])
        edge = EdgeSettings(host_list(bind, own_port, allowed_hosts), read_only=read_only)
        app = create_app(catalog, host=host, shares_path=shares, edge=edge)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        name = f"[{bind}]" if ":" in bind else bind
        _Announcing(config, lambda: announce(f"http://{name}:{own_port}/")).run(sockets=[listening])


def _announce(as_json: bool) -> Callable[[str], None]:
    def announce(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            print(url)
        sys.stdout.flush()
        say("Open this address in a browser; Ctrl-C ends it.")

    return announce


def _token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(LONGEST_TOKEN).strip().decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(str(path), type(error).__name__, "a file that holds the host's token") from error
    if not token or not token.isprintable() or " " in token:
        raise RequestError(str(path), "no token", "the host's token and nothing else")
    return token


def _listen(bind: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((bind, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ExplorerError(f"cannot listen on {bind} port {port}: {error.strerror or error}") from error
    return listening


class _Announcing(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()
