"""Serves the app: one worker, one URL, with a steering host that is named, started as a subprocess, or absent."""

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
from explorer.app.security.origins import frame_ancestors
from explorer.app.security.prefix import read_prefix
from explorer.app.server.edge import current_viewer
from explorer.app.server.factory import create_app
from explorer.app.server.local_host import LocalHost, LocalHosts
from explorer.app.site.hosts import OneHost, SteeringHost, SteeringHosts
from explorer.errors import RequestError
from explorer.http.hosts import host_list
from explorer.http.server import AnnouncingServer, bind_socket, socket_url
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import open_run
from explorer.steering.client import AsyncSteeringClient
from explorer.steering.protocol.token_file import load_token, read_token
from explorer.terminal import print_json, say

_BACKLOG = 128
_SHUTDOWN_SECONDS = 3
_SECONDS_TO_START = 30
_KEEP_ALIVE_SECONDS = 75
"""Longer than a proxy keeps an idle connection (60 s in nginx and in cloud load balancers): a request that arrives on a
connection that is being closed is lost."""


@dataclass(frozen=True)
class HostAddress:
    """Where a steering host listens, and its token; only the command line names it."""

    url: str
    """Such as "http://127.0.0.1:8051"."""
    token: str

    @classmethod
    def read(cls, url: str | None, token_file: Path | None) -> "HostAddress | None":
        """Read both command-line options; None if neither is given.

        Raises:
            RequestError: one without the other, a malformed URL, or a file without a token.
        """
        if url is None and token_file is None:
            return None
        if url is None or token_file is None:
            raise RequestError("steering host", "an address or a token alone", "both --host-url and --host-token-file")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RequestError("--host-url", repr(url), "an address such as http://127.0.0.1:8051")
        return cls(url, load_token(token_file))


@dataclass(frozen=True)
class ListenSettings:
    """Where the app listens, and under which names it answers."""

    port: int = 8050
    """0 picks a free port."""
    bind: str = "127.0.0.1"
    """Listen address."""
    prefix: str = "/"
    """Path under which a proxy serves the app, with a slash at both ends; "{port}" stands for the port."""
    allowed_hosts: tuple[str, ...] = ()
    """Further host names that browsers may use."""
    frames: tuple[str, ...] = ()
    """Origins that may frame the app."""


@dataclass(frozen=True)
class StorageSettings:
    """What the app stores and shows."""

    shares: Path | None = None
    """SQLite file of shared results; None is ``default_shares()``."""
    read_only: bool = False
    """Store nothing."""
    view_only: bool = False
    """Serve one run, under the prefix only."""


def serve(
    folder: Path,
    *,
    host: HostAddress | None = None,
    listen: ListenSettings | None = None,
    storage: StorageSettings | None = None,
    as_json: bool = False,
) -> None:
    """Serve the runs of a folder until interrupted; prints the URL once it listens.

    Args:
        folder: a run, or a folder of runs.
        host: the steering host, if there is one.
        listen: where to listen.
        storage: what to store.
        as_json: print ``{"url": ...}`` instead of a line.

    Raises:
        RunError: the folder is not one of runs.
        RequestError: an invalid host name, prefix or origin.
        ExplorerError: the address cannot be listened on.
    """
    client = None if host is None else AsyncSteeringClient(host.url, host.token, viewer=current_viewer)
    _serve(folder, OneHost(client), listen or ListenSettings(), storage or StorageSettings(), _announce(as_json))


def serve_view_only(
    folder: Path, secret: Path, listen: ListenSettings, shares: Path | None = None, as_json: bool = False
) -> None:
    """Serve one run under a secret link: no other run, no steering, no storing.

    Args:
        folder: the run.
        secret: file with the unguessable part of the link; created, readable by its owner only, if missing.
        listen: where to listen.
        shares: SQLite file of shared results; those of this run can be opened.
        as_json: print ``{"url": ...}`` instead of a line.

    Raises:
        RunError: the folder is not a run.
        RequestError, ExplorerError: as in ``serve``.
    """
    open_run(folder)
    hidden = replace(listen, prefix=f"{read_prefix(listen.prefix)}view/{read_token(secret)}/")
    _serve(folder, OneHost(), hidden, StorageSettings(shares, read_only=True, view_only=True), _announce(as_json))


def serve_in_background(folder: Path, listen: ListenSettings) -> str:
    """Serve the runs of a folder, read-only, in a daemon thread; returns the URL.

    Raises:
        RunError, RequestError, ExplorerError: as in ``serve``.
    """
    urls: Queue[str] = Queue()
    listening = bind_socket(listen.bind, listen.port, _BACKLOG)
    try:
        server = _server(folder, OneHost(), listen, StorageSettings(read_only=True), listening, urls.put)
    except BaseException:
        listening.close()
        raise
    Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    return urls.get(timeout=_SECONDS_TO_START)


def serve_with_local_hosts(folder: Path, *, first: str, port: int = 0, as_json: bool = False) -> None:
    """Serve a folder of runs, with a host subprocess for each run that names a subject.

    Args:
        folder: the folder of runs.
        first: id of the run whose host starts at once; the others start with their first request.
        port: 0 picks a free port.
        as_json: print ``{"url": ...}`` instead of a line.

    Raises:
        RunError, ExplorerError: as in ``serve``.
    """
    # uvicorn re-raises the signal that ended it, which would end the process without closing the hosts.
    signal.signal(signal.SIGTERM, _exit_on_signal)
    with LocalHosts(scan(folder).entries) as hosts:
        if (early := hosts.of(first)) is not None:
            early.start()
        _serve(folder, hosts, ListenSettings(port), StorageSettings(), _announce(as_json))


@contextmanager
def one_host(run: Path | None, address: HostAddress | None) -> Iterator[SteeringHost]:
    """A running host, or a subprocess that serves a run until the context ends.

    Raises:
        RequestError: both are given, or neither.
    """
    if (run is None) == (address is None):
        raise RequestError("host", "both or neither", "either --run, or --host-url and --host-token-file")
    if run is not None:
        with LocalHost(run) as host:
            yield host
    elif address is not None:
        yield AsyncSteeringClient(address.url, address.token, viewer=current_viewer)


def default_shares() -> Path:
    """Default file of shared results: in the user's data folder, never in a run."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "manifold-explorer" / "shares.sqlite"


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    """Exit by an exception, so that context managers run."""
    raise SystemExit(128 + number)


def _serve(
    folder: Path,
    hosts: SteeringHosts,
    listen: ListenSettings,
    storage: StorageSettings,
    announce: Callable[[str], None],
) -> None:
    with bind_socket(listen.bind, listen.port, _BACKLOG) as listening:
        server = _server(folder, hosts, listen, storage, listening, announce)
        _freeze_heap()
        server.run(sockets=[listening])


def _freeze_heap() -> None:
    """Exclude everything allocated so far from garbage collection.

    The manifest of a run with 5,000 clusters has so many objects that a full collection takes longer than a page, and
    every few pages trigger one. Only for a process that does nothing but serve.
    """
    gc.collect()
    gc.freeze()


def _server(
    folder: Path,
    hosts: SteeringHosts,
    listen: ListenSettings,
    storage: StorageSettings,
    listening: socket.socket,
    announce: Callable[[str], None],
) -> uvicorn.Server:
    shares = storage.shares or default_shares()
    if not storage.read_only:
        shares.parent.mkdir(parents=True, exist_ok=True)
    port = int(listening.getsockname()[1])
    prefix = read_prefix(listen.prefix.replace("{port}", str(port)))
    app = create_app(
        scan(folder),
        hosts=hosts,
        shares_path=shares,
        edge=EdgeSettings(
            host_list(listen.bind, port, listen.allowed_hosts),
            read_only=storage.read_only,
            frame_ancestors=frame_ancestors(listen.frames),
        ),
        prefix=prefix,
        view_only=storage.view_only,
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    return AnnouncingServer(config, lambda: announce(f"{socket_url(listening, listen.bind)}{prefix}"))


def _announce(as_json: bool) -> Callable[[str], None]:
    def announce(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            print(url)
        sys.stdout.flush()
        say("Open this address in a browser; press Ctrl-C to stop.")

    return announce
