"""The explorer in a notebook: ``explorer.notebook.show(run)`` starts a local server and embeds it."""

import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from urllib.parse import urljoin

from explorer.app.server.serve import ListenSettings, serve_in_background
from explorer.app.view.links import Links
from explorer.app.view.state import View, read_fields
from explorer.runs.run.reader import open_run

LOCAL_FRAMES = ("http://localhost:*", "http://127.0.0.1:*", "https://localhost:*")
"""Origins that may embed the page by default: local notebooks."""


def show(
    run: Path | str,
    cluster: int | None = None,
    *,
    height: int = 760,
    theme: str = "",
    prefix: str = "/",
    frames: tuple[str, ...] = LOCAL_FRAMES,
    allowed_hosts: tuple[str, ...] = (),
) -> str:
    """Show a run, or one of its manifolds, below the cell; returns the address.

    The server listens on a free loopback port, is read-only, has no steering host, is reused by later calls for the
    same run, and ends with the notebook's process. If the browser runs on another machine, pass the path of a proxy:
    ``prefix="/proxy/{port}/"`` with jupyter-server-proxy, and the notebook's host name in ``allowed_hosts``.

    Args:
        run: the run's folder.
        cluster: number of a manifold; None shows the run's map.
        height: height of the frame in pixels.
        theme: "dark" or "light"; "" follows the viewer's system.
        prefix: path under which a proxy serves it; "{port}" stands for the port.
        frames: origins that may embed the page.
        allowed_hosts: further host names under which the page may be requested.

    Raises:
        RunError: the folder is not a run, or has no such cluster.
        RequestError: an invalid theme, prefix, origin or host name.
    """
    opened = open_run(run)
    view: View = read_fields({"theme": theme})
    if cluster is not None:
        opened.summary(cluster)
    base = _served(Path(run).resolve(), prefix, frames, allowed_hosts)
    links = Links("")
    page = links.atlas(opened.id, view) if cluster is None else links.cluster(opened.id, cluster, view)
    address = urljoin(base, page)
    _display(address, height)
    return address


@cache
def _served(run: Path, prefix: str, frames: tuple[str, ...], allowed_hosts: tuple[str, ...]) -> str:
    """Base address of the server for a run; behind a proxy only its path."""
    listen = ListenSettings(0, prefix=prefix, allowed_hosts=allowed_hosts, frames=frames)
    base = serve_in_background(run, listen)
    return base if prefix == "/" else "/" + base.split("/", 3)[3]


def _display(address: str, height: int) -> None:
    try:
        notebook = import_module("IPython.display")
    except ModuleNotFoundError:
        print(f"IPython is not installed, so there is no frame; open {address} in a browser.", file=sys.stderr)
        return
    notebook.display(notebook.IFrame(address, width="100%", height=height))
