"""Firing table of a tour: one row per value's typical sentence, one column per tuned feature of the manifold."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from explorer.app.figures.colors import value_colors
from explorer.app.figures.strips import strips_view
from explorer.app.ui.format import prompt_at, visible
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary

MOST_ROWS = 12
"""Rows; longer value lists are sampled evenly."""
MOST_COLUMNS = 40
"""Columns: tuned features that fire in at least one row, by peak position."""
LONGEST = 8
"""Tokens of a sentence that are shown."""


@dataclass(frozen=True)
class FiringRow:
    """One typical token of a value."""

    value: str
    color: str
    text: str
    """Text up to and including the token."""
    levels: tuple[float, ...]
    """Activation of each feature as a share of its maximum on this manifold."""


@dataclass(frozen=True)
class FiringView:
    """The firing table."""

    features: tuple[int, ...]
    """Feature ids of the columns."""
    rows: tuple[FiringRow, ...]
    """In the order of the coordinate."""


def firing_view(summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary) -> FiringView:
    """Pick a typical token for each value and tabulate which features fire on it."""
    strips = [strip.feature for strip in strips_view(summary, geometry).strips if strip.varies]
    place = {int(feature): index for index, feature in enumerate(geometry.atoms)}
    columns = np.array([place[feature] for feature in strips], dtype=np.int64)
    codes = geometry.codes[:, columns].astype(np.float32)
    levels = codes / np.maximum(codes.max(axis=0, initial=0.0), np.float32(1e-6))
    colors = value_colors(summary.shape == "closed curve", tuple(geometry.value_coordinate.tolist()))
    typical = ((value, _typical(geometry, codes, value)) for value in _chosen(len(summary.order)))
    samples = [(value, sample) for value, sample in typical if sample >= 0]
    fires = np.flatnonzero((levels[[sample for _, sample in samples]] > 0).any(axis=0))[:MOST_COLUMNS]
    rows = tuple(
        FiringRow(
            value=visible(summary.order[value]).strip(),
            color=colors[value],
            text=_sentence(geometry, vocabulary, sample),
            levels=tuple(round(float(level), 3) for level in levels[sample, fires]),
        )
        for value, sample in samples
    )
    return FiringView(tuple(strips[column] for column in fires), rows)


def _chosen(count: int) -> Int64[np.ndarray, "row"]:
    every = np.arange(count, dtype=np.int64)
    if count <= MOST_ROWS:
        return every
    return every[np.linspace(0, count - 1, MOST_ROWS).round().astype(np.int64)]


def _typical(geometry: ClusterGeometry, codes: Float32[np.ndarray, "sample column"], value: int) -> int:
    """Index of the value's token with codes closest to the value's mean, among short sentences if any; -1 if none."""
    own = np.flatnonzero(geometry.value == value)
    if not len(own):
        return -1
    lengths = (geometry.context_ids[own, : CONTEXT_BEFORE + 1] >= 0).sum(axis=1)
    short = own[(lengths <= LONGEST) & (lengths > 2)]
    among = short if len(short) else own
    return int(among[np.argmin(np.linalg.norm(codes[among] - codes[own].mean(axis=0), axis=1))])


def _sentence(geometry: ClusterGeometry, vocabulary: Vocabulary, sample: int) -> str:
    window = geometry.context_ids[sample]
    begin = max(0, CONTEXT_BEFORE + 1 - LONGEST)
    text = prompt_at(vocabulary, window[begin:], CONTEXT_BEFORE - begin)
    return text if window[begin] < 0 or begin == 0 or window[begin - 1] < 0 else f"… {text}"
