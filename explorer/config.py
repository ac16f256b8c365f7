"""The settings, one frozen tree; every default lives here and nowhere else."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from explorer.records import Hook, Similarity


class Settings(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HarvestSettings(Settings):
    """How text becomes a feature bundle."""

    layer: int = Field(ge=0)
    """Decoder block, from 0."""
    hook: Hook = "resid_post"
    """Where in that block."""
    max_tokens: int | None = Field(default=None, gt=0)
    """Stop after so many tokens; None reads all the text."""
    context: int = Field(default=512, gt=1)
    """Longest piece of a document that is run at once; the model's own limit holds too."""
    batch_tokens: int = Field(default=8192, gt=0)
    """Tokens in one forward pass."""
    shard_nnz: int = Field(default=50_000_000, gt=0)
    """Code entries after which a new shard begins."""
    residuals: int = Field(default=200_000, ge=0)
    """How many activations are kept."""
    seed: int = 0
    """Chooses which activations are kept."""


class CofiringSettings(Settings):
    """Which pairs of features are scored, and how."""

    similarity: Similarity = "signed"
    """Score of a pair."""
    neighbours: int = Field(default=64, ge=2)
    """Partners kept for each feature."""
    min_count: int = Field(default=3, ge=1)
    """Pairs that fire together less often are not scored."""
    min_fires: int = Field(default=20, ge=1)
    """Features that fire less often are left out, and counted."""


class ClusteringSettings(Settings):
    """HDBSCAN on the neighbour graph."""

    min_cluster_size: int = Field(default=3, ge=2)
    """Smallest cluster."""
    min_samples: int = Field(default=2, ge=1)
    """Neighbour whose distance is a feature's core distance."""
    selection: str = Field(default="eom", pattern="^(eom|leaf)$")
    """Excess of mass, or leaves of the condensed tree."""


class EvidenceSettings(Settings):
    """How often the clustering is done again to say how far a cluster is to be believed; 0 leaves it unmeasured."""

    resamples: int = Field(default=10, ge=0)
    """Draws of documents with replacement, to see which clusters come back."""
    null_draws: int = Field(default=19, ge=0)
    """Shuffles of the codes within documents, to see which clusters chance makes: 19 is the fewest for p = .05."""


class ProjectionSettings(Settings):
    """UMAP on the same graph."""

    neighbours: int = Field(default=15, ge=2)
    """How many of the graph's neighbours shape the layout."""
    min_dist: float = Field(default=0.1, ge=0.0)
    """Smallest distance of two features on the map."""
    epochs: int = Field(default=300, ge=10)
    """Passes of the optimiser."""


class HaloSettings(Settings):
    """Which further features belong to a cluster."""

    core_share: float = Field(default=0.5, gt=0.0, le=1.0)
    """A token belongs to the cluster where at least this share of its core fires."""
    max_atoms: int = Field(default=32, ge=1)
    """Most atoms of one cluster, core included."""
    enough: float = Field(default=0.995, gt=0.0, le=1.0)
    """Stop once the atoms explain this share of the variance."""
    null_draws: int = Field(default=5, ge=1)
    """Shuffles of the codes that an atom's gain is held against."""
    least_lift: float = Field(default=0.0, ge=0.0)
    """How often an atom fires on the cluster's tokens at least, as a multiple of how often it fires anywhere."""


class GeometrySettings(Settings):
    """The cloud, its curve and its coordinate."""

    max_points: int = Field(default=20_000, ge=50)
    """Most tokens that a shape is fitted on."""
    drawn_points: int = Field(default=600, ge=50)
    """Most tokens that a page draws."""
    knots: int = Field(default=128, ge=16)
    """Points of the fitted curve."""
    bins: int = Field(default=48, ge=4)
    """Intervals of the tuning curves."""
    null_draws: int = Field(default=99, ge=19)
    """Draws of the null that a shape is held against."""
    examples: int = Field(default=8, ge=1)
    """Strongest tokens kept for each atom."""


class BuildSettings(Settings):
    """How a bundle becomes a run."""

    cofiring: CofiringSettings = CofiringSettings()
    """Scoring of pairs."""
    clustering: ClusteringSettings = ClusteringSettings()
    """Clusters."""
    evidence: EvidenceSettings = EvidenceSettings()
    """How far to believe them."""
    projection: ProjectionSettings = ProjectionSettings()
    """Map."""
    halo: HaloSettings = HaloSettings()
    """Membership."""
    geometry: GeometrySettings = GeometrySettings()
    """Shapes."""
    seed: int = 0
    """Every stage draws from its own generator, spawned from this."""

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
