"""Scales: the ordered values of the almanac's concepts, each a single word of the vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """An ordered set of values, each a single token."""

    name: str
    """Name of the scale, as used in `concepts.jsonl`."""

    values: tuple[str, ...]
    """Words of the values, in order."""

    orders: tuple[float, ...]
    """Position of each value, in the scale's own unit (days, hours, degrees ...)."""

    period: float | None = None
    """Period of a cyclic scale in the unit of `orders`; None for an open scale."""

    def shifted(self, index: int, offset: int) -> int | None:
        """Index of the value `offset` places on, or None past the end of an open scale."""
        moved = index + offset
        if self.period is not None:
            return moved % len(self.values)
        return moved if 0 <= moved < len(self.values) else None

    def distance(self, first: int, second: int) -> float:
        """Number of places between two values, by the shorter way round on a cyclic scale."""
        places = abs(first - second)
        return min(places, len(self.values) - places) if self.period is not None else places


def cyclic(name: str, words: str) -> Scale:
    """Cyclic scale of evenly spaced values, from space-separated words."""
    values = tuple(words.split())
    return Scale(name, values, tuple(float(i) for i in range(len(values))), float(len(values)))


def counted(name: str, first: int, last: int) -> Scale:
    """Open scale of the integers from `first` to `last` inclusive."""
    numbers = range(first, last + 1)
    return Scale(name, tuple(str(n) for n in numbers), tuple(float(n) for n in numbers))


def listed(name: str, words: str) -> Scale:
    """Open scale of evenly spaced values, from space-separated words."""
    values = tuple(words.split())
    return Scale(name, values, tuple(float(i) for i in range(len(values))))


WEEKDAY = cyclic("weekday", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTH = cyclic("month", "January February March April May June July August September October November December")
SEASON = cyclic("season", "winter spring summer autumn")
HOUR = cyclic("hour", " ".join(f"{hour:02d}:00" for hour in range(24)))
COMPASS = cyclic("direction", "north north-east east south-east south south-west west north-west")
COLOUR = cyclic("colour", "red vermilion orange amber yellow chartreuse green teal blue violet purple magenta")
"""The painters' colour wheel: red, yellow and blue a third of a turn apart, with their mixtures between them."""

YEAR = counted("year", 1940, 1999)
AGE = counted("age", 0, 69)
TEMPERATURE = counted("temperature", 0, 39)
ORDINAL = listed("ordinal", "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")
DAY_PART = listed("part of the day", "night morning afternoon evening")
WEATHER = listed("weather", "freezing cold mild warm hot")
LIFE_STAGE = listed("stage of life", "infant child teenager adult elder")

NUMBERS_AS_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBER_WORDS = tuple(NUMBERS_AS_WORDS.split())


def span(count: int, unit: str) -> str:
    """Phrase for a number of units: "one day", "three days"."""
    return f"{NUMBER_WORDS[count]} {unit}" if count == 1 else f"{NUMBER_WORDS[count]} {unit}s"


def with_turns(spans: Mapping[int, str], turn: str, places: int) -> dict[int, str]:
    """Add to each span the one that is a full turn longer: "three days", "one week and three days"."""
    return {**spans, **{places + n: f"{turn} and {words}" for n, words in spans.items()}}
