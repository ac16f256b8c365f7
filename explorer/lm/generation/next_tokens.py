"""Next-token distributions: their statistics, sampling from them, and the logit lens of a direction.

All of it runs on the device of the logits, so that no row's whole vocabulary leaves the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from transformers import PreTrainedModel

from explorer.lm.hooks.block_hooks import edit
from explorer.lm.model.load import blocks

_CELLS = 1 << 24
"""Probabilities held at once, besides the logits."""


@dataclass(frozen=True)
class NextTokens:
    """Statistics of the next-token distributions of several rows."""

    requested: Float[np.ndarray, "row token"]
    """Probability of each requested token."""
    likeliest: Int64[np.ndarray, "row"]
    """Most probable token."""
    probability: Float[np.ndarray, "row"]
    """Its probability."""
    kl: Float[np.ndarray, "row"]
    """Kullback-Leibler divergence from the first row's distribution, in nats."""

    def split(self, counts: Sequence[int]) -> "list[NextTokens]":
        """Split the rows into consecutive parts of the given sizes."""
        ends = np.cumsum(counts)[:-1]
        parts = (np.split(one, ends) for one in (self.requested, self.likeliest, self.probability, self.kl))
        return [NextTokens(*part) for part in zip(*parts, strict=True)]


@torch.inference_mode()
def read_next(logits: Float[Tensor, "row vocab"], tokens: Int64[np.ndarray, "token"]) -> NextTokens:
    """Statistics of several rows, with the first row as the reference of the divergence.

    Args:
        logits: finite [row, vocab].
        tokens: the requested token ids.
    """
    requested, base = torch.from_numpy(tokens).to(logits.device), torch.log_softmax(logits[0], dim=-1)
    # Probabilities are computed part by part to bound the memory.
    parts = [_read(part, requested, base) for part in torch.split(logits, max(1, _CELLS // logits.shape[1]))]
    return NextTokens(*(torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)))


def _read(
    logits: Float[Tensor, "row vocab"], requested: Int64[Tensor, "token"], base: Float[Tensor, "vocab"]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    p = torch.softmax(logits, dim=-1)
    probability, likeliest = p.max(dim=1)
    kl = (p * (torch.log_softmax(logits, dim=-1) - base)).sum(dim=1, dtype=torch.float64).clamp(min=0.0)
    return p[:, requested], likeliest, probability, kl


@torch.inference_mode()
def sample_tokens(logprobs: Float[Tensor, "row vocab"], temperature: float, draw: float) -> Int64[Tensor, "row"]:
    """Sample one token a row by inverting the cumulative distribution, or take the most probable one.

    Args:
        logprobs: finite [row, vocab].
        temperature: 0 takes the most probable token.
        draw: uniform draw in [0, 1), shared by all rows, so that equal rows continue alike.
    """
    if temperature == 0.0:
        return logprobs.argmax(dim=1)
    mass = torch.softmax(logprobs.to(torch.float64) / temperature, dim=1).cumsum(dim=1)
    return (mass <= draw * mass[:, -1:]).sum(dim=1).clamp(max=logprobs.shape[1] - 1)


@torch.inference_mode()
def direction_logits(model: PreTrainedModel, direction: Float[Tensor, "d_model"]) -> Float[Tensor, "vocab"]:
    """Logit lens of a direction: its logits minus those of the zero vector, centred over the vocabulary, float32.

    The direct effect of a feature on the next token (nostalgebraist 2020, "interpreting GPT: the logit lens", applied
    to a decoder row instead of a residual). The direction replaces the output of the last block, so the model's own
    final norm and unembedding read it; it is scaled to length sqrt(d_model), which is what a norm makes of it. For a
    direction below the last block, the effect through the blocks above is not included.

    Args:
        model: the language model.
        direction: what a feature writes [d_model].
    """
    rows = torch.stack([torch.zeros_like(direction), direction * (direction.numel() ** 0.5 / direction.norm())])
    ids = torch.zeros((2, 1), dtype=torch.long, device=model.device)
    with edit(model, len(blocks(model)) - 1, "resid_post", lambda original: rows[:, None].to(original)):
        logits: Tensor = model(input_ids=ids, use_cache=False).logits[:, -1]
    effect = (logits[1] - logits[0]).to(torch.float32)
    return effect - effect.mean()
