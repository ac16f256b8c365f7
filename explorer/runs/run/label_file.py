"""The labels of a run's features, packed, and the constraints on their file."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from explorer.records.bundle import FeatureLabel, pack_texts, packed_text
from explorer.runs.io.array_checks import Fail, check_offsets, check_range
from explorer.runs.io.files import quoted

MAX_BYTES = 2048
"""Maximum size of a label or a source in bytes: 512 characters of four bytes, as in a bundle."""
_TEXTS = (("text_bytes", "text_offsets", 1), ("source_bytes", "source_offsets", 0))
"""The packed texts with the minimum size of one: a source may be empty, a label may not."""


@dataclass(frozen=True)
class LabelTable:
    """The labels of a run's features, packed as UTF-8; a feature may have any number of labels."""

    feature: Int32[np.ndarray, "label"]
    """Feature of each label, in non-descending order."""
    source: Int32[np.ndarray, "label"]
    """Index of each label's source."""
    text_bytes: UInt8[np.ndarray, "byte"]
    """All labels, concatenated."""
    text_offsets: Int64[np.ndarray, "label_plus_1"]
    """Where each begins."""
    source_bytes: UInt8[np.ndarray, "source_byte"]
    """All sources, concatenated, each once."""
    source_offsets: Int64[np.ndarray, "source_plus_1"]
    """Where each begins."""

    def __len__(self) -> int:
        return len(self.feature)

    def of(self, feature: int) -> tuple[FeatureLabel, ...]:
        """The labels of one feature, in their original order."""
        bounds = np.array([feature, feature + 1], self.feature.dtype)  # another dtype would convert the whole array
        first, last = np.searchsorted(self.feature, bounds).tolist()
        return tuple(
            FeatureLabel(
                feature,
                packed_text(self.text_bytes, self.text_offsets, at),
                packed_text(self.source_bytes, self.source_offsets, int(self.source[at])),
            )
            for at in range(first, last)
        )

    @classmethod
    def pack(cls, labels: Iterable[FeatureLabel]) -> "LabelTable":
        """Pack labels, sorted by feature; labels of one feature keep their order."""
        ordered = sorted(labels, key=lambda one: one.feature)
        sources = {name: number for number, name in enumerate(sorted({one.source for one in ordered}))}
        return cls(
            np.array([one.feature for one in ordered], np.int32),
            np.array([sources[one.source] for one in ordered], np.int32),
            *pack_texts([one.label for one in ordered]),
            *pack_texts(list(sources)),
        )


def check_labels(fail: Fail, labels: LabelTable, n_features: int) -> None:
    """Raise unless labels are sorted by feature, each has a source, and every text is UTF-8 of an allowed length."""
    check_range(fail, "feature", labels.feature, 0, n_features)
    if bool((labels.feature[1:] < labels.feature[:-1]).any()):
        raise fail("decreasing 'feature'", "labels sorted by feature")
    check_range(fail, "source", labels.source, 0, len(labels.source_offsets) - 1)
    for texts, offsets, least in _TEXTS:
        _check_texts(fail, texts, getattr(labels, texts), getattr(labels, offsets), least)


def _check_texts(
    fail: Fail, name: str, text_bytes: UInt8[np.ndarray, "byte"], offsets: Int64[np.ndarray, "text_plus_1"], least: int
) -> None:
    check_offsets(fail, name.replace("bytes", "offsets"), offsets, len(text_bytes))
    lengths = np.diff(offsets)
    check_range(fail, f"lengths in {name}", lengths, least, MAX_BYTES + 1)
    try:
        text_bytes.tobytes().decode("utf-8")
    except UnicodeDecodeError as fault:
        raise fail(f"{quoted(name)} with {fault.reason} at byte {fault.start}", "UTF-8") from fault
    begins = text_bytes[offsets[:-1][lengths > 0]]
    if bool((begins & 0xC0 == 0x80).any()):
        raise fail(f"{quoted(name)} split within a character", "UTF-8, each text complete")
