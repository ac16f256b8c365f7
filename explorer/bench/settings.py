"""What the benches of recovery, counting and growth run."""

from typing import Final, Literal, get_args

from pydantic import Field, PositiveFloat, PositiveInt

from explorer.config import Settings

Family = Literal["planted", "zoo", "tiles"]
"""Planted co-firing sets, an SAE trained on the zoo of manifolds, tiles that never meet."""
FAMILIES: Final[tuple[Family, ...]] = get_args(Family)
"""All of them."""


class ZooSettings(Settings):
    """How an SAE is trained on the zoo, and on what it is judged."""

    n_features: int = Field(default=512, ge=1)
    """Features of the SAE."""
    train_samples: int = Field(default=100_000, ge=2)
    """Samples that it is trained on."""
    fires: int = Field(default=600_000, ge=1)
    """Fires on the further samples whose codes are clustered. Under a smaller k there are more samples, so that
    features fire about equally often."""
    steps: int = Field(default=1000, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=1024, ge=1)
    """Samples in one step."""
    learning_rate: float = Field(default=3e-3, gt=0.0)
    """Adam's step size, the published one."""


class RecoverSettings(Settings):
    """Works, seeds and methods."""

    family: tuple[Family, ...] = FAMILIES
    """Which families are planted."""
    features: tuple[PositiveInt, ...] = (4096,)
    """Sizes of the planted co-firing sets."""
    k: tuple[PositiveInt, ...] = (3, 8, 16)
    """Features that fire on a sample of the zoo."""
    zoo: ZooSettings = ZooSettings()
    """The zoo's SAE."""
    seed: int = Field(default=0, ge=0)
    """Each work is planted from this seed and those that follow it."""
    seeds: int = Field(default=1, ge=1)
    """How many seeds."""
    coupling_c: tuple[PositiveFloat, ...] = (0.01,)
    """Weights of the log-loss, beside the penalty, with which couplings are solved; one method each."""


class CofireSettings(Settings):
    """Sizes at which the counting of co-fires is measured."""

    features: tuple[PositiveInt, ...] = (4096, 16_384)
    """Features of each size."""
    tokens: tuple[PositiveInt, ...] = (100_000, 1_000_000)
    """Tokens of each size, in the same order."""
    threads: tuple[PositiveInt, ...] = (1, 2)
    """Threads that ours is measured with; scipy's product has one."""
    device: str | None = None
    """Torch device that counts besides, such as cuda, or cpu to see that it counts the same; None for none."""
    rounds: int = Field(default=3, ge=1)
    """Every work is done so many times, each time in a new process, in turned order every other time."""
    seed: int = Field(default=0, ge=0)
    """What the codes are planted from."""


class ScaleSettings(Settings):
    """Sizes at which the stages of a build are measured."""

    features: tuple[PositiveInt, ...] = (2048, 4096, 8192, 16_384, 65_536)
    """Features, each with the most tokens."""
    tokens: tuple[PositiveInt, ...] = (100_000, 200_000, 400_000)
    """Tokens, each with the middle one of the numbers of features."""
    points: tuple[PositiveInt, ...] = (1000, 2000, 4000, 8000)
    """Points of a cloud whose shape is fitted."""
    shapes: int = Field(default=30, ge=0)
    """Clusters of a whole run, with the most features and tokens, that are built; 0 leaves that run out."""
    dense: int = Field(default=16_384, ge=2)
    """Features at which clustering is held against HDBSCAN on the dense matrix, which takes 8 bytes a pair and more."""
    seed: int = Field(default=0, ge=0)
    """What codes and clouds are planted from."""


class HaloBenchSettings(Settings):
    """SAEs of the zoo, and on what core and halo are measured."""

    k: tuple[PositiveInt, ...] = (3, 8, 16)
    """Features that fire on a sample."""
    zoo: ZooSettings = ZooSettings()
    """The SAE, and the samples whose codes are clustered."""
    held_out: int = Field(default=80_000, ge=100)
    """Further samples: restricted R2 is fitted on one half of them and measured on the other."""
    least_lift: float = Field(default=2.0, gt=0.0)
    """A second halo is grown from features that fire so much more often on the core's samples than elsewhere."""
    seed: int = Field(default=0, ge=0)
    """Zoo and SAE come from this seed and those that follow it."""
    seeds: int = Field(default=1, ge=1)
    """How many seeds."""


class AppBenchSettings(Settings):
    """How often the app is visited, by how many, and on how large a run."""

    visits: int = Field(default=20, ge=1)
    """Visits in the browser, each in a new profile; the table has their medians."""
    viewers: int = Field(default=50, ge=1)
    """Viewers at once."""
    seconds: float = Field(default=60.0, gt=0.0)
    """How long they look around."""
    think: float = Field(default=3.0, ge=0.0)
    """Seconds between two pages of a viewer, on average."""
    features: int = Field(default=131_072, ge=1)
    """Features of the large run, at least."""
    opened: int = Field(default=200, ge=1)
    """Tiles of it that are opened."""
    seed: int = Field(default=0, ge=0)
    """Decides which."""
