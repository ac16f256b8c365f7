"""Evaluation prompts: held-out statements, cut before their answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explorer.demo.corpus.almanac import RELATIONS
from explorer.demo.corpus.documents import fillers
from explorer.demo.corpus.heldout import combination_held_out, wording_held_out
from explorer.demo.corpus.relations import Combination, Relation

Kind = Literal["wording", "combination"]
"""What is held out: the values in this wording, or the combination of values in every wording."""


@dataclass(frozen=True)
class Prompt:
    """A prompt with its expected answer."""

    text: str
    """The statement before the answer."""

    answer: str
    """The expected most likely next word; for a soft relation, the centre of the answer distribution."""

    group: str
    """Concept that the prompt is scored under."""

    relation: str
    """Name of the prompt's relation."""

    soft: bool
    """Whether training text also gives neighbours of the true answer."""

    kind: Kind


def prompt_of(
    relation: Relation, wording: str, combination: Combination, rng: np.random.Generator, kind: Kind
) -> Prompt:
    """The statement, cut before its answer."""
    opening = wording.split("{answer}")[0].rstrip()
    text = opening.format_map({**combination.slots, **fillers(rng)})
    answer = relation.answers.values[combination.answer]
    return Prompt(text, answer, relation.group, relation.name, relation.soft, kind)


def _held_out(rng: np.random.Generator) -> Iterator[Prompt]:
    for relation in RELATIONS:
        if not relation.scored:
            continue
        for combination in relation.combinations:
            new_values = combination_held_out(relation, combination)
            for wording in relation.wordings:
                if new_values:
                    yield prompt_of(relation, wording, combination, rng, "combination")
                elif wording_held_out(relation, wording, combination):
                    yield prompt_of(relation, wording, combination, rng, "wording")


def held_out_prompts(rng: np.random.Generator, *, per_concept: int | None = None) -> tuple[Prompt, ...]:
    """All held-out prompts, or a uniform sample of at most `per_concept` per concept and kind."""
    prompts = list(_held_out(rng))
    if per_concept is None:
        return tuple(prompts)
    chosen: list[Prompt] = []
    for key in sorted({(prompt.group, prompt.kind) for prompt in prompts}):
        same = [prompt for prompt in prompts if (prompt.group, prompt.kind) == key]
        picked = rng.permutation(len(same))[:per_concept]
        chosen.extend(same[i] for i in sorted(picked))
    return tuple(chosen)
