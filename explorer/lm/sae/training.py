"""Trains a small TopK SAE on activations, for models that have none.

Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders" (arXiv 2406.04093): TopK activation, decoder rows
of unit norm, an encoder that begins as the decoder's transpose, and the auxiliary loss AuxK, by which dead features
learn what the living ones leave unexplained.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import embedding_bag

from explorer.errors import SubjectError
from explorer.lm.sae.autoencoder import Sae
from explorer.records import Progress, silent


class TrainSaeSettings(BaseModel):
    """How a TopK SAE is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_features: int = Field(default=2048, ge=1)
    """Number of features."""
    k: int = Field(default=8, ge=1)
    """Features that may fire on one token."""
    steps: int = Field(default=4000, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=2048, ge=1)
    """Activations in one step."""
    learning_rate: float = Field(default=1e-3, gt=0.0)
    """Adam's step size before it decays."""
    decay_from: float = Field(default=0.7, ge=0.0, le=1.0)
    """Share of the steps after which the step size falls linearly to zero."""
    dead_after: int = Field(default=200_000, ge=1)
    """A feature that has not fired on so many activations in a row is dead, and AuxK trains it."""
    aux_weight: float = Field(default=1 / 32, ge=0.0)
    """Weight of AuxK beside the reconstruction error."""
    seed: int = 0
    """Draws the first weights and the order of the activations."""


@dataclass(frozen=True)
class TrainReport:
    """How well an SAE explains the activations that it was trained on."""

    unexplained: float
    """Fraction of variance unexplained: squared error over squared distance from the mean."""
    dead: int
    """Features that fire on none of the activations."""
    l0: float
    """Mean number of features that fire on one activation."""
    n_samples: int
    """Activations that it was trained on."""
    steps: int
    """Optimiser steps."""


@dataclass
class _Weights:
    """What is trained, in units in which activations have mean 0 and mean square d_model."""

    W_enc_rows: Float[Tensor, "feature d_model"]
    """The encoder, one row a feature, so that a few rows are gathered cheaply."""
    b_enc: Float[Tensor, " feature"]
    """Offsets of the pre-activations."""
    W_dec: Float[Tensor, "feature d_model"]
    """The decoder, rows of unit norm."""
    b_dec: Float[Tensor, " d_model"]
    """Constant part."""

    def parameters(self) -> list[Tensor]:
        """All four."""
        return [self.W_enc_rows, self.b_enc, self.W_dec, self.b_dec]


def train_sae(
    activations: Float[Tensor, "token d_model"], settings: TrainSaeSettings, *, progress: Progress = silent
) -> tuple[Sae, TrainReport]:
    """Train a TopK SAE.

    The activations are centred and scaled while it trains; both are folded into the weights at the end, so that the
    SAE reads activations as they come. Same activations, settings, machine and thread count: the same weights.

    Args:
        activations: what it shall explain, finite.
        settings: sizes and seed.
        progress: told after every step.

    Raises:
        SubjectError: too few activations, values that are not finite, activations that are all alike, or k above the
            number of features.
    """
    _check(activations, settings)
    generator = torch.Generator(device=activations.device).manual_seed(settings.seed)
    mean = activations.to(torch.float64).mean(0).to(activations.dtype)
    spread = float((activations - mean).pow(2).mean().sqrt())
    if spread == 0.0:
        raise SubjectError("activations", "activations that are all alike", "some variance")
    scale = 1.0 / spread
    weights = _first_weights(activations.shape[1], settings, activations, generator)
    _optimise(weights, activations, mean, scale, settings, generator, progress)
    sae = _folded(weights, mean, scale, settings)
    return sae, report(sae, activations, settings.steps)


def report(sae: Sae, activations: Float[Tensor, "token d_model"], steps: int, chunk: int = 8192) -> TrainReport:
    """Measure an SAE on activations.

    Args:
        sae: any SAE of this width.
        activations: what it is measured on.
        steps: how many steps it was trained for, to be kept with the figures.
        chunk: activations encoded at once.
    """
    mean = activations.to(torch.float64).mean(0)
    error = total = fires = 0.0
    alive = torch.zeros(sae.n_features, dtype=torch.bool, device=activations.device)
    with torch.no_grad():
        for part in torch.split(activations, chunk):
            codes = sae.encode(part)
            error += float((part - sae.decode(codes, like=part)).to(torch.float64).pow(2).sum())
            total += float((part.to(torch.float64) - mean).pow(2).sum())
            fires += float((codes > 0).sum())
            alive |= (codes > 0).any(0)
    n_samples = len(activations)
    return TrainReport(error / total, int((~alive).sum()), fires / n_samples, n_samples, steps)


def _check(activations: Tensor, settings: TrainSaeSettings) -> None:
    if len(activations) < 2:
        raise SubjectError("activations", f"{len(activations)} activations", "at least 2")
    if not bool(torch.isfinite(activations).all()):
        raise SubjectError("activations", "NaN or Inf", "finite activations")
    if settings.k > settings.n_features:
        raise SubjectError("settings", f"k = {settings.k}", f"at most n_features = {settings.n_features}")


def _first_weights(d_model: int, settings: TrainSaeSettings, like: Tensor, generator: torch.Generator) -> _Weights:
    """Random unit directions; the encoder is the decoder's transpose."""
    W_dec = torch.randn(settings.n_features, d_model, generator=generator, device=like.device, dtype=like.dtype)
    W_dec /= W_dec.norm(dim=1, keepdim=True)
    return _Weights(W_dec.clone(), W_dec.new_zeros(settings.n_features), W_dec, W_dec.new_zeros(d_model))


def _optimise(
    weights: _Weights, activations: Tensor, mean: Tensor, scale: float, settings: TrainSaeSettings,
    generator: torch.Generator, progress: Progress,
) -> None:  # fmt: skip
    for parameter in weights.parameters():
        parameter.requires_grad_(True)
    adam = torch.optim.Adam(weights.parameters(), lr=settings.learning_rate, eps=6.25e-10, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: _decay(step, settings))
    idle = torch.zeros(settings.n_features, dtype=torch.int64, device=activations.device)
    batches = _batches(len(activations), settings.batch, generator)
    for step in range(settings.steps):
        batch = (activations[next(batches)] - mean) * scale
        _loss(weights, batch, idle, settings).backward()  # type: ignore[no-untyped-call]
        _keep_norms(weights.W_dec)
        adam.step()
        adam.zero_grad()
        schedule.step()
        with torch.no_grad():
            weights.W_dec /= weights.W_dec.norm(dim=1, keepdim=True)
        progress("train SAE", step + 1, settings.steps)
    for parameter in weights.parameters():
        parameter.requires_grad_(False)


def _decay(step: int, settings: TrainSaeSettings) -> float:
    start = settings.decay_from * settings.steps
    return 1.0 if step < start else max(0.0, (settings.steps - step) / max(1.0, settings.steps - start))


def _batches(n_samples: int, batch: int, generator: torch.Generator) -> Iterator[Int64[Tensor, " sample"]]:
    """Endless batches, each activation once before any comes again; a short rest is left for the next round."""
    batch = min(batch, n_samples)
    while True:
        order = torch.randperm(n_samples, generator=generator, device=generator.device)
        yield from torch.split(order[: n_samples - n_samples % batch], batch)


def _loss(
    weights: _Weights, batch: Float[Tensor, "sample d_model"], idle: Tensor, settings: TrainSaeSettings
) -> Tensor:
    """Mean squared error plus weighted AuxK; counts how long features are idle.

    Only the k chosen features of a token have a gradient, so their pre-activations alone are computed with one: the
    dense product serves to choose them.
    """
    centred = batch - weights.b_dec
    with torch.no_grad():
        pre = torch.addmm(weights.b_enc, centred, weights.W_enc_rows.T)
        chosen = pre.topk(settings.k, dim=1, sorted=False).indices
    codes = _chosen_pre(weights, centred, chosen).relu()
    error = centred - embedding_bag(chosen, weights.W_dec, per_sample_weights=codes, mode="sum")
    loss = error.pow(2).mean()
    with torch.no_grad():
        idle += len(batch)
        idle[chosen[codes > 0]] = 0
        dead = (idle >= settings.dead_after).nonzero().squeeze(1)
    if len(dead) and settings.aux_weight:
        loss = loss + settings.aux_weight * _aux_loss(weights, centred.detach(), error.detach(), pre[:, dead], dead)
    return loss


def _chosen_pre(weights: _Weights, centred: Tensor, chosen: Int64[Tensor, "sample k"]) -> Float[Tensor, "sample k"]:
    rows = weights.W_enc_rows.index_select(0, chosen.flatten()).reshape(*chosen.shape, -1)
    return torch.einsum("skd,sd->sk", rows, centred) + weights.b_enc[chosen]


def _aux_loss(weights: _Weights, centred: Tensor, error: Tensor, pre: Tensor, dead: Int64[Tensor, " dead"]) -> Tensor:
    """What of the error the strongest d_model / 2 dead features fail to explain (Gao et al. 2024, section A.2)."""
    count = min(len(dead), max(1, centred.shape[1] // 2))
    chosen = dead[pre.topk(count, dim=1, sorted=False).indices]
    codes = _chosen_pre(weights, centred, chosen).relu()
    left = error - embedding_bag(chosen, weights.W_dec, per_sample_weights=codes, mode="sum")
    return left.pow(2).mean()


def _keep_norms(W_dec: Tensor) -> None:
    """Take the part along each decoder row out of its gradient: a row only turns."""
    if W_dec.grad is not None:
        with torch.no_grad():
            W_dec.grad -= (W_dec.grad * W_dec).sum(1, keepdim=True) * W_dec


def _folded(weights: _Weights, mean: Tensor, scale: float, settings: TrainSaeSettings) -> Sae:
    """The SAE in the activations' own units: unit decoder rows stay, codes become `1 / scale` of what they were."""
    sae = Sae(
        architecture="topk",
        W_enc=weights.W_enc_rows.T.contiguous(),
        b_enc=weights.b_enc / scale,
        W_dec=weights.W_dec,
        b_dec=weights.b_dec / scale + mean,
        k=settings.k,
    )
    return replace(sae, **{name: tensor.detach().clone() for name, tensor in sae.tensors().items()})  # type: ignore[arg-type]
