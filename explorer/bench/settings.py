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
