"""A uniform sample of the activations of a stream whose length is not known."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int64

FLOAT16_MAX = float(np.finfo(np.float16).max)
"""Largest number that float16 holds."""


class StreamSample:
    """Each token draws a number, and those with the least stay.

    The numbers are drawn in the order of the tokens, so that the sample depends on seed and text alone and not on how
    the text is cut into windows.
    """

    def __init__(self, size: int, d_model: int, rng: np.random.Generator) -> None:
        self._size = size
        self._rng = rng
        self._drawn = np.empty(0)
        self._bar = math.inf
        self.index: Int64[np.ndarray, " kept"] = np.empty(0, dtype=np.int64)
        """Token number of each row, ascending."""
        self.rows: Float16[np.ndarray, "kept d_model"] = np.empty((0, d_model), dtype=np.float16)
        """The activations."""
        self.n_beyond = 0
        """Tokens that were drawn and left out, because float16 cannot hold them."""

    def offer(
        self, activations: Float[torch.Tensor, "token d_model"], allowed: Bool[np.ndarray, "token"], first: int
    ) -> None:
        """Draw for the next tokens; the first of them has number ``first``."""
        drawn = self._rng.random(len(allowed))
        chosen = np.flatnonzero(allowed & (drawn < self._bar))
        rows = activations[torch.from_numpy(chosen).to(activations.device)].cpu().numpy()
        fits = np.abs(rows).max(axis=1, initial=0.0) <= FLOAT16_MAX
        self.n_beyond += int((~fits).sum())
        self._drawn = np.concatenate([self._drawn, drawn[chosen[fits]]])
        self.index = np.concatenate([self.index, first + chosen[fits]])
        self.rows = np.concatenate([self.rows, rows[fits].astype(np.float16)])
        self._keep_least()

    def _keep_least(self) -> None:
        if len(self._drawn) > self._size:
            least = np.sort(np.argpartition(self._drawn, self._size - 1)[: self._size])
            self._drawn, self.index, self.rows = self._drawn[least], self.index[least], self.rows[least]
            self._bar = float(self._drawn.max())
