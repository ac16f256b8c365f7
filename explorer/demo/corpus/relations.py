"""Relations: what the almanac says about its scales, in many wordings over many combinations of values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from explorer.demo.corpus.scales import Scale

TAIL_SHARE = 0.06
"""Share of a soft answer's probability that lies in a bell three times as wide."""


@dataclass(frozen=True)
class Combination:
    """The values that one statement is about, and the answer that follows from them."""

    slots: Mapping[str, str]
    """Words by slot name, as a wording asks for them."""

    answer: int
    """Index of the true answer in the relation's scale; the centre of the bell where the relation is soft."""

    key: str
    """Names the combination whatever the wording; shared by the exact and the soft relation on the same values."""


@dataclass(frozen=True)
class Relation:
    """One thing that can be said: wordings times combinations."""

    name: str
    """Unique in the corpus."""

    group: str
    """The concept that it is counted under."""

    answers: Scale
    """Where the answer is taken from."""

    wordings: tuple[str, ...]
    """Sentences with `{slots}`; everything that the answer follows from stands before `{answer}`."""

    combinations: tuple[Combination, ...]
    """Every combination of values that is true."""

    slot_scales: Mapping[str, Scale] = field(default_factory=dict)
    """Scale of each slot that holds a value."""

    spread: float = 0.0
    """Standard deviation of the answer in places of the scale; 0 means that only the true answer is said."""

    computed: bool = True
    """Whether the answer follows from the others by arithmetic, so that some combinations can be held out entirely."""

    scored: bool = True
    """Whether the answer is certain enough to be asked for: false for remarks that could end in several ways."""

    weight: float = 1.0
    """How often it is said beside the other relations of its group."""

    @property
    def soft(self) -> bool:
        """Whether neighbours of the true answer are said too."""
        return self.spread > 0


def bell(scale: Scale, centre: int, spread: float) -> Float[np.ndarray, " value"]:
    """Probability of each value of the scale: a bell around `centre` with a faint wide tail, cut at open ends."""
    places = np.array([scale.distance(centre, other) for other in range(len(scale.values))], dtype=float)
    narrow = np.exp(-0.5 * (places / spread) ** 2)
    wide = np.exp(-0.5 * (places / (3 * spread)) ** 2)
    mixed = (1 - TAIL_SHARE) * narrow / narrow.sum() + TAIL_SHARE * wide / wide.sum()
    return np.asarray(mixed / mixed.sum())


def shifts(scale: Scale, spans: Mapping[int, str]) -> tuple[Combination, ...]:
    """Every value `{a}` moved by every offset `{span}` (signed offset to words) that stays on the scale."""
    found = []
    for index, value in enumerate(scale.values):
        for offset, words in spans.items():
            answer = scale.shifted(index, offset)
            if answer is not None:
                found.append(Combination({"a": value, "span": words}, answer, f"{scale.name} {value} {offset:+d}"))
    return tuple(found)


def runs(scale: Scale, *, step: int) -> tuple[Combination, ...]:
    """Three values `{a} {b} {c}` that follow one another, and the next."""
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
    """A table: value `{a}` (index) to answer (index)."""
    return tuple(
        Combination({"a": scale.values[index]}, answer, f"{scale.name} {scale.values[index]} {answers.name}")
        for index, answer in of.items()
    )
