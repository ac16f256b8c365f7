"""Searchable text of clusters and features: labels, tokens on which features fire, and words of the contexts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Int32

from explorer.records.bundle import packed_text
from explorer.records.cluster import CONTEXT_BEFORE, ClusterSummary
from explorer.records.clustering import FeatureTable
from explorer.runs.run.reader import Run

CONTEXT_REACH = 12
"""Tokens before a sampled token that count as its context."""
MIN_SHARE = 0.3
"""Smallest share of a cluster's samples whose contexts hold a word, for the word to be searchable."""


class ClusterTexts:
    """Cache of clusters' searchable texts; each costs reading one cluster."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, int], str] = {}

    def of(self, run: Run) -> Callable[[ClusterSummary], str]:
        """A function from a cluster of the run to its text: lower case, words separated by spaces, read on demand."""
        table, vocabulary, labels = cache(run.features), cache(run.vocabulary), cache(run.labels)

        def text(one: ClusterSummary) -> str:
            key = (run.digest, one.id)
            if key not in self._texts:
                tokens = core_tokens(table(), one) | words_around(run.cluster(one.id).context_ids)
                words = [vocabulary().text(token) for token in sorted(tokens)]
                named = [given.label for atom in (*one.features, *one.halo) for given in labels().of(atom)]
                self._texts[key] = " ".join((*words, *named)).casefold()
            return self._texts[key]

        return text


def core_tokens(table: FeatureTable, one: ClusterSummary) -> set[int]:
    """Ids of the tokens on which the core features fire most."""
    return {int(token) for feature in one.features for token in table.top_tokens[feature] if token >= 0}


def words_around(context_ids: Int32[np.ndarray, "sample context"]) -> set[int]:
    """Ids of tokens in the contexts of many samples: a ring of hours is found by "hours", which is none of its values.

    Args:
        context_ids: token ids around each sample, -1 where the document ends."""
    near = np.sort(context_ids[:, CONTEXT_BEFORE - CONTEXT_REACH : CONTEXT_BEFORE + 2], axis=1)
    first = np.ones(near.shape, dtype=bool)
    first[:, 1:] = near[:, 1:] != near[:, :-1]
    tokens, counts = np.unique(near[first & (near >= 0)], return_counts=True)
    return {int(token) for token in tokens[counts >= MIN_SHARE * max(len(context_ids), 1)]}


@dataclass(frozen=True)
class FoundFeatures:
    """Result of a search for features."""

    shown: tuple[int, ...] = ()
    """Feature numbers; a match by number comes first."""
    total: int = 0
    """Number of matches."""


class FeatureTexts:
    """Cache of features' searchable labels."""

    def __init__(self) -> None:
        self._texts: dict[str, dict[int, str]] = {}

    def of(self, run: Run) -> dict[int, str]:
        """Feature number to its labels, lower case, separated by spaces; features without labels are missing."""
        if run.digest not in self._texts:
            labels, texts = run.labels(), dict[int, list[str]]()
            for at, feature in enumerate(labels.feature.tolist()):
                texts.setdefault(feature, []).append(packed_text(labels.text_bytes, labels.text_offsets, at))
            self._texts[run.digest] = {feature: " ".join(own).casefold() for feature, own in texts.items()}
        return self._texts[run.digest]


def find_features(run: Run, query: str, texts: FeatureTexts, most: int) -> FoundFeatures:
    """Features whose labels hold every word of a query, or whose number it is.

    Args:
        run: the run to search.
        query: words; an empty query finds nothing.
        texts: cache of labels.
        most: most features in ``shown``.
    """
    words = query.casefold().split()
    if not words:
        return FoundFeatures()
    named = [feature for feature, text in texts.of(run).items() if all(word in text for word in words)]
    numbered = [int(word) for word in words if word.isascii() and word.isdecimal() and len(words) == 1]
    first = [feature for feature in numbered if feature < run.manifest.n_features]
    found = list(dict.fromkeys([*first, *named]))
    return FoundFeatures(tuple(found[:most]), len(found))
