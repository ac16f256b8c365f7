"""What rows say next, in few numbers, read where the logits lie: no row's whole vocabulary leaves the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

_CELLS = 1 << 24


@dataclass(frozen=True)
class NextTokens:
    """What is read of some rows' next-token distributions."""

    asked: Float[np.ndarray, "row token"]
    """Probability of each token that was asked about."""
    likeliest: Int64[np.ndarray, "row"]
    """The token of the largest probability."""
    probability: Float[np.ndarray, "row"]
    """Its probability."""
    kl: Float[np.ndarray, "row"]
    """Kullback-Leibler divergence of the whole distribution from the first row's, in nats."""

    def split(self, counts: Sequence[int]) -> "list[NextTokens]":
        """The same, in parts of so many rows."""
        ends = np.cumsum(counts)[:-1]
        parts = (np.split(one, ends) for one in (self.asked, self.likeliest, self.probability, self.kl))
        return [NextTokens(*part) for part in zip(*parts, strict=True)]


@torch.inference_mode()
def read_next(logits: Float[Tensor, "row vocab"], tokens: Int64[np.ndarray, "token"]) -> NextTokens:
    """Read some rows, the first of which is what the others are held against.

    Args:
        logits: finite.
        tokens: which are asked about.
    """
    asked, base = torch.from_numpy(tokens).to(logits.device), torch.log_softmax(logits[0], dim=-1)
    # Beside the logits only a part of them is held at a time.
    parts = [_read(part, asked, base) for part in torch.split(logits, max(1, _CELLS // logits.shape[1]))]
    return NextTokens(*(torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)))


def _read(
    logits: Float[Tensor, "row vocab"], asked: Int64[Tensor, "token"], base: Float[Tensor, "vocab"]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    p = torch.softmax(logits, dim=-1)
    probability, likeliest = p.max(dim=1)
    kl = (p * (torch.log_softmax(logits, dim=-1) - base)).sum(dim=1, dtype=torch.float64).clamp(min=0.0)
    return p[:, asked], likeliest, probability, kl
