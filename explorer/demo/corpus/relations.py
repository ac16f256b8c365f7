"""Relations: statements about the scales, each a set of wordings times a set of value combinations."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from explorer.demo.corpus.scales import Scale

TAIL_SHARE = 0.06
"""Mixture weight of the wide component (three times the spread) of a soft answer's distribution."""


@dataclass(frozen=True)
class Combination:
    """The values in one statement, and the answer that follows from them."""

    slots: Mapping[str, str]
    """Words that fill the wording's slots, by slot name."""

    answer: int
    """Index of the true answer in the relation's scale; for a soft relation, the centre of the answer distribution."""

    key: str
    """Identifier independent of the wording; shared by exact and soft relations on the same values."""


@dataclass(frozen=True)
class Relation:
    """One kind of statement: wordings times combinations."""

    name: str
    """Unique name in the corpus."""

    group: str
    """Concept that the relation belongs to."""

    answers: Scale
    """Scale of the answers."""

    wordings: tuple[str, ...]
    """Sentence templates; every slot that determines the answer comes before `{answer}`."""

    combinations: tuple[Combination, ...]
    """All true combinations of values."""

    slot_scales: Mapping[str, Scale] = field(default_factory=dict)
    """Scale of each slot that holds a value, by slot name."""

    spread: float = 0.0
    """Standard deviation of the answer, in places of the scale; 0 for an exact relation."""

    computed: bool = True
    """Whether answers can be computed from other combinations, so that some can be held out in every wording."""

    scored: bool = True
    """Whether the answer is determined well enough to evaluate; False for remarks with several valid endings."""

    weight: float = 1.0
    """Sampling weight within the group."""

    @property
    def soft(self) -> bool:
        """Whether the answer is drawn from a distribution around the true one."""
        return self.spread > 0


def bell(scale: Scale, centre: int, spread: float) -> Float[np.ndarray, " value"]:
    """Probability of each value: a mixture of two Gaussians around `centre`, truncated at the ends of an open scale."""
    places = np.array([scale.distance(centre, other) for other in range(len(scale.values))], dtype=float)
    narrow = np.exp(-0.5 * (places / spread) ** 2)
    wide = np.exp(-0.5 * (places / (3 * spread)) ** 2)
    mixed = (1 - TAIL_SHARE) * narrow / narrow.sum() + TAIL_SHARE * wide / wide.sum()
    return np.asarray(mixed / mixed.sum())


def shifts(scale: Scale, spans: Mapping[int, str]) -> tuple[Combination, ...]:
    """All shifts of a value `{a}` by a span `{span}` that stay on the scale; `spans` maps signed offsets to words."""
    found = []
    for index, value in enumerate(scale.values):
        for offset, words in spans.items():
            answer = scale.shifted(index, offset)
            if answer is not None:
                found.append(Combination({"a": value, "span": words}, answer, f"{scale.name} {value} {offset:+d}"))
    return tuple(found)


def runs(scale: Scale, *, step: int) -> tuple[Combination, ...]:
    """All runs of three consecutive values `{a} {b} {c}`, with the next value as the answer."""
    found = []
    for index, value in enumerate(scale.values):
        places = [scale.shifted(index, step * k) for k in range(4)]
        if any(place is None for place in places):
            continue
        _, second, third, answer = (int(place) for place in places if place is not None)
        slots = {"a": value, "b": scale.values[second], "c": scale.values[third]}
        found.append(Combination(slots, answer, f"{scale.name} run {value} {step:+d}"))
    return tuple(found)


def looked_up(scale: Scale, answers: Scale, of: Mapping[int, int]) -> tuple[Combination, ...]:
    """Lookup table from values `{a}` to answers, given as a map of indices."""
    return tuple(
        Combination({"a": scale.values[index]}, answer, f"{scale.name} {scale.values[index]} {answers.name}")
        for index, answer in of.items()
    )
