"""``explorer bench``: one sub-command for each of the project's measured claims."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli.options import AsJson, named_by_option

if TYPE_CHECKING:
    from explorer.bench.report import BenchReport
    from explorer.records.progress import Progress

commands = typer.Typer(
    name="bench", help="Measure one of the project's claims and print its table.", no_args_is_help=True
)

Run = Annotated[Path | None, typer.Argument(help="Run of the demo's subject; the cached one if absent.")]
Features = Annotated[list[int] | None, typer.Option(min=64, help="Features of the planted set; may be repeated.")]
K = Annotated[list[int] | None, typer.Option(min=1, help="Active features per sample of the zoo; may be repeated.")]
Seed = Annotated[int | None, typer.Option(min=0, help="First seed.")]
Seeds = Annotated[int | None, typer.Option(min=1, help="Number of seeds.")]
Rounds = Annotated[int | None, typer.Option(min=1, help="Rounds; each runs every workload once.")]
Tokens = Annotated[int | None, typer.Option(min=2, help="Tokens to generate.")]
Waypoints = Annotated[int | None, typer.Option(min=2, help="Points of a path.")]
TorchDevice = Annotated[str | None, typer.Option(help="Torch device.")]
Dtype = Annotated[str | None, typer.Option(help="Number format, such as float32 or bfloat16.")]


@commands.command()
def relations(run: Run = None, as_json: AsJson = False) -> None:
    """Accuracy of the demo's model on held-out relation prompts."""
    from explorer.bench import almanac

    _print(as_json, lambda _: almanac.relations(_subject(run)))


@commands.command()
def concepts(run: Run = None, as_json: AsJson = False) -> None:
    """Which of the demo's known concepts the build finds without labels, and in what order."""
    from explorer.bench import almanac

    _print(as_json, lambda _: almanac.concepts(_subject(run)))


@commands.command()
def reach(run: Run = None, as_json: AsJson = False) -> None:
    """How far each arm steers along the demo's concepts, and at what energy."""
    from explorer.bench import almanac

    _print(as_json, lambda _: almanac.reach(_subject(run)))


@commands.command()
def steering_cost(
    run: Run = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds, 3 or more.")] = None,
    tokens: Tokens = None,
    waypoints: Waypoints = None,
    device: TorchDevice = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> None:
    """Cost of steering relative to the same work unsteered."""
    from explorer.bench import commands

    given = _given(rounds=rounds, tokens=tokens, waypoints=waypoints, device=device, dtype=dtype)
    _print(as_json, lambda progress: commands.steering_cost(given, _subject(run), progress))


@commands.command()
def large(
    rounds: Rounds = None,
    tokens: Tokens = None,
    waypoints: Waypoints = None,
    device: TorchDevice = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> None:
    """Cost of steering on a large model with random weights."""
    from explorer.bench import commands

    given = _given(rounds=rounds, tokens=tokens, waypoints=waypoints, device=device, dtype=dtype)
    _print(as_json, lambda progress: commands.large(given, progress))


@commands.command()
def gateway(run: Run = None, rounds: Rounds = None, tokens: Tokens = None, as_json: AsJson = False) -> None:
    """Latency that the app adds to a stream relayed from the host."""
    from explorer.bench import commands

    given = _given(rounds=rounds, tokens=tokens)
    _print(as_json, lambda progress: commands.gateway(given, _subject(run), progress))


@commands.command()
def recover(
    family: Annotated[list[str] | None, typer.Option(help="planted, zoo or tiles; all if absent.")] = None,
    features: Features = None,
    k: K = None,
    seed: Seed = None,
    seeds: Seeds = None,
    coupling_c: Annotated[list[float] | None, typer.Option(min=1e-6, help="C of the Ising couplings.")] = None,
    as_json: AsJson = False,
) -> None:
    """How well each method recovers a planted clustering."""
    from explorer.bench import commands

    given = _given(family=family, features=features, k=k, seed=seed, seeds=seeds, coupling_c=coupling_c)
    _print(as_json, lambda progress: commands.recover(given, progress))


@commands.command()
def halo(k: K = None, seed: Seed = None, seeds: Seeds = None, as_json: AsJson = False) -> None:
    """Variance of planted manifolds explained by core and halo, and accuracy of the regimes."""
    from explorer.bench import commands

    given = _given(k=k, seed=seed, seeds=seeds)
    _print(as_json, lambda progress: commands.halo(given, progress))


@commands.command()
def cofire(
    features: Features = None,
    tokens: Annotated[list[int] | None, typer.Option(min=2, help="One for each --features.")] = None,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Threads of the compiled kernel.")] = None,
    rounds: Rounds = None,
    device: TorchDevice = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """CPU time and memory of the co-firing graph, compared with scipy's sparse product."""
    from explorer.bench import commands

    given = _given(features=features, tokens=tokens, threads=threads, rounds=rounds, device=device, seed=seed)
    _print(as_json, lambda progress: commands.cofire(given, progress))


@commands.command()
def scale(
    features: Features = None,
    tokens: Annotated[list[int] | None, typer.Option(min=2, help="Tokens of the planted set.")] = None,
    points: Annotated[list[int] | None, typer.Option(min=200, help="Points of a cloud.")] = None,
    shapes: Annotated[int | None, typer.Option(min=0, help="Clusters of a whole run; 0 leaves it out.")] = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Cost of each build stage as features, tokens and points grow."""
    from explorer.bench import commands

    given = _given(features=features, tokens=tokens, points=points, shapes=shapes, seed=seed)
    _print(as_json, lambda progress: commands.scale(given, progress))


@commands.command()
def app(
    run: Run = None,
    features: Annotated[int | None, typer.Option(min=64, help="Features of the large run.")] = None,
    visits: Annotated[int | None, typer.Option(min=1, help="Visits in the browser.")] = None,
    viewers: Annotated[int | None, typer.Option(min=1, help="Simulated viewers.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="How long the viewers browse.")] = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Cost of the app's pages, map and server, idle and under load."""
    from explorer.bench import commands

    given = _given(features=features, visits=visits, viewers=viewers, seconds=seconds, seed=seed)
    _print(as_json, lambda progress: commands.app(given, _subject(run), progress))


def _given(**options: object) -> dict[str, object]:
    """The options that the user set; the settings supply the other defaults."""
    return {name: value for name, value in options.items() if value is not None}


def _subject(run: Path | None) -> Path:
    from explorer.places import shipped_folder

    return run or shipped_folder("cached_runs") / "almanac"


def _print(as_json: bool, measure: "Callable[[Progress], BenchReport]") -> None:
    from explorer.terminal import print_json, print_table, progress_bars, say

    with progress_bars() as progress, named_by_option():
        report = measure(progress)
    for note in report.notes:
        say(note)
    if as_json:
        print_json(report.values)
        return
    for table in report.tables:
        print_table(*table)
