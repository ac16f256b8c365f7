"""Adds a per-row displacement to the residual at selected tokens, and counts where it was applied."""

from collections.abc import Collection

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from transformers import PreTrainedModel

from explorer.errors import HookNotFired


class ResidualEdit:
    """Adds each row's displacement to the activation at the masked tokens, and records every call."""

    def __init__(self, displacement: Float[Tensor, "row d_model"]):
        self._displacement = displacement.to(torch.float32)[:, None, :]
        self._nonzero: Bool[Tensor, "row 1 1"] = self._displacement.ne(0).any(dim=2, keepdim=True)
        self.set_mask(torch.ones_like(self._nonzero[:, :, 0]))
        self._applied: list[Bool[Tensor, "row position"]] = []

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self._displacement)

    @property
    def calls(self) -> int:
        """How often the edit was applied."""
        return len(self._applied)

    def roll_back(self, calls: int) -> None:
        """Forget all calls after the first ``calls``."""
        del self._applied[calls:]

    def set_mask(self, mask: Bool[Tensor, "row position"]) -> None:
        """Choose the tokens that the next call edits."""
        self._mask, self._changed = mask, self._nonzero & mask[:, :, None]

    def __call__(self, activation: Tensor) -> Tensor:
        """The edited activation [row, position, d_model]."""
        self._applied.append(self._mask)
        # Added in float32, as torch promotes, and rounded once; an unedited token keeps its exact bits, -0.0 included.
        moved = (activation + self._displacement).to(activation.dtype)
        return torch.where(self._changed, moved, activation)

    def edited_tokens(self) -> Int64[Tensor, "row"]:
        """Number of tokens of each row at which the edit was applied; rows with a zero displacement count them too."""
        return torch.cat([self._mask[:, :0], *self._applied], dim=1).sum(dim=1)

    def check(self, calls: int) -> None:
        """Raise HookNotFired unless the edit was applied exactly ``calls`` times in all."""
        if self.calls != calls:
            raise HookNotFired(f"the hook fired {self.calls} times, not {calls}: there is no steered answer")


def merge_baseline_rows(
    displacement: Float[Tensor, "row d_model"],
) -> tuple[Int64[Tensor, "distinct"], Int64[Tensor, "row"]]:
    """Merge all rows with a zero displacement into one: kernels may round equal rows differently, and an unsteered row
    must equal the baseline exactly.

    Returns:
        Indices of the remaining rows, ascending, and for every row its position among them.
    """
    still = ~displacement.ne(0).any(dim=1)
    baseline = still & (still.cumsum(0) == 1)
    remaining = baseline | ~still
    row_of = remaining.cumsum(0) - 1
    return remaining.nonzero()[:, 0], torch.where(still, (row_of * baseline).sum(), row_of)


def mask_all_but(token_ids: Collection[int], model: PreTrainedModel, device: torch.device) -> Bool[Tensor, "vocab"]:
    """True for every token of a model's vocabulary except the given ones."""
    mask = torch.ones(max(vocabulary_size(model), *token_ids, 0) + 1, dtype=torch.bool)
    mask[sorted(token_ids)] = False
    return mask.to(device)


def vocabulary_size(model: PreTrainedModel) -> int:
    """Number of tokens that a model has logits for."""
    return int(model.config.get_text_config(decoder=True).vocab_size)
