"""What a search looks through beside names and values: labels and words of a cluster's features, and those around."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Int32

from explorer.records import CONTEXT_BEFORE, ClusterSummary, FeatureTable, packed_text
from explorer.runs.run.reader import Run

NEAR = 12
"""A word so many tokens before a drawn token, or nearer, stands around it."""
OFTEN = 0.3
"""Share of a cluster's drawn tokens around which a word stands, for the cluster to be about it."""


class ClusterTexts:
    """Searched texts, kept once they were read: each costs the reading of one cluster."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], str] = {}

    def of(self, run: Run) -> Callable[[ClusterSummary], str]:
        """A function from a cluster to its text, lower case, one word after another; it reads what it is asked for."""
        table, vocabulary, labels = cache(run.features), cache(run.vocabulary), cache(run.labels)

        def text(one: ClusterSummary) -> str:
            key = (run.digest, one.id)
            if key not in self._kept:
                tokens = core_tokens(table(), one) | words_around(run.cluster(one.id).context_ids)
                words = [vocabulary().text(token) for token in sorted(tokens)]
                named = [given.label for atom in (*one.features, *one.halo) for given in labels().of(atom)]
                self._kept[key] = " ".join((*words, *named)).casefold()
            return self._kept[key]

        return text


def core_tokens(table: FeatureTable, one: ClusterSummary) -> set[int]:
    """Tokens on which the core's features fire most."""
    return {int(token) for feature in one.features for token in table.top_tokens[feature] if token >= 0}


def words_around(context_ids: Int32[np.ndarray, "sample context"]) -> set[int]:
    """Tokens that stand around many of the drawn tokens: a ring of hours is about "hours", though it names none."""
    near = np.sort(context_ids[:, CONTEXT_BEFORE - NEAR : CONTEXT_BEFORE + 2], axis=1)
    first = np.ones(near.shape, dtype=bool)
    first[:, 1:] = near[:, 1:] != near[:, :-1]
    tokens, counts = np.unique(near[first & (near >= 0)], return_counts=True)
    return {int(token) for token in tokens[counts >= OFTEN * max(len(context_ids), 1)]}


@dataclass(frozen=True)
class FoundFeatures:
    """The features that a search finds, those that are shown and how many there are."""

    shown: tuple[int, ...] = ()
    """Feature numbers, the one that was asked for by its number first."""
    total: int = 0
    """How many were found."""


class FeatureTexts:
    """Searched labels, kept once they were read."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[int, str]] = {}

    def of(self, run: Run) -> dict[int, str]:
        """All labels of each feature that has any, lower case, one after another."""
        if run.digest not in self._kept:
            labels, texts = run.labels(), dict[int, list[str]]()
            for at, feature in enumerate(labels.feature.tolist()):
                texts.setdefault(feature, []).append(packed_text(labels.text_bytes, labels.text_offsets, at))
            self._kept[run.digest] = {feature: " ".join(own).casefold() for feature, own in texts.items()}
        return self._kept[run.digest]


def find_features(run: Run, query: str, texts: FeatureTexts, most: int) -> FoundFeatures:
    """The features whose number a search is, or whose labels hold each of its words.

    Args:
        run: the run.
        query: what is searched for; nothing finds nothing.
        texts: the labels of runs.
        most: how many are shown.
    """
    words = query.casefold().split()
    if not words:
        return FoundFeatures()
    named = [feature for feature, text in texts.of(run).items() if all(word in text for word in words)]
    numbered = [int(word) for word in words if word.isascii() and word.isdecimal() and len(words) == 1]
    first = [feature for feature in numbered if feature < run.manifest.n_features]
    found = list(dict.fromkeys([*first, *named]))
    return FoundFeatures(tuple(found[:most]), len(found))
