"""A uniform sample of the activations of a stream of unknown length."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int64

FLOAT16_MAX = float(np.finfo(np.float16).max)
"""Largest finite float16."""


class StreamSample:
    """Reservoir sample: every token draws a random number, and those with the smallest are kept.

    The numbers are drawn in token order, so the sample depends on seed and text only, not on how the text is cut into
    windows.
    """

    def __init__(self, size: int, d_model: int, rng: np.random.Generator) -> None:
        self._size = size
        self._rng = rng
        self._drawn = np.empty(0)
        self._threshold = math.inf
        self.index: Int64[np.ndarray, " stored"] = np.empty(0, dtype=np.int64)
        """Token index of each row, ascending."""
        self.rows: Float16[np.ndarray, "stored d_model"] = np.empty((0, d_model), dtype=np.float16)
        self.n_beyond = 0
        """Number of sampled tokens dropped because float16 cannot represent them."""

    def offer(
        self, activations: Float[torch.Tensor, "token d_model"], allowed: Bool[np.ndarray, "token"], first: int
    ) -> None:
        """Draw for the next tokens, of which the first has index ``first``."""
        drawn = self._rng.random(len(allowed))
        chosen = np.flatnonzero(allowed & (drawn < self._threshold))
        rows = activations[torch.from_numpy(chosen).to(activations.device)].cpu().numpy()
        fits = np.abs(rows).max(axis=1, initial=0.0) <= FLOAT16_MAX
        self.n_beyond += int((~fits).sum())
        self._drawn = np.concatenate([self._drawn, drawn[chosen[fits]]])
        self.index = np.concatenate([self.index, first + chosen[fits]])
        self.rows = np.concatenate([self.rows, rows[fits].astype(np.float16)])
        self._truncate()

    def _truncate(self) -> None:
        if len(self._drawn) > self._size:
            smallest = np.sort(np.argpartition(self._drawn, self._size - 1)[: self._size])
            self._drawn, self.index, self.rows = self._drawn[smallest], self.index[smallest], self.rows[smallest]
            self._threshold = float(self._drawn.max())
