"""Makes the whole demo again from seeds: the subject, its harvest, its run."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from explorer.config import BuildSettings, HarvestSettings
from explorer.demo.corpus.documents import write_text
from explorer.demo.retrain import retrain
from explorer.demo.subject import HARVEST_DOCS, HARVEST_RESIDUALS, HARVEST_SEED, HOOK, LAYER, MODEL_FOLDER, SAE_FOLDER
from explorer.pipeline.build import build
from explorer.pipeline.harvest import harvest_text
from explorer.records import Progress, silent
from explorer.runs.manifest import SUBJECT
from explorer.runs.run import Run

WORKERS = 2
"""Processes that build it."""
TITLE = f"Almanac, layer {LAYER}"
"""Name of the demo's run on screen."""


def make_demo(out: Path, *, progress: Progress = silent) -> dict[str, JsonValue]:
    """Train the subject into ``out/subject/``, harvest text that it has not seen, and build the run at ``out``."""
    made = retrain(out / SUBJECT, progress=progress)
    run = make_run(out, progress=progress)
    report: dict[str, JsonValue] = {
        "run": str(out),
        "loss": made.loss,
        "sae_unexplained": made.sae.unexplained,
        "clusters": len(run.manifest.clusters),
        "accuracy": [dict(asdict(score)) for score in made.scores],
    }
    return report


def make_run(out: Path, *, progress: Progress = silent) -> Run:
    """Harvest and build from the subject that lies in ``out/subject/``."""
    subject = out / SUBJECT
    settings = HarvestSettings(layer=LAYER, hook=HOOK, residuals=HARVEST_RESIDUALS)
    with TemporaryDirectory() as folder:
        text, bundle = Path(folder) / "almanac.txt", Path(folder) / "bundle"
        write_text(text, HARVEST_DOCS, seed=HARVEST_SEED)
        model, sae = str(subject / MODEL_FOLDER), str(subject / SAE_FOLDER)
        harvest_text(model, sae, str(text), bundle, settings, progress=progress)
        return build(bundle, out, BuildSettings(), title=TITLE, workers=WORKERS, progress=progress)
