"""The settings: one frozen tree with all defaults."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from explorer.records.clustering import Similarity
from explorer.records.subject import Hook


class Settings(BaseModel):
    """A frozen record; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HarvestSettings(Settings):
    """Settings of a harvest."""

    layer: int = Field(ge=0)
    """Decoder block, from 0."""
    hook: Hook = "resid_post"
    """Activation of that block."""
    max_tokens: int | None = Field(default=None, gt=0)
    """Stop after this many tokens; None reads all the text."""
    context: int = Field(default=512, gt=1)
    """Maximum number of tokens of a document run at once; capped by the model's own limit."""
    batch_tokens: int = Field(default=8192, gt=0)
    """Tokens per forward pass, padding included."""
    shard_nnz: int = Field(default=50_000_000, gt=0)
    """Maximum number of code entries per shard."""
    residuals: int = Field(default=200_000, ge=0)
    """Number of sampled activations to store."""
    seed: int = 0
    """Seed of that sample."""


class CofiringSettings(Settings):
    """Scoring of pairs of features."""

    similarity: Similarity = "signed"
    """Similarity measure."""
    neighbours: int = Field(default=64, ge=2)
    """Neighbours stored per feature."""
    min_count: int = Field(default=3, ge=1)
    """Minimum number of cofires for a pair to be scored."""
    min_fires: int = Field(default=20, ge=1)
    """Features that fire on fewer tokens are left out."""


class ClusteringSettings(Settings):
    """HDBSCAN on the neighbour graph."""

    min_cluster_size: int = Field(default=3, ge=2)
    """Minimum number of features in a cluster."""
    min_samples: int = Field(default=2, ge=1)
    """The k of the core distance: distance to the k-th neighbour."""
    selection: str = Field(default="eom", pattern="^(eom|leaf)$")
    """Cluster selection: excess of mass, or leaves of the condensed tree."""


class EvidenceSettings(Settings):
    """Draws behind the robustness scores; 0 skips them."""

    resamples: int = Field(default=10, ge=0)
    """Bootstrap resamples of the documents, for stability."""
    null_draws: int = Field(default=19, ge=0)
    """Shuffles of the codes within documents, for the chance p-value; 19 is the minimum for p = .05."""


class ProjectionSettings(Settings):
    """UMAP layout of the neighbour graph."""

    neighbours: int = Field(default=15, ge=2)
    """Number of the graph's neighbours used."""
    min_dist: float = Field(default=0.1, ge=0.0)
    """UMAP's minimum distance between points."""
    epochs: int = Field(default=300, ge=10)
    """Optimisation epochs."""


class HaloSettings(Settings):
    """Selection of a cluster's tokens and halo."""

    core_share: float = Field(default=0.5, gt=0.0, le=1.0)
    """Fraction of the core that must fire on a token of the cluster."""
    max_atoms: int = Field(default=32, ge=1)
    """Maximum number of atoms, core included."""
    enough: float = Field(default=0.995, gt=0.0, le=1.0)
    """Stop once the atoms explain this fraction of the variance."""
    null_draws: int = Field(default=5, ge=1)
    """Shuffles of the codes for the null of an atom's gain."""
    least_lift: float = Field(default=0.0, ge=0.0)
    """Minimum firing rate of an atom on the cluster's tokens, relative to its rate on all tokens."""


class GeometrySettings(Settings):
    """Fit of the point cloud, its curve and its coordinate."""

    max_points: int = Field(default=20_000, ge=50)
    """Maximum number of tokens that a shape is fitted on."""
    drawn_points: int = Field(default=600, ge=50)
    """Maximum number of tokens that a page draws."""
    knots: int = Field(default=128, ge=16)
    """Number of points of the fitted curve."""
    bins: int = Field(default=48, ge=4)
    """Number of bins of the tuning curves."""
    null_draws: int = Field(default=99, ge=19)
    """Draws of the null distribution of a shape."""
    examples: int = Field(default=8, ge=1)
    """Strongest tokens stored per atom."""


class BuildSettings(Settings):
    """Settings of a build."""

    cofiring: CofiringSettings = CofiringSettings()
    clustering: ClusteringSettings = ClusteringSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    projection: ProjectionSettings = ProjectionSettings()
    halo: HaloSettings = HaloSettings()
    geometry: GeometrySettings = GeometrySettings()
    seed: int = 0
    """Seed; every stage has its own generator, derived from it."""

    @model_validator(mode="after")
    def _graph_is_deep_enough(self) -> "BuildSettings":
        deepest = max(self.clustering.min_samples, self.projection.neighbours)
        if self.cofiring.neighbours < deepest:
            raise ValueError(f"cofiring.neighbours is {self.cofiring.neighbours}, the later stages need {deepest}")
        return self


class SteeringLimits(Settings):
    """What one request to a host may ask for; the host publishes them."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    max_prompt_tokens: int = Field(default=512, gt=0)
    """Longest prompt."""
    max_new_tokens: int = Field(default=128, gt=0)
    """Longest continuation."""
    max_waypoints: int = Field(default=64, ge=2)
    """Most points of a path."""
    max_strength: float = Field(default=4.0, gt=0.0, le=100.0)
    """Largest strength, in multiples of the whole move."""
    max_rows: int = Field(default=2048, ge=1)
    """Most rows of a sweep: strengths times positions times arms."""
    max_phrases: int = Field(default=8, ge=1)
    """Most phrases that are read along a path."""
    max_phrase_tokens: int = Field(default=24, ge=1)
    """Longest of them."""
    running: int = Field(default=4, ge=1)
    """Requests served at a time."""
    queued: int = Field(default=16, ge=0)
    """Requests that may wait."""
