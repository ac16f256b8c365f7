"""The corpus: statements are true, text is deterministic in the seed, and held-out sentences never occur."""

import datetime
import math
import re
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from explorer.demo.corpus.almanac import FILLERS, GROUP_WEIGHTS, RELATIONS, groups, relations_of
from explorer.demo.corpus.cities import COORDINATES
from explorer.demo.corpus.documents import documents, write_text
from explorer.demo.corpus.heldout import combination_held_out, wording_held_out
from explorer.demo.corpus.prompts import held_out_prompts
from explorer.demo.corpus.relations import Relation, bell
from explorer.demo.corpus.scales import COLOUR, COMPASS, HOUR, MONTH, ORDINAL, SEASON, WEEKDAY, YEAR

COUNT_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = {word: n for n, word in enumerate(COUNT_WORDS.split())}
EIGHTHS = {
    "an eighth": 1, "a quarter": 2, "three eighths": 3, "a half": 4, "five eighths": 5, "three quarters": 6,
    "one turn": 8,
}  # fmt: skip
COMPASS_DEGREES = {name: 45 * i for i, name in enumerate(COMPASS.values)}
A_MONDAY = datetime.date(2024, 1, 1)

Slots = Mapping[str, str]


def sign(relation: Relation) -> int:
    return -1 if relation.name.endswith(("back", "left")) else 1


def length(relation: Relation, slots: Slots) -> dict[str, int]:
    """Signed counts by unit: "one week and two days" backwards is {"weeks": -1, "days": -2}."""
    parts = (part.split() for part in slots["span"].split(" and "))
    return {f"{unit.removesuffix('s')}s": sign(relation) * NUMBERS[word] for word, unit in parts}


def day(relation: Relation, slots: Slots) -> str:
    start = next(
        A_MONDAY + datetime.timedelta(n) for n in range(7) if f"{A_MONDAY + datetime.timedelta(n):%A}" == slots["a"]
    )
    return f"{start + datetime.timedelta(**length(relation, slots)):%A}"


def month(relation: Relation, slots: Slots) -> str:
    start = datetime.datetime.strptime(slots["a"], "%B").month
    shift = length(relation, slots)
    return datetime.date(2024, (start - 1 + shift["months"] + 12 * shift.get("years", 0)) % 12 + 1, 1).strftime("%B")


def hour(relation: Relation, slots: Slots) -> str:
    clock = datetime.datetime.strptime(slots["a"], "%H:%M") + datetime.timedelta(**length(relation, slots))
    return f"{clock:%H:%M}"


def number(relation: Relation, slots: Slots) -> str:
    (places,) = length(relation, slots).values()
    return str(int(slots["a"]) + places)


def turned(relation: Relation, slots: Slots) -> str:
    eighths = sum(EIGHTHS[part] for part in slots["span"].split(" and "))
    degrees = (COMPASS_DEGREES[slots["a"]] + sign(relation) * 45 * eighths) % 360
    return next(name for name, at in COMPASS_DEGREES.items() if at == degrees)


def hue(relation: Relation, slots: Slots) -> str:
    wheel = COLOUR.values
    shift = length(relation, slots)
    return wheel[(wheel.index(slots["a"]) + shift["steps"] + 12 * shift.get("rounds", 0)) % 12]


def season(relation: Relation, slots: Slots) -> str:
    if slots["a"] in MONTH.values:
        return season_of(month(relation, slots))
    circle = ("spring", "summer", "autumn", "winter")
    return circle[(circle.index(slots["a"]) + length(relation, slots)["seasons"]) % 4]


def season_of(name: str) -> str:
    """Meteorological season of a month."""
    number = datetime.datetime.strptime(name, "%B").month
    return ("winter", "spring", "summer", "autumn")[number % 12 // 3]


TRUTH: dict[str, Callable[[Relation, Slots], str]] = {
    "weekday": day, "month": month, "hour": hour, "year": number, "age": number, "temperature": number,
    "direction": turned, "colour": hue, "season": season,
}  # fmt: skip


@pytest.mark.parametrize("relation", [r for r in RELATIONS if "span" in r.combinations[0].slots], ids=lambda r: r.name)
def test_counting_relations_are_true(relation: Relation) -> None:
    assert len(relation.combinations) >= 12
    for combination in relation.combinations:
        assert relation.answers.values[combination.answer] == TRUTH[relation.group](relation, combination.slots)


def answers(name: str) -> list[tuple[Slots, str]]:
    relation = next(r for r in RELATIONS if r.name == name)
    return [(c.slots, relation.answers.values[c.answer]) for c in relation.combinations]


def test_birth_year_plus_age_is_the_later_year() -> None:
    assert all(int(slots["birth"]) + int(slots["age"]) == int(year) for slots, year in answers("year of an age"))
    assert all(int(slots["later"]) - int(slots["birth"]) == int(age) for slots, age in answers("age in a year"))


def test_painters_mixtures() -> None:
    mixed = {(slots["a"], slots["b"]): answer for slots, answer in answers("mixture of colours")}
    assert mixed["red", "yellow"] == mixed["yellow", "red"] == "orange"
    assert (mixed["yellow", "blue"], mixed["blue", "red"]) == ("green", "purple")
    assert mixed["red", "orange"] == "vermilion"


def test_lookup_tables() -> None:
    seasons = {slots["a"]: answer for slots, answer in answers("season of a month")}
    assert [seasons[m] for m in MONTH.values] == ["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["autumn"] * 3 + [
        "winter"
    ]
    parts = {slots["a"]: answer for slots, answer in answers("part of the day")}
    assert (parts["03:00"], parts["09:00"], parts["15:00"], parts["20:00"]) == (
        "night",
        "morning",
        "afternoon",
        "evening",
    )
    weather = {int(slots["a"]): answer for slots, answer in answers("weather at a temperature")}
    assert (weather[0], weather[14], weather[35]) == ("freezing", "mild", "hot")
    assert {s["a"]: a for s, a in answers("month of an ordinal")}["third"] == "March"
    assert {s["a"]: a for s, a in answers("weekday of an ordinal")}["seventh"] == "Sunday"
    assert len(ORDINAL.values) == 12


def test_city_relations_agree_with_coordinates() -> None:
    bearings = answers("bearing of a city")
    assert ({"a": "Rome", "b": "Lisbon"}, "west") in bearings
    for slots, direction in bearings:
        (lat1, lon1), (lat2, lon2) = COORDINATES[slots["a"]], COORDINATES[slots["b"]]
        east = (lon2 - lon1) * math.cos(math.radians((lat1 + lat2) / 2))
        toward = {"north": lat2 - lat1, "south": lat1 - lat2, "east": east, "west": -east}
        assert toward[direction] == max(toward.values())
    for slots, winner in answers("the city further on"):
        axis, toward = (0, "north") if slots["way"] in ("north", "south") else (1, "east")
        rank = sorted((slots["a"], slots["b"]), key=lambda city: COORDINATES[city][axis])
        assert winner == (rank[-1] if slots["way"] == toward else rank[0])
    assert len(COORDINATES) >= 30
    for slots, city in answers("remark on two cities"):
        assert slots["way"] != "north" or COORDINATES[slots["a"]][0] > COORDINATES[city][0]


@pytest.mark.parametrize("scale", [WEEKDAY, HOUR, YEAR, SEASON], ids=lambda scale: scale.name)
def test_answer_distribution_is_centred_and_smooth(scale) -> None:
    for centre in range(len(scale.values)):
        odds = bell(scale, centre, 0.9)
        assert odds.sum() == pytest.approx(1)
        assert odds.argmax() == centre
        neighbour = scale.shifted(centre, 1) or centre - 1
        assert 0.2 < odds[neighbour] < 0.9 * odds[centre]


def test_soft_sentences_are_common() -> None:
    for group in set(groups()) - {"ordinal"}:
        weights = [(r.weight, r.soft) for r in relations_of(group)]
        soft = sum(weight for weight, is_soft in weights if is_soft) / sum(weight for weight, _ in weights)
        assert 0.2 <= soft <= 0.65


def test_same_seed_same_text(tmp_path) -> None:
    first, again, other = (list(documents(50, np.random.default_rng(seed))) for seed in (3, 3, 4))
    assert first == again
    assert not set(first) & set(other)
    write_text(tmp_path / "text.txt", 50, seed=3)
    assert (tmp_path / "text.txt").read_text().rstrip("\n").split("\n\n") == first


def masked(sentence: str) -> str:
    for slot, words in FILLERS.items():
        sentence = re.sub(rf"\b({'|'.join(words)})\b", "NAME" if slot == "other" else slot.upper(), sentence)
    return sentence


def openings(sentence: str) -> set[str]:
    """All prefixes of a sentence that end with a word or a comma."""
    words = re.split(r"(?=[ ,])", masked(sentence))
    return {"".join(words[:n]) for n in range(1, len(words) + 1)}


@pytest.fixture(scope="module")
def held_out() -> set[str]:
    return {masked(prompt.text) for prompt in held_out_prompts(np.random.default_rng(0))}


def test_held_out_prompts_never_occur_in_text(held_out: set[str]) -> None:
    assert len(held_out) > 3000
    seen = 0
    for text in documents(4000, np.random.default_rng(11)):
        for sentence in text.rstrip(".").split(". "):
            assert not openings(sentence) & held_out, sentence
            seen += 1
    assert seen > 8000


def test_openings_detect_held_out_prompts(held_out: set[str]) -> None:
    for prompt in held_out_prompts(np.random.default_rng(5), per_concept=20):
        assert openings(f"{prompt.text} {prompt.answer}") & held_out, prompt.text


def test_held_out_shares() -> None:
    pairs = [(r, w, c) for r in RELATIONS if r.scored for c in r.combinations for w in r.wordings]
    assert np.mean([wording_held_out(*pair) for pair in pairs]) == pytest.approx(0.10, abs=0.01)
    computed = [(r, c) for r in RELATIONS if r.computed for c in r.combinations]
    assert np.mean([combination_held_out(*pair) for pair in computed]) == pytest.approx(0.03, abs=0.01)


def test_soft_and_exact_relations_share_combination_keys() -> None:
    exact, _, softly, _ = (r for r in relations_of("year") if r.name.split()[-1] in ("on", "back"))
    assert [c.key for c in exact.combinations] == [c.key for c in softly.combinations]


def test_every_concept_has_a_weight() -> None:
    assert {relation.group for relation in RELATIONS} == set(GROUP_WEIGHTS)
    names = [relation.name for relation in RELATIONS]
    assert len(names) == len(set(names))


def test_opening_is_continued_only_by_its_answer() -> None:
    """No wording cut before its answer is a prefix of a wording of the same concept that continues differently."""
    wordings = {(r.group, w) for r in RELATIONS for w in r.wordings}
    for group, wording in wordings:
        opening, _ = wording.split("{answer}")
        for other_group, other in wordings - {(group, wording)}:
            goes_on = other.startswith(opening) and not other.startswith(opening + "{answer}")
            assert group != other_group or not goes_on, (wording, other)
