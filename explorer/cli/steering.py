"""Commands that run a model: ``host``, ``steer``."""

from pathlib import Path
from typing import Annotated

import typer

from explorer.cli.options import AsJson, Cluster, Device, read_limits
from explorer.errors import InputError

commands = typer.Typer()


@commands.command()
def host(
    run: Annotated[Path, typer.Argument(help="Run whose subject is served.")],
    token_file: Annotated[Path, typer.Option(help="File with the token; created if missing.")],
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.")] = 8051,
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    device: Device = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    model: Annotated[str | None, typer.Option(help="Model, if not at the location that the run records.")] = None,
    sae: Annotated[str | None, typer.Option(help="SAE, if not at the location that the run records.")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="A limit of /v1/subject, such as max_prompt_tokens=2048; may be repeated.")
    ] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Run replicas on Ray Serve; needs the extra cluster.")] = False,
    replicas: Annotated[int, typer.Option(min=1, help="Number of replicas with --ray.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Serve the run's subject to the app: behaviour along a path and streamed text."""
    if ray:
        _serve_on_ray(run, token_file, bind, port, replicas, device, dtype, model, sae, limit or [], as_json)
        return
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
        from explorer.steering.host.ray_serve import serve_replicas, settings_of
    except ModuleNotFoundError as missing:
        if missing.name != "ray":
            raise
        raise InputError(
            "host --ray", "no Ray installation", "the cluster extra: pip install manifold-explorer[cluster]"
        ) from missing
    settings = settings_of(
        run, token_file, bind=bind, replicas=replicas, device=device, dtype=dtype, model=model, sae=sae,
        limits=read_limits(limit),
    )  # fmt: skip
    serve_replicas(settings, port=port, as_json=as_json)


@commands.command()
def steer(
    run: Annotated[Path, typer.Argument(help="Run.")],
    cluster: Cluster,
    prompt: Annotated[list[str] | None, typer.Option(help="Text whose last token is steered; may be repeated.")] = None,
    where: Annotated[
        str, typer.Option(help="Which tokens are steered: last_prompt, all_prompt or generated.")
    ] = "last_prompt",
    chat: Annotated[bool, typer.Option("--chat", help="The prompt is a message to an instruct model.")] = False,
    start: Annotated[str | None, typer.Option("--from", help="Value or coordinate; by default the prompt's.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Value or coordinate; by default every pair.")] = None,
    strength: Annotated[float, typer.Option()] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=0)] = 0,
    arms: Annotated[str, typer.Option(help="Comma-separated arms.")] = "manifold,linear,chord",
    seed: int = 0,
    swept: Annotated[bool, typer.Option("--sweep", help="Try every strength at every position.")] = False,
    phrase: Annotated[list[str] | None, typer.Option(help="Text to score along the path; may be repeated.")] = None,
    readout: Annotated[
        list[str] | None,
        typer.Option(help="A class of answers, as 'Monday = Monday | Mon', instead of the values; may be repeated."),
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Steer once with every arm, without a browser; without --to, average over all non-adjacent pairs."""
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
