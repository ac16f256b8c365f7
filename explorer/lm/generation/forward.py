"""A model's logits at the last positions, and no others where the model can leave them out."""

import functools
import inspect
from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from transformers import Cache, PreTrainedModel


@functools.cache
def keeps_logits(forward: Callable[..., object]) -> bool:
    """Whether a model's ``forward`` can be asked for the logits of its last positions alone."""
    return "logits_to_keep" in inspect.signature(forward).parameters


def last_logits(
    model: PreTrainedModel,
    token_ids: Int64[Tensor, "row token"],
    cache: Cache | None,
    last: int = 1,
    **told: Tensor,
) -> Float[Tensor, "row last vocab"]:
    """Logits at the last positions, float32.

    Args:
        model: the language model.
        token_ids: what it reads.
        cache: keys and values of what stands before; the new ones are added. None keeps none.
        last: how many positions.
        told: further arguments of the model.
    """
    keep = {"logits_to_keep": last} if keeps_logits(type(model).forward) else {}
    output = model(input_ids=token_ids, past_key_values=cache, use_cache=cache is not None, **keep, **told)
    logits: Tensor = output.logits[:, -last:]
    return logits.to(torch.float32)
