"""Moves rows apart: adds each row's displacement where it is due, and counts."""

from collections.abc import Collection

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from transformers import PreTrainedModel

from explorer.errors import HookNotFired


class Mover:
    """Adds each row's displacement to the activation of the tokens that are to be moved, and counts."""

    def __init__(self, displacement: Float[Tensor, "row d_model"]):
        self._displacement = displacement.to(torch.float32)[:, None, :]
        self._moves: Bool[Tensor, "row 1 1"] = self._displacement.ne(0).any(dim=2, keepdim=True)
        self.aim(torch.ones_like(self._moves[:, :, 0]))
        self._applied: list[Bool[Tensor, "row position"]] = []

    @property
    def rows(self) -> int:
        """Rows that are moved apart."""
        return len(self._displacement)

    @property
    def calls(self) -> int:
        """How often the edit was applied."""
        return len(self._applied)

    def go_back(self, calls: int) -> None:
        """Forget what was applied after so many calls."""
        del self._applied[calls:]

    def aim(self, at: Bool[Tensor, "row position"]) -> None:
        """Say which tokens of the next call are moved."""
        self._at, self._changed = at, self._moves & at[:, :, None]

    def __call__(self, activation: Tensor) -> Tensor:
        """The activation, moved."""
        self._applied.append(self._at)
        # Added in float32, as torch promotes, and rounded once; a token that stays keeps its very bits, -0.0 included.
        moved = (activation + self._displacement).to(activation.dtype)
        return torch.where(self._changed, moved, activation)

    def moved_tokens(self) -> Int64[Tensor, "row"]:
        """Tokens of each row at which the edit was applied; a row whose displacement is zero counts them too."""
        return torch.cat([self._at[:, :0], *self._applied], dim=1).sum(dim=1)

    def check(self, calls: int) -> None:
        """Raise HookNotFired unless the edit was applied so many times in all."""
        if self.calls != calls:
            raise HookNotFired(f"the hook fired {self.calls} times, not {calls}: there is no steered answer")


def distinct(displacement: Float[Tensor, "row d_model"]) -> tuple[Int64[Tensor, "distinct"], Int64[Tensor, "row"]]:
    """Keep one of the rows that are not moved: kernels may round equal rows differently, and 0 means the baseline.

    Returns:
        the rows that are kept, ascending, and for every row which of these it is.
    """
    still = ~displacement.ne(0).any(dim=1)
    baseline = still & (still.cumsum(0) == 1)
    kept = baseline | ~still
    row_of = kept.cumsum(0) - 1
    return kept.nonzero()[:, 0], torch.where(still, (row_of * baseline).sum(), row_of)


def all_but(token_ids: Collection[int], model: PreTrainedModel, device: torch.device) -> Bool[Tensor, "vocab"]:
    """For every token of a model whether it is none of these."""
    found = torch.ones(max(vocabulary_size(model), *token_ids, 0) + 1, dtype=torch.bool)
    found[sorted(token_ids)] = False
    return found.to(device)


def vocabulary_size(model: PreTrainedModel) -> int:
    """Tokens that a model has logits for."""
    return int(model.config.get_text_config(decoder=True).vocab_size)
