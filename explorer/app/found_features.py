"""Which features a search finds, by number and by label, wherever they are: in a cluster, noise, or left out."""

from dataclasses import dataclass

from explorer.records import packed_text
from explorer.runs.run import Run


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
