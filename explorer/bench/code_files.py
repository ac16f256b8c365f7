"""Planted codes in files, so that codes of any length are drawn once, part after part, and read by every process."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from explorer.maths.cofiring import FiringShard
from explorer.maths.planted_stream import draw_codes, plant_dictionary
from explorer.records import Progress
from explorer.runs.safetensors_io import SafetensorsFile
from explorer.runs.safetensors_write import write_safetensors

PART_TOKENS: Final = 100_000
"""Tokens that are drawn at a time, and stand in one file: about 5 million entries."""


@dataclass(frozen=True)
class CodeFiles:
    """Codes of one size, in files; goes through them as often as it is asked to."""

    paths: tuple[Path, ...]
    """One file a part, in the order of the tokens."""
    n_features: int
    """Number of features, whether or not they fire."""

    def __iter__(self) -> Iterator[FiringShard]:
        return map(_read, self.paths)

    def whole(self) -> FiringShard:
        """All parts as one."""
        parts = [_read(path) for path in self.paths]
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
        paths.append(folder / f"codes-{number:05d}.safetensors")
        write_safetensors(paths[-1], {"indptr": codes.indptr, "features": codes.features}, durable=False)
        progress(f"plant {n_features} features", number + 1, len(starts))
    return CodeFiles(tuple(paths), n_features)


def _read(path: Path) -> FiringShard:
    with SafetensorsFile(path) as opened:
        return FiringShard(opened.read("indptr"), opened.read("features"))
