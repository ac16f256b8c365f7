"""What a direction of the residual stream says by itself: through the last norm and unembedding, past every block."""

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from explorer.lm.hooks.block_hooks import edit
from explorer.lm.model.load import blocks


@torch.inference_mode()
def direction_logits(model: PreTrainedModel, direction: Float[Tensor, "d_model"]) -> Float[Tensor, "vocab"]:
    """Logits of a direction, less those of nothing, less the vocabulary's mean, float32.

    The direct effect of a feature on the next token, also called its logit lens (nostalgebraist 2020, "interpreting
    GPT: the logit lens", applied to a decoder row instead of a residual). The direction takes the place of what the
    last block returns, so whatever norm and unembedding the model has are the ones that read it; its length is set to
    the square root of d_model, which is the length that a norm gives anyway. A direction that lies below the last
    block also works through the blocks above it: that is not in here.

    Args:
        model: the language model.
        direction: what a feature writes.
    """
    rows = torch.stack([torch.zeros_like(direction), direction * (direction.numel() ** 0.5 / direction.norm())])
    ids = torch.zeros((2, 1), dtype=torch.long, device=model.device)
    with edit(model, len(blocks(model)) - 1, "resid_post", lambda there: rows[:, None].to(there)):
        logits: Tensor = model(input_ids=ids, use_cache=False).logits[:, -1]
    said = (logits[1] - logits[0]).to(torch.float32)
    return said - said.mean()
