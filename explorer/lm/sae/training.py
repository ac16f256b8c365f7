"""Trains a small TopK SAE on activations, for models that have none.

Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders" (arXiv 2406.04093): TopK activation, unit-norm
decoder rows, an encoder initialised as the decoder's transpose, and the auxiliary loss AuxK, in which dead features
reconstruct the residual of the others.
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
from explorer.records.progress import Progress, silent


class TrainSaeSettings(BaseModel):
    """Hyperparameters of a TopK SAE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_features: int = Field(default=2048, ge=1)
    k: int = Field(default=8, ge=1)
    """Number of features that may fire on one token."""
    steps: int = Field(default=4000, ge=1)
    batch: int = Field(default=2048, ge=1)
    """Activations per step."""
    learning_rate: float = Field(default=1e-3, gt=0.0)
    """Adam's learning rate before it decays."""
    decay_from: float = Field(default=0.7, ge=0.0, le=1.0)
    """Fraction of the steps after which the learning rate decays linearly to zero."""
    dead_after: int = Field(default=200_000, ge=1)
    """Number of consecutive activations without firing after which a feature counts as dead and is trained by AuxK."""
    aux_weight: float = Field(default=1 / 32, ge=0.0)
    """Weight of AuxK in the loss; the reconstruction error has weight 1."""
    seed: int = 0
    """Seed of the initial weights and of the order of the activations."""


@dataclass(frozen=True)
class TrainReport:
    """Reconstruction quality of an SAE on its training activations."""

    unexplained: float
    """Fraction of variance unexplained: squared error over squared distance from the mean."""
    dead: int
    """Number of features that never fire."""
    l0: float
    """Mean number of features that fire on one activation."""
    n_samples: int
    """Number of training activations."""
    steps: int


@dataclass
class _Weights:
    """Trainable parameters, in units in which activations have mean 0 and mean square d_model."""

    W_enc_rows: Float[Tensor, "feature d_model"]
    """Encoder, one row per feature, so that a few rows are gathered cheaply."""
    b_enc: Float[Tensor, " feature"]
    W_dec: Float[Tensor, "feature d_model"]
    """Decoder, rows of unit norm."""
    b_dec: Float[Tensor, " d_model"]

    def parameters(self) -> list[Tensor]:
        """All four tensors."""
        return [self.W_enc_rows, self.b_enc, self.W_dec, self.b_dec]


def train_sae(
    activations: Float[Tensor, "token d_model"], settings: TrainSaeSettings, *, progress: Progress = silent
) -> tuple[Sae, TrainReport]:
    """Train a TopK SAE.

    Activations are centred and scaled during training; both are folded into the weights at the end, so that the SAE
    reads raw activations. Deterministic for equal activations, settings, machine and thread count.

    Args:
        activations: training data, finite [token, d_model].
        settings: sizes and seed.
        progress: called after every step.

    Raises:
        SubjectError: fewer than 2 activations, non-finite values, activations without variance, or k above the number
            of features.
    """
    _check(activations, settings)
    generator = torch.Generator(device=activations.device).manual_seed(settings.seed)
    mean = activations.to(torch.float64).mean(0).to(activations.dtype)
    spread = float((activations - mean).pow(2).mean().sqrt())
    if spread == 0.0:
        raise SubjectError("activations", "activations without variance", "some variance")
    scale = 1.0 / spread
    weights = _initial_weights(activations.shape[1], settings, activations, generator)
    _optimise(weights, activations, mean, scale, settings, generator, progress)
    sae = _folded(weights, mean, scale, settings)
    return sae, report(sae, activations, settings.steps)


def report(sae: Sae, activations: Float[Tensor, "token d_model"], steps: int, chunk: int = 8192) -> TrainReport:
    """Evaluate an SAE on activations.

    Args:
        sae: any SAE of this width.
        activations: evaluation data [token, d_model].
        steps: number of training steps, copied into the report.
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


def _initial_weights(d_model: int, settings: TrainSaeSettings, like: Tensor, generator: torch.Generator) -> _Weights:
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
        _project_gradient(weights.W_dec)
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
    """Endless batches, epoch by epoch in random order; an incomplete last batch is dropped."""
    batch = min(batch, n_samples)
    while True:
        order = torch.randperm(n_samples, generator=generator, device=generator.device)
        yield from torch.split(order[: n_samples - n_samples % batch], batch)


def _loss(
    weights: _Weights, batch: Float[Tensor, "sample d_model"], idle: Tensor, settings: TrainSaeSettings
) -> Tensor:
    """Mean squared error plus weighted AuxK; updates the idle counts.

    Only the k active features of a token have a gradient, so only their pre-activations are computed with one: the
    dense product serves to select them.
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
    """Part of the error that the d_model / 2 strongest dead features fail to reconstruct (Gao et al. 2024, section
    A.2)."""
    count = min(len(dead), max(1, centred.shape[1] // 2))
    chosen = dead[pre.topk(count, dim=1, sorted=False).indices]
    codes = _chosen_pre(weights, centred, chosen).relu()
    remainder = error - embedding_bag(chosen, weights.W_dec, per_sample_weights=codes, mode="sum")
    return remainder.pow(2).mean()


def _project_gradient(W_dec: Tensor) -> None:
    """Remove the gradient component along each decoder row: a step then preserves the norms to first order."""
    if W_dec.grad is not None:
        with torch.no_grad():
            W_dec.grad -= (W_dec.grad * W_dec).sum(1, keepdim=True) * W_dec


def _folded(weights: _Weights, mean: Tensor, scale: float, settings: TrainSaeSettings) -> Sae:
    """The SAE in the units of the raw activations: decoder rows keep unit norm, codes are divided by `scale`."""
    sae = Sae(
        architecture="topk",
        W_enc=weights.W_enc_rows.T.contiguous(),
        b_enc=weights.b_enc / scale,
        W_dec=weights.W_dec,
        b_dec=weights.b_dec / scale + mean,
        k=settings.k,
    )
    return replace(sae, **{name: tensor.detach().clone() for name, tensor in sae.tensors().items()})  # type: ignore[arg-type]
