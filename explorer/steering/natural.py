"""A cluster made ready for steering: its curve, its readout, and how the unsteered model behaves around it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int32, Int64

from explorer.maths.behaviour import BehaviourManifold, fit_behaviour_manifold
from explorer.maths.steering import Manifold, coordinates, nearest_on_curve
from explorer.records import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.steering.readout import Readout, Tokenize, cluster_readout

CONTEXTS_PER_VALUE = 16
"""Stored contexts that a value's natural behaviour is averaged over."""
_LEAST_SPREAD = 1e-6


@runtime_checkable
class Reader(Protocol):
    """Reads texts without steering."""

    def __call__(
        self, texts: list[list[int]]
    ) -> tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text vocab"]]:
        """Activation and next-token probabilities at the last token of each text."""


@dataclass(frozen=True)
class Prepared:
    """One cluster, ready for steering."""

    summary: ClusterSummary
    """Its names."""
    geometry: ClusterGeometry
    """Its arrays."""
    manifold: Manifold
    """Its curve."""
    readout: Readout
    """Its values as next tokens."""
    spread: float
    """Root mean square distance of its stored contexts' states from the curve."""
    natural: BehaviourManifold | None
    """Curve of natural behaviours; None where too few values have contexts."""

    @property
    def closed(self) -> bool:
        """Whether its coordinate is cyclic."""
        return self.manifold.closed


def prepare(
    summary: ClusterSummary, geometry: ClusterGeometry, tokenize: Tokenize, bos: int | None, read: Reader
) -> Prepared:
    """Run the unsteered model on a cluster's stored contexts.

    Args:
        summary: its names.
        geometry: its arrays.
        tokenize: text to token ids, without special tokens.
        bos: token that begins every text of the subject, or None.
        read: the model.
    """
    manifold = Manifold.of(geometry, closed=summary.shape == "closed curve")
    readout = cluster_readout(summary, geometry, tokenize)
    chosen = {value: some_contexts(geometry, value, CONTEXTS_PER_VALUE) for value in range(len(summary.order))}
    texts = [context_text(geometry.context_ids[sample], bos) for samples in chosen.values() for sample in samples]
    if not texts:
        texts = [context_text(row, bos) for row in geometry.context_ids[: CONTEXTS_PER_VALUE * 8]]
        chosen = {}
    states, p = read(texts)
    distance = nearest_on_curve(manifold, coordinates(manifold, states)).distance
    spread = max(float(np.sqrt((distance**2).mean())), _LEAST_SPREAD)
    natural = _natural(manifold, geometry, chosen, readout.probabilities(p)) if chosen else None
    return Prepared(summary, geometry, manifold, readout, spread, natural)


def some_contexts(geometry: ClusterGeometry, value: int, count: int) -> Int64[np.ndarray, "chosen"]:
    """Samples of one value, spread evenly over those stored whole, or over all where too few are whole."""
    samples = _whole_first(geometry, np.flatnonzero(geometry.value == value), count)
    return samples[np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(np.int64))]


def typical_contexts(geometry: ClusterGeometry, value: int, count: int, *, closed: bool) -> Int64[np.ndarray, "chosen"]:
    """Samples of one value that lie nearest to the value's own place, each text once; whole ones where they suffice."""
    samples = _whole_first(geometry, np.flatnonzero(geometry.value == value), count)
    away = np.abs(geometry.coordinate[samples] - geometry.value_coordinate[value])
    away = np.minimum(away, 1.0 - away) if closed else away
    ordered = samples[np.argsort(away, kind="stable")]
    _, first = np.unique(geometry.context_ids[ordered, : CONTEXT_BEFORE + 1], axis=0, return_index=True)
    return ordered[np.sort(first)][:count]


def _whole_first(
    geometry: ClusterGeometry, samples: Int64[np.ndarray, "sample"], count: int
) -> Int64[np.ndarray, "kept"]:
    """Samples whose stored context reaches back to the beginning of the document: a cut one is another text."""
    whole = samples[geometry.context_ids[samples, 0] < 0]
    return whole if len(whole) >= count else samples


def context_text(context: Int32[np.ndarray, "context"], bos: int | None) -> list[int]:
    """A stored context up to its marked token; one that was cut begins as every text of the subject does."""
    ids = context[: CONTEXT_BEFORE + 1]
    cut = ids[0] >= 0 and ids[0] != bos
    kept: list[int] = ids[ids >= 0].tolist()
    return [bos, *kept] if cut and bos is not None else kept


def _natural(
    manifold: Manifold,
    geometry: ClusterGeometry,
    chosen: dict[int, Int64[np.ndarray, "chosen"]],
    behaviour: Float[np.ndarray, "text behaviour"],
) -> BehaviourManifold | None:
    owner = np.concatenate([np.full(len(samples), value) for value, samples in chosen.items()])
    seen = [value for value, samples in chosen.items() if len(samples)]
    means = np.stack([behaviour[owner == value].mean(axis=0) for value in seen])
    try:
        return fit_behaviour_manifold(means, geometry.value_coordinate[seen], closed=manifold.closed)
    except ValueError:
        return None
