"""Commands that open the browser app: ``demo``, ``open``, ``record``."""

from pathlib import Path
from typing import Annotated

import typer

from explorer.cli.options import AsJson
from explorer.errors import InputError

commands = typer.Typer()


@commands.command()
def demo(
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.")] = 0,
    retrain: Annotated[bool, typer.Option(help="Recreate the demo's model, SAEs and runs from seeds.")] = False,
    out: Annotated[Path | None, typer.Option(help="Output folder for --retrain.")] = None,
    as_json: AsJson = False,
) -> None:
    """Open the cached demo runs, each with a local host, and print the URL."""
    from explorer.places import shipped_folder

    if retrain:
        from explorer.demo.make import make_demo
        from explorer.terminal import print_json, progress_bars, say

        folder = out or Path("almanac-runs")
        with progress_bars() as progress:
            report = make_demo(folder, progress=progress)
        print_json(report) if as_json else say(f"made {folder}")
        return
    from explorer.app.server.serve import serve_with_local_hosts

    serve_with_local_hosts(shipped_folder("cached_runs"), first="almanac", port=port, as_json=as_json)


@commands.command(name="open")
def open_runs(
    folder: Annotated[Path, typer.Argument(help="A run, or a folder of runs.")],
    host_url: Annotated[str | None, typer.Option(help="Address of a steering host.")] = None,
    host_token_file: Annotated[Path | None, typer.Option(help="File with the host's token.")] = None,
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.")] = 8050,
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Additional host name to accept; may be repeated.")
    ] = None,
    shares: Annotated[Path | None, typer.Option(help="SQLite file for shared results.")] = None,
    read_only: Annotated[bool, typer.Option(help="Store nothing.")] = False,
    prefix: Annotated[str, typer.Option(help="Path under which a proxy serves the app.")] = "/",
    allow_frame: Annotated[list[str] | None, typer.Option(help="Origin that may embed the app in a frame.")] = None,
    view_only: Annotated[
        Path | None,
        typer.Option(help="Share one run read-only by secret link; the file holds the secret."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the browser app on a run or a folder of runs."""
    from explorer.app.server.serve import HostAddress, ListenSettings, StorageSettings, serve, serve_view_only

    host = HostAddress.read(host_url, host_token_file)
    listen = ListenSettings(port, bind, prefix, tuple(allow_host or ()), tuple(allow_frame or ()))
    if view_only is None:
        serve(folder, host=host, listen=listen, storage=StorageSettings(shares, read_only), as_json=as_json)
    elif host is None:
        serve_view_only(folder, view_only, listen, shares, as_json)
    else:
        raise InputError("--view-only", "a steering host", "no host: a view-only link cannot steer")


@commands.command()
def record(
    tour: Annotated[Path, typer.Argument(help="Tour folder, next to the runs that it shows.")],
    run: Annotated[Path | None, typer.Option(help="Run for whose subject a host is started.")] = None,
    host_url: Annotated[str | None, typer.Option(help="Address of a running steering host.")] = None,
    host_token_file: Annotated[Path | None, typer.Option(help="File with the host's token.")] = None,
    as_json: AsJson = False,
) -> None:
    """Record the steering results that a tour shows, so that it plays without a host."""
    from explorer.app.server.serve import HostAddress, one_host
    from explorer.app.tour.record import record_tour
    from explorer.app.tour.tour_file import open_tour
    from explorer.terminal import print_json, say

    folder = open_tour(tour)
    with one_host(run, HostAddress.read(host_url, host_token_file)) as client:
        files = record_tour(folder, client)
    print_json({"tour": str(tour), "files": [str(file) for file in files]}) if as_json else say(
        f"{tour}: {len(files)} {'result' if len(files) == 1 else 'results'} recorded"
    )
