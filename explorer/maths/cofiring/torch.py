"""Co-fires counted on a torch device, for a graph with the same bytes as on the CPU.

Only the counting runs on the device. Counts are integers, so the order of additions does not matter, and partners are
scored and ranked on the host by the same compiled code: nothing in a run depends on the device.

Every firing meets the features of its token, one scattered addition each into a block of counters on the device. A
product of one-hot blocks would multiply for every pair of features on every token, whether they fire or not: 3e16
multiplications for 65,536 features on 4 million tokens, where 50 fires per token make 1e10 additions.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from jaxtyping import Int32, UInt32

from explorer.maths.cofiring.counts import FiringShard

MAX_PAIRS_PER_ROUND: Final = 1 << 22
"""Additions prepared at a time, about 40 bytes each; a single firing may add the pairs of its whole token on top."""


@dataclass(frozen=True)
class TorchShards:
    """Shards whose co-fires are counted on a torch device; iterating yields the shards themselves."""

    shards: Iterable[FiringShard]
    """A re-iterable of codes."""
    device: torch.device
    """Device that counts."""

    def __iter__(self) -> Iterator[FiringShard]:
        return iter(self.shards)

    def cofires(
        self, rank: Int32[np.ndarray, "feature"], n_ranks: int, low: int, high: int
    ) -> UInt32[np.ndarray, "row rank"]:
        """Count as ``counts.CofireCounter`` specifies; the device holds one shard and four bytes per count."""
        counters = torch.zeros((high - low) * n_ranks, dtype=torch.int32, device=self.device)
        ranks = torch.from_numpy(rank).to(self.device)
        for shard in self.shards:
            _RankedFirings.of(shard, ranks).count(low, high, n_ranks, counters)
        # int32 counters that wrapped past 2^31 are exact when reinterpreted as uint32
        return counters.cpu().numpy().view(np.uint32).reshape(high - low, n_ranks)


@dataclass(frozen=True)
class _RankedFirings:
    """A shard by rank, on the device."""

    rank: torch.Tensor
    """[firing] int32, rank of each firing, in token order."""
    first: torch.Tensor
    """[firing] int64, index of the first firing of the same token."""
    width: torch.Tensor
    """[firing] int64, number of firings of the same token."""

    @classmethod
    def of(cls, shard: FiringShard, rank: torch.Tensor) -> "_RankedFirings":
        """Move a shard to the device without the features that have no rank."""
        start, stop = int(shard.indptr[0]), int(shard.indptr[-1])
        # torch does not index by unsigned integers and warns about read-only arrays, so this copies
        feature = torch.from_numpy(shard.features[start:stop].astype(np.int32)).to(rank.device)
        length = torch.from_numpy(np.diff(shard.indptr).astype(np.int64)).to(rank.device)
        token = torch.repeat_interleave(length)
        ranks = rank[feature]
        ranked = ranks >= 0
        ranks, token = ranks[ranked], token[ranked]
        width = torch.bincount(token, minlength=len(length))
        first = torch.cumsum(width, 0) - width
        return cls(ranks, first[token], width[token])

    def count(self, low: int, high: int, n_ranks: int, counters: torch.Tensor) -> None:
        """Add the co-fires of the ranks ``low`` to ``high`` with every rank to the row-major ``counters``."""
        selected = torch.nonzero((self.rank >= low) & (self.rank < high)).squeeze(1)
        row = (self.rank[selected].long() - low) * n_ranks
        first, width = self.first[selected], self.width[selected]
        end = torch.cumsum(width, 0)
        rounds = -(-int(width.sum()) // MAX_PAIRS_PER_ROUND)
        cuts = torch.searchsorted(
            end, MAX_PAIRS_PER_ROUND * torch.arange(1, max(rounds, 1), device=end.device)
        ).tolist()
        for start, stop in pairwise([0, *cuts, len(selected)]):
            self._add(row[start:stop], first[start:stop], width[start:stop], counters)

    def _add(self, row: torch.Tensor, first: torch.Tensor, width: torch.Tensor, counters: torch.Tensor) -> None:
        """Pair firings with all firings of their token, given by ``first`` and ``width``; ``row`` is the offset of each
        one's counters."""
        firing = torch.repeat_interleave(width)
        within = torch.arange(len(firing), device=firing.device) - (torch.cumsum(width, 0) - width)[firing]
        place = row[firing] + self.rank[first[firing] + within]
        counters.scatter_add_(0, place, torch.ones(1, dtype=torch.int32, device=place.device).expand(len(place)))
