"""Reads whole texts, unsteered: the state at each of their last tokens, and how likely each of these was."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from explorer.lm.generation.batched_edits import Place
from explorer.lm.generation.forward import keeps_logits
from explorer.lm.hooks.block_hooks import capture


@dataclass(frozen=True)
class Scored:
    """The last tokens of some texts."""

    residual: Float[Tensor, "text token d_model"]
    """The activation at [layer, hook] at each, float32."""
    logprob: Float[Tensor, "text token"]
    """Its log-probability after what stands before it, float32."""


@torch.inference_mode()
def read_scored(place: Place, token_ids: Int64[Tensor, "text position"], last: int) -> Scored:
    """Read texts in one forward pass.

    Shorter texts may be filled up at their end with any token: what comes later does not reach back in a causal model.

    Args:
        place: the model, and where its activations are read.
        token_ids: the texts.
        last: how many of their last tokens are told; fewer than all.
    """
    model = place.model
    keep = {"logits_to_keep": last + 1} if keeps_logits(type(model).forward) else {}
    with capture(model, place.layer, place.hook) as here:
        logits = model(input_ids=token_ids, use_cache=False, **keep).logits[:, -last - 1 : -1]
    logprob = torch.log_softmax(logits.to(torch.float32), dim=-1)
    told = logprob.gather(2, token_ids[:, -last:, None])[:, :, 0]
    return Scored(here.activation[:, -last:].to(torch.float32), told)
