"""Encodes activations, and writes their codes shard by shard in bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt32

from explorer.lm.sae.autoencoder import Sae
from explorer.pipeline.harvest.stream_sample import FLOAT16_MAX

_DENSE_CELLS = 1 << 25
"""Dense pre-activations held at once."""

WriteCodes = Callable[[np.ndarray, np.ndarray, np.ndarray], None]
"""Writes the CSR arrays of the next tokens: indptr, features, values."""


@dataclass
class _PendingCodes:
    """Codes that are not written yet."""

    lengths: list[Int64[np.ndarray, "token"]] = field(default_factory=list)
    features: list[UInt32[np.ndarray, "nnz"]] = field(default_factory=list)
    values: list[Float[np.ndarray, "nnz"]] = field(default_factory=list)
    nnz: int = 0


class CodeShards:
    """Encodes a stream of activations; call `flush` at its end."""

    def __init__(self, sae: Sae, write: WriteCodes, shard_nnz: int) -> None:
        self._sae = sae
        self._write = write
        self._shard_nnz = shard_nnz
        self._waiting = _PendingCodes()
        self.n_underflow = 0
        """Number of positive codes that round to zero in float16 and are dropped."""

    def add(self, activations: Float[torch.Tensor, "token d_model"]) -> None:
        """Encode the next tokens in pieces, which bounds the memory of the dense codes."""
        for part in torch.split(activations, max(1, _DENSE_CELLS // self._sae.n_features)):
            with torch.no_grad():
                codes = self._sae.encode(part)
            self._append(codes)
            if self._waiting.nnz >= self._shard_nnz:
                self.flush()

    def flush(self) -> None:
        """Write the pending codes as one shard."""
        pending, self._waiting = self._waiting, _PendingCodes()
        if not pending.lengths:
            return
        lengths, features, values = map(np.concatenate, (pending.lengths, pending.features, pending.values))
        stored, fires = _stored(values)
        self.n_underflow += int((~fires).sum())
        fires_before = np.concatenate([[0], np.cumsum(fires)]).astype(np.int64)
        token_ends = np.concatenate([[0], np.cumsum(lengths)])
        self._write(fires_before[token_ends], features[fires], stored[fires])

    def _append(self, codes: Float[torch.Tensor, "token feature"]) -> None:
        # nonzero() orders entries by token, then by feature, as the format requires.
        token, feature = (codes > 0).nonzero(as_tuple=True)
        self._waiting.lengths.append(torch.bincount(token, minlength=len(codes)).cpu().numpy())
        self._waiting.features.append(feature.cpu().numpy().astype(np.uint32))
        self._waiting.values.append(codes[token, feature].float().cpu().numpy())
        self._waiting.nnz += len(token)


def _stored(values: Float[np.ndarray, "nnz"]) -> tuple[Float[np.ndarray, "nnz"], Bool[np.ndarray, "nnz"]]:
    """Values as float16, or as float32 if one exceeds its range; and the mask of those still above zero."""
    stored = values if values.size and values.max() > FLOAT16_MAX else values.astype(np.float16)
    return stored, stored > 0
