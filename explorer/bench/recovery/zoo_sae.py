"""An SAE trained on the zoo, with the ground truth of its features."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int32

from explorer.bench.planted.zoo import Zoo, ZooSamples, make_zoo, owner_of_features, sample_zoo
from explorer.bench.settings import ZooSettings
from explorer.config import CofiringSettings
from explorer.lm.sae.saelens import Sae
from explorer.lm.sae.training import TrainSaeSettings, train_sae
from explorer.maths.cofiring.counts import fire_counts
from explorer.records.bundle import Codes
from explorer.records.clustering import NOISE

ENCODED = 8192
"""Samples encoded at once."""


@dataclass(frozen=True, eq=False)
class ZooSae:
    """A zoo, an SAE trained on it, and its codes on held-out samples."""

    zoo: Zoo
    """The manifolds."""
    sae: Sae
    """Trained as published: dead features are not revived."""
    samples: ZooSamples
    """Held-out samples."""
    codes: Codes
    """The SAE's codes of these."""
    owner: Int32[np.ndarray, "feature"]
    """Manifold of each feature, NOISE for none or for features too rare to be clustered."""


def train_on_zoo(k: int, settings: ZooSettings, *, seed: int) -> ZooSae:
    """Train a TopK SAE on one zoo and encode held-out samples.

    Args:
        k: features per sample.
        settings: sizes.
        seed: with k, determines the zoo, the samples and the training.
    """
    rng = np.random.default_rng([seed, k])
    zoo = make_zoo(rng=rng)
    training = TrainSaeSettings(
        n_features=settings.n_features,
        k=k,
        steps=settings.steps,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        aux_weight=0.0,
        seed=seed,
    )
    sae, _ = train_sae(torch.from_numpy(sample_zoo(zoo, settings.train_samples, rng=rng).points), training)
    samples = sample_zoo(zoo, settings.fires // k, rng=rng)
    activation = encode(sae, samples.points)
    token, feature = np.nonzero(activation > 0)
    indptr = np.searchsorted(token, np.arange(len(activation) + 1)).astype(np.int64)
    codes = Codes(indptr, feature.astype(np.uint32), activation[token, feature], settings.n_features)
    owner = owner_of_features(feature, token, settings.n_features, samples.active)
    rare = fire_counts(indptr, codes.features, settings.n_features) < CofiringSettings().min_fires
    return ZooSae(zoo, sae, samples, codes, np.where(rare, np.int32(NOISE), owner))


def encode(sae: Sae, points: Float32[np.ndarray, "sample d_model"]) -> Float32[np.ndarray, "sample feature"]:
    """Activations of all features on samples, dense."""
    with torch.no_grad():
        parts = [sae.encode(part) for part in torch.split(torch.from_numpy(points), ENCODED)]
    return torch.cat(parts).numpy()
