"""Planted codes in files, so that codes of any length are drawn once, part after part, and read by every process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from explorer.bench.planted.stream import draw_codes, plant_dictionary
from explorer.maths.cofiring.counts import FiringShard
from explorer.pipeline.build.code_stream import ShardFiles, read_shard, write_shard
from explorer.records.progress import Progress

PART_TOKENS: Final = 100_000
"""Tokens that are drawn at a time, and stand in one file: about 5 million entries."""


@dataclass(frozen=True)
class CodeFiles(ShardFiles):
    """Codes of one size, in files."""

    n_features: int
    """Number of features, whether or not they fire."""

    def whole(self) -> FiringShard:
        """All parts as one."""
        parts = [read_shard(path) for path in self.paths]
        starts = np.cumsum([0, *(len(part.features) for part in parts)])
        indptr = [part.indptr[1:] + start for part, start in zip(parts, starts[:-1], strict=True)]
        return FiringShard(np.concatenate([starts[:1], *indptr]), np.concatenate([part.features for part in parts]))


def write_codes(folder: Path, n_features: int, n_tokens: int, *, seed: int, progress: Progress) -> CodeFiles:
    """Draw planted codes part after part, each part from its own generator, and write every part to a file.

    Args:
        folder: an empty folder, which the files stand in.
        n_features: features in all.
        n_tokens: tokens in all.
        seed: what chance is drawn from.
        progress: told after every part.
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
