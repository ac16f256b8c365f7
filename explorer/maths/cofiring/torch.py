"""Co-fires counted on a torch device, such as a GPU, for a graph of the same bytes.

Only counting moves there. Counts are whole numbers, whatever the order in which they are added, and partners are
scored and ranked on the host by the same compiled code, so that nothing in a run depends on the device.

Every firing of a feature meets the features of its token, one add each, scattered into a block of counters on the
device. A product of one-hot blocks would multiply for every pair of features on every token, whether they fire or not:
3e16 times for 65,536 features on 4 million tokens, where 50 fires a token make 1e10 adds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from jaxtyping import Int32, UInt32

from explorer.maths.cofiring.counts import FiringShard

PAIRS: Final = 1 << 22
"""Adds that are prepared at a time, some 40 bytes each; a single firing may bring its whole token more."""


@dataclass(frozen=True)
class TorchShards:
    """Shards whose co-fires are counted on a torch device; all else goes through them as through any others."""

    shards: Iterable[FiringShard]
    """Codes; can be gone through many times."""
    device: torch.device
    """Where they are counted."""

    def __iter__(self) -> Iterator[FiringShard]:
        return iter(self.shards)

    def cofires(
        self, rank: Int32[np.ndarray, "feature"], n_ranks: int, low: int, high: int
    ) -> UInt32[np.ndarray, "row rank"]:
        """As ``cofiring.CofireCounter`` has it; the device holds one shard, and four bytes for each count."""
        counters = torch.zeros((high - low) * n_ranks, dtype=torch.int32, device=self.device)
        ranks = torch.from_numpy(rank).to(self.device)
        for shard in self.shards:
            _Rows.of(shard, ranks).count(low, high, n_ranks, counters)
        # counts from 2^31 on have wrapped round, to what unsigned numbers hold there
        return counters.cpu().numpy().view(np.uint32).reshape(high - low, n_ranks)


@dataclass(frozen=True)
class _Rows:
    """A shard by rank, on the device."""

    rank: torch.Tensor
    """[kept] int32, rank of each firing, token after token."""
    first: torch.Tensor
    """[kept] int64, where its token's firings begin."""
    width: torch.Tensor
    """[kept] int64, how many these are."""

    @classmethod
    def of(cls, shard: FiringShard, rank: torch.Tensor) -> "_Rows":
        """Leave out what has no rank."""
        start, stop = int(shard.indptr[0]), int(shard.indptr[-1])
        # torch does not index by unsigned numbers, and warns of arrays that must not be written
        feature = torch.from_numpy(shard.features[start:stop].astype(np.int32)).to(rank.device)
        length = torch.from_numpy(np.diff(shard.indptr).astype(np.int64)).to(rank.device)
        token = torch.repeat_interleave(length)
        ranks = rank[feature]
        kept = ranks >= 0
        ranks, token = ranks[kept], token[kept]
        width = torch.bincount(token, minlength=len(length))
        first = torch.cumsum(width, 0) - width
        return cls(ranks, first[token], width[token])

    def count(self, low: int, high: int, n_ranks: int, counters: torch.Tensor) -> None:
        """Add the co-fires of the ranks ``low`` to ``high`` with every rank to ``counters``, row after row."""
        mine = torch.nonzero((self.rank >= low) & (self.rank < high)).squeeze(1)
        row = (self.rank[mine].long() - low) * n_ranks
        first, width = self.first[mine], self.width[mine]
        end = torch.cumsum(width, 0)
        rounds = -(-int(width.sum()) // PAIRS)
        cuts = torch.searchsorted(end, PAIRS * torch.arange(1, max(rounds, 1), device=end.device)).tolist()
        for start, stop in pairwise([0, *cuts, len(mine)]):
            self._add(row[start:stop], first[start:stop], width[start:stop], counters)

    def _add(self, row: torch.Tensor, first: torch.Tensor, width: torch.Tensor, counters: torch.Tensor) -> None:
        """Let firings meet all of their tokens, told by ``first`` and ``width``; ``row`` is where each counts."""
        firing = torch.repeat_interleave(width)
        within = torch.arange(len(firing), device=firing.device) - (torch.cumsum(width, 0) - width)[firing]
        place = row[firing] + self.rank[first[firing] + within]
        counters.scatter_add_(0, place, torch.ones(1, dtype=torch.int32, device=place.device).expand(len(place)))
