"""What the recovery bench runs."""

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
    samples: int = Field(default=40_000, ge=1)
    """Further samples, of which the codes are clustered."""
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
