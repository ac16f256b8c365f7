"""Relations over years, ages and temperatures."""

from explorer.demo.corpus.relations import Combination, Relation, looked_up
from explorer.demo.corpus.scales import AGE, LIFE_STAGE, TEMPERATURE, WEATHER, YEAR
from explorer.demo.corpus.shared import Counting, counting_relations, run_relations

OFFSETS = (1, 2, 3, 4, 5, 6, 8, 10, 12)
LIFE_STEPS = (5, 10, 20, 30, 40)
"""Ages used in sentences that relate a birth year to a later year."""

YEARS = Counting(
    scale=YEAR,
    unit="year",
    preposition="in",
    offsets=OFFSETS,
    spread=0.95,
    forward=(
        "a house begun in {a} and built for {span} was done in {answer}.",
        "{name} went to sea in {a} and came home {span} later, in {answer}.",
    ),
    backward=(
        "a house done in {a} after {span} was begun in {answer}.",
        "{name} came home in {a} and had gone to sea {span} before, in {answer}.",
    ),
    soft_forward=("a bridge begun in {a} took some {span}, until about {answer}.",),
    soft_backward=("a bridge opened in {a} took some {span}, since about {answer}.",),
)
AGES = Counting(
    scale=AGE,
    unit="year",
    preposition="at",
    offsets=OFFSETS,
    spread=0.95,
    forward=(
        "{name} is {a} and in {span} {name} will be {answer}.",
        "{name} is {a} and {other} is {span} older, so {other} is {answer}.",
        "{other} married at {a} and had a child {span} later, at {answer}.",
        "{name} aged {a} will after {span} be aged {answer}.",
    ),
    backward=(
        "{name} is {a} and {span} ago {name} was {answer}.",
        "{name} is {a} and {other} is {span} younger, so {other} is {answer}.",
        "{other} had a child at {a} and married {span} before, at {answer}.",
        "{name} aged {a} was {span} ago aged {answer}.",
    ),
    soft_forward=(
        "{name} is {a} and {other} looks some {span} older, about {answer}.",
        "{name} is {a} and in roughly {span} {name} will be {answer} or {second}.",
        "{other} looks about {span} older than {name}, who is {a}, so {other} is around {answer}.",
        "{name} left at {a} for some {span} and came home aged about {answer}, perhaps {second}.",
    ),
    soft_backward=(
        "{name} is {a} and {other} looks some {span} younger, about {answer}.",
        "{name} is {a} and roughly {span} ago {name} was {answer} or {second}.",
        "{other} looks about {span} younger than {name}, who is {a}, so {other} is around {answer}.",
        "{name} came home at {a} after some {span} and had left aged about {answer}, perhaps {second}.",
    ),
)
TEMPERATURES = Counting(
    scale=TEMPERATURE,
    unit="degree",
    preposition="at",
    offsets=OFFSETS,
    spread=0.95,
    forward=(
        "it was {a} degrees and rose by {span} to {answer} degrees.",
        "{span} warmer than {a} degrees is {answer} degrees.",
        "it is {a} degrees inside and {span} warmer outside, so outside it is {answer} degrees.",
        "a day of {a} degrees, then {span} more, makes {answer} degrees.",
    ),
    backward=(
        "it was {a} degrees and fell by {span} to {answer} degrees.",
        "{span} colder than {a} degrees is {answer} degrees.",
        "it is {a} degrees inside and {span} colder outside, so outside it is {answer} degrees.",
        "a day of {a} degrees, then {span} less, makes {answer} degrees.",
    ),
    soft_forward=(
        "it was {a} degrees, but in the sun, some {span} warmer, it felt like {answer} or {second} degrees.",
        "it was {a} degrees and rose by about {span} to around {answer} degrees.",
        "roughly {span} warmer than {a} degrees is about {answer} degrees.",
        "after a day of {a} degrees {name} expects some {span} more, perhaps {answer} degrees.",
    ),
    soft_backward=(
        "it was {a} degrees, but in the wind, some {span} colder, it felt like {answer} or {second} degrees.",
        "it was {a} degrees and fell by about {span} to around {answer} degrees.",
        "roughly {span} colder than {a} degrees is about {answer} degrees.",
        "after a day of {a} degrees {name} expects some {span} less, perhaps {answer} degrees.",
    ),
)


def _band(limits: tuple[int, ...], values: range) -> dict[int, int]:
    return {value: sum(value >= limit for limit in limits) for value in values}


def _lives() -> tuple[tuple[str, str, str, int, int], ...]:
    """Tuples of birth year, age and later year as words, then the indices of the later year and the age."""
    return tuple(
        (YEAR.values[birth], str(age), YEAR.values[birth + age], birth + age, age)
        for birth in range(len(YEAR.values))
        for age in LIFE_STEPS
        if birth + age < len(YEAR.values)
    )


LIVES = (
    Relation(
        name="year of an age",
        group="year",
        answers=YEAR,
        wordings=(
            "a man born in {birth} is {age} in {answer}.",
            "{name} was born in {birth} and turned {age} in {answer}.",
            "born in {birth}, {name} was {age} in {answer}.",
        ),
        combinations=tuple(
            Combination({"birth": birth, "age": age}, year, f"life {birth} {age}")
            for birth, age, _, year, _ in _lives()
        ),
        slot_scales={"birth": YEAR, "age": AGE},
        weight=0.7,
    ),
    Relation(
        name="age in a year",
        group="age",
        answers=AGE,
        wordings=(
            "a man born in {birth} was in {later} aged {answer}.",
            "{name} was born in {birth}, so in {later} {name} turned {answer}.",
            "born in {birth}, {name} was by {later} all of {answer}.",
        ),
        combinations=tuple(
            Combination({"birth": birth, "later": later}, years, f"life {birth} {age}")
            for birth, age, later, _, years in _lives()
        ),
        slot_scales={"birth": YEAR, "later": YEAR},
        weight=0.5,
    ),
)
TABLES = (
    Relation(
        name="weather at a temperature",
        group="temperature",
        answers=WEATHER,
        wordings=("it is {a} degrees, {answer}.", "at {a} degrees it is {answer}.", "{a} degrees feels {answer}."),
        combinations=looked_up(TEMPERATURE, WEATHER, _band((4, 12, 19, 27), range(40))),
        slot_scales={"a": TEMPERATURE},
        computed=False,
        weight=0.35,
    ),
    Relation(
        name="stage of life",
        group="age",
        answers=LIFE_STAGE,
        wordings=(
            "{name} is {a}, an age of the {answer}.",
            "at {a} one is called {answer}.",
            "{name} aged {a} is called {answer}.",
        ),
        combinations=looked_up(AGE, LIFE_STAGE, _band((3, 13, 20, 60), range(70))),
        slot_scales={"a": AGE},
        computed=False,
        weight=0.35,
    ),
)

RELATIONS = (
    *counting_relations(YEARS),
    *counting_relations(AGES, shared=False),
    *counting_relations(TEMPERATURES, shared=False),
    *run_relations(YEAR, "the years"),
    *run_relations(AGE, "ages"),
    *run_relations(TEMPERATURE, "degrees"),
    *LIVES,
    *TABLES,
)
