"""A cluster prepared for steering: its curve, its readout, and the unsteered model's behaviour at its contexts."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int32, Int64

from explorer.maths.steering.arms import SteeringManifold, coordinates, nearest_on_curve, on_curve
from explorer.maths.steering.behaviour import BehaviourManifold, fit_behaviour_manifold
from explorer.records.cluster import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.steering.engine.readout import Readout, Tokenize, cluster_readout
from explorer.steering.scheduler.cooperative import Cooperative

CONTEXTS_PER_VALUE = 40
"""Stored contexts that are read for each value."""
USUAL_CONTEXTS = 64
"""Stored contexts from which the usual distance from a curve is estimated."""
_LEAST_SPREAD = 1e-6


@runtime_checkable
class TextReader(Protocol):
    """Reads texts unsteered, one batch at a time."""

    def __call__(
        self, texts: list[list[int]], tokens: Int64[np.ndarray, "token"]
    ) -> Cooperative[tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text token"]]]:
        """Activation and next-token probabilities of ``tokens`` at the last token of each text."""


@runtime_checkable
class StateReader(Protocol):
    """Reads the states of texts unsteered."""

    def __call__(self, texts: list[list[int]]) -> Float[np.ndarray, "text d_model"]:
        """Activation at the last token of each text."""


@dataclass(frozen=True)
class Contexts:
    """Stored contexts of a cluster, as the unsteered model reads them."""

    text: list[list[int]]
    """Token ids up to the marked token."""
    value: Int64[np.ndarray, "text"]
    """Value of each; -1 for none."""
    coordinate: Float[np.ndarray, "text"]
    """Intrinsic coordinate of the nearest point of the curve."""
    residual: Float[np.ndarray, "text d_model"]
    """Activation at the marked token."""
    behaviour: Float[np.ndarray, "text behaviour"]
    """Readout probabilities, "other" last."""

    def of(self, value: int) -> Int64[np.ndarray, "chosen"]:
        """Numbers of the contexts of a value."""
        return np.flatnonzero(self.value == value)


@dataclass(frozen=True)
class PreparedCluster:
    """One cluster, prepared for steering."""

    summary: ClusterSummary
    manifold: SteeringManifold
    """Its curve, with coordinate and mean residual of each value that has contexts."""
    place: Float[np.ndarray, "value"]
    """Intrinsic coordinate of every value of the summary's order."""
    readout: Readout
    """Its values as classes of next tokens."""
    contexts: Contexts
    spread: float
    """Root mean square distance of the contexts' states from the curve."""
    behaviour_manifold: BehaviourManifold | None
    """Curve through the mean behaviour of each value; None where too few values have contexts."""

    @property
    def closed(self) -> bool:
        """Whether its coordinate is cyclic."""
        return self.manifold.closed

    def typical(self, value: int, count: int) -> list[list[int]]:
        """Contexts of a value, those nearest to its point of the curve first; each text once, at most ``count``."""
        numbers = self.contexts.of(value)
        point = on_curve(self.manifold, self.place[[value]])
        away = np.linalg.norm(coordinates(self.manifold, self.contexts.residual[numbers]) - point, axis=1)
        ordered = [tuple(self.contexts.text[number]) for number in numbers[np.argsort(away, kind="stable")]]
        return [list(text) for text in dict.fromkeys(ordered)][:count]


def prepare(
    summary: ClusterSummary, geometry: ClusterGeometry, tokenize: Tokenize, bos: int | None, read: TextReader
) -> Cooperative[PreparedCluster]:
    """Run the unsteered model on a cluster's stored contexts, and locate each value on the curve.

    Where values are next tokens, a context belongs to the value that the *model* finds likeliest there. The token that
    follows in the text may be one of several that fit ("around Tuesday, perhaps Wednesday"); grouping by it would blur
    a value's coordinate, its mean residual and its behaviour. Where values are the marked tokens themselves, or the
    model predicts none of them, all three are the run's stored ones.

    Args:
        summary: names of the cluster and its values.
        geometry: the cluster's arrays.
        tokenize: text to token ids, without special tokens.
        bos: token that begins every text of the subject, or None.
        read: reads the contexts, one batch at a time.
    """
    manifold = SteeringManifold.of(geometry, closed=summary.shape == "closed curve")
    readout = cluster_readout(summary, geometry, tokenize)
    chosen = _chosen(geometry, len(summary.order))
    texts = [context_text(geometry.context_ids[sample], bos) for sample in chosen]
    residual, p = yield from read(texts, readout.tokens)
    nearest = nearest_on_curve(manifold, coordinates(manifold, residual))
    behaviour = readout.behaviour(p)
    stored = geometry.value[chosen].astype(np.int64)
    predicted = _predicted_values(behaviour) if summary.value_offset else None
    value = stored if predicted is None else predicted
    contexts = Contexts(texts, value, nearest.coordinate, residual, behaviour)
    place = geometry.value_coordinate.astype(np.float64)
    if predicted is not None:
        place, manifold = _placed(manifold, geometry, contexts)
    return PreparedCluster(
        summary=summary,
        manifold=manifold,
        place=place,
        readout=replace(readout, coordinate=tuple(place.tolist())),
        contexts=contexts,
        spread=_spread(nearest.distance),
        behaviour_manifold=_behaviour_manifold(contexts, place, closed=manifold.closed),
    )


def usual_distance(manifold: SteeringManifold, geometry: ClusterGeometry, bos: int | None, read: StateReader) -> float:
    """Root mean square distance of a cluster's own tokens from its curve, in units of the residual.

    Args:
        manifold: the curve.
        geometry: the cluster's arrays.
        bos: token that begins every text of the subject, or None.
        read: reads at most USUAL_CONTEXTS stored contexts, evenly spaced over the run's sample of tokens.
    """
    chosen = _spread_out(_whole_first(geometry, np.arange(len(geometry.value))), USUAL_CONTEXTS)
    states = read([context_text(geometry.context_ids[sample], bos) for sample in chosen])
    return _spread(nearest_on_curve(manifold, coordinates(manifold, states)).distance)


def context_text(context: Int32[np.ndarray, "context"], bos: int | None) -> list[int]:
    """Token ids of a stored context up to its marked token; a truncated one gets the subject's bos token in front."""
    ids = context[: CONTEXT_BEFORE + 1]
    cut = ids[0] >= 0 and ids[0] != bos
    text: list[int] = ids[ids >= 0].tolist()
    return [bos, *text] if cut and bos is not None else text


def _spread(distance: Float[np.ndarray, "text"]) -> float:
    return max(float(np.sqrt((distance**2).mean())), _LEAST_SPREAD)


def _chosen(geometry: ClusterGeometry, n_values: int) -> Int64[np.ndarray, "chosen"]:
    """Samples evenly spaced over each value's samples; without any value, over all samples."""
    groups = [np.flatnonzero(geometry.value == value) for value in range(n_values)]
    if not any(len(group) for group in groups):
        return _spread_out(_whole_first(geometry, np.arange(len(geometry.value))), CONTEXTS_PER_VALUE * 8)
    return np.concatenate([_spread_out(_whole_first(geometry, group), CONTEXTS_PER_VALUE) for group in groups])


def _whole_first(geometry: ClusterGeometry, samples: Int64[np.ndarray, "sample"]) -> Int64[np.ndarray, "chosen"]:
    """Samples whose stored context reaches back to the start of the document, where there are enough of them: the model
    reads a truncated context differently."""
    whole = samples[geometry.context_ids[samples, 0] < 0]
    return whole if len(whole) >= CONTEXTS_PER_VALUE else samples


def _spread_out(samples: Int64[np.ndarray, "sample"], count: int) -> Int64[np.ndarray, "chosen"]:
    places = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(np.int64)
    return np.asarray(samples[np.unique(places)])


def _predicted_values(behaviour: Float[np.ndarray, "text behaviour"]) -> Int64[np.ndarray, "text"] | None:
    """The likeliest value of each context, -1 where "other" is likelier; None where it always is."""
    likeliest = behaviour.argmax(axis=1).astype(np.int64)
    values = np.where(likeliest == behaviour.shape[1] - 1, -1, likeliest)
    return values if (values >= 0).any() else None


def _placed(
    manifold: SteeringManifold, geometry: ClusterGeometry, contexts: Contexts
) -> tuple[Float[np.ndarray, "value"], SteeringManifold]:
    """Coordinate and mean residual of each value from its contexts; the run's stored ones where it has none."""
    place = geometry.value_coordinate.astype(np.float64)
    residual = geometry.value_residual.astype(np.float64)
    known = geometry.value_count > 0
    for value in range(len(place)):
        own = contexts.of(value)
        if len(own):
            place[value] = mean_place(contexts.coordinate[own], closed=manifold.closed)
            residual[value] = contexts.residual[own].mean(axis=0, dtype=np.float64)
            known[value] = True
    return place, replace(manifold, value_coordinate=place[known], value_residual=residual[known])


def mean_place(coordinate: Float[np.ndarray, "text"], *, closed: bool) -> float:
    """Mean of intrinsic coordinates; the circular mean where the curve is closed."""
    if not closed:
        return float(coordinate.mean())
    return float(np.angle(np.exp(2j * np.pi * coordinate).mean()) / (2.0 * np.pi) % 1.0)


def _behaviour_manifold(
    contexts: Contexts, place: Float[np.ndarray, "value"], *, closed: bool
) -> BehaviourManifold | None:
    """Spline through the mean behaviours of the values that have contexts."""
    seen = [value for value in range(len(place)) if len(contexts.of(value))]
    if not seen:
        return None
    means = np.stack([contexts.behaviour[contexts.of(value)].mean(axis=0, dtype=np.float64) for value in seen])
    try:
        return fit_behaviour_manifold(means, place[seen], closed=closed)
    except ValueError:
        return None
