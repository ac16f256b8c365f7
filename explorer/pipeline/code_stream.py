"""A bundle's codes, read shard after shard as often as a stage goes through them."""

from collections.abc import Iterator
from dataclasses import dataclass

from explorer.maths.cofiring import FiringShard, firing_shard
from explorer.records import Codes
from explorer.runs.bundle import Bundle

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
