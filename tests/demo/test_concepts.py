"""Concept labels: every value and every token before an answer is labelled, and nothing else."""

import json
from pathlib import Path

import numpy as np

from explorer.demo.concepts import concept_records, patterns, scale_names, write_concepts
from explorer.demo.corpus.almanac import RELATIONS
from explorer.demo.corpus.documents import documents
from explorer.demo.corpus.prompts import prompt_of
from explorer.demo.tokenizer import words_of


def tokens(text: str) -> list[str]:
    return ["<s>", *words_of(text), "</s>"]


def test_labels_of_a_sentence() -> None:
    records = list(concept_records([tokens("three days after Monday is Thursday.")]))
    labels = [(r.token_index, r.concept, r.value, r.order, r.period) for r in records]
    assert labels == [
        (4, "weekday", "Monday", 0.0, 7.0),
        (5, "before weekday", "Thursday", 3.0, 7.0),
        (6, "weekday", "Thursday", 3.0, 7.0),
    ]


def test_soft_answer_is_labelled_with_the_true_answer() -> None:
    text = "two years before 1971 is 1969. about two hours after 23:00 comes 02:00, perhaps 01:00."
    records = [r for r in concept_records([["<s>"], tokens(text)]) if r.concept.startswith("before")]
    assert [(r.concept, r.value) for r in records] == [("before year", "1969"), ("before hour", "01:00")]


def test_sentence_determines_the_concept_of_a_number() -> None:
    text = "it was 14 degrees and rose by two degrees to 16 degrees. Anna is 14 and in two years Anna will be 16."
    concepts = {r.concept for r in concept_records([tokens(text)]) if r.value == "14"}
    assert concepts == {"temperature", "age"}


def test_city_has_two_coordinates() -> None:
    records = list(concept_records([tokens("from Rome, Lisbon lies to the west.")]))
    assert [(r.concept, r.order) for r in records if r.value == "Lisbon"] == [
        ("city latitude", 38.7),
        ("city longitude", -9.1),
    ]
    assert [r.value for r in records if r.concept == "before direction"] == ["west"]


def test_every_wording_is_matched_with_the_true_answer() -> None:
    forms = {r.name: len({" and " in c.slots.get("span", "") for c in r.combinations}) for r in RELATIONS}
    assert len(patterns()) == sum(len(relation.wordings) * forms[relation.name] for relation in RELATIONS)
    rng = np.random.default_rng(0)
    for relation in (r for r in RELATIONS if r.scored):
        for wording in relation.wordings:
            combination = relation.combinations[int(rng.integers(len(relation.combinations)))]
            prompt = prompt_of(relation, wording, combination, rng, "wording")
            rest = wording.split("{answer}")[1].replace("{second}", prompt.answer)
            records = concept_records([tokens(f"{prompt.text} {prompt.answer}{rest}")])
            answers = {(r.value, r.token_index) for r in records if r.concept.startswith("before")}
            assert {value for value, _ in answers} == {prompt.answer}, wording
            assert {index for _, index in answers} == {len(words_of(prompt.text))}


def test_unknown_sentence_has_no_labels() -> None:
    assert list(concept_records([tokens("Monday rose by two degrees to Rome.")])) == []


def test_records_follow_the_stream_and_match_the_file(tmp_path: Path) -> None:
    texts = [tokens(text) for text in documents(200, np.random.default_rng(4))]
    stream = [token for text in texts for token in text]
    records = list(concept_records(texts))
    assert len(records) > 1000
    assert [r.token_index for r in records] == sorted(r.token_index for r in records)
    assert all(stream[r.token_index] == r.value for r in records if not r.concept.startswith("before"))
    assert {r.concept.removeprefix("before ") for r in records} >= set(scale_names())
    assert write_concepts(tmp_path / "concepts.jsonl", texts) == len(records)
    lines = (tmp_path / "concepts.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == records[0].__dict__
