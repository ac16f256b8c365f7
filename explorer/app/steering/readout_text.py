"""Readout classes in their editable form, one value per line ("Monday = Monday | Mon"), and the parser."""

import numpy as np

from explorer.app.view.state import MAX_TEXT
from explorer.errors import RequestError
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.steering.protocol.behaviour import ReadoutValue

MOST_VALUES = 256
"""Limit of the protocol."""
MOST_SPELLINGS = 8
"""Spellings of one value; each is read with and without a leading space."""
LONGEST = 200
"""Characters of a name or a spelling."""


def proposed_readout(summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary) -> str:
    """The cluster's values, each with the spellings of its tokens in the run's text."""
    seen = geometry.context_ids[:, CONTEXT_BEFORE + summary.value_offset]
    lines = []
    for index, name in enumerate(summary.order):
        own = np.unique(seen[geometry.value == index])
        texts = dict.fromkeys((name.strip(), *(vocabulary.text(int(token)).strip() for token in own if token >= 0)))
        lines.append(_line(name.strip(), [text for text in texts if text][:MOST_SPELLINGS]))
    return "\n".join(lines)


def read_readout(text: str) -> tuple[ReadoutValue, ...]:
    """Parse the field.

    Raises:
        RequestError: too many values or spellings, or too long ones.
    """
    lines = [line.strip() for line in text[: MAX_TEXT + 1].splitlines() if line.strip()]
    if len(text) > MAX_TEXT or not 1 <= len(lines) <= MOST_VALUES:
        wanted = f"1 to {MOST_VALUES} lines, at most {MAX_TEXT} characters"
        raise RequestError("readout", f"{len(lines)} values in {len(text)} characters", wanted)
    return tuple(map(_value, lines))


def same_readout(one: str, other: str) -> bool:
    """Whether two fields have the same content."""
    mine, theirs = ([line.split() for line in text.splitlines() if line.strip()] for text in (one, other))
    return mine == theirs


def _line(name: str, spellings: list[str]) -> str:
    return name if spellings == [name] else f"{name} = {' | '.join(spellings)}"


def _value(line: str) -> ReadoutValue:
    name, equals, rest = line.partition(" = ")
    spellings = [part.strip() for part in rest.split(" | ") if part.strip()] if equals else [name]
    if not 1 <= len(spellings) <= MOST_SPELLINGS or any(len(part) > LONGEST for part in (name, *spellings)):
        wanted = f"1 to {MOST_SPELLINGS} spellings of at most {LONGEST} characters"
        raise RequestError("readout", f"{line[:40]!r}", wanted)
    return ReadoutValue(name=name, spellings=tuple(form for part in spellings for form in (part, f" {part}")))
