"""Serves the app: one worker, one URL, with a host that is named, started beside it, or absent."""

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue
from threading import Thread
from types import FrameType
from urllib.parse import urlsplit

import uvicorn

from explorer.app.security.filter import EdgeSettings
from explorer.app.security.origins import frame_ancestors, host_list
from explorer.app.security.prefix import read_prefix
from explorer.app.server.edge import current_viewer
from explorer.app.server.factory import create_app
from explorer.app.server.local_host import LocalHost, LocalHosts
from explorer.app.site.hosts import OneHost, SteeringHost, SteeringHosts
from explorer.errors import ExplorerError, RequestError
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import open_run
from explorer.steering.client import AsyncSteeringClient
from explorer.steering.protocol.token_file import read_token
from explorer.terminal import print_json, say

LONGEST_TOKEN = 4096
"""Bytes of a token file that are read."""
_BACKLOG = 128
_SHUTDOWN_SECONDS = 3
_SECONDS_TO_START = 30
_IDLE_SECONDS = 75
"""How long a connection may be idle: longer than a proxy keeps one (60 s in nginx and in the clouds' balancers), as a
request on a connection that is being closed is lost."""


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


@dataclass(frozen=True)
class Place:
    """Where the app answers, and to whom."""

    port: int = 8050
    """0 takes a free one."""
    bind: str = "127.0.0.1"
    """Address to listen on."""
    prefix: str = "/"
    """Path under which a proxy serves it, with a slash at both ends; "{port}" stands for the port."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names that the page may be asked for by."""
    frames: tuple[str, ...] = ()
    """Origins that may show it in a frame."""


@dataclass(frozen=True)
class Keeping:
    """What the app stores and gives."""

    shares: Path | None = None
    """SQLite file of shared results; None takes the user's own."""
    read_only: bool = False
    """Store nothing."""
    view_only: bool = False
    """One run under the place's prefix alone, and nothing besides it."""


def serve(
    folder: Path,
    *,
    host: HostAddress | None = None,
    place: Place | None = None,
    keeping: Keeping | None = None,
    as_json: bool = False,
) -> None:
    """Serve the runs of a folder until interrupted; prints its address once it listens.

    Args:
        folder: a run, or a folder of runs.
        host: the steering host, or None.
        place: where it answers.
        keeping: what it stores.
        as_json: print {"url": ...} in place of a line.

    Raises:
        RunError: the folder is none.
        RequestError: a name that is no host name, a path or an origin that is none.
        ExplorerError: the address cannot be listened on.
    """
    client = None if host is None else AsyncSteeringClient(host.url, host.token, viewer=current_viewer)
    _serve(folder, OneHost(client), place or Place(), keeping or Keeping(), _announce(as_json))


def serve_view_only(
    folder: Path, secret: Path, place: Place, shares: Path | None = None, as_json: bool = False
) -> None:
    """Serve one run to whoever has the link, and nothing else to anybody: no other run, no steering, no storing.

    Args:
        folder: the run.
        secret: file with the part of the link that cannot be guessed; made, readable by its owner only, if missing.
        place: where it answers.
        shares: SQLite file of shared results; those of this run open.
        as_json: print {"url": ...} in place of a line.

    Raises:
        RunError: the folder is no run.
        RequestError, ExplorerError: as in ``serve``.
    """
    open_run(folder)
    hidden = replace(place, prefix=f"{read_prefix(place.prefix)}view/{read_token(secret)}/")
    _serve(folder, OneHost(), hidden, Keeping(shares, read_only=True, view_only=True), _announce(as_json))


def serve_in_background(folder: Path, place: Place) -> str:
    """Serve the runs of a folder, read-only, in a thread that ends with the program; gives the address.

    Raises:
        RunError, RequestError, ExplorerError: as in ``serve``.
    """
    told: Queue[str] = Queue()
    listening = _listen(place.bind, place.port)
    try:
        server = _server(folder, OneHost(), place, Keeping(read_only=True), listening, told.put)
    except BaseException:
        listening.close()
        raise
    Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    return told.get(timeout=_SECONDS_TO_START)


def serve_with_local_hosts(folder: Path, *, first: str, port: int = 0, as_json: bool = False) -> None:
    """Serve a folder of runs with a host for each that names a subject, started beside the app and ended with it.

    Args:
        folder: the folder of runs.
        first: name of the run whose host starts at once; another's starts when somebody first asks it something.
        port: 0 takes a free one.
        as_json: print {"url": ...} in place of a line.

    Raises:
        RunError, ExplorerError: as in ``serve``.
    """
    # uvicorn gives a signal that ended it back to the process, which would end here without ending the host.
    signal.signal(signal.SIGTERM, _leave)
    with LocalHosts(scan(folder).entries) as hosts:
        if (early := hosts.of(first)) is not None:
            early.start()
        _serve(folder, hosts, Place(port), Keeping(), _announce(as_json))


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
        yield AsyncSteeringClient(address.url, address.token, viewer=current_viewer)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Leave as an exception does, through every context manager."""
    raise SystemExit(128 + number)


def default_shares() -> Path:
    """Where shared results are kept when nobody says otherwise: the user's data folder, never a run's."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "manifold-explorer" / "shares.sqlite"


def _serve(folder: Path, hosts: SteeringHosts, place: Place, keeping: Keeping, announce: Callable[[str], None]) -> None:
    with _listen(place.bind, place.port) as listening:
        server = _server(folder, hosts, place, keeping, listening, announce)
        _keep_for_good()
        server.run(sockets=[listening])


def _keep_for_good() -> None:
    """Take what is there by now out of the garbage collector's rounds: it stays until the process ends.

    The manifest of a run with 5,000 clusters has so many objects that a round over all of them takes longer than a page
    does, and every few pages bring one. Only for a process that does nothing but serve.
    """
    gc.collect()
    gc.freeze()


def _server(
    folder: Path,
    hosts: SteeringHosts,
    place: Place,
    keeping: Keeping,
    listening: socket.socket,
    announce: Callable[[str], None],
) -> uvicorn.Server:
    catalog = scan(folder)
    shares = keeping.shares or default_shares()
    if not keeping.read_only:
        shares.parent.mkdir(parents=True, exist_ok=True)
    port = int(listening.getsockname()[1])
    prefix = read_prefix(place.prefix.replace("{port}", str(port)))
    app = create_app(
        catalog,
        hosts=hosts,
        shares_path=shares,
        edge=EdgeSettings(
            host_list(place.bind, port, place.allowed_hosts),
            read_only=keeping.read_only,
            frame_ancestors=frame_ancestors(place.frames),
        ),
        prefix=prefix,
        view_only=keeping.view_only,
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
    )
    name = f"[{place.bind}]" if ":" in place.bind else place.bind
    return _Announcing(config, lambda: announce(f"http://{name}:{port}{prefix}"))


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
