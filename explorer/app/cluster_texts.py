"""What a search looks through beside names and values: labels and words of a cluster's features, and those around."""

from collections.abc import Callable
from functools import cache

import numpy as np
from jaxtyping import Int32

from explorer.records import CONTEXT_BEFORE, ClusterSummary, FeatureTable
from explorer.runs.run import Run

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
