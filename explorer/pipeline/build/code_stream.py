"""A bundle's codes, read shard after shard as often as a stage goes through them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from explorer.maths.cofiring.counts import FiringShard, firing_shard
from explorer.records import Codes
from explorer.runs.bundle.reader import Bundle

TURNED_NNZ = 1 << 23
"""Entries that are turned from tokens to features at a time: sorting them takes about 40 bytes each."""


@dataclass(frozen=True)
class CodeStream:
    """The codes, in small pieces."""

    bundle: Bundle
    """Where they lie."""

    def __iter__(self) -> Iterator[Codes]:
        return self.bundle.code_shards(TURNED_NNZ)


@dataclass(frozen=True)
class FiringStream:
    """Which features fire on each token, in shards as large as the bundle gives them: counting inverts each anew."""

    bundle: Bundle
    """Where the codes lie."""

    def __iter__(self) -> Iterator[FiringShard]:
        return map(firing_shard, self.bundle.code_shards())


def counted_on(shards: Iterable[FiringShard], device: str) -> Iterable[FiringShard]:
    """The same shards, whose co-fires are counted on a torch device; on "cpu" by compiled code, which is faster there.

    Raises:
        SubjectError: the device is not there.
    """
    return shards if device == "cpu" else counted_by_torch(shards, device)


def counted_by_torch(shards: Iterable[FiringShard], device: str) -> Iterable[FiringShard]:
    """The same shards, whose co-fires torch counts; arguments and error as in ``counted_on``."""
    # torch takes seconds to import, and who counts on the CPU never needs it
    from explorer.lm.model.device import open_device
    from explorer.maths.cofiring.torch import TorchShards

    return TorchShards(shards, open_device(device))
