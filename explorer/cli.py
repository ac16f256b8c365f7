"""The command line: reads arguments, calls one function, prints its result.

Imports stand inside the commands: ``explorer --help`` answers at once, and ``explorer open`` never loads torch, umap or
hdbscan.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from explorer.errors import ExplorerError, InputError

app = typer.Typer(
    name="explorer",
    help="Find, draw and steer the curved shapes that an SAE's features cover together.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it; typer hands it back in place of the exception."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
Model = Annotated[str, typer.Option(help="Hugging Face folder or id of a causal language model.")]
Text = Annotated[str, typer.Option(help=".txt (blank line between documents), .jsonl, .json, or a dataset id.")]
Layer = Annotated[int, typer.Option(min=0, help="Decoder block, from 0.")]
HookPlace = Annotated[str, typer.Option(help="resid_pre, resid_post, attn_out or mlp_out of that block.")]
Device = Annotated[str, typer.Option(help="Such as cpu or cuda.")]
SAE_FILES = frozenset(("cfg.json", "sae_weights.safetensors"))
"""What may lie already where a trained SAE shall be written."""
Cluster = Annotated[int, typer.Option(min=0, help="Cluster number.")]


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    retrain: Annotated[
        bool, typer.Option(help="Make the demo's model, its SAEs and its runs again from seeds.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of runs that --retrain writes.")] = None,
    as_json: AsJson = False,
) -> None:
    """Open the cached demo runs, each with a local host; prints one URL."""
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


@app.command(name="open")
def open_runs(
    folder: Annotated[Path, typer.Argument(help="A run, or a folder of runs.")],
    host_url: Annotated[str | None, typer.Option(help="Address of a steering host.")] = None,
    host_token_file: Annotated[Path | None, typer.Option(help="File that holds the host's token.")] = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8050,
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_host: Annotated[list[str] | None, typer.Option(help="Further names the page may be asked for by.")] = None,
    shares: Annotated[Path | None, typer.Option(help="SQLite file of shared results.")] = None,
    read_only: Annotated[bool, typer.Option(help="Store nothing.")] = False,
    prefix: Annotated[str, typer.Option(help="Path under which a proxy serves it.")] = "/",
    allow_frame: Annotated[list[str] | None, typer.Option(help="Origin that may show it in a frame.")] = None,
    view_only: Annotated[
        Path | None,
        typer.Option(help="One run for whoever has the link; the file holds its secret."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the browser app on a run or a folder of runs."""
    from explorer.app.server.serve import HostAddress, Keeping, Place, serve, serve_view_only

    host = HostAddress.read(host_url, host_token_file)
    place = Place(port, bind, prefix, tuple(allow_host or ()), tuple(allow_frame or ()))
    if view_only is None:
        serve(folder, host=host, place=place, keeping=Keeping(shares, read_only), as_json=as_json)
    elif host is None:
        serve_view_only(folder, view_only, place, shares, as_json)
    else:
        raise InputError("--view-only", "a steering host", "no host: whoever has the link only looks")


@app.command()
def train_sae(
    model: Model,
    text: Text,
    layer: Layer,
    out: Annotated[Path, typer.Option(help="Folder of the SAE, SAELens' layout.")],
    hook: HookPlace = "resid_post",
    n_features: Annotated[int, typer.Option(min=2)] = 2048,
    k: Annotated[int, typer.Option(min=1, help="Features that fire on a token.")] = 8,
    steps: Annotated[int, typer.Option(min=1)] = 4000,
    seed: int = 0,
    max_tokens: Annotated[int, typer.Option(min=1)] = 500_000,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Train a small TopK SAE for a model that has none."""
    from explorer.config import HarvestSettings
    from explorer.errors import SubjectError
    from explorer.lm.sae.training import TrainSaeSettings
    from explorer.pipeline.harvest.train_sae import train_sae_on_text
    from explorer.runs.io.atomic import check_replaceable
    from explorer.terminal import print_json, progress_bars, say

    check_replaceable(out, SAE_FILES.__contains__, SubjectError)
    with _named_by_option():
        source = HarvestSettings.model_validate({"layer": layer, "hook": hook, "max_tokens": max_tokens})
        settings = TrainSaeSettings(n_features=n_features, k=k, steps=steps, seed=seed)
    with progress_bars() as progress:
        report = train_sae_on_text(model, text, out, source, settings, device=device, progress=progress)
    print_json(report) if as_json else say(f"{out}: {100 * report['unexplained']:.2f} % of the variance unexplained")


@app.command()
def harvest(
    model: Model,
    sae: Annotated[str, typer.Option(help="Folder of an SAE in SAELens' layout.")],
    text: Text,
    layer: Layer,
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    hook: HookPlace = "resid_post",
    max_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    residuals: Annotated[int, typer.Option(min=0, help="How many activations are kept.")] = 200_000,
    seed: int = 0,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Stream text through a model and its SAE into a feature bundle."""
    from explorer.config import HarvestSettings
    from explorer.pipeline.harvest.harvest import harvest_text
    from explorer.runs.bundle.reader import open_bundle
    from explorer.terminal import print_json, progress_bars, say

    with _named_by_option():
        settings = HarvestSettings.model_validate(
            {"layer": layer, "hook": hook, "max_tokens": max_tokens, "residuals": residuals, "seed": seed}
        )
    with progress_bars() as progress:
        path = harvest_text(model, sae, text, out, settings, device=device, progress=progress)
    counts = open_bundle(path).counts.model_dump()
    print_json({"bundle": str(path), "counts": counts}) if as_json else say(f"{path}: {counts['n_tokens']} tokens")


@app.command()
def build(
    bundle: Annotated[Path, typer.Argument(help="Feature bundle.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    settings: Annotated[Path | None, typer.Option(help="JSON file of build settings.")] = None,
    title: Annotated[str | None, typer.Option(help="Name on screen.")] = None,
    similarity: Annotated[
        str | None, typer.Option(help="signed, npmi, jaccard, phi, abs_phi, cosine or exclusion.")
    ] = None,
    seed: int | None = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; each holds a copy of the bundle.")] = 2,
    device: Annotated[str, typer.Option(help="Where co-fires are counted: cpu or cuda. Changes no byte.")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Cluster a bundle's features, find their shapes, write a run. Resumes; skips what is unchanged."""
    from explorer.pipeline.build.build import build as build_run
    from explorer.pipeline.build.settings import read_build_settings
    from explorer.runs.report.show import run_table
    from explorer.terminal import print_json, progress_bars, say

    chosen = read_build_settings(settings, similarity=similarity, seed=seed)
    with progress_bars() as progress:
        run = build_run(bundle, out, chosen, title=title, workers=workers, device=device, progress=progress)
    print_json(run_table(run)) if as_json else say(f"{out}: {len(run.manifest.clusters)} clusters")


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="Run.")],
    cluster: Annotated[int | None, typer.Option(min=0, help="One cluster, with its points and curve.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the browser shows, as a table or JSON."""
    from explorer.runs.report.show import (
        SPARE,
        cluster_facts,
        cluster_rows,
        cluster_table,
        label_rows,
        run_rows,
        run_table,
    )
    from explorer.runs.run.reader import open_run
    from explorer.terminal import print_json, print_table

    opened = open_run(run)
    if as_json:
        print_json(run_table(opened) if cluster is None else cluster_table(opened, cluster))
    elif cluster is None:
        print_table(*run_rows(opened), SPARE)
    else:
        values, labels = cluster_rows(opened, cluster), label_rows(opened, cluster)
        print_table(*cluster_facts(opened, cluster))
        print_table(*values)
        if labels[-1]:
            print_table(*labels)


@app.command()
def compare(
    left: Annotated[Path, typer.Argument(help="Run.")],
    right: Annotated[Path, typer.Argument(help="Run; the same one to compare its clusters.")],
    cluster: Annotated[int | None, typer.Option(min=0, help="One cluster of the left run.")] = None,
    other: Annotated[
        int | None, typer.Option(min=0, help="Cluster of the right run; the most alike if absent.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Match the clusters of two runs, or say what changed from one cluster to another."""
    from explorer.runs.compare.matching import compare_runs, counterpart
    from explorer.runs.compare.pair import compare_clusters
    from explorer.runs.compare.similarity import read_matching_input
    from explorer.runs.compare.tables import pair_rows, pair_table, runs_rows, runs_table
    from explorer.runs.run.reader import open_run
    from explorer.terminal import print_json, print_table

    if cluster is None and other is not None:
        raise InputError("--other", str(other), "--cluster too, the left run's cluster")
    mine, theirs = (read_matching_input(open_run(path)) for path in (left, right))
    if cluster is None:
        told = compare_runs(mine, theirs)
        print_json(runs_table(mine, theirs, told)) if as_json else print_table(*runs_rows(mine, theirs, told))
        return
    second = counterpart(mine, cluster, theirs) if other is None else other
    pair = compare_clusters(mine, cluster, theirs, second)
    print_json(pair_table(mine, theirs, pair)) if as_json else print_table(*pair_rows(mine, theirs, pair))


@app.command()
def check(path: Annotated[Path, typer.Argument(help="Bundle, run or tour.")], as_json: AsJson = False) -> None:
    """Verify every file of a bundle, a run or a tour, and say what is wrong where."""
    from explorer.app.tour.check import check_tour, is_tour
    from explorer.runs.report.check import check as check_folder
    from explorer.terminal import print_json, print_line

    report = check_tour(path) if is_tour(path) else check_folder(path)
    problems = [str(problem) for problem in report.problems]
    if as_json:
        print_json({"path": str(path), "kind": report.kind, "ok": report.ok, "problems": problems})
    else:
        for line in problems or [f"{path}: a sound {report.kind}, {report.n_files} files"]:
            print_line(line)
    if not report.ok:
        found = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(path, f"{found}, the first in {report.problems[0].file}", f"a sound {report.kind}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run, or with --html also a tour.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the export.")] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="csv, parquet, svg or png; csv and svg if absent.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="One file that opens from disk: a manifold's page, or a tour.")
    ] = None,
    cluster: Annotated[int | None, typer.Option(min=0, help="Whose page --html writes.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a run's tables (CSV, Parquet) and portraits (SVG, PNG), or one manifold or tour as one HTML file."""
    if html is not None:
        _export_html(run, html, cluster, as_json)
        return
    if out is None:
        raise InputError("explorer export", "neither --out nor --html", "a folder, or an HTML file")
    from explorer.runs.report.export import DEFAULT_FORMATS, export_run
    from explorer.runs.run.reader import open_run
    from explorer.terminal import print_json, say

    files = export_run(open_run(run), out, tuple(formats or DEFAULT_FORMATS))
    print_json({"export": str(out), "files": sorted(files)}) if as_json else say(f"{out}: {len(files)} files")


@app.command()
def record(
    tour: Annotated[Path, typer.Argument(help="Folder of a tour, beside the runs that it shows.")],
    run: Annotated[Path | None, typer.Option(help="Run whose subject a host is started for.")] = None,
    host_url: Annotated[str | None, typer.Option(help="Address of a steering host that runs already.")] = None,
    host_token_file: Annotated[Path | None, typer.Option(help="File that holds the host's token.")] = None,
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


@app.command()
def host(
    run: Annotated[Path, typer.Argument(help="Run whose subject is served.")],
    token_file: Annotated[Path, typer.Option(help="File that holds the token; made if it is missing.")],
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8051,
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    device: Device = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    model: Annotated[str | None, typer.Option(help="Model, where it is not at the place the run names.")] = None,
    sae: Annotated[str | None, typer.Option(help="SAE, likewise.")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="A limit of /v1/subject, as max_prompt_tokens=2048; may be repeated.")
    ] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Several replicas on Ray Serve; needs the extra cluster.")] = False,
    replicas: Annotated[int, typer.Option(min=1, help="How many, with --ray.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Serve the run's subject to the app: behaviour along a path, and streamed text."""
    if ray:
        _serve_on_ray(run, token_file, bind, port, replicas, device, dtype, model, sae, limit or [], as_json)
        return
    from explorer.steering.host.limits import read_limits
    from explorer.steering.host.serve import serve as serve_host

    serve_host(
        run,
        token_file=token_file,
        bind=bind,
        port=port,
        device=device,
        dtype=dtype,
        model=model,
        sae=sae,
        limits=read_limits(limit or []),
        as_json=as_json,
    )


def _serve_on_ray(
    run: Path, token_file: Path, bind: str, port: int, replicas: int, device: str, dtype: str, model: str | None,
    sae: str | None, limit: list[str], as_json: bool,
) -> None:  # fmt: skip
    try:
        from explorer.steering.host.limits import read_limits
        from explorer.steering.host.ray_serve import serve_replicas, settings_of
    except ModuleNotFoundError as missing:
        if missing.name != "ray":
            raise
        raise InputError(
            "host --ray", "no Ray here", "it installed: pip install manifold-explorer[cluster]"
        ) from missing
    settings = settings_of(
        run, token_file, bind=bind, replicas=replicas, device=device, dtype=dtype, model=model, sae=sae,
        limits=read_limits(limit),
    )  # fmt: skip
    serve_replicas(settings, port=port, as_json=as_json)


@app.command()
def steer(
    run: Annotated[Path, typer.Argument(help="Run.")],
    cluster: Cluster,
    prompt: Annotated[list[str] | None, typer.Option(help="Text whose last token is steered; may be repeated.")] = None,
    where: Annotated[
        str, typer.Option(help="Which tokens are steered: last_prompt, all_prompt or generated.")
    ] = "last_prompt",
    chat: Annotated[bool, typer.Option("--chat", help="The prompt is a message to an instruct model.")] = False,
    start: Annotated[str | None, typer.Option("--from", help="Value or coordinate; else the prompt's own.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Value or coordinate; without it, every pair.")] = None,
    strength: Annotated[float, typer.Option()] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=0)] = 0,
    arms: Annotated[str, typer.Option(help="Separated by commas.")] = "manifold,linear,chord",
    seed: int = 0,
    swept: Annotated[bool, typer.Option("--sweep", help="Try every strength at every position.")] = False,
    phrase: Annotated[list[str] | None, typer.Option(help="Text to watch along the path; may be repeated.")] = None,
    readout: Annotated[
        list[str] | None,
        typer.Option(help="A class of answers, as 'Monday = Monday | Mon', in place of the values; may be repeated."),
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Steer once, every arm, without a browser; without --to, average over all pairs that are not adjacent."""
    from explorer.app.steering.readout_text import read_readout
    from explorer.steering.headless.headless import steer_headless
    from explorer.steering.headless.report import steering_tables
    from explorer.terminal import print_json, print_table

    result = steer_headless(
        run,
        cluster,
        prompts=tuple(prompt or ()),
        where=where,
        chat=chat,
        start=start,
        end=end,
        strength=strength,
        max_tokens=max_tokens,
        arms=tuple(arms.split(",")),
        seed=seed,
        swept=swept,
        phrases=tuple(phrase or ()),
        values=() if readout is None else read_readout("\n".join(readout)),
        device=device,
    )
    if as_json:
        print_json(result)
        return
    for table in steering_tables(result):
        print_table(*table)


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="relations, concepts, steering, steer, large, gateway, recover, halo, cofire, scale or app."
        ),
    ],
    run: Annotated[Path | None, typer.Argument(help="Run of the demo's subject; the cached one if absent.")] = None,
    family: Annotated[list[str] | None, typer.Option(help="recover: planted, zoo or tiles; all if absent.")] = None,
    features: Annotated[
        list[int] | None,
        typer.Option(min=64, help="recover, cofire, scale: features of planted sets; app: of its large run."),
    ] = None,
    k: Annotated[list[int] | None, typer.Option(min=1, help="recover, halo: fires on a sample of the zoo.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="recover, halo, cofire, scale: first seed.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="recover, halo: how many seeds.")] = None,
    coupling_c: Annotated[list[float] | None, typer.Option(min=1e-6, help="recover: C of the couplings.")] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="steer, large, gateway, cofire: rounds, each does every work; steer: 3 or more."),
    ] = None,
    tokens: Annotated[
        list[int] | None,
        typer.Option(
            min=2,
            help="steer, large, gateway: how many are written; cofire: one for each --features; scale: of planted.",
        ),
    ] = None,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="cofire: threads of ours.")] = None,
    points: Annotated[list[int] | None, typer.Option(min=200, help="scale: points of a cloud.")] = None,
    shapes: Annotated[int | None, typer.Option(min=0, help="scale: clusters of a whole run; 0 leaves it out.")] = None,
    waypoints: Annotated[int | None, typer.Option(min=2, help="steer, large: points of a path.")] = None,
    device: Annotated[str | None, typer.Option(help="steer, large, cofire: torch device.")] = None,
    dtype: Annotated[str | None, typer.Option(help="steer, large: number format.")] = None,
    visits: Annotated[int | None, typer.Option(min=1, help="app: visits in the browser.")] = None,
    viewers: Annotated[int | None, typer.Option(min=1, help="app: simulated viewers.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="app: how long they look around.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure one of the project's claims and print its table."""
    from explorer.bench.commands import SETTLED, check_options
    from explorer.demo.bench import BENCHES
    from explorer.places import shipped_folder
    from explorer.terminal import print_json, print_table, progress_bars, say

    chosen: dict[str, object] = {
        "family": family,
        "features": features[0] if features and name == "app" and len(features) == 1 else features,
        "k": k,
        "seed": seed,
        "seeds": seeds,
        "coupling_c": coupling_c,
        "rounds": rounds,
        "tokens": tokens[0] if tokens and name in ("steer", "large", "gateway") and len(tokens) == 1 else tokens,
        "threads": threads,
        "points": points,
        "shapes": shapes,
        "waypoints": waypoints,
        "device": device,
        "dtype": dtype,
        "visits": visits,
        "viewers": viewers,
        "seconds": seconds,
    }
    measured = run or shipped_folder("cached_runs") / "almanac"
    given = {option: value for option, value in chosen.items() if value is not None}
    check_options(name, given, BENCHES)
    if name in BENCHES:
        result = BENCHES[name](measured)
        print_json(result.values) if as_json else print_table(result.title, result.header, result.rows)
        return
    if run is not None and SETTLED[name].plants:
        raise InputError(f"bench {name}", f"a run, {run}", "no run: it plants its own codes")
    with progress_bars() as progress, _named_by_option():
        shown = SETTLED[name].run(given, measured, progress)
    for line in shown.lines:
        say(line)
    if as_json:
        print_json(shown.values)
        return
    for table in shown.tables:
        print_table(*table)


def _export_html(path: Path, out: Path, cluster: int | None, as_json: bool) -> None:
    from explorer.app.still.page_file import manifold_file, tour_file
    from explorer.app.tour.check import is_tour
    from explorer.app.tour.tour_file import open_tour
    from explorer.runs.run.reader import open_run
    from explorer.terminal import print_json, say

    if is_tour(path):
        size = tour_file(open_tour(path), out)
    elif cluster is None:
        raise InputError("--cluster", "nothing", "the number of the manifold that --html shall show")
    else:
        size = manifold_file(open_run(path), cluster, out)
    print_json({"file": str(out), "bytes": size}) if as_json else say(f"{out}: {size / 1e6:.1f} MB")


def main() -> None:
    """Run a command; errors become one line on standard error and exit code 1 or 2."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except ExplorerError as error:
        _stop(str(error), error.exit_code)
    except json.JSONDecodeError as error:
        _stop(str(error), InputError.exit_code)
    except typer.TyperException as error:
        message = getattr(error, "format_message", lambda: str(error))()
        _stop(message, InputError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _stop("interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExplorerError.exit_code)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _stop(f"{place}{error.strerror or error}", ExplorerError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _named_by_option() -> Iterator[None]:
    """Tell a value that the settings refuse by the option that gave it."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        option = "--" + "-".join(part for part in first["loc"] if isinstance(part, str)).replace("_", "-")
        wanted = first["msg"].removeprefix("Input should be ")
        raise InputError(option, repr(first["input"]), wanted) from fault


def _stop(message: str, code: int) -> None:
    print("explorer: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
