"""What the demo's subject is: the layers of the model that are harvested, one run each, its folders and its seeds."""

from dataclasses import dataclass, field
from pathlib import Path

from explorer.config import BuildSettings, GeometrySettings
from explorer.records.subject import Hook
from explorer.runs.run.manifest import SUBJECT


@dataclass(frozen=True)
class DemoRun:
    """One run of the demo: a layer of the model with an SAE of its own."""

    folder: str
    """Name of its folder, and its id in links."""

    layer: int
    """Decoder block, from 0, that is harvested and steered."""

    docs: int
    """Documents in the text that is harvested; every run reads the same text from its beginning."""

    settings: BuildSettings = field(default_factory=BuildSettings)
    """How it is built."""

    @property
    def title(self) -> str:
        """Name on screen."""
        return f"Almanac, layer {self.layer}"

    def sae(self, runs: Path) -> Path:
        """Its sparse autoencoder, inside a folder of runs."""
        return runs / self.folder / SUBJECT / SAE_FOLDER


SMALL = BuildSettings(geometry=GeometrySettings(max_points=4_000, drawn_points=240, examples=4, null_draws=39))
"""Fewer points, examples and draws for each cluster: what is compared with the first run need not be as large."""
RUNS = (
    DemoRun("almanac", layer=5, docs=24_000),
    DemoRun("almanac-block-4", layer=4, docs=12_000, settings=SMALL),
)
"""The demo's runs. The first is the one that is steered: chosen by measuring, see docs/almanac.md. It reads twice the
text, since 1 token in 30 is known to be some year. The second shows what the block before holds."""

HOOK: Hook = "resid_post"
"""Where in a block."""

MODEL_FOLDER = "model"
"""The language model and its tokenizer, inside the subject's folder."""

SAE_FOLDER = "sae"
"""A sparse autoencoder, inside the subject's folder."""

SCORES_FILE = "accuracy.json"
"""Accuracy on held-out prompts, inside the subject's folder."""

TRAINING_SEED = 0
"""Seed of the committed subject."""

HARVEST_SEED = 7_001
"""Seed of the text that is harvested; training takes its seeds from below a thousand."""

HARVEST_RESIDUALS = 1_000_000
"""Activations that are kept: all of them."""


def shared_subject(runs: Path) -> Path:
    """The folder that holds the one model of all runs: the first run's subject."""
    return runs / RUNS[0].folder / SUBJECT
