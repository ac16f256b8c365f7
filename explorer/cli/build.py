"""Commands that create runs: ``train-sae``, ``harvest``, ``build``."""

from pathlib import Path
from typing import Annotated

import typer

from explorer.cli.options import AsJson, Device, HookPoint, Layer, Model, Text, named_by_option

commands = typer.Typer()

SAE_FILES = frozenset(("cfg.json", "sae_weights.safetensors"))
"""Files that a trained SAE may replace."""


@commands.command()
def train_sae(
    model: Model,
    text: Text,
    layer: Layer,
    out: Annotated[Path, typer.Option(help="Output folder of the SAE, in SAELens' layout.")],
    hook: HookPoint = "resid_post",
    n_features: Annotated[int, typer.Option(min=2)] = 2048,
    k: Annotated[int, typer.Option(min=1, help="Active features per token.")] = 8,
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
    with named_by_option():
        source = HarvestSettings.model_validate({"layer": layer, "hook": hook, "max_tokens": max_tokens})
        settings = TrainSaeSettings(n_features=n_features, k=k, steps=steps, seed=seed)
    with progress_bars() as progress:
        report = train_sae_on_text(model, text, out, source, settings, device=device, progress=progress)
    print_json(report) if as_json else say(f"{out}: {100 * report['unexplained']:.2f} % of the variance unexplained")


@commands.command()
def harvest(
    model: Model,
    sae: Annotated[str, typer.Option(help="Folder of an SAE in SAELens' layout.")],
    text: Text,
    layer: Layer,
    out: Annotated[Path, typer.Option(help="Output folder of the bundle.")],
    hook: HookPoint = "resid_post",
    max_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    residuals: Annotated[int, typer.Option(min=0, help="Activations to store.")] = 200_000,
    seed: int = 0,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Stream text through a model and its SAE into a feature bundle."""
    from explorer.config import HarvestSettings
    from explorer.pipeline.harvest.harvest import harvest_text
    from explorer.runs.bundle.reader import open_bundle
    from explorer.terminal import print_json, progress_bars, say

    with named_by_option():
        settings = HarvestSettings.model_validate(
            {"layer": layer, "hook": hook, "max_tokens": max_tokens, "residuals": residuals, "seed": seed}
        )
    with progress_bars() as progress:
        path = harvest_text(model, sae, text, out, settings, device=device, progress=progress)
    counts = open_bundle(path).counts.model_dump()
    print_json({"bundle": str(path), "counts": counts}) if as_json else say(f"{path}: {counts['n_tokens']} tokens")


@commands.command()
def build(
    bundle: Annotated[Path, typer.Argument(help="Feature bundle.")],
    out: Annotated[Path, typer.Option(help="Output folder of the run.")],
    settings: Annotated[Path | None, typer.Option(help="JSON file of build settings.")] = None,
    title: Annotated[str | None, typer.Option(help="Display name.")] = None,
    similarity: Annotated[
        str | None, typer.Option(help="signed, npmi, jaccard, phi, abs_phi, cosine or exclusion.")
    ] = None,
    seed: int | None = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; each holds a copy of the bundle.")] = 2,
    device: Annotated[str, typer.Option(help="Device that counts co-fires: cpu or cuda; same output.")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Cluster a bundle's features, fit their shapes and write a run. Resumes, and skips unchanged stages."""
    from explorer.pipeline.build.build import build as build_run
    from explorer.pipeline.build.settings import read_build_settings
    from explorer.runs.report.show import run_table
    from explorer.terminal import print_json, progress_bars, say

    chosen = read_build_settings(settings, similarity=similarity, seed=seed)
    with progress_bars() as progress:
        run = build_run(bundle, out, chosen, title=title, workers=workers, device=device, progress=progress)
    print_json(run_table(run)) if as_json else say(f"{out}: {len(run.manifest.clusters)} clusters")
