"""Random generation of the almanac's text: documents of a few sentences on related concepts."""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from explorer.demo.corpus.almanac import FILLERS, GROUP_WEIGHTS, RELATED, groups, relations_of
from explorer.demo.corpus.heldout import combination_held_out, wording_held_out
from explorer.demo.corpus.relations import Combination, Relation, bell

SENTENCES_PER_DOCUMENT = (2, 3, 4)
RELATED_SHARE = 0.2
"""Probability that a sentence after the first is about a related concept."""


def fillers(rng: np.random.Generator) -> dict[str, str]:
    """Draw a word for each filler slot; `name` and `other` differ."""
    drawn = {slot: words[int(rng.random() * len(words))] for slot, words in FILLERS.items()}
    if drawn["other"] == drawn["name"]:
        names = FILLERS["name"]
        drawn["other"] = names[(names.index(drawn["name"]) + 1) % len(names)]
    return drawn


@dataclass(frozen=True)
class Speaker:
    """Sentence generator of one relation, with its precomputed tables."""

    relation: Relation

    pairs: tuple[tuple[str, Combination], ...]
    """(wording, combination) pairs that are not held out."""

    odds: tuple[tuple[float, ...], ...]
    """Cumulative answer probabilities, by index of the true answer; empty for an exact relation."""

    def say(self, rng: np.random.Generator) -> str:
        """Draw a sentence."""
        wording, combination = self.pairs[int(rng.random() * len(self.pairs))]
        answers = self.relation.answers.values
        first = second = combination.answer
        if self.relation.soft:
            first = second = self._near(combination.answer, rng)
            while "{second}" in wording and second == first:
                second = self._near(combination.answer, rng)
        words = {**combination.slots, **fillers(rng), "answer": answers[first], "second": answers[second]}
        return wording.format_map(words)

    def _near(self, centre: int, rng: np.random.Generator) -> int:
        odds = self.odds[centre]
        return min(bisect(odds, rng.random()), len(odds) - 1)


def speaker(relation: Relation) -> Speaker:
    """Sentence generator of a relation, excluding held-out pairs."""
    pairs = tuple(
        (wording, combination)
        for combination in relation.combinations
        if not combination_held_out(relation, combination)
        for wording in relation.wordings
        if not wording_held_out(relation, wording, combination)
    )
    centres = range(len(relation.answers.values)) if relation.soft else ()
    odds = tuple(tuple(np.cumsum(bell(relation.answers, centre, relation.spread)).tolist()) for centre in centres)
    return Speaker(relation, pairs, odds)


@dataclass(frozen=True)
class Chapter:
    """Sentence generator of one concept."""

    speakers: tuple[Speaker, ...]
    """One speaker per relation of the concept."""

    odds: tuple[float, ...]
    """Cumulative sampling weights of the speakers."""

    def say(self, rng: np.random.Generator) -> str:
        """Draw a sentence about the concept."""
        return self.speakers[bisect(self.odds, rng.random() * self.odds[-1])].say(rng)


def chapters() -> dict[str, Chapter]:
    """Sentence generators of all concepts, by name."""
    found = {}
    for group in groups():
        relations = relations_of(group)
        odds = tuple(accumulate(relation.weight for relation in relations))
        found[group] = Chapter(tuple(speaker(relation) for relation in relations), odds)
    return found


def documents(n_docs: int, rng: np.random.Generator) -> Iterator[str]:
    """Generate `n_docs` documents of two to four sentences; deterministic in the state of `rng`."""
    book = chapters()
    names = groups()
    odds = tuple(accumulate(GROUP_WEIGHTS[name] for name in names))
    for _ in range(n_docs):
        group = names[bisect(odds, rng.random() * odds[-1])]
        n_sentences = SENTENCES_PER_DOCUMENT[int(rng.random() * len(SENTENCES_PER_DOCUMENT))]
        sentences = [book[group].say(rng)]
        for _ in range(n_sentences - 1):
            aside = rng.random() < RELATED_SHARE
            choices = RELATED[group]
            topic = choices[int(rng.random() * len(choices))] if aside else group
            sentences.append(book[topic].say(rng))
        yield " ".join(sentences)


def write_text(path: Path, n_docs: int, *, seed: int) -> None:
    """Write documents as input for `explorer harvest`: one per line, separated by blank lines."""
    text = "\n\n".join(documents(n_docs, np.random.default_rng(seed)))
    path.write_text(text + "\n", encoding="utf-8")
