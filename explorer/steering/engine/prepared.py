"""A cluster made ready for steering: its curve, its readout, and how the unsteered model behaves around it."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int32, Int64

from explorer.maths.steering.arms import SteeringManifold, coordinates, nearest_on_curve, on_curve
from explorer.maths.steering.behaviour import BehaviourManifold, fit_behaviour_manifold
from explorer.records import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.steering.engine.readout import Readout, Tokenize, cluster_readout
from explorer.steering.scheduler.cooperative import Turns

CONTEXTS_PER_VALUE = 40
"""Stored contexts that are read for each value."""
USUAL_CONTEXTS = 64
"""Stored contexts that the usual distance from a curve is learnt from."""
_LEAST_SPREAD = 1e-6


@runtime_checkable
class Reader(Protocol):
    """Reads texts without steering, in turns."""

    def __call__(
        self, texts: list[list[int]], tokens: Int64[np.ndarray, "token"]
    ) -> Turns[tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text token"]]]:
        """Activation and some tokens' next-token probabilities at the last token of each text."""


@runtime_checkable
class StateReader(Protocol):
    """Reads the states of texts without steering."""

    def __call__(self, texts: list[list[int]]) -> Float[np.ndarray, "text d_model"]:
        """Activation at the last token of each text."""


@dataclass(frozen=True)
class Contexts:
    """Stored contexts of a cluster, as the unsteered model reads them."""

    text: list[list[int]]
    """Token ids up to the marked token."""
    value: Int64[np.ndarray, "text"]
    """The value that each is for; -1 where it is for none."""
    coordinate: Float[np.ndarray, "text"]
    """Nearest place on the curve."""
    residual: Float[np.ndarray, "text d_model"]
    """State at the marked token."""
    behaviour: Float[np.ndarray, "text behaviour"]
    """Readout probabilities, "other" last."""

    def of(self, value: int) -> Int64[np.ndarray, "chosen"]:
        """Numbers of the contexts for a value."""
        return np.flatnonzero(self.value == value)


@dataclass(frozen=True)
class Prepared:
    """One cluster, ready for steering."""

    summary: ClusterSummary
    """Its names."""
    manifold: SteeringManifold
    """Its curve; of each value with contexts, place and mean residual."""
    place: Float[np.ndarray, "value"]
    """Intrinsic coordinate of every value of the summary's order."""
    readout: Readout
    """Its values as next tokens."""
    contexts: Contexts
    """What was read."""
    spread: float
    """Root mean square distance of the contexts' states from the curve."""
    natural: BehaviourManifold | None
    """Curve of natural behaviours; None where too few values have contexts."""

    @property
    def closed(self) -> bool:
        """Whether its coordinate is cyclic."""
        return self.manifold.closed

    def typical(self, value: int, count: int) -> list[list[int]]:
        """Contexts for a value whose states lie nearest to its point of the curve, each text once."""
        numbers = self.contexts.of(value)
        point = on_curve(self.manifold, self.place[[value]])
        away = np.linalg.norm(coordinates(self.manifold, self.contexts.residual[numbers]) - point, axis=1)
        ordered = [tuple(self.contexts.text[number]) for number in numbers[np.argsort(away, kind="stable")]]
        return [list(text) for text in dict.fromkeys(ordered)][:count]


def prepare(
    summary: ClusterSummary, geometry: ClusterGeometry, tokenize: Tokenize, bos: int | None, read: Reader
) -> Turns[Prepared]:
    """Run the unsteered model on a cluster's stored contexts, in turns, and learn where each value lies.

    Where values are next tokens, a context is for the value that the *model* finds likeliest there: the token that the
    text happened to go on with may be one of several that fit ("around Tuesday, perhaps Wednesday"), and grouping by it
    blurs a value's place, its mean residual and its natural behaviour alike. Where values are the marked tokens
    themselves, or the model answers with none of them, all three are as the run stores them.

    Args:
        summary: its names.
        geometry: its arrays.
        tokenize: text to token ids, without special tokens.
        bos: token that begins every text of the subject, or None.
        read: the model.
    """
    manifold = SteeringManifold.of(geometry, closed=summary.shape == "closed curve")
    readout = cluster_readout(summary, geometry, tokenize)
    chosen = _chosen(geometry, len(summary.order))
    texts = [context_text(geometry.context_ids[sample], bos) for sample in chosen]
    residual, p = yield from read(texts, readout.tokens)
    nearest = nearest_on_curve(manifold, coordinates(manifold, residual))
    behaviour = readout.behaviour(p)
    stored = geometry.value[chosen].astype(np.int64)
    answers = _answers(behaviour) if summary.value_offset else None
    value = stored if answers is None else answers
    contexts = Contexts(texts, value, nearest.coordinate, residual, behaviour)
    place = geometry.value_coordinate.astype(np.float64)
    if answers is not None:
        place, manifold = _placed(manifold, geometry, contexts)
    return Prepared(
        summary=summary,
        manifold=manifold,
        place=place,
        readout=replace(readout, coordinate=tuple(place.tolist())),
        contexts=contexts,
        spread=_spread(nearest.distance),
        natural=_natural(contexts, place, closed=manifold.closed),
    )


def usual_distance(manifold: SteeringManifold, geometry: ClusterGeometry, bos: int | None, read: StateReader) -> float:
    """Root mean square distance from the curve of a cluster's own tokens, in units of the residual.

    Args:
        manifold: the curve.
        geometry: its cluster's arrays.
        bos: token that begins every text of the subject, or None.
        read: the model; it reads at most USUAL_CONTEXTS stored contexts, spread evenly over the drawn tokens.
    """
    chosen = _spread_out(_whole_first(geometry, np.arange(len(geometry.value))), USUAL_CONTEXTS)
    states = read([context_text(geometry.context_ids[sample], bos) for sample in chosen])
    return _spread(nearest_on_curve(manifold, coordinates(manifold, states)).distance)


def context_text(context: Int32[np.ndarray, "context"], bos: int | None) -> list[int]:
    """A stored context up to its marked token; one that was cut begins as every text of the subject does."""
    ids = context[: CONTEXT_BEFORE + 1]
    cut = ids[0] >= 0 and ids[0] != bos
    kept: list[int] = ids[ids >= 0].tolist()
    return [bos, *kept] if cut and bos is not None else kept


def _spread(distance: Float[np.ndarray, "text"]) -> float:
    return max(float(np.sqrt((distance**2).mean())), _LEAST_SPREAD)


def _chosen(geometry: ClusterGeometry, n_values: int) -> Int64[np.ndarray, "chosen"]:
    """Samples spread evenly over the values, and over each value's; without any value, over all."""
    groups = [np.flatnonzero(geometry.value == value) for value in range(n_values)]
    if not any(len(group) for group in groups):
        return _spread_out(_whole_first(geometry, np.arange(len(geometry.value))), CONTEXTS_PER_VALUE * 8)
    return np.concatenate([_spread_out(_whole_first(geometry, group), CONTEXTS_PER_VALUE) for group in groups])


def _whole_first(geometry: ClusterGeometry, samples: Int64[np.ndarray, "sample"]) -> Int64[np.ndarray, "kept"]:
    """Samples whose stored context reaches back to the beginning of the document, where they suffice: a cut context is
    another text."""
    whole = samples[geometry.context_ids[samples, 0] < 0]
    return whole if len(whole) >= CONTEXTS_PER_VALUE else samples


def _spread_out(samples: Int64[np.ndarray, "sample"], count: int) -> Int64[np.ndarray, "chosen"]:
    places = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(np.int64)
    return np.asarray(samples[np.unique(places)])


def _answers(behaviour: Float[np.ndarray, "text behaviour"]) -> Int64[np.ndarray, "text"] | None:
    """The likeliest value of each context, -1 where "other" is likelier; None where that is everywhere."""
    likeliest = behaviour.argmax(axis=1).astype(np.int64)
    answered = np.where(likeliest == behaviour.shape[1] - 1, -1, likeliest)
    return answered if (answered >= 0).any() else None


def _placed(
    manifold: SteeringManifold, geometry: ClusterGeometry, contexts: Contexts
) -> tuple[Float[np.ndarray, "value"], SteeringManifold]:
    """Each value's place and mean residual from its contexts; as the run stores them where it has none."""
    place = geometry.value_coordinate.astype(np.float64)
    residual = geometry.value_residual.astype(np.float64)
    known = geometry.value_count > 0
    for value in range(len(place)):
        mine = contexts.of(value)
        if len(mine):
            place[value] = mean_place(contexts.coordinate[mine], closed=manifold.closed)
            residual[value] = contexts.residual[mine].mean(axis=0, dtype=np.float64)
            known[value] = True
    return place, replace(manifold, value_coordinate=place[known], value_residual=residual[known])


def mean_place(coordinate: Float[np.ndarray, "text"], *, closed: bool) -> float:
    """Mean of coordinates, round the ring where it closes."""
    if not closed:
        return float(coordinate.mean())
    return float(np.angle(np.exp(2j * np.pi * coordinate).mean()) / (2.0 * np.pi) % 1.0)


def _natural(contexts: Contexts, place: Float[np.ndarray, "value"], *, closed: bool) -> BehaviourManifold | None:
    """Spline through the mean behaviour of each value that has contexts."""
    seen = [value for value in range(len(place)) if len(contexts.of(value))]
    if not seen:
        return None
    means = np.stack([contexts.behaviour[contexts.of(value)].mean(axis=0, dtype=np.float64) for value in seen])
    try:
        return fit_behaviour_manifold(means, place[seen], closed=closed)
    except ValueError:
        return None
