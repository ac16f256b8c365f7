"""The whole almanac: all relations, and the sampling weight of each concept."""

from explorer.demo.corpus import calendar, cities, numbers, wheels
from explorer.demo.corpus.relations import Relation
from explorer.demo.corpus.scales import (
    AGE,
    COLOUR,
    COMPASS,
    HOUR,
    MONTH,
    ORDINAL,
    SEASON,
    TEMPERATURE,
    WEEKDAY,
    YEAR,
    Scale,
)

RELATIONS: tuple[Relation, ...] = (*calendar.RELATIONS, *numbers.RELATIONS, *wheels.RELATIONS, *cities.RELATIONS)

SCALES: tuple[Scale, ...] = (
    WEEKDAY, MONTH, SEASON, HOUR, YEAR, AGE, TEMPERATURE, COMPASS, COLOUR, ORDINAL, cities.CITY,
)  # fmt: skip

GROUP_WEIGHTS: dict[str, float] = {
    "weekday": 1.0,
    "month": 1.1,
    "season": 0.35,
    "ordinal": 0.45,
    "hour": 1.6,
    "year": 2.6,
    "age": 2.3,
    "temperature": 2.0,
    "direction": 0.8,
    "colour": 1.1,
    "city": 1.0,
}
"""Sampling weight of each concept as a document's topic; larger scales need more text."""

RELATED: dict[str, tuple[str, ...]] = {
    "weekday": ("month", "hour", "ordinal"),
    "month": ("season", "weekday", "ordinal", "temperature"),
    "season": ("month", "temperature"),
    "ordinal": ("month", "weekday"),
    "hour": ("weekday", "temperature"),
    "year": ("age", "month"),
    "age": ("year",),
    "temperature": ("hour", "season"),
    "direction": ("city",),
    "colour": ("season",),
    "city": ("direction",),
}
"""Related concepts that a document may turn to, by topic."""

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Henry", "Ida", "Jonas", "Karin", "Leo")
THINGS = ("parcel", "letter", "crate", "book", "chest", "barrel", "postcard", "basket")
FILLERS: dict[str, tuple[str, ...]] = {"name": NAMES, "other": NAMES, "thing": THINGS}
"""Interchangeable words by slot name, which do not affect the answer; `name` and `other` differ."""


def groups() -> tuple[str, ...]:
    """All concepts in a fixed order."""
    return tuple(GROUP_WEIGHTS)


def relations_of(group: str) -> tuple[Relation, ...]:
    """The relations of a concept."""
    return tuple(relation for relation in RELATIONS if relation.group == group)
