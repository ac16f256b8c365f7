"""A sparse autoencoder: its parameters and formulas. Reading and writing is in `explorer.lm.sae.saelens`."""

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.errors import SubjectError
from explorer.records.subject import Hook

Architecture = Literal["standard", "topk", "batchtopk", "jumprelu"]
"""Sparsity of the codes; "standard" is ReLU, as SAELens names it."""

Normalization = Literal["none", "expected_average_only_in", "constant_norm_rescale", "layer_norm"]
"""Normalisation of an activation before it is encoded, as SAELens names it."""

_LAYER_NORM_EPSILON = 1e-5
_HOOK_NAME = re.compile(r"blocks\.(\d+)\.hook_(resid_pre|resid_post|attn_out|mlp_out)")


@dataclass(frozen=True, eq=False)
class Sae:
    """A sparse autoencoder for one activation of one model.

    With x the normalised activation: pre = (x - b_dec) W_enc + b_enc, where b_dec is subtracted only under
    ``apply_b_dec_to_input``; codes = activation(pre); reconstruction = codes W_dec + b_dec, with the normalisation
    undone. Conventions: SAELens 6.
    """

    architecture: Architecture
    W_enc: Float[Tensor, "d_model feature"]
    b_enc: Float[Tensor, " feature"]
    W_dec: Float[Tensor, "feature d_model"]
    """Direction that each feature writes."""
    b_dec: Float[Tensor, " d_model"]
    threshold: Float[Tensor, " feature"] | None = None
    """JumpReLU and BatchTopK: a feature fires where its pre-activation exceeds this; None for other architectures."""
    k: int | float | None = None
    """TopK: number of features that may fire on one token; BatchTopK: its mean over a batch; else None."""
    apply_b_dec_to_input: bool = True
    normalize_activations: Normalization = "none"
    model_name: str = ""
    """Model that it was trained on, as its author wrote it; "" if unknown."""
    hook_name: str = ""
    """Hook that it was trained on, such as `blocks.2.hook_resid_post`; "" if unknown."""
    neuronpedia_id: str = ""
    """Id on Neuronpedia; "" where it has none."""

    @property
    def d_model(self) -> int:
        """Width of the activations."""
        return self.W_enc.shape[0]

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.W_enc.shape[1]

    def tensors(self) -> dict[str, Tensor]:
        """Weights by their names on disk, sorted."""
        named = {"W_enc": self.W_enc, "b_enc": self.b_enc, "W_dec": self.W_dec, "b_dec": self.b_dec}
        return dict(sorted(named.items())) | ({} if self.threshold is None else {"threshold": self.threshold})

    def encode(self, activation: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch feature"]:
        """Codes [*batch, feature] of activations: >= 0, zero where a feature does not fire.

        A BatchTopK SAE without a stored threshold selects the strongest k per token over all activations of the call,
        so the codes of one token depend on the others.

        Raises:
            SubjectError: the activations have another width, or the input scale is unknown (see `folded`).
        """
        check_width(self, activation.shape[-1], "the activations")
        scale, shift = self._normalization(activation.to(self.W_enc.dtype))
        normal = activation.to(self.W_enc.dtype) * scale - shift
        pre = (normal - self.b_dec if self.apply_b_dec_to_input else normal) @ self.W_enc + self.b_enc
        return self._activate(pre)

    def decode(
        self, codes: Float[Tensor, "*batch feature"], like: Float[Tensor, "*batch d_model"] | None = None
    ) -> Float[Tensor, "*batch d_model"]:
        """Reconstruction [*batch, d_model] from codes.

        Args:
            codes: output of `encode` [*batch, feature].
            like: the encoded activations [*batch, d_model]; required where the normalisation depends on each of them.

        Raises:
            SubjectError: ``like`` is required and missing, or the input scale is unknown.
        """
        normal = codes.to(self.W_dec.dtype) @ self.W_dec + self.b_dec
        if like is None and self.normalize_activations in ("constant_norm_rescale", "layer_norm"):
            found = f"codes without activations under {self.normalize_activations}"
            raise SubjectError("SAE", found, "the encoded activations too")
        if like is None:
            like = torch.ones_like(normal)
        scale, shift = self._normalization(like.to(self.W_dec.dtype))
        return (normal + shift) / scale

    def folded(self, input_scale: float) -> "Sae":
        """The same SAE for unscaled activations, with a constant input scale folded into its weights.

        Encoding s x by (W_enc, b_dec) equals encoding x by (s W_enc, b_dec / s); thresholds apply to pre-activations
        and stay.

        Args:
            input_scale: s, such that E|s x| = sqrt(d_model) over the training text.
        """
        if not (math.isfinite(input_scale) and input_scale > 0):
            raise SubjectError("SAE", f"an input scale of {input_scale}", "a positive finite number")
        return replace(
            self,
            W_enc=self.W_enc * input_scale,
            W_dec=self.W_dec / input_scale,
            b_dec=self.b_dec / input_scale,
            normalize_activations="none",
        )

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Sae":
        """The same SAE on another device, or in another precision."""
        moved = {name: tensor.to(device=device, dtype=dtype) for name, tensor in self.tensors().items()}
        return replace(self, **moved)  # type: ignore[arg-type]

    def _normalization(self, activation: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift [*batch, 1] of the normalisation: x * scale - shift."""
        none = activation.new_zeros(())
        match self.normalize_activations:
            case "none":
                return none + 1, none
            case "constant_norm_rescale":
                return math.sqrt(self.d_model) / activation.norm(dim=-1, keepdim=True), none
            case "layer_norm":
                spread = activation.std(dim=-1, keepdim=True) + _LAYER_NORM_EPSILON
                return 1 / spread, activation.mean(dim=-1, keepdim=True) / spread
        raise SubjectError("SAE", "an unknown input scale under expected_average_only_in", "a scale folded in first")

    def _activate(self, pre: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        if self.threshold is not None:
            return pre.relu() * (pre > self.threshold.relu())
        if self.architecture == "standard" or self.k is None:
            return pre.relu()
        if self.architecture == "topk":
            return _keep_top(pre, min(int(self.k), self.n_features))
        samples = pre.numel() // self.n_features
        return _keep_top(pre.flatten(), min(int(self.k * samples), pre.numel())).reshape(pre.shape)


def check_width(sae: Sae, d_model: int, whose: str) -> None:
    """Raise SubjectError, naming both widths, unless the SAE reads activations of this width."""
    if sae.d_model != d_model:
        raise SubjectError("SAE", f"an SAE of width {sae.d_model}", f"{d_model}, the width of {whose}")


def check_trained_hook(sae: Sae, layer: int, hook: Hook) -> None:
    """Raise SubjectError where the SAE's metadata names another hook than the given one.

    The input of a block is the output of the block before it, so these two hooks count as one. An SAE that names no
    hook, or in another notation, passes.
    """
    match = _HOOK_NAME.fullmatch(sae.hook_name)
    if match and _canonical(int(match[1]), match[2]) != _canonical(layer, hook):
        raise SubjectError("SAE", f"an SAE trained on {sae.hook_name}", f"one for blocks.{layer}.hook_{hook}")


def _canonical(layer: int, hook: str) -> tuple[int, str]:
    return (layer - 1, "resid_post") if hook == "resid_pre" else (layer, hook)


def _keep_top(pre: Float[Tensor, "*batch n"], count: int) -> Float[Tensor, "*batch n"]:
    top = pre.topk(count, dim=-1, sorted=False)
    return torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())
