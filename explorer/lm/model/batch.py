"""Batch padding: batch sizes for which a row's result is bitwise independent of the other rows.

Kernels sum in another order for a few rows, and may compute the last elements of a batch differently from the rest: a
vectorised function and its scalar remainder differ in the last bit. In a mixture of experts every expert sees a batch
of its own, so each of these is padded too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

ExpertsForward = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]
"""An experts function of transformers: module, hidden states, chosen experts, their weights."""


@dataclass(frozen=True)
class Batch:
    """Allowed batch sizes; other batches are padded."""

    least: int = 1
    """Smallest batch, in rows."""
    multiple: int = 1
    """The number of rows is a multiple of this."""

    def padded_size(self, rows: int) -> int:
        """Size of the smallest allowed batch that holds so many rows."""
        return max(self.least, -(-rows // self.multiple) * self.multiple)

    def pad(self, rows: Shaped[Tensor, "row *_"]) -> Shaped[Tensor, "padded *_"]:
        """The rows as an allowed batch, padded with copies of the first row."""
        missing = self.padded_size(len(rows)) - len(rows)
        return torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])]) if missing else rows


UNPADDED = Batch()
"""Every size is allowed."""


@contextmanager
def padded_experts(model: PreTrainedModel, batch: Batch) -> Iterator[None]:
    """Pad the input of every chosen expert, for the length of the context.

    Models whose experts do not go through transformers' experts functions are left unchanged.
    """
    config = model.config.get_text_config(decoder=True)
    original = getattr(config, "_experts_implementation", None)
    if batch == UNPADDED or original not in ALL_EXPERTS_FUNCTIONS:
        yield
        return
    name = f"{original}, {batch}"
    ALL_EXPERTS_FUNCTIONS.register(name, partial(_padded_experts, ALL_EXPERTS_FUNCTIONS[original], batch))
    config._experts_implementation = name
    try:
        yield
    finally:
        config._experts_implementation = original


def _padded_experts(
    original: ExpertsForward,
    batch: Batch,
    module: nn.Module,
    hidden_states: Float[Tensor, "token d_model"],
    top_k_index: Int64[Tensor, "token choice"],
    top_k_weights: Float[Tensor, "token choice"],
) -> Float[Tensor, "token d_model"]:
    """Output of the chosen experts, each of which also reads copies of the first token as padding."""
    chosen = torch.bincount(top_k_index.flatten()).tolist()
    missing = [batch.padded_size(rows) - rows if rows else 0 for rows in chosen]
    experts, choices = torch.arange(len(chosen)).repeat_interleave(torch.tensor(missing)), top_k_index.shape[1]
    copies = torch.cat([experts, experts[:1].expand(-len(experts) % choices)]).view(-1, choices)
    output = original(
        module,
        torch.cat([hidden_states, hidden_states[:1].expand(len(copies), -1)]),
        torch.cat([top_k_index, copies.to(top_k_index)]),
        torch.cat([top_k_weights, top_k_weights[:1].expand(len(copies), -1)]),
    )
    return output[: len(hidden_states)]
