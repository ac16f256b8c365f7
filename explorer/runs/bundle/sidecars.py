"""The text files of a bundle: concepts, labels and blocks."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from pydantic import Field

from explorer.errors import BundleError
from explorer.records.bundle import Concept, FeatureLabel
from explorer.runs.io.files import file_name, quoted
from explorer.runs.io.strict_json import Strict, encode_json, encode_line, parse_json, parse_lines

MAX_TEXT = 256 << 20
"""Maximum size of a .jsonl in bytes."""
_LONGEST = 512


class _ConceptLine(Strict):
    token_index: int = Field(ge=0)
    concept: str = Field(min_length=1, max_length=_LONGEST)
    value: str = Field(min_length=1, max_length=_LONGEST)
    order: float | None
    period: float | None = Field(default=None, gt=0)


class _LabelLine(Strict):
    feature: int = Field(ge=0)
    label: str = Field(max_length=_LONGEST)
    source: str = Field(max_length=_LONGEST)


def encode_concepts(concepts: Iterable[Concept]) -> Iterator[bytes]:
    """Lines of concepts.jsonl."""
    return (encode_line(asdict(concept)) for concept in concepts)


def encode_labels(labels: Iterable[FeatureLabel]) -> Iterator[bytes]:
    """Lines of labels.jsonl."""
    return (encode_line(asdict(label)) for label in labels)


def encode_blocks(blocks: Iterable[Iterable[int]]) -> bytes:
    """The document blocks.json."""
    return encode_json([[int(feature) for feature in block] for block in blocks])


def parse_concepts(data: bytes, path: Path, n_tokens: int) -> tuple[Concept, ...]:
    """Parse concepts.jsonl; raises BundleError naming the offending line."""
    concepts = []
    for where, line in parse_lines(data, _ConceptLine, path, BundleError):
        if line.token_index >= n_tokens:
            raise BundleError(where, f"token_index {line.token_index}", f"less than {n_tokens}")
        concepts.append(Concept(line.token_index, line.concept, line.value, line.order, line.period))
    return tuple(concepts)


def parse_labels(data: bytes, path: Path, n_features: int) -> tuple[FeatureLabel, ...]:
    """Parse labels.jsonl; raises BundleError naming the offending line."""
    labels = []
    for where, line in parse_lines(data, _LabelLine, path, BundleError):
        if line.feature >= n_features:
            raise BundleError(where, f"feature {line.feature}", f"less than {n_features}")
        labels.append(FeatureLabel(line.feature, line.label, line.source))
    return tuple(labels)


def parse_blocks(data: bytes, path: Path, n_features: int) -> tuple[tuple[int, ...], ...]:
    """Parse blocks.json, a list of disjoint lists of features; raises BundleError."""
    parsed = parse_json(data, path, BundleError)
    blocks = parsed if isinstance(parsed, list) else [None]
    checked: list[tuple[int, ...]] = []
    seen: set[int] = set()
    for block in blocks:
        if not isinstance(block, list) or not block or not all(type(item) is int for item in block):
            raise BundleError(file_name(path), f"the block {quoted(block)}", "a list of feature numbers")
        if min(block) < 0 or max(block) >= n_features:
            raise BundleError(file_name(path), f"the block {quoted(block)}", f"features below {n_features}")
        if len(set(block)) < len(block) or not seen.isdisjoint(block):
            raise BundleError(file_name(path), f"the block {quoted(block)}", "each feature in one block, once")
        seen.update(block)
        checked.append(tuple(block))
    return tuple(checked)
