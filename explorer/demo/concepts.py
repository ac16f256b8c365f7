"""Ground-truth concept labels per token of the almanac. Used for scoring and naming, never for discovery."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from explorer.demo.corpus.almanac import FILLERS, RELATIONS, SCALES
from explorer.demo.corpus.cities import CITY, COORDINATES
from explorer.demo.corpus.relations import Combination, Relation
from explorer.demo.corpus.scales import NUMBER_WORDS, Scale
from explorer.demo.tokenizer import words_of

ANSWER_PREFIX = "before "
"""Prefix of the concept of a token whose next token is an answer: "before weekday"."""

SLOT = "answer"
SECOND = "second"


@dataclass(frozen=True)
class ConceptRecord:
    """One line of `concepts.jsonl`."""

    token_index: int
    """Index into the concatenated tokens of all documents."""

    concept: str
    """Name of the scale, prefixed by "before " if the next token is an answer on that scale."""

    value: str
    """The value's word. Before a soft answer this is the true answer, even where the text states a neighbour."""

    order: float | None
    """Position of the value on its scale, in the scale's unit."""

    period: float | None
    """Period of a cyclic scale; None for an open scale."""


@dataclass(frozen=True)
class Pattern:
    """A wording with its slots resolved to word positions."""

    relation: Relation

    slots: Mapping[str, tuple[int, int]]
    """Half-open word range of each slot, by slot name."""

    answers: Mapping[tuple[str, ...], int]
    """Index of the true answer, by the words of the slots in the order of `keys`."""

    keys: tuple[str, ...]
    """Slot names of the relation's combinations."""


@cache
def _word_classes() -> dict[str, str]:
    """Class of each interchangeable word: values by scale, numbers, counts, units, names, things."""
    classes: dict[str, str] = {}
    for relation in RELATIONS:
        for scale in (relation.answers, *relation.slot_scales.values()):
            for value in scale.values:
                classes[value] = "<number>" if value.isdigit() and scale.name != "year" else f"<{scale.name}>"
    classes |= dict.fromkeys((*NUMBER_WORDS, "a", "an"), "<count>")
    for unit in ("day", "month", "hour", "season", "year", "degree", "step"):
        classes |= {unit: f"<{unit}>", f"{unit}s": f"<{unit}>"}
    # "eighth" is both a fraction of a turn and an ordinal.
    classes |= dict.fromkeys(("eighth", "eighths", "quarter", "quarters", "half"), "<ordinal>")
    for slot, words in FILLERS.items():
        classes |= dict.fromkeys(words, "<name>" if slot == "other" else f"<{slot}>")
    return classes


def _skeleton(words: Iterable[str]) -> tuple[str, ...]:
    classes = _word_classes()
    return tuple(classes.get(word, word) for word in words)


def _slot_words(wording: str) -> Iterator[tuple[str, bool]]:
    """The words of a wording, each with whether it is a slot name."""
    for number, part in enumerate(wording.replace("{", "\0{").replace("}", "\0").split("\0")):
        if number % 2:
            yield part[1:], True
        else:
            for word in words_of(part):
                yield word, False


def _forms(relation: Relation) -> list[Combination]:
    """One sample combination per form of the slot words: "three days", "one week and three days"."""
    found: dict[tuple[tuple[str, ...], ...], Combination] = {}
    for combination in relation.combinations:
        found.setdefault(tuple(_skeleton(words_of(words)) for words in combination.slots.values()), combination)
    return list(found.values())


def _pattern(relation: Relation, wording: str, sample: Combination) -> tuple[tuple[str, ...], Pattern]:
    answer = relation.answers.values[sample.answer]
    fill = {**{slot: words[0] for slot, words in FILLERS.items()}, **sample.slots, SLOT: answer, SECOND: answer}
    words: list[str] = []
    slots: dict[str, tuple[int, int]] = {}
    for part, is_slot in _slot_words(wording):
        start = len(words)
        words.extend(words_of(fill[part]) if is_slot else [part])
        if is_slot:
            slots[part] = (start, len(words))
    keys = tuple(sample.slots)
    answers = {
        tuple(combination.slots[key] for key in keys): combination.answer for combination in relation.combinations
    }
    return _skeleton(words), Pattern(relation, slots, answers, keys)


@cache
def patterns() -> Mapping[tuple[str, ...], Pattern]:
    """Every wording of the almanac, by skeleton: its words with values, counts, units and names replaced by classes."""
    found: dict[tuple[str, ...], Pattern] = {}
    for relation in RELATIONS:
        forms = _forms(relation)
        for wording in relation.wordings:
            for form in forms:
                found.setdefault(*_pattern(relation, wording, form))
    return found


def _records(index: int, scale: Scale, value: str, prefix: str = "") -> Iterator[ConceptRecord]:
    if scale is CITY:
        latitude, longitude = COORDINATES[value]
        yield ConceptRecord(index, f"{prefix}city latitude", value, latitude, None)
        yield ConceptRecord(index, f"{prefix}city longitude", value, longitude, None)
        return
    yield ConceptRecord(index, prefix + scale.name, value, scale.orders[scale.values.index(value)], scale.period)


def _sentence_records(words: Sequence[str], first_index: int) -> Iterator[ConceptRecord]:
    pattern = patterns().get(_skeleton(words))
    if pattern is None:
        return
    relation = pattern.relation
    scales = {**relation.slot_scales, SLOT: relation.answers, SECOND: relation.answers}
    for slot, (start, _) in pattern.slots.items():
        if slot in scales and words[start] in scales[slot].values:
            yield from _records(first_index + start, scales[slot], words[start])
    slot_words = tuple(" ".join(words[slice(*pattern.slots[key])]) for key in pattern.keys)
    if relation.scored and slot_words in pattern.answers:
        truth = relation.answers.values[pattern.answers[slot_words]]
        before = first_index + pattern.slots[SLOT][0] - 1
        yield from _records(before, relation.answers, truth, ANSWER_PREFIX)


def concept_records(documents: Iterable[Sequence[str]]) -> Iterator[ConceptRecord]:
    """Label the tokens of almanac documents.

    `documents` holds the token strings of each document (special tokens included), in stream order. Sentences that
    match no wording get no labels. Records are yielded in token order.
    """
    position = 0
    for document in documents:
        start = 0
        for end, token in enumerate(document):
            if token.startswith("<"):
                start = end + 1
            elif token == ".":
                found = _sentence_records(document[start : end + 1], position + start)
                yield from sorted(found, key=lambda record: (record.token_index, record.concept))
                start = end + 1
        position += len(document)


def write_concepts(path: Path, documents: Iterable[Sequence[str]]) -> int:
    """Write `concepts.jsonl` for a bundle's documents; return the number of records."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in concept_records(documents):
            file.write(json.dumps(asdict(record)) + "\n")
            count += 1
    return count


def scale_names() -> tuple[str, ...]:
    """Names of the scales that records can have; the city scale is represented by its two coordinates."""
    names = (scale.name for scale in SCALES if scale is not CITY)
    return (*names, "city latitude", "city longitude")
