"""Chooses the tokens that rows go on with, where the logits lie."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@torch.inference_mode()
def choose_tokens(logprobs: Float[Tensor, "row vocab"], temperature: float, draw: float) -> Int64[Tensor, "row"]:
    """The likeliest token of each row, or the one at a share ``draw`` of its tempered distribution's mass.

    Args:
        logprobs: finite.
        temperature: 0 takes the likeliest.
        draw: in [0, 1), the same for all rows: rows that say the same go on alike.
    """
    if temperature == 0.0:
        return logprobs.argmax(dim=1)
    mass = torch.softmax(logprobs.to(torch.float64) / temperature, dim=1).cumsum(dim=1)
    return (mass <= draw * mass[:, -1:]).sum(dim=1).clamp(max=logprobs.shape[1] - 1)
