"""Planted codes on disk: drawn once, one shard at a time, and read by every measuring process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from explorer.bench.planted.stream import draw_codes, plant_dictionary
from explorer.maths.cofiring.counts import FiringShard
from explorer.pipeline.build.code_stream import ShardFiles, read_shard, write_shard
from explorer.records.progress import Progress

PART_TOKENS: Final = 100_000
"""Tokens per shard file, about 5 million entries."""


@dataclass(frozen=True)
class CodeFiles(ShardFiles):
    """Shard files of one set of planted codes."""

    n_features: int
    """Number of features, including those that never fire."""

    def whole(self) -> FiringShard:
        """All shards, concatenated along the token axis."""
        parts = [read_shard(path) for path in self.paths]
        starts = np.cumsum([0, *(len(part.features) for part in parts)])
        indptr = [part.indptr[1:] + start for part, start in zip(parts, starts[:-1], strict=True)]
        return FiringShard(np.concatenate([starts[:1], *indptr]), np.concatenate([part.features for part in parts]))


def write_codes(folder: Path, n_features: int, n_tokens: int, *, seed: int, progress: Progress) -> CodeFiles:
    """Draw planted codes shard by shard, each from its own generator, and write each shard to a file.

    Args:
        folder: an empty folder for the files.
        n_features: total number of features.
        n_tokens: total number of tokens.
        seed: seed of all random draws.
        progress: called after every shard.
    """
    dictionary = plant_dictionary(n_features, rng=np.random.default_rng([seed, n_features]))
    starts = range(0, n_tokens, PART_TOKENS)
    paths = []
    for number, start in enumerate(starts):
        rng = np.random.default_rng([seed, n_features, number])
        codes = draw_codes(dictionary, min(PART_TOKENS, n_tokens - start), rng=rng)
        paths.append(write_shard(folder, number, FiringShard(codes.indptr, codes.features)))
        progress(f"plant {n_features} features", number + 1, len(starts))
    return CodeFiles(tuple(paths), n_features)
