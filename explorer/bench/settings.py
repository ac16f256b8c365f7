"""Settings of the recovery, co-firing, scaling, halo and app benchmarks."""

from typing import Final, Literal, get_args

from pydantic import Field, PositiveFloat, PositiveInt

from explorer.config import Settings

Family = Literal["planted", "zoo", "tiles"]
"""Planted co-firing sets, an SAE trained on the zoo of manifolds, or tiles that never fire together."""
FAMILIES: Final[tuple[Family, ...]] = get_args(Family)


class ZooSettings(Settings):
    """Training and evaluation of an SAE on the zoo of manifolds."""

    n_features: int = Field(default=512, ge=1)
    train_samples: int = Field(default=100_000, ge=2)
    fires: int = Field(default=600_000, ge=1)
    """Total fires in the held-out samples whose codes are clustered. A smaller k draws more samples, so that features
    fire about equally often."""
    steps: int = Field(default=1000, ge=1)
    """Optimizer steps."""
    batch: int = Field(default=1024, ge=1)
    """Samples per step."""
    learning_rate: float = Field(default=3e-3, gt=0.0)
    """Adam's step size, as published."""


class RecoverSettings(Settings):
    """Datasets, seeds and methods of the recovery benchmark."""

    family: tuple[Family, ...] = FAMILIES
    features: tuple[PositiveInt, ...] = (4096,)
    """Sizes of the planted co-firing sets."""
    k: tuple[PositiveInt, ...] = (3, 8, 16)
    """Active features per sample of the zoo."""
    zoo: ZooSettings = ZooSettings()
    seed: int = Field(default=0, ge=0)
    """First seed; consecutive seeds follow."""
    seeds: int = Field(default=1, ge=1)
    """Seeds per dataset."""
    coupling_c: tuple[PositiveFloat, ...] = (0.01,)
    """Inverse regularization strengths C of the Ising couplings; each is a method of its own."""


class CofireSettings(Settings):
    """Sizes at which co-firing counts are measured."""

    features: tuple[PositiveInt, ...] = (4096, 16_384)
    """Features at each size."""
    tokens: tuple[PositiveInt, ...] = (100_000, 1_000_000)
    """Tokens at each size, in the same order."""
    threads: tuple[PositiveInt, ...] = (1, 2)
    """Thread counts of the compiled kernel; scipy's product is single-threaded."""
    device: str | None = None
    """Torch device to measure as well, such as cuda, or cpu to check that counts agree; None skips it."""
    rounds: int = Field(default=3, ge=1)
    """Repetitions of every workload, each in a new process; the order is reversed every other round."""
    seed: int = Field(default=0, ge=0)
    """Seed of the planted codes."""


class ScaleSettings(Settings):
    """Sizes at which the stages of a build are measured."""

    features: tuple[PositiveInt, ...] = (2048, 4096, 8192, 16_384, 65_536)
    """Feature counts, each measured with the largest token count."""
    tokens: tuple[PositiveInt, ...] = (100_000, 200_000, 400_000)
    """Token counts, each measured with the median feature count."""
    points: tuple[PositiveInt, ...] = (1000, 2000, 4000, 8000)
    """Points per cloud whose shape is fitted."""
    shapes: int = Field(default=30, ge=0)
    """Clusters that are built in a whole run of the largest size; 0 skips that run."""
    dense: int = Field(default=16_384, ge=2)
    """Feature count at which clustering is compared with HDBSCAN on the dense matrix (at least 8 bytes per pair)."""
    seed: int = Field(default=0, ge=0)
    """Seed of the planted codes and clouds."""


class HaloBenchSettings(Settings):
    """SAEs trained on the zoo, and the samples on which core and halo are evaluated."""

    k: tuple[PositiveInt, ...] = (3, 8, 16)
    """Active features per sample."""
    zoo: ZooSettings = ZooSettings()
    """The SAE and the samples whose codes are clustered."""
    held_out: int = Field(default=80_000, ge=100)
    """Held-out samples: restricted R² is fitted on one half and evaluated on the other."""
    least_lift: float = Field(default=2.0, gt=0.0)
    """Lift above which a feature joins the second halo: firing rate on the core's samples over that elsewhere."""
    seed: int = Field(default=0, ge=0)
    """First seed of the zoo and the SAE; consecutive seeds follow."""
    seeds: int = Field(default=1, ge=1)
    """Number of seeds."""


class AppBenchSettings(Settings):
    """Load on the app and size of the run that it serves."""

    visits: int = Field(default=20, ge=1)
    """Browser visits, each with a new profile; the table reports medians."""
    viewers: int = Field(default=50, ge=1)
    """Concurrent viewers."""
    seconds: float = Field(default=60.0, gt=0.0)
    """Duration of the load test."""
    think: float = Field(default=3.0, ge=0.0)
    """Mean seconds between two page loads of one viewer."""
    features: int = Field(default=131_072, ge=1)
    """Minimum number of features of the large run."""
    opened: int = Field(default=200, ge=1)
    """Tiles of the large run that are requested."""
    seed: int = Field(default=0, ge=0)
    """Seed that selects the tiles."""
