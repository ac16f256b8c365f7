"""Rebuild the whole demo from seeds: train the subject, then harvest and build each run."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from explorer.config import HarvestSettings
from explorer.demo.corpus.documents import write_text
from explorer.demo.retrain import retrain
from explorer.demo.subject import HARVEST_RESIDUALS, HARVEST_SEED, HOOK, MODEL_FOLDER, RUNS, DemoRun, shared_subject
from explorer.pipeline.build.build import build
from explorer.pipeline.harvest.harvest import harvest_text
from explorer.records.progress import Progress, silent
from explorer.runs.run.reader import Run

WORKERS = 2
"""Worker processes per build."""


def make_demo(out: Path, *, progress: Progress = silent) -> dict[str, JsonValue]:
    """Train the subject, then harvest unseen text and build every run, all under the folder `out`; return a report."""
    made = retrain(out, progress=progress)
    report: dict[str, JsonValue] = {
        "runs": {run.folder: len(make_run(out, run, progress=progress).manifest.clusters) for run in RUNS},
        "loss": made.loss,
        "sae_unexplained": [sae.unexplained for sae in made.saes],
        "accuracy": [dict(asdict(score)) for score in made.scores],
    }
    return report


def make_run(out: Path, run: DemoRun, *, progress: Progress = silent) -> Run:
    """Harvest and build one run from the model and SAE already under the folder `out`."""
    settings = HarvestSettings(layer=run.layer, hook=HOOK, residuals=HARVEST_RESIDUALS)
    with TemporaryDirectory() as folder:
        text, bundle = Path(folder) / "almanac.txt", Path(folder) / "bundle"
        write_text(text, run.docs, seed=HARVEST_SEED)
        model, sae = str(shared_subject(out) / MODEL_FOLDER), str(run.sae(out))
        harvest_text(model, sae, str(text), bundle, settings, progress=progress)
        return build(bundle, out / run.folder, run.settings, title=run.title, workers=WORKERS, progress=progress)
