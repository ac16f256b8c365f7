"""A mixture of experts each of which reads a batch that is filled up, so that no row's bits depend on how many others
chose the same expert."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

from explorer.lm.model.batch import AS_IT_IS, Batch

Experts = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


@contextmanager
def filled_experts(model: PreTrainedModel, batch: Batch) -> Iterator[None]:
    """Fill up what every expert reads that is chosen, for the length of the context.

    Models whose experts do not go through transformers' experts functions are left as they are.
    """
    config = model.config.get_text_config(decoder=True)
    usual = getattr(config, "_experts_implementation", None)
    if batch == AS_IT_IS or usual not in ALL_EXPERTS_FUNCTIONS:
        yield
        return
    name = f"{usual}, {batch}"
    ALL_EXPERTS_FUNCTIONS.register(name, partial(_filled, ALL_EXPERTS_FUNCTIONS[usual], batch))
    config._experts_implementation = name
    try:
        yield
    finally:
        config._experts_implementation = usual


def _filled(
    usual: Experts,
    batch: Batch,
    module: nn.Module,
    hidden_states: Float[Tensor, "token d_model"],
    top_k_index: Int64[Tensor, "token choice"],
    top_k_weights: Float[Tensor, "token choice"],
) -> Float[Tensor, "token d_model"]:
    """What the chosen experts say, with copies of the first token beside each expert's own."""
    chosen = torch.bincount(top_k_index.flatten()).tolist()
    lacking = [batch.rows(rows) - rows if rows else 0 for rows in chosen]
    experts, choices = torch.arange(len(chosen)).repeat_interleave(torch.tensor(lacking)), top_k_index.shape[1]
    copies = torch.cat([experts, experts[:1].expand(-len(experts) % choices)]).view(-1, choices)
    said = usual(
        module,
        torch.cat([hidden_states, hidden_states[:1].expand(len(copies), -1)]),
        torch.cat([top_k_index, copies.to(top_k_index)]),
        torch.cat([top_k_weights, top_k_weights[:1].expand(len(copies), -1)]),
    )
    return said[: len(hidden_states)]
