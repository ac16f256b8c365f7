"""The demo's subject: its runs (one per harvested layer), folder layout and seeds."""

from dataclasses import dataclass, field
from pathlib import Path

from explorer.config import BuildSettings, GeometrySettings
from explorer.records.subject import Hook
from explorer.runs.run.manifest import SUBJECT


@dataclass(frozen=True)
class DemoRun:
    """A run of the demo: one layer of the model and the SAE trained on it."""

    folder: str
    """Folder name, also the run's id in links."""

    layer: int
    """Index of the decoder block that is harvested and steered, from 0."""

    docs: int
    """Number of documents harvested; every run reads a prefix of the same text."""

    settings: BuildSettings = field(default_factory=BuildSettings)

    @property
    def title(self) -> str:
        """Display title of the run."""
        return f"Almanac, layer {self.layer}"

    def sae(self, runs: Path) -> Path:
        """Folder of the run's SAE under the folder of runs."""
        return runs / self.folder / SUBJECT / SAE_FOLDER


SMALL = BuildSettings(geometry=GeometrySettings(max_points=4_000, drawn_points=240, examples=4, null_draws=39))
"""Fewer points, examples and null draws per cluster: a run that only serves as a comparison can be smaller."""
RUNS = (
    DemoRun("almanac", layer=5, docs=24_000),
    DemoRun("almanac-block-4", layer=4, docs=12_000, settings=SMALL),
)
"""The demo's runs. The first is the one to steer; its layer was chosen by measurement (docs/almanac.md). It reads twice
as much text because only 1 token in 30 is a year. The second shows the preceding block for comparison."""

HOOK: Hook = "resid_post"
"""Hook point within a block."""

MODEL_FOLDER = "model"
"""Folder of the language model and tokenizer, relative to the subject."""

SAE_FOLDER = "sae"
"""Folder of the SAE, relative to the subject."""

SCORES_FILE = "accuracy.json"
"""Accuracy on held-out prompts, relative to the subject."""

TRAINING_SEED = 0
"""Seed that the committed subject was trained with."""

HARVEST_SEED = 7_001
"""Seed of the harvested text; training only uses seeds below 1000, so the texts differ."""

HARVEST_RESIDUALS = 1_000_000
"""Upper bound on stored activations, high enough to store all of them."""


def shared_subject(runs: Path) -> Path:
    """Subject folder of the first run, which holds the model shared by all runs."""
    return runs / RUNS[0].folder / SUBJECT
