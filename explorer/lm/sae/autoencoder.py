"""A sparse autoencoder: its formulas, and SAELens' layout on disk (`cfg.json` and `sae_weights.safetensors`)."""

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.errors import SubjectError
from explorer.records import Hook

Architecture = Literal["standard", "topk", "batchtopk", "jumprelu"]
"""How codes become sparse; "standard" is ReLU, as SAELens names it."""

Normalization = Literal["none", "expected_average_only_in", "constant_norm_rescale", "layer_norm"]
"""What is done to an activation before it is encoded, as SAELens names it."""

_LAYER_NORM_EPSILON = 1e-5
_HOOK_NAME = re.compile(r"blocks\.(\d+)\.hook_(resid_pre|resid_post|attn_out|mlp_out)")


@dataclass(frozen=True, eq=False)
class Sae:
    """A sparse autoencoder for one place in one model.

    With x the normalised activation: pre = (x - b_dec) W_enc + b_enc, where b_dec is subtracted only under
    ``apply_b_dec_to_input``; codes = activation(pre); reconstruction = codes W_dec + b_dec, with the normalisation
    undone. Conventions: SAELens 6.
    """

    architecture: Architecture
    """How codes become sparse."""
    W_enc: Float[Tensor, "d_model feature"]
    """What each feature looks for."""
    b_enc: Float[Tensor, " feature"]
    """Offset of each feature's pre-activation."""
    W_dec: Float[Tensor, "feature d_model"]
    """What each feature writes."""
    b_dec: Float[Tensor, " d_model"]
    """Constant part of the reconstruction."""
    threshold: Float[Tensor, " feature"] | None = None
    """JumpReLU and BatchTopK: a feature fires where its pre-activation is above this; None where there is none."""
    k: int | float | None = None
    """TopK: features that may fire on one token; BatchTopK: the mean of that over a batch; else None."""
    apply_b_dec_to_input: bool = True
    """Whether b_dec is subtracted from the input."""
    normalize_activations: Normalization = "none"
    """What is done to the input first."""
    model_name: str = ""
    """Model that it was trained on, as its author wrote it; may be empty."""
    hook_name: str = ""
    """Place that it was trained on, such as `blocks.2.hook_resid_post`; may be empty."""
    neuronpedia_id: str = ""
    """Its name on Neuronpedia; may be empty."""

    @property
    def d_model(self) -> int:
        """Width of the activations that it reads."""
        return self.W_enc.shape[0]

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.W_enc.shape[1]

    def tensors(self) -> dict[str, Tensor]:
        """Its weights by their names on disk, sorted."""
        named = {"W_enc": self.W_enc, "b_enc": self.b_enc, "W_dec": self.W_dec, "b_dec": self.b_dec}
        return dict(sorted(named.items())) | ({} if self.threshold is None else {"threshold": self.threshold})

    def encode(self, activation: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch feature"]:
        """Codes of activations: >= 0, zero where a feature does not fire.

        A BatchTopK SAE without a stored threshold picks the strongest k per token of all the activations given at
        once, so what it gives for one token depends on the others.

        Raises:
            SubjectError: the activations have another width, or the input scale is not known (see `folded`).
        """
        check_width(self, activation.shape[-1], "the activations")
        scale, shift = self._normalization(activation.to(self.W_enc.dtype))
        normal = activation.to(self.W_enc.dtype) * scale - shift
        pre = (normal - self.b_dec if self.apply_b_dec_to_input else normal) @ self.W_enc + self.b_enc
        return self._activate(pre)

    def decode(
        self, codes: Float[Tensor, "*batch feature"], like: Float[Tensor, "*batch d_model"] | None = None
    ) -> Float[Tensor, "*batch d_model"]:
        """Reconstruction from codes.

        Args:
            codes: what `encode` gave.
            like: the activations that were encoded; needed where the normalisation depends on each of them.

        Raises:
            SubjectError: ``like`` is needed and not given, or the input scale is not known.
        """
        normal = codes.to(self.W_dec.dtype) @ self.W_dec + self.b_dec
        if like is None and self.normalize_activations in ("constant_norm_rescale", "layer_norm"):
            raise SubjectError("SAE", f"codes alone under {self.normalize_activations}", "the activations too")
        if like is None:
            like = torch.ones_like(normal)
        scale, shift = self._normalization(like.to(self.W_dec.dtype))
        return (normal + shift) / scale

    def folded(self, input_scale: float) -> "Sae":
        """The same SAE for activations as they come, with a constant input scale folded into its weights.

        Encoding s x by (W_enc, b_dec) is encoding x by (s W_enc, b_dec / s); thresholds apply to pre-activations and
        stay.

        Args:
            input_scale: s, for which E|s x| = sqrt(d_model) over the text the SAE was trained on.
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
        """The same SAE on another device, or in another number format."""
        moved = {name: tensor.to(device=device, dtype=dtype) for name, tensor in self.tensors().items()}
        return replace(self, **moved)  # type: ignore[arg-type]

    def _normalization(self, activation: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift [*batch, 1] that normalise an activation: x * scale - shift."""
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
    """Raise SubjectError, naming both widths, where the SAE does not read activations of this width."""
    if sae.d_model != d_model:
        raise SubjectError("SAE", f"an SAE of width {sae.d_model}", f"{d_model}, the width of {whose}")


def check_trained_place(sae: Sae, layer: int, hook: Hook) -> None:
    """Raise SubjectError where the SAE's own file says that it was trained on another place.

    What a block receives is what the block before it returned, so these two places count as one. An SAE that does not
    say, or names its place in another way, passes.
    """
    match = _HOOK_NAME.fullmatch(sae.hook_name)
    if match and _canonical(int(match[1]), match[2]) != _canonical(layer, hook):
        raise SubjectError("SAE", f"an SAE trained on {sae.hook_name}", f"one for blocks.{layer}.hook_{hook}")


def _canonical(layer: int, hook: str) -> tuple[int, str]:
    return (layer - 1, "resid_post") if hook == "resid_pre" else (layer, hook)


def _keep_top(pre: Float[Tensor, "*batch n"], count: int) -> Float[Tensor, "*batch n"]:
    top = pre.topk(count, dim=-1, sorted=False)
    return torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())
