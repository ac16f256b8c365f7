"""How many rows go through a model at once, so that what a row says does not depend on it."""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """The sizes of batches that are run; others are filled up.

    Kernels add in another order for a few rows, and may compute the last elements of a batch in another way than
    those before: a function of a number has another last bit in vector and in scalar code.
    """

    least: int = 1
    """Rows of the smallest."""
    multiple: int = 1
    """What the number of rows is a multiple of."""

    def rows(self, wanted: int) -> int:
        """The size of a batch that holds so many rows."""
        return max(self.least, -(-wanted // self.multiple) * self.multiple)

    def fill(self, rows: Shaped[Tensor, "row *_"]) -> Shaped[Tensor, "filled *_"]:
        """The rows as a batch: copies of the first stand in for those that lack."""
        lacking = self.rows(len(rows)) - len(rows)
        return torch.cat([rows, rows[:1].expand(lacking, *rows.shape[1:])]) if lacking else rows


AS_IT_IS = Batch()
"""Nothing is filled up."""
